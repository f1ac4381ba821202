package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"adcredit/tests/fakeasterisk"
	"adcredit/tests/pki"
)

// leaks runs the real binaries at log level debug, keeps all they say, and looks
// through it at the end.
type leaks struct {
	*testing.T
	bin, dir string
	env      []string
	said     bytes.Buffer // by whatever has ended
	serve    *exec.Cmd
	log      string // the file of serve's standard error
	key      string
}

const debug = "log_level = \"debug\"\n"

// newLeaks starts creditapi with account 1001 and an ad of a second.
func newLeaks(t *testing.T) *leaks {
	l := &leaks{T: t, bin: binaries(t), dir: t.TempDir()}
	l.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "STATE_DIRECTORY=" + l.dir,
		"CREDITAPI_CONFIG=" + l.file("creditapi.toml", debug, 0o600), "CREDITAPI_DATABASE=sqlite://" + l.dir + "/adcredit.db", "CREDITAPI_LISTEN=unix://" + l.dir + "/api.sock"}
	for _, prompt := range []string{"offer", "accepted", "thanks", "balance", "cut", "later"} {
		l.tone("sounds/fr/"+prompt+".wav", 50)
	}
	l.tone("sounds/ads/short.wav", 300)
	l.env = append(l.env, "ADCREDIT_CONFIG="+l.file("adcredit.toml", fmt.Sprintf(debug+
		"node = \"ast1\"\nurls = [\"unix://%[1]s/api.sock\"]\nlanguages = [\"fr\"]\nsounds_dir = \"%[1]s/sounds\"\nspool_dir = \"%[1]s/spool\"\nlog = \"stderr\"\n", l.dir), 0o600))
	l.ok("creditapi", "account", "add", "-card", "9700203963", "-alias", "1001", "-cid", "221771234567", "-credit", "0", "-language", "fr")
	l.ok("creditapi", "campaign", "add", "-name", "short", "-sound", "fr="+l.dir+"/sounds/ads/short.wav", "-reward", "50", "-budget", "1000")
	key := l.command("creditapi", "key", "add", "-name", "ast1", "-scope", "agi", "-node", "ast1")
	key.Stderr = &l.said // the key itself is the one thing on standard output
	out, err := key.Output()
	l.key = strings.TrimSuffix(string(out), "\n")
	if err != nil || len(l.key) != len("adc_")+12+1+43 {
		t.Fatalf("key add printed %q, %v", out, err)
	}
	l.start()
	return l
}

func (l *leaks) file(name, text string, mode os.FileMode) string {
	l.Helper()
	path := filepath.Join(l.dir, name)
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		l.Fatal(err)
	}
	return path
}

func (l *leaks) tone(name string, ms int) {
	l.Helper()
	if err := tone(filepath.Join(l.dir, name), ms); err != nil {
		l.Fatal(err)
	}
}

func (l *leaks) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(l.Context(), filepath.Join(l.bin, name), args...)
	cmd.Env = l.env
	return cmd
}

// do runs a program to its end, whatever that is, with variables of its own.
func (l *leaks) do(env []string, name string, args ...string) error {
	cmd := l.command(name, args...)
	cmd.Env = append(append([]string{}, l.env...), env...)
	out, err := cmd.CombinedOutput()
	fmt.Fprintf(&l.said, "%s %s:\n%s", name, strings.Join(args, " "), out)
	return err
}

func (l *leaks) ok(name string, args ...string) {
	l.Helper()
	if out, err := l.command(name, args...).CombinedOutput(); err != nil {
		l.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// fails runs a program that must not succeed.
func (l *leaks) fails(env []string, name string, args ...string) {
	l.Helper()
	if err := l.do(env, name, args...); err == nil {
		l.Errorf("%s %v with %v succeeded", name, args, env)
	}
}

// start runs creditapi serve until the test ends it.
func (l *leaks) start() {
	l.Helper()
	l.log = filepath.Join(l.dir, "serve.log")
	file, err := os.Create(l.log)
	if err != nil {
		l.Fatal(err)
	}
	defer file.Close()
	l.serve = l.command("creditapi", "serve")
	l.serve.Stderr = file
	if err := l.serve.Start(); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { l.serve.Process.Kill(); l.serve.Wait() }) // harmless once it has ended
	l.until("creditapi serves", func() bool { return strings.Contains(l.logged(), "creditapi serves") })
}

func (l *leaks) logged() string {
	l.Helper()
	text, err := os.ReadFile(l.log)
	if err != nil {
		l.Fatal(err)
	}
	return string(text)
}

func (l *leaks) until(what string, done func() bool) {
	l.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !done(); <-tick.C {
		if time.Now().After(end) {
			l.Fatalf("%s: not within 20 s\n%s", what, l.logged())
		}
	}
}

// dump makes a program print all its goroutines, as a crash would.
func (l *leaks) dump(cmd *exec.Cmd) {
	l.Helper()
	if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		l.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		l.Errorf("after SIGQUIT: %v", err)
	}
}

// call plays one call, and keeps what adcredit said of it, not what Asterisk
// was told: that holds the numbers by its nature.
func (l *leaks) call(c fakeasterisk.Call) string {
	l.Helper()
	c.Program, c.Sounds, c.Environ = filepath.Join(l.bin, "adcredit"), l.dir+"/sounds", append(l.env, "ADCREDIT_API_KEY="+l.key)
	ctx, cancel := context.WithTimeout(l.Context(), 20*time.Second)
	defer cancel()
	t, err := fakeasterisk.Play(ctx, c)
	if err != nil {
		l.Fatal(err)
	}
	for _, line := range append(t.Lines(fakeasterisk.Stderr), t.Lines(fakeasterisk.Command)...) {
		fmt.Fprintln(&l.said, line)
	}
	return t.Variables["ADCREDIT_STATUS"]
}

// hidden looks for secrets or numbers in all that was said.
func (l *leaks) hidden(words ...string) {
	l.Helper()
	all := l.said.String() + l.logged()
	for _, word := range words {
		if word == "" || len(all) < 1000 {
			l.Fatalf("%q is looked for in %d bytes", word, len(all))
		}
		for line := range strings.Lines(all) {
			if strings.Contains(line, word) {
				l.Errorf("%s is shown: %s", word, line)
			}
		}
	}
}

// TestSecrets runs both programs through their failures and looks for keys and
// passwords in what they print, log and keep.
func TestSecrets(t *testing.T) {
	l := newLeaks(t)
	const password = "hunter2-p4ss"
	ca := pki.New(t, "ours")
	cert, tlsKey := ca.Pair(t, "127.0.0.1")
	other, _ := ca.Pair(t, "127.0.0.1")
	keyText, err := os.ReadFile(tlsKey)
	if err != nil {
		t.Fatal(err)
	}
	database := func(text string) []string { return []string{"CREDITAPI_DATABASE=" + text} }
	files := 0
	unique := func(text string, mode os.FileMode) string {
		files++
		return l.file(fmt.Sprint("file", files), text, mode)
	}
	config := func(text string) []string {
		return []string{"CREDITAPI_DATABASE=", "CREDITAPI_LISTEN=127.0.0.1:0", "CREDITAPI_CONFIG=" + unique(debug+text, 0o644)}
	}
	passwordFile := func(text string, mode os.FileMode) []string {
		return config(fmt.Sprintf("database = \"mysql://u@127.0.0.1:1/n\"\ndatabase_password_file = %q\n", unique(text, mode)))
	}
	tlsConfig := func(cert, key string) []string {
		return config(fmt.Sprintf("tls_cert = %q\ntls_key = %q\n", cert, key))
	}
	for _, env := range [][]string{
		database("mysql://u:" + password + "@127.0.0.1:1/n"), // nobody answers
		database("mysql://u:" + password + "@:x/n"), database("mysql://u:" + password + "@h/n?tls=1"),
		database("mysql://u:" + password), database(password), database("sqlite:///dev/null/" + "x?" + password),
		database("mysql://u:" + password + "@localhost/n?socket=/nowhere"),
		config("database = \"mysql://u:" + password + "@127.0.0.1:1/n\"\n"), // everybody reads the file
		config("database = \"mysql://u:" + password + "@127.0.0.1:1/n\n"),   // no TOML
		config("database = [\"mysql://u:" + password + "@127.0.0.1:1/n\"]\n"),
		passwordFile(password, 0o600), passwordFile(password, 0o644), passwordFile(password+"\n"+password, 0o600),
		tlsConfig(other, tlsKey), tlsConfig(tlsKey, tlsKey), tlsConfig(cert, unique(string(keyText[:len(keyText)/2]), 0o600)),
		tlsConfig(cert, unique(string(keyText), 0o644)),
	} {
		l.fails(env, "creditapi", "serve")
		l.fails(env, "creditapi", "check")
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	key := func(key string, more ...string) []string { return append([]string{"ADCREDIT_API_KEY=" + key}, more...) }
	secret := l.key[strings.LastIndexByte(l.key[:20], '_')+1:]
	for _, env := range [][]string{
		key(l.key + "x"), key(l.key, "ADCREDIT_URLS=unix:///nowhere"), key(l.key, "ADCREDIT_URLS="+plain.URL),
		key(l.key, "ADCREDIT_URLS="+strings.Replace(plain.URL, "http", "https", 1)), key(l.key + " " + secret),
		key(l.key, "ADCREDIT_URLS=http://u:"+password+"@127.0.0.1:1"),
		{"ADCREDIT_CONFIG=" + unique("key = \""+l.key+"\"\n", 0o644)},
		{"ADCREDIT_CONFIG=" + unique("key_file = \""+unique(l.key+"\n", 0o644)+"\"\n", 0o600)},
	} {
		l.fails(env, "adcredit", "-check")
	}
	l.do(key(l.key), "adcredit", "-help")
	l.do(database("mysql://u:"+password+"@h/n"), "creditapi", "-help")
	for _, account := range []string{"9700203963", "9700203963", "123"} {
		l.call(fakeasterisk.Call{AccountCode: account, Language: "fr", Acts: []fakeasterisk.Act{press}})
	}
	l.call(fakeasterisk.Call{AccountCode: "9700203963", EnvInstead: []byte(l.key + "\n")})
	l.dump(l.serve)
	l.hidden(secret, password, string(keyText[40:80]))
	for _, name := range []string{"adcredit.db", "adcredit.db-wal", "spool"} {
		l.notIn(filepath.Join(l.dir, name), secret)
	}
}

// press accepts the offer.
var press = fakeasterisk.Press(moment("offer@20ms"), "1")

func moment(text string) fakeasterisk.Moment {
	m, err := fakeasterisk.ParseMoment(text)
	if err != nil {
		panic(err)
	}
	return m
}

// notIn looks for a secret in what is kept on disk.
func (l *leaks) notIn(path, secret string) {
	l.Helper()
	err := filepath.Walk(path, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(secret)) {
			l.Errorf("a key is in %s", path)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.Error(err)
	}
}

// TestNumbers plays calls of all kinds and looks for callers' numbers in both
// programs' logs, and in the text that adcredit writes into Asterisk's.
func TestNumbers(t *testing.T) {
	l := newLeaks(t)
	base := fakeasterisk.Call{AccountCode: "9700203963", CallerID: "221771234567", Extension: "221338240000", Language: "fr"}
	call := func(want string, change func(*fakeasterisk.Call)) {
		t.Helper()
		c := base
		change(&c)
		if got := l.call(c); got != want {
			t.Errorf("status %q, want %q\n%s", got, want, &l.said)
		}
	}
	call("DECLINED", func(*fakeasterisk.Call) {})
	call("NOACCOUNT", func(c *fakeasterisk.Call) { c.AccountCode, c.CallerID = "", "221779999999" })
	call("NOACCOUNT", func(c *fakeasterisk.Call) { c.AccountCode = "9700203963x" })
	call("ERROR", func(c *fakeasterisk.Call) { c.CallerID = "221771234567\nagi_accountcode: 9700203963" })
	call("ERROR", func(c *fakeasterisk.Call) { c.CallerID = "221771234567\n9700203963" })
	call("ERROR", func(c *fakeasterisk.Call) { c.EnvTail = []byte("200 result=221771234567\n") })
	call("GRANTED", func(c *fakeasterisk.Call) { c.AccountCode, c.Acts = "", []fakeasterisk.Act{press} })
	call("SUFFICIENT", func(*fakeasterisk.Call) {})
	l.request("GET", "/v1/accounts/card:9700203963/credit?destination=221338240000", "")
	l.request("GET", "/v1/accounts/card:9700203963/nothing", "")
	l.request("GET", "/v1/accounts/cid:+221771234567%00/credit", "")
	l.request("POST", "/v1/listens", `{"account":"cid:+221771234567","call_id":"221771234567 9700203963"}`)
	l.request("POST", "/v1/listens", `{"account":"card:9700203963","call_id":"ast1/1.1","destination":"221338240000","9700203963":1}`)
	l.dump(l.serve)
	call("UNKNOWN", func(*fakeasterisk.Call) {}) // creditapi is gone
	l.hidden("221771234567", "1771234567", "221779999999", "9700203963", "221338240000", "338240000")
	for _, trace := range []string{"account=card:970*****63", "account=cid:221*******67"} {
		if !strings.Contains(l.logged(), trace) || !strings.Contains(l.said.String(), trace) {
			t.Errorf("%s is not in both logs", trace)
		}
	}
}

func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
}

func (l *leaks) request(method, path, body string) {
	l.Helper()
	req, err := http.NewRequestWithContext(l.Context(), method, "http://creditapi"+path, strings.NewReader(body))
	if err != nil {
		l.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "idem-0000000000000001")
	resp, err := overSocket(l.dir + "/api.sock").Do(req)
	if err != nil {
		l.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		l.Fatal(err)
	}
}
