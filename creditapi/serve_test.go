package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"adcredit/creditapi/rest"
	"adcredit/creditapi/wire"
)

// watched is standard error, and tells when a text has been written to it.
type watched struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	text  string
	found chan struct{}
}

func watch(text string) *watched { return &watched{text: text, found: make(chan struct{})} }

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.buf.String(), w.text)
	w.buf.Write(b)
	if !before && strings.Contains(w.buf.String(), w.text) {
		close(w.found)
	}
	return len(b), nil
}

// await makes found tell of another text, from here on.
func (w *watched) await(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text, w.found = text, make(chan struct{})
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// serve starts creditapi serve and waits for a text on its standard error.
// stop ends it and returns its exit code.
func (s *shell) serve(text string, args ...string) (log *watched, stop func() int) {
	s.Helper()
	log = watch(text)
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"serve"}, args...), strings.NewReader(""), io.Discard, log, s.getenv)
	}()
	s.Cleanup(cancel)
	select {
	case <-log.found:
	case code := <-ended:
		s.Fatalf("serve ended with %d before it said %q:\n%s", code, text, log)
	case <-time.After(30 * time.Second):
		s.Fatalf("serve never said %q:\n%s", text, log)
	}
	return log, func() int { cancel(); return <-ended }
}

// client speaks to a unix socket with a key.
type client struct {
	*shell
	http.Client
	key         string
	idempotency string
}

func (s *shell) client(key string) *client {
	socket := filepath.Join(s.dir, "api.sock")
	return &client{s, http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}, strings.TrimSpace(key), "idem-0000000000000001"}
}

func (c *client) ask(method, path, body string, into any) int {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, "http://creditapi"+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", c.idempotency)
	resp, err := c.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			c.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return resp.StatusCode
}

// complete completes a listen as adcredit does: told that it is too early, it
// waits as long as it is told and asks again.
func (c *client) complete(id, heard string, into *wire.Grant) int {
	c.Helper()
	for {
		var answer struct {
			wire.Grant
			RetryAfterMS int64 `json:"retry_after_ms"`
		}
		status := c.ask("POST", "/v1/listens/"+id+"/complete", heard, &answer)
		if status != http.StatusTooEarly {
			*into = answer.Grant
			return status
		}
		time.Sleep(time.Duration(answer.RetryAfterMS) * time.Millisecond)
	}
}

// TestServe goes the way of a call: balance, ad, grant, balance; then ends.
func TestServe(t *testing.T) {
	s := newShell(t)
	s.ok("account add -alias 1001 -card 9700203963 -credit 0.5")
	s.ok("campaign add -name short -sound ads/short -duration 100ms -reward 50 -budget 100")
	key := s.ok("key add -name ast1 -scope agi -node ast1")
	log, stop := s.serve("creditapi serves")
	c := s.client(key)

	var before, after wire.Credit
	if status := c.ask("GET", "/v1/accounts/alias:1001/credit?destination=2000", "", &before); status != 200 || before.Sufficient || !before.Offer.Available {
		t.Fatalf("before: %d %+v", status, before)
	}
	var l wire.Listen
	if status := c.ask("POST", "/v1/listens", `{"account":"alias:1001","call_id":"ast1/1.1","destination":"2000"}`, &l); status != 201 || l.Samples != 800 {
		t.Fatalf("listen: %d %+v", status, l)
	}
	var g wire.Grant
	heard := fmt.Sprintf(`{"endpos":800,"played_ms":100,"heard_at":%q}`, time.Now().UTC().Format(time.RFC3339Nano))
	for range 2 {
		if status := c.complete(l.ID, heard, &g); status != 200 || g.Amount != wire.Units(50) || !g.Sufficient {
			t.Fatalf("grant: %d %+v", status, g)
		}
	}
	if c.ask("GET", "/v1/accounts/1001/credit", "", &after); after.Credit.String() != "50.50000" {
		t.Errorf("after: %+v", after)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit %d\n%s", code, log)
	}
	for _, text := range []string{"way=transaction", "promise=", "route=\"POST /v1/listens/{id}/complete\" status=200", "msg=stopped"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("no %q in the log:\n%s", text, log)
		}
	}
	if strings.Contains(log.String(), strings.TrimSpace(key)) || strings.Contains(log.String(), "9700203963") {
		t.Errorf("the log tells too much:\n%s", log)
	}
}

// TestSigterm: systemd's way to end it.
func TestSigterm(t *testing.T) {
	s := newShell(t)
	log := watch("creditapi serves")
	ended := make(chan int, 1)
	go func() { ended <- run(s.Context(), []string{"serve"}, strings.NewReader(""), io.Discard, log, s.getenv) }()
	<-log.found
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != exitOK || !strings.Contains(log.String(), "msg=stopped") {
		t.Errorf("exit %d\n%s", code, log)
	}
}

// TestFirstRun: without a configuration it says where it keeps accounts and
// what to do next, until there is a key; and each command it names works.
func TestFirstRun(t *testing.T) {
	s := newShell(t)
	s.env["CREDITAPI_DATABASE"] = ""
	s.env["CREDITAPI_LISTEN"] = "127.0.0.1:0"
	s.env["STATE_DIRECTORY"] = filepath.Join(s.dir, "state")
	log, stop := s.serve("/docs\n")
	if !strings.Contains(log.String(), "No database is configured, so accounts are kept in "+filepath.Join(s.dir, "state", "adcredit.db")) {
		t.Errorf("log:\n%s", log)
	}
	commands := 0
	for line := range strings.Lines(log.String()) {
		if command, ok := strings.CutPrefix(line, "  creditapi "); ok {
			s.ok(command)
			commands++
		}
	}
	if commands != 3 {
		t.Errorf("%d commands are shown, want 3", commands)
	}
	if out := s.ok("account show 1001"); !strings.Contains(out, "yes, 50.00000 for 5.5 s") {
		t.Errorf("account: %s", out)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit %d", code)
	}
	log, stop = s.serve("No database is configured")
	stop()
	if strings.Contains(log.String(), "key add") {
		t.Errorf("it explains keys to somebody who has one:\n%s", log)
	}
}

// TestMetricsListener: figures on an address of their own, without a key; and
// when one listener can't be had, nothing is left open.
func TestMetricsListener(t *testing.T) {
	s := newShell(t)
	config := filepath.Join(s.dir, "metrics.toml")
	write := func(address string) {
		t.Helper()
		if err := writeFile(config, "metrics_listen = \""+address+"\"\nlog_format = \"json\"\n"); err != nil {
			t.Fatal(err)
		}
	}
	write("127.0.0.1:0")
	log, stop := s.serve("creditapi serves", "-config", config)
	var line struct{ Msg, Listen string }
	for text := range strings.Lines(log.String()) {
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("no JSON: %s", text)
		}
		if line.Msg == "metrics" {
			break
		}
	}
	resp, err := http.Get("http://" + line.Listen + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(body), "creditapi_way") {
		t.Errorf("figures: %s, %v", body, err)
	}
	write(line.Listen)
	s.env["CREDITAPI_LISTEN"] = "unix://" + filepath.Join(s.dir, "other.sock")
	for range 2 { // not of other.sock the second time
		s.fails(exitFailed, "listen on "+line.Listen+": another program does already", "serve -config "+config)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit %d", code)
	}
}

// TestServeAll: when one listener breaks, the process ends and can be restarted,
// instead of living on by half.
func TestServeAll(t *testing.T) {
	var servers []bound
	for range 2 {
		l, err := rest.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, bound{rest.Server{Handler: http.NotFoundHandler()}, l})
	}
	servers[1].Close()
	if err := serveAll(t.Context(), servers); !errors.Is(err, net.ErrClosed) {
		t.Errorf("serveAll: %v", err)
	}
	if conn, err := net.Dial("tcp", servers[0].Addr().String()); err == nil {
		conn.Close()
		t.Error("the other one still listens")
	}
}

func TestServeErrors(t *testing.T) {
	s := newShell(t)
	config := filepath.Join(s.dir, "tls.toml")
	if err := writeFile(config, "tls_cert = \"/nowhere/tls.crt\"\ntls_key = \"/nowhere/tls.key\"\n"); err != nil {
		t.Fatal(err)
	}
	s.env["CREDITAPI_LISTEN"] = "127.0.0.1:0"
	s.fails(exitFailed, "read tls_cert /nowhere/tls.crt", "serve -config "+config)
	_, stop := s.serve("creditapi serves")
	stop()
}
