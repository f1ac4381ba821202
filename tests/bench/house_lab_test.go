//go:build lab

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"adcredit/etc"
	"adcredit/tests/fakeasterisk"
	"adcredit/tests/lab"
)

const firstCard = 7_000_000_000

// house is a MariaDB with A2Billing's tables, creditapi on it, and adcredit.
type house struct {
	dir      string
	database *lab.Server
	cards    *lab.Database
	api      *creditapi
	adcredit contender
}

func newHouse(b *testing.B) *house {
	b.Helper()
	h := &house{dir: b.TempDir()}
	if dir := os.Getenv(dataEnv); dir != "" {
		h.database = lab.NewMariaDB(b, lab.MariaDBOptions{Dir: dir})
	} else {
		h.database = lab.MariaDB(b)
	}
	b.Cleanup(func() { h.explain(b) })
	h.build(b, "adcredit", "adcredit/agi/adcredit")
	h.build(b, "creditapi", "adcredit/creditapi")
	h.cards = h.withCards(b, "mya2billing", cards())
	h.api = h.serve(b, h.cards, 8080, nil)

	keyFile, file := filepath.Join(h.dir, "key"), filepath.Join(h.dir, "adcredit.toml")
	must(b, os.WriteFile(keyFile, []byte(h.api.key+"\n"), 0o600))
	// The shipped file as it is, with all its comments: that is what operators run.
	must(b, os.WriteFile(file, []byte(replaced(b, "adcredit.toml", map[string]string{
		"urls": `["http://` + h.api.address + `"]`, "key_file": strconv.Quote(keyFile),
		"spool_dir": strconv.Quote(filepath.Join(h.dir, "spool")), "log": strconv.Quote(filepath.Join(h.dir, "adcredit.log")),
	})), 0o644))
	environ = append(environ, "ADCREDIT_CONFIG="+file)
	h.adcredit = contender{name: "adcredit", path: filepath.Join(h.dir, "adcredit"), sets: 2}
	return h
}

// withCards makes a database as A2Billing is installed, with n cards that have
// credit.
func (h *house) withCards(b *testing.B, name string, n int) *lab.Database {
	b.Helper()
	d := h.database.Database(b, name)
	lab.LoadA2Billing(b, d, lab.MyISAM)
	insertCards(b, d, n, "10 + seq % 100")
	return d
}

// insertCards adds n cards, the last one numbered firstCard+n. Their indexes are
// made at the end, which takes a tenth of the time.
func insertCards(b *testing.B, d *lab.Database, n int, credit string) {
	b.Helper()
	d.Exec(b, fmt.Sprintf(`SET sql_mode=''; ALTER TABLE cc_card DISABLE KEYS;
		INSERT INTO cc_card (username, useralias, credit, activated, status, creationdate)
		SELECT %d + seq, 20000000 + seq, %s, 't', 1, '2020-01-01' FROM seq_1_to_%d;
		ALTER TABLE cc_card ENABLE KEYS; ANALYZE TABLE cc_card`, firstCard, credit, n))
}

// someCard is the name of one of n cards, and the credit that withCards gave it.
func someCard(n int) (card int, credit string) {
	seq := 1 + rand.N(n)
	return firstCard + seq, fmt.Sprintf("%d.00000", 10+seq%100)
}

// explain shows the ends of the logs when something went wrong.
func (h *house) explain(b *testing.B) {
	logs, _ := filepath.Glob(filepath.Join(h.dir, "*.log"))
	for _, name := range logs {
		if text, err := os.ReadFile(name); err == nil && b.Failed() {
			b.Logf("%s ends:\n%s", name, text[max(0, len(text)-2000):])
		}
	}
}

// build makes a program as the Makefile does, and installs it: the linker leaves a
// file in small pieces of the page cache, of which a call in Go takes a ninth longer.
func (h *house) build(b *testing.B, name, pkg string) string {
	b.Helper()
	path := filepath.Join(h.dir, name)
	cmd := exec.Command("go", "build", "-p", "1", "-trimpath", "-ldflags", "-s -w", "-o", path+".built", pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	if out, err := exec.Command("install", "-m", "755", path+".built", path).CombinedOutput(); err != nil {
		b.Fatalf("install %s: %v\n%s", path, err, out)
	}
	return path
}

// creditapi is one that runs.
type creditapi struct {
	address string
	key     string
	cmd     *exec.Cmd
}

// serve migrates the database, makes a key, and starts creditapi on loopback, with
// the shipped configuration but for these keys.
func (h *house) serve(b *testing.B, d *lab.Database, port int, config map[string]string) *creditapi {
	b.Helper()
	a := &creditapi{address: fmt.Sprint("127.0.0.1:", port)}
	file := filepath.Join(h.dir, fmt.Sprintf("creditapi-%d.toml", port))
	must(b, os.WriteFile(file, []byte(replaced(b, "creditapi.toml", config)), 0o600))
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(h.dir, "creditapi"), args...)
		cmd.Env = append(os.Environ(), "CREDITAPI_CONFIG="+file, "CREDITAPI_LISTEN="+a.address, "CREDITAPI_DATABASE="+d.Owner().SocketURL())
		return cmd
	}
	if out, err := command("migrate").CombinedOutput(); err != nil {
		b.Fatalf("creditapi migrate: %v\n%s", err, out)
	}
	var remarks bytes.Buffer
	key := command("key", "add", "-name", "bench", "-scope", "agi,report", "-node", "bench")
	key.Stderr = &remarks
	out, err := key.Output()
	if err != nil {
		b.Fatalf("creditapi key add: %v\n%s", err, remarks.Bytes())
	}
	a.key = strings.TrimSpace(string(out))
	a.cmd = command("serve")
	h.start(b, a.cmd, a.address, "/readyz")
	return a
}

// start starts a server and returns once it answers; it ends with the benchmark.
// Its log is that of the program and the port.
func (h *house) start(b *testing.B, cmd *exec.Cmd, address, path string) {
	b.Helper()
	_, port, _ := strings.Cut(address, ":")
	log, err := os.Create(filepath.Join(h.dir, filepath.Base(cmd.Path)+"-"+port+".log"))
	must(b, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	must(b, cmd.Start())
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	b.Cleanup(func() {
		for _, pid := range family(b, cmd.Process.Pid) { // gunicorn has children
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill() // it may have ended
			}
		}
		<-gone
	})
	tick, limit := time.NewTicker(20*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for {
		resp, err := http.Get("http://" + address + path)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				http.DefaultClient.CloseIdleConnections()
				return
			}
		}
		select {
		case <-tick.C:
		case err := <-gone:
			gone <- err // the clean-up waits for it, too
			b.Fatalf("%s ended: %v", cmd.Path, err)
		case <-limit:
			b.Fatalf("%s does not answer at %s%s after 20 s: %v", cmd.Path, address, path, err)
		}
	}
}

// caller is the AGI environment of the nth caller; each has a card of its own.
func (h *house) caller(n int) []byte {
	card := strconv.Itoa(firstCard + 1 + n*97%cards())
	return fakeasterisk.Call{
		Program: h.adcredit.path, CallerID: "221770001000", AccountCode: card, Extension: "2000", UniqueID: fmt.Sprintf("1700000000.%d", n),
	}.Environment()
}

func (h *house) floor(b *testing.B, commands int) contender {
	b.Helper()
	path := filepath.Join(h.dir, "floor")
	if out, err := exec.Command("gcc", "-O2", "-static", "-o", path, "peers/floor.c").CombinedOutput(); err != nil {
		b.Fatalf("build the floor: %v; it needs gcc and libc6-dev\n%s", err, out)
	}
	_, port, _ := strings.Cut(h.api.address, ":")
	return contender{name: "C, raw socket (floor)", path: path, args: []string{port, h.api.key, strconv.Itoa(commands)}, sets: 2}
}

func (h *house) empty(b *testing.B) contender {
	b.Helper()
	return contender{name: "empty Go program", path: h.build(b, "empty", "./peers/empty")}
}

// peers are AGI programs as others write them. They set one variable, where
// adcredit sets several.
func (h *house) peers(b *testing.B) []contender {
	b.Helper()
	dir, err := filepath.Abs("peers")
	must(b, err)
	url := "http://" + h.api.address
	return []contender{
		{name: "PHP, mysqli (A2Billing's manner)", path: filepath.Join(dir, "a2billing.php"), args: []string{h.database.Socket, h.cards.Name}, sets: 1},
		{name: "Perl, Asterisk::AGI and LWP", path: filepath.Join(dir, "agi.pl"), args: []string{url, h.api.key}, sets: 1},
		{name: "Python, requests", path: filepath.Join(dir, "agi.py"), args: []string{url, h.api.key}, sets: 1},
	}
}

// count is what was asked of creditapi, and of the database.
type count struct{ requests, statements int }

// counted is what calls cost: HTTP requests by creditapi's own figures, SQL
// statements by MariaDB's.
func (h *house) counted(b *testing.B, a *creditapi, calls func()) count {
	b.Helper()
	h.statements(b) // opens the connection
	one := h.statements(b)
	asking := h.statements(b) - one // what asking itself costs
	requests, statements := a.requests(b), h.statements(b)
	calls()
	statements = h.statements(b) - statements - asking
	return count{a.requests(b) - requests, statements}
}

func (h *house) statements(b *testing.B) (n int) {
	b.Helper()
	var name string
	must(b, h.database.Root().QueryRow("SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n))
	return n
}

var requestsTotal = regexp.MustCompile(`^creditapi_http_requests_total\{route="([^"]*)",status="\d+"\} (\d+)$`)

// requests are those that were answered, but for what only watches.
func (a *creditapi) requests(b *testing.B) (sum int) {
	b.Helper()
	for lines := bufio.NewScanner(bytes.NewReader(a.figures(b))); lines.Scan(); {
		m := requestsTotal.FindStringSubmatch(lines.Text())
		if m == nil || m[1] == "GET /metrics" || m[1] == "GET /readyz" {
			continue
		}
		n, err := strconv.Atoi(m[2])
		must(b, err)
		sum += n
	}
	return sum
}

// figure is one of creditapi's, by its name.
func (a *creditapi) figure(b *testing.B, name string) float64 {
	b.Helper()
	for lines := bufio.NewScanner(bytes.NewReader(a.figures(b))); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			must(b, err)
			return v
		}
	}
	b.Fatalf("creditapi tells no %s", name)
	return 0
}

func (a *creditapi) figures(b *testing.B) []byte {
	b.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+a.address+"/metrics", nil)
	must(b, err)
	req.Header.Set("Authorization", "Bearer "+a.key)
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	must(b, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("GET /metrics: %s %v %s", resp.Status, err, body)
	}
	return body
}

// get is a request.
func (a *creditapi) get(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + a.address + "\r\nAuthorization: Bearer " + a.key + "\r\n\r\n")
}

// check asks for one of n cards' credit, and knows the answer.
func (a *creditapi) check(n int) (request []byte, want string) {
	card, credit := someCard(n)
	return a.get(fmt.Sprintf("/v1/accounts/card:%d/credit?destination=2000", card)), `"credit":"` + credit + `"`
}

// replaced changes lines of a shipped configuration as an operator would, and
// fails when a key isn't there to be changed.
func replaced(b *testing.B, name string, values map[string]string) string {
	b.Helper()
	shipped, err := etc.Files.ReadFile(name)
	must(b, err)
	text := "\n" + string(shipped)
	for key, value := range values {
		before, rest, ok := strings.Cut(text, "\n"+key+" = ")
		_, after, _ := strings.Cut(rest, "\n")
		if !ok {
			b.Fatalf("etc/%s has no line %s =", name, key)
		}
		text = before + "\n" + key + " = " + value + "\n" + after
	}
	return text
}
