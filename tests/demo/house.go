package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the demo debits an account, as A2Billing does elsewhere
)

// house is the whole system in a folder of its own.
type house struct {
	dir                 string
	adcredit, creditapi string
	key                 string
	show                *screen
	serve               *exec.Cmd
	served              chan struct{} // closed when the log of serve has ended
}

// card is an account of the paper's Figure 14.
type card struct{ card, alias, credit string }

var cards = []card{
	{"8987344413", "1000", "2000.00000"},
	{"9700203963", "1001", "1812.08333"},
	{"3377949903", "1002", "1999.75000"},
}

// build makes accounts, a campaign and a key, and starts creditapi.
func build(ctx context.Context, bin, dir string, show *screen) (*house, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	h := &house{dir: dir, adcredit: filepath.Join(bin, "adcredit"), creditapi: filepath.Join(bin, "creditapi"), show: show}
	conf := fmt.Sprintf("node = \"demo\"\nurls = [\"unix://%[1]s/api.sock\"]\nsounds_dir = \"%[1]s/sounds\"\nspool_dir = \"%[1]s/spool\"\nlog = \"%[1]s/adcredit.log\"\n", dir)
	if err := os.WriteFile(h.path("adcredit.toml"), []byte(conf), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(h.path("creditapi.toml"), []byte("log_format = \"json\"\nlog_level = \"debug\"\n"), 0o600); err != nil {
		return nil, err
	}
	show.title("adcredit: credit for listening")
	show.text("creditapi on an embedded SQLite, the real adcredit for each call, and an Asterisk played in real time.")
	for _, c := range cards {
		if _, err := h.run("account", "add", "-alias", c.alias, "-card", c.card, "-credit", c.credit, "-language", language); err != nil {
			return nil, err
		}
	}
	_, err = h.run("campaign", "add", "-name", "mangalou", "-reward", "50", "-budget", "100000",
		"-sound", "fr="+h.path("sounds/ads/mangalou-fr.wav"), "-sound", "en="+h.path("sounds/ads/mangalou-en.wav"))
	if err != nil {
		return nil, err
	}
	if h.key, err = h.run("key", "add", "-name", "demo", "-scope", "agi", "-node", "demo"); err != nil {
		return nil, err
	}
	show.text("Campaign mangalou: an ad of 5.5 s, a reward of 50, a budget of 100000.")
	show.title("The accounts before")
	if err := h.accounts(); err != nil {
		return nil, err
	}
	return h, h.start(ctx)
}

func (h *house) path(name string) string { return filepath.Join(h.dir, filepath.FromSlash(name)) }

func (h *house) environ() []string {
	return append(os.Environ(),
		"ADCREDIT_CONFIG="+h.path("adcredit.toml"), "ADCREDIT_API_KEY="+strings.TrimSpace(h.key), "ADCREDIT_URLS=", "ADCREDIT_SPOOL_DIR=",
		"CREDITAPI_CONFIG="+h.path("creditapi.toml"), "CREDITAPI_DATABASE=sqlite://"+h.path("adcredit.db"), "CREDITAPI_LISTEN=unix://"+h.path("api.sock"))
}

func (h *house) run(args ...string) (string, error) {
	cmd := exec.Command(h.creditapi, args...)
	cmd.Env = h.environ()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("creditapi %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// start serves, and shows each request as creditapi logs it.
func (h *house) start(ctx context.Context) error {
	h.serve = exec.CommandContext(ctx, h.creditapi, "serve")
	h.serve.Env = h.environ()
	log, err := h.serve.StderrPipe()
	if err != nil {
		return err
	}
	if err := h.serve.Start(); err != nil {
		return fmt.Errorf("start %s: %w; make it with make build", h.creditapi, err)
	}
	h.served = make(chan struct{})
	go func() { defer close(h.served); h.requests(log) }()
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("unix", h.path("api.sock"))
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			h.stop()
			return fmt.Errorf("creditapi does not answer: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// requests reads the access log.
func (h *house) requests(log io.Reader) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var l struct {
			Msg, Route string
			Status     int
			Took       float64 `json:"duration_ms"`
		}
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "request" && strings.Contains(l.Route, "/v1/") {
			h.show.line(fromAPI, fmt.Sprintf("%s  %d  %.1f ms", l.Route, l.Status, l.Took))
		}
	}
}

func (h *house) stop() {
	if h.serve == nil {
		return
	}
	_ = h.serve.Process.Signal(os.Interrupt)
	<-h.served
	_ = h.serve.Wait()
	h.serve = nil
}

// empty takes the credit of 1001, in the place of a call that A2Billing debits.
func (h *house) empty() error {
	h.show.text("(The demo empties the account of 1001 first: 1812.08333 becomes 0.)")
	db, err := sql.Open("sqlite", "file:"+h.path("adcredit.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE cc_card SET credit = 0 WHERE useralias = '1001'`); err != nil {
		return fmt.Errorf("empty account 1001: %w", err)
	}
	return nil
}

// accounts prints them as the paper's Figure 14 does.
func (h *house) accounts() error {
	h.show.text("  %-12s %-6s %14s", "card", "alias", "credit")
	for _, c := range cards {
		out, err := h.run("account", "show", "-json", "alias:"+c.alias)
		if err != nil {
			return err
		}
		var a struct{ Credit string }
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			return fmt.Errorf("creditapi account show: %w", err)
		}
		h.show.text("  %-12s %-6s %14s", c.card, c.alias, a.Credit)
	}
	return nil
}
