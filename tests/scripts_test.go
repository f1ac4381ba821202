// Package tests drives the real binaries through whole calls: scripts/*.txtar
// say who calls and what must come of it. Asterisk is played by fakeasterisk, in
// real time, with an ad of one second.
package tests

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"adcredit/sounds"
	"adcredit/tests/fakeasterisk"
)

func TestMain(m *testing.M) {
	testscript.Main(cleanly{m}, map[string]func(){"asterisk": func() { os.Exit(fakeasterisk.Main()) }})
}

func TestScripts(t *testing.T) {
	bin := binaries(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "scripts",
		RequireExplicitExec: true,
		Setup:               func(env *testscript.Env) error { return setup(env, bin) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"system": system,
			"stub":   stub,
			"credit": credit,
		},
	})
}

// bin is where both programs are, once somebody has built them.
var bin string

var build = sync.OnceValue(func() (err error) {
	if bin, err = os.MkdirTemp("", "adcredit-bin-"); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "adcredit/agi/adcredit", "adcredit/creditapi")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the binaries: %w\n%s", err, out)
	}
	return os.Chmod(bin, 0o755) // some are run as another user
})

// cleanly removes what was built when the tests have ended.
type cleanly struct{ *testing.M }

// Run implements testscript.TestingM.
func (c cleanly) Run() int {
	defer func() { os.RemoveAll(bin) }() // "": nothing
	return c.M.Run()
}

func binaries(t *testing.T) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return bin
}

// setup gives a script a host: sounds, a configuration and a socket of its own.
func setup(env *testscript.Env, bin string) error {
	dir := env.WorkDir
	for _, prompt := range sounds.Prompts {
		ms := 100
		if prompt == "offer" {
			ms = 500
		}
		if err := tone(filepath.Join(dir, "sounds/fr", prompt+".wav"), ms); err != nil {
			return err
		}
	}
	if err := tone(filepath.Join(dir, "sounds/ads/short.wav"), 1000); err != nil {
		return err
	}
	conf := fmt.Sprintf("node = \"ast1\"\nurls = [\"unix://%s/api.sock\"]\nlanguages = [\"fr\"]\nsounds_dir = \"%s/sounds\"\nspool_dir = \"%s/spool\"\nlog = \"stderr\"\nidentity = [\"accountcode=card\", \"callerid=alias\"]\n", dir, dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "adcredit.toml"), []byte(conf), 0o600); err != nil {
		return err
	}
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
	env.Setenv("ADCREDIT_CONFIG", filepath.Join(dir, "adcredit.toml"))
	env.Setenv("ADCREDIT_API_KEY", "adc_000000000000_0000000000000000000000000000000000000000000")
	env.Setenv("CREDITAPI_DATABASE", "sqlite://"+dir+"/adcredit.db")
	env.Setenv("CREDITAPI_LISTEN", "unix://"+dir+"/api.sock")
	return nil
}

// tone writes a WAV file of 8 kHz mono 16-bit PCM.
func tone(path string, ms int) error {
	samples := ms * sounds.Rate / 1000
	var b bytes.Buffer
	b.WriteString("RIFF")
	binary.Write(&b, binary.LittleEndian, uint32(36+2*samples))
	b.WriteString("WAVEfmt ")
	binary.Write(&b, binary.LittleEndian, struct {
		Size           uint32
		Format, Mono   uint16
		Rate, ByteRate uint32
		Align, Bits    uint16
	}{16, 1, 1, sounds.Rate, 2 * sounds.Rate, 2, 16})
	b.WriteString("data")
	binary.Write(&b, binary.LittleEndian, uint32(2*samples))
	for i := range samples {
		binary.Write(&b, binary.LittleEndian, int16(8000*math.Sin(2*math.Pi*440*float64(i)/sounds.Rate)))
	}
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b.Bytes(), 0o644))
}

// system starts creditapi on an embedded store: account 1000 has credit, 1001
// has none, and one campaign plays the ad of one second for 50. With attention
// the ad has 2.4 s, and each listen is checked.
func system(ts *testscript.TestScript, neg bool, args []string) {
	attention := len(args) == 1 && args[0] == "attention"
	if neg || len(args) > 0 && !attention {
		ts.Fatalf("usage: system [attention]")
	}
	if attention {
		ts.Check(tone(ts.MkAbs("sounds/ads/short.wav"), 2400))
		ts.Check(os.WriteFile(ts.MkAbs("creditapi.toml"), []byte("attention_share = 1\n"), 0o600))
		ts.Setenv("CREDITAPI_CONFIG", ts.MkAbs("creditapi.toml"))
	}
	for _, line := range []string{
		"creditapi account add -alias 1000 -card 8987344413 -credit 2000 -language fr",
		"creditapi account add -alias 1001 -card 9700203963 -credit 0 -language fr",
		"creditapi campaign add -name short -sound fr=" + ts.MkAbs("sounds/ads/short.wav") + " -reward 50 -budget 1000",
	} {
		run(ts, line)
	}
	ts.Setenv("ADCREDIT_API_KEY", strings.TrimSpace(run(ts, "creditapi key add -name test -scope agi -node ast1")))
	ctx, cancel := context.WithCancel(context.Background())
	serve := exec.CommandContext(ctx, binPath(ts, "creditapi"), "serve")
	serve.Cancel = func() error { return serve.Process.Signal(os.Interrupt) }
	serve.WaitDelay = 10 * time.Second
	serve.Env = environ(ts)
	var log bytes.Buffer
	serve.Stderr = &log
	ts.Check(serve.Start())
	ts.Defer(func() { cancel(); serve.Wait() })
	socket := ts.MkAbs("api.sock")
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			cancel()
			serve.Wait()
			ts.Fatalf("creditapi does not answer on %s: %v\n%s", socket, err, log.String())
		}
		<-time.After(10 * time.Millisecond)
	}
}

func binPath(ts *testscript.TestScript, name string) string {
	dir, _, _ := strings.Cut(ts.Getenv("PATH"), string(filepath.ListSeparator))
	return filepath.Join(dir, name)
}

func environ(ts *testscript.TestScript) []string {
	env := []string{}
	for _, name := range []string{"PATH", "HOME", "CREDITAPI_CONFIG", "CREDITAPI_DATABASE", "CREDITAPI_LISTEN"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

func run(ts *testscript.TestScript, line string) string {
	words := strings.Fields(line)
	cmd := exec.Command(binPath(ts, words[0]), words[1:]...)
	cmd.Env = environ(ts)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("%s: %v\n%s%s", line, err, out, stderr.String())
	}
	return string(out)
}

// credit ALIAS AMOUNT asserts what the account has.
func credit(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: credit ALIAS AMOUNT")
	}
	shown := run(ts, "creditapi account show -json alias:"+args[0])
	if strings.Contains(shown, `"credit": "`+args[1]+`"`) == neg {
		ts.Fatalf("account %s: want credit %s (negated: %v), have\n%s", args[0], args[1], neg, shown)
	}
}

const (
	tooLow  = `{"account":"9700203963","credit":"0.00000","currency":"XOF","announce":{"amount":"0.00000","currency":"XOF"},"available":"0.00000","required":"1.00000","sufficient":false,"language":"fr","status":"active","offer":{"available":true,"reward":"50.00000","duration_ms":1000}}`
	started = `{"id":"l1","campaign":"short","sound":"%s","rate_hz":8000,"samples":8000,"duration_ms":1000,"reward":"50.00000"}`
)

// stub MODE serves on creditapi's socket something that is not creditapi.
func stub(ts *testscript.TestScript, neg bool, args []string) {
	modes := map[string]http.HandlerFunc{
		"slow":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>It works!</html>")) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"halfway": halfway("ads/short", false),
		"lying":   halfway("ads/short", true),
		"hostile": halfway("../../../etc/passwd", false),
	}
	handler, ok := modes[strings.Join(args, " ")]
	if neg || !ok {
		ts.Fatalf("usage: stub slow|garbage|redirect|halfway|lying|hostile")
	}
	l, err := net.Listen("unix", ts.MkAbs("api.sock"))
	ts.Check(err)
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	ts.Defer(func() { server.Close() })
}

// halfway takes a call up to its completion, and then fails, or lies about
// whose grant it is.
func halfway(sound string, lie bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/credit"):
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, tooLow)
		case strings.HasSuffix(r.URL.Path, "/listens"):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, started, sound)
		case lie:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"listen_id":"another","state":"logged","amount":"9999.00000","currency":"XOF","sufficient":true}`)
		default:
			http.Error(w, "oops", http.StatusInternalServerError)
		}
	}
}
