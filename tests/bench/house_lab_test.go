//go:build lab

package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"adcredit/etc"
	"adcredit/tests/fakeasterisk"
	"adcredit/tests/lab"
)

const (
	address         = "127.0.0.1:8080"
	firstCard       = 7_000_000_000
	loadRequests    = 20_000
	loadConnections = 16
)

// house is a MariaDB with A2Billing's tables, creditapi on it, and adcredit.
type house struct {
	dir      string
	database *lab.Server
	key      string
	server   *exec.Cmd
	adcredit contender
}

func newHouse(b *testing.B) *house {
	b.Helper()
	h := &house{dir: b.TempDir(), database: lab.MariaDB(b)}
	b.Cleanup(func() { h.explain(b) })
	d := h.database.Database(b, "mya2billing")
	lab.LoadA2Billing(b, d, lab.MyISAM)
	d.Exec(b, fmt.Sprintf(`SET sql_mode=''; INSERT INTO cc_card (username, useralias, credit, activated, status)
		SELECT %d + seq, 20000 + seq, 10 + seq %% 100, 't', 1 FROM seq_1_to_%d`, firstCard, cards))
	h.build(b, "adcredit", "adcredit/agi/adcredit")
	h.build(b, "creditapi", "adcredit/creditapi")
	h.serve(b, d.Owner().URL())

	keyFile, file := filepath.Join(h.dir, "key"), filepath.Join(h.dir, "adcredit.toml")
	must(b, os.WriteFile(keyFile, []byte(h.key+"\n"), 0o600))
	shipped, err := etc.Files.ReadFile("adcredit.toml")
	must(b, err)
	// The shipped file as it is, with all its comments: that is what operators run.
	must(b, os.WriteFile(file, []byte(replaced(b, string(shipped), map[string]string{
		"urls": `["http://` + address + `"]`, "key_file": strconv.Quote(keyFile),
		"spool_dir": strconv.Quote(filepath.Join(h.dir, "spool")), "log": strconv.Quote(filepath.Join(h.dir, "adcredit.log")),
	})), 0o644))
	environ = append(environ, "ADCREDIT_CONFIG="+file)
	h.adcredit = contender{name: "adcredit", path: filepath.Join(h.dir, "adcredit")}
	return h
}

// explain shows the ends of the logs when something went wrong.
func (h *house) explain(b *testing.B) {
	for _, name := range []string{"creditapi.log", "adcredit.log"} {
		if text, err := os.ReadFile(filepath.Join(h.dir, name)); err == nil && b.Failed() {
			b.Logf("%s ends:\n%s", name, text[max(0, len(text)-2000):])
		}
	}
}

// build makes a program as the Makefile does.
func (h *house) build(b *testing.B, name, pkg string) string {
	b.Helper()
	path := filepath.Join(h.dir, name)
	cmd := exec.Command("go", "build", "-p", "1", "-trimpath", "-ldflags", "-s -w", "-o", path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return path
}

// serve migrates the database, makes a key, and starts creditapi on loopback.
func (h *house) serve(b *testing.B, database string) {
	b.Helper()
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(h.dir, "creditapi"), args...)
		cmd.Env = append(os.Environ(), "CREDITAPI_LISTEN="+address, "CREDITAPI_DATABASE="+database)
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
	h.key = strings.TrimSpace(string(out))

	log, err := os.Create(filepath.Join(h.dir, "creditapi.log"))
	must(b, err)
	h.server = command("serve")
	h.server.Stdout, h.server.Stderr = log, log
	must(b, h.server.Start())
	gone := make(chan error, 1)
	go func() { gone <- h.server.Wait() }()
	b.Cleanup(func() {
		_ = h.server.Process.Kill()
		<-gone
	})
	h.await(b, gone, log.Name())
}

// await returns once creditapi says that it is ready.
func (h *house) await(b *testing.B, gone chan error, log string) {
	b.Helper()
	tick, limit := time.NewTicker(20*time.Millisecond), time.After(15*time.Second)
	defer tick.Stop()
	for {
		resp, err := http.Get("http://" + address + "/readyz")
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
			text, _ := os.ReadFile(log)
			b.Fatalf("creditapi serve ended: %v\n%s", err, text)
		case <-limit:
			text, _ := os.ReadFile(log)
			b.Fatalf("creditapi is not ready after 15 s\n%s", text)
		}
	}
}

// caller is the AGI environment of the nth caller; each has a card of its own.
func (h *house) caller(n int) []byte {
	card := strconv.Itoa(firstCard + 1 + n*97%cards)
	return fakeasterisk.Call{
		Program: h.adcredit.path, CallerID: "221770001000", AccountCode: card, Extension: "2000", UniqueID: fmt.Sprintf("1700000000.%d", n),
	}.Environment()
}

func (h *house) floor(b *testing.B, commands int) contender {
	b.Helper()
	path := filepath.Join(h.dir, "floor")
	if out, err := exec.Command("gcc", "-O2", "-static", "-o", path, "testdata/floor.c").CombinedOutput(); err != nil {
		b.Fatalf("build the floor: %v; it needs gcc and libc6-dev\n%s", err, out)
	}
	_, port, _ := strings.Cut(address, ":")
	return contender{name: "floor (static C)", path: path, args: []string{port, h.key, strconv.Itoa(commands)}}
}

func (h *house) empty(b *testing.B) contender {
	b.Helper()
	return contender{name: "empty Go program", path: h.build(b, "empty", "./testdata/empty"), silent: true}
}

// count is what was asked of creditapi, and of the database.
type count struct{ requests, statements int }

// counted is what calls cost: HTTP requests by creditapi's own figures, SQL
// statements by MariaDB's.
func (h *house) counted(b *testing.B, calls func()) count {
	b.Helper()
	h.statements(b) // opens the connection
	one := h.statements(b)
	asking := h.statements(b) - one // what asking itself costs
	requests, statements := h.requests(b), h.statements(b)
	calls()
	statements = h.statements(b) - statements - asking
	return count{h.requests(b) - requests, statements}
}

func (h *house) statements(b *testing.B) (n int) {
	b.Helper()
	var name string
	must(b, h.database.Root().QueryRow("SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n))
	return n
}

var requestsTotal = regexp.MustCompile(`^creditapi_http_requests_total\{route="([^"]*)",status="\d+"\} (\d+)$`)

// requests are those that were answered, but for what only watches.
func (h *house) requests(b *testing.B) (sum int) {
	b.Helper()
	body := h.get(b, http.DefaultClient, "/metrics")
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
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

func (h *house) get(b *testing.B, client *http.Client, path string) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		b.Error(err)
		return nil
	}
	req.Header.Set("Authorization", "Bearer "+h.key)
	resp, err := client.Do(req)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Errorf("GET %s: %s %v %s", path, resp.Status, err, body)
	}
	return body
}

// load asks for balances on several connections at once.
func (h *house) load(b *testing.B) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loadConnections, MaxConnsPerHost: loadConnections}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for i := range loadConnections {
		all.Go(func() {
			for n := i; n < loadRequests && !b.Failed(); n += loadConnections {
				h.get(b, client, fmt.Sprintf("/v1/accounts/card:%d/credit?destination=2000", firstCard+1+n%cards))
			}
		})
	}
	all.Wait()
}
