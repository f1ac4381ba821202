//go:build lab

package faults

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

const (
	reward    = 50
	hotBudget = 10_000_000
	endBudget = 12 * reward // of a campaign that runs out; a sixth of the accounts has no other
	endShards = 3           // rows that hold it: four rewards on each
	accounts  = 600
	hot       = 48 // accounts that a third of the calls come from
	firstCard = 7_000_000_000
	adMS      = 500
	timeout   = 2 * time.Second // for one step of a call, as shipped
)

// A house is one operator's system, with a proxy on each way.
type house struct {
	dir      string
	server   *lab.Server
	db       *sql.DB // past all proxies, as an administrator
	url      string  // likewise, for creditapi's commands
	apis     []*api
	networks []*Proxy // to each creditapi, and from each to the database
	key      string
	billed   billing
}

func newHouse(t *testing.T, engine lab.Engine) *house {
	t.Helper()
	h := &house{dir: t.TempDir()}
	h.server = lab.NewMariaDB(t, lab.MariaDBOptions{Args: []string{"--myisam-recover-options=BACKUP,QUICK"}})
	d := h.server.Database(t, "mya2billing")
	lab.LoadA2Billing(t, d, engine)
	// Old accounts without credit, which may have several calls at a time.
	d.Exec(t, fmt.Sprintf(`SET sql_mode=''; INSERT INTO cc_card (username, useralias, credit, activated, status, simultaccess, creationdate, language)
		SELECT %d + seq, 20000 + seq, 0, 't', 1, 1, '2020-01-01', IF(seq %% 6, 'fr', 'en') FROM seq_1_to_%d`, firstCard, accounts))
	h.db, h.url = d.DB(t), d.Owner().URL()
	h.write(t, "creditapi.toml", "starts_per_day = 1000\nlistens_per_day = 1000\nlate_per_day = 1000\nlisten_spacing = \"0s\"\n"+
		"node_open_listens = 100000\n")
	h.write(t, "ads/short.wav", silence(adMS))

	h.creditapi(t, "migrate")
	h.campaign(t, "hot", "fr", hotBudget)
	h.campaign(t, "ending", "en", endBudget)
	h.key = h.creditapi(t, "key", "add", "-name", "faults", "-scope", "agi", "-node", "ast1")
	var urls []string
	for i := range 2 {
		urls = append(urls, fmt.Sprintf("%q", "http://"+h.open(t, i)))
	}
	h.write(t, "adcredit.toml", fmt.Sprintf(`node = "ast1"
urls = [%s]
spool_dir = %q
sounds_dir = %q
languages = ["fr", "en"]
offer = "auto"
log = %q
log_level = "warn"
[prompts]
offer_auto = ""
thanks = ""
balance = ""
pending = ""
cut = ""
noad = ""
later = ""
refused = ""
`, strings.Join(urls, ", "), h.path("spool"), h.dir, h.path("adcredit.log")))
	t.Cleanup(func() { h.explain(t) })
	return h
}

func (h *house) campaign(t *testing.T, name, language string, budget int) {
	t.Helper()
	h.creditapi(t, "campaign", "add", "-name", name, "-sound", language+"="+h.path("ads/short.wav"),
		"-reward", fmt.Sprint(reward), "-budget", fmt.Sprint(budget))
}

// open starts the ith creditapi between two proxies, and returns where adcredit
// finds it.
func (h *house) open(t *testing.T, i int) (address string) {
	t.Helper()
	server := fmt.Sprint("127.0.0.1:", h.server.Port)
	back := h.proxy(t, server)
	a := &api{
		address:  fmt.Sprint("127.0.0.1:", 8080+i),
		database: strings.Replace(h.url, server, back, 1),
		config:   h.path("creditapi.toml"), log: h.path(fmt.Sprintf("creditapi-%d.log", i)),
	}
	a.start(t)
	h.apis = append(h.apis, a)
	return h.proxy(t, a.address)
}

func (h *house) proxy(t *testing.T, target string) (address string) {
	t.Helper()
	p, err := NewProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	h.networks = append(h.networks, p)
	return p.Addr
}

func (h *house) path(name string) string { return filepath.Join(h.dir, filepath.FromSlash(name)) }

func (h *house) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// silence is a WAV file of 8 kHz mono 16-bit PCM.
func silence(ms int) string {
	const rate = 8000
	size := uint32(2 * ms * rate / 1000)
	var b bytes.Buffer
	b.WriteString("RIFF")
	_ = binary.Write(&b, binary.LittleEndian, 36+size) // a Buffer takes everything
	b.WriteString("WAVEfmt ")
	_ = binary.Write(&b, binary.LittleEndian, []uint32{16, 1<<16 | 1, rate, 2 * rate, 16<<16 | 2})
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, size)
	b.Write(make([]byte, size))
	return b.String()
}

// environ is what the AGI program is told.
func (h *house) environ() []string {
	return []string{"PATH=/usr/bin:/bin", "ADCREDIT_CONFIG=" + h.path("adcredit.toml"), "ADCREDIT_API_KEY=" + strings.TrimSpace(h.key)}
}

// creditapi runs one command, which must do what it is told.
func (h *house) creditapi(t *testing.T, args ...string) string {
	t.Helper()
	out, stderr, code := h.ask(t, args...)
	if code != 0 {
		t.Fatalf("creditapi %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return out
}

// ask runs one command of creditapi.
func (h *house) ask(t *testing.T, args ...string) (out, stderr string, code int) {
	t.Helper()
	out, stderr, err := lab.TryCreditAPI([]string{"CREDITAPI_CONFIG=" + h.path("creditapi.toml"), "CREDITAPI_DATABASE=" + h.url}, args...)
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else if err != nil {
		t.Fatalf("creditapi %s: %v", strings.Join(args, " "), err)
	}
	return out, stderr, code
}

// explain shows the ends of the logs when something went wrong.
func (h *house) explain(t *testing.T) {
	for _, log := range []string{h.path("adcredit.log"), h.path("creditapi-0.log"), h.path("creditapi-1.log"), h.server.Log} {
		if text, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("%s ends:\n%s", filepath.Base(log), text[max(0, len(text)-3000):])
		}
	}
}

// An api is one creditapi serve. Like systemd, it starts again what has ended.
type api struct {
	address, database, config, log string

	process chan *os.Process // the one that runs; empty between two
	ending  chan struct{}
	ended   chan struct{}
}

func (a *api) start(t *testing.T) {
	t.Helper()
	log, err := os.Create(a.log)
	if err != nil {
		t.Fatal(err)
	}
	a.process, a.ending, a.ended = make(chan *os.Process, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(a.ended)
		defer log.Close()
		for a.serve(log) {
		}
	}()
	t.Cleanup(func() {
		close(a.ending)
		a.kill()
		<-a.ended
	})
}

// serve runs it once, and reports whether to start it again.
func (a *api) serve(log *os.File) (again bool) {
	cmd := exec.Command(lab.Program("creditapi"), "serve")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "CREDITAPI_CONFIG=" + a.config, "CREDITAPI_DATABASE=" + a.database, "CREDITAPI_LISTEN=" + a.address}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(log, err)
		return false
	}
	a.process <- cmd.Process
	_ = cmd.Wait() // it was killed, or the log says why
	select {
	case <-a.process:
	default: // the killer has it
	}
	select {
	case <-a.ending:
		return false
	case <-time.After(100 * time.Millisecond): // as RestartSec
		return true
	}
}

// kill ends it as a crash would, and reports whether it ran.
func (a *api) kill() bool {
	select {
	case p := <-a.process:
		return p.Kill() == nil
	default:
		return false
	}
}

// await returns once all is well: every creditapi is ready.
func (h *house) await(t *testing.T) {
	t.Helper()
	for _, a := range h.apis {
		eventually(t, "creditapi at "+a.address+" to be ready", func() bool {
			resp, err := http.Get("http://" + a.address + "/readyz")
			if err != nil {
				return false
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
	}
}

// eventually waits for what must come by itself.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !reached(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}
