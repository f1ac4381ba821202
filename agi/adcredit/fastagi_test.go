package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"adcredit/agi/config"
	"adcredit/agi/creditclient"
	"adcredit/agi/fastagi"
	"adcredit/tests/hostile"
)

// patience is what a busy machine may need for what comes at once.
const patience = 20 * time.Second

// network begins what Asterisk sends over FastAGI.
const network = "agi_network: yes\nagi_network_script: adcredit\n"

// switchboard serves calls on this host until the test ends.
func (h *host) switchboard(t testing.TB, change func(*config.Config)) (address string) {
	t.Helper()
	cfg, err := config.Load(filepath.Join(h.dir, "adcredit.toml"), func(name string) string {
		return map[string]string{"ADCREDIT_API_KEY": "adc_000000000000_0000000000000000000000000000000000000000000"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(cfg)
	}
	log, to := logTo(cfg, os.Stderr)
	before := slog.Default()
	slog.SetDefault(log)
	h.log = to
	b, err := newSwitchboard(cfg, to)
	if err != nil {
		t.Fatal(err)
	}
	b.drain, b.flushEvery = time.Millisecond, 10*time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var served sync.WaitGroup
	served.Go(func() { b.serve(ctx, fastagi.Listener{TCPListener: l.(*net.TCPListener)}) })
	t.Cleanup(func() { stop(); served.Wait(); slog.SetDefault(before) })
	return l.Addr().String()
}

// dial calls, as Asterisk does: it sends the environment and answers each command.
func (h *host) dial(t *testing.T, address, environment string) said {
	t.Helper()
	log := filepath.Join(h.dir, "log")
	os.Remove(log)
	h.log.reopen.Store(true)
	h.mu.Lock()
	h.asks = nil
	h.mu.Unlock()
	conn, err := net.Dial("tcp", address)
	if errors.Is(err, syscall.ECONNRESET) { // refused at once
		return said{}
	} else if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	var all strings.Builder
	_, err = io.WriteString(conn, environment)
	lines := bufio.NewScanner(conn)
	for err == nil && lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		reply := "200 result=1\n"
		if lines.Text() == "NOOP" {
			reply = "200 result=0\n"
		}
		_, err = io.WriteString(conn, reply)
	}
	if err := errors.Join(err, lines.Err()); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the call has no end; so far:\n%s", all.String())
	}
	text, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return said{exitOK, strings.TrimPrefix(all.String(), "NOOP\n"), "", string(text), h.asks}
}

// TestHostileCallersOverFastAGI: the same as over standard input.
func TestHostileCallersOverFastAGI(t *testing.T) {
	h := newHost(t)
	address := h.switchboard(t, nil)
	h.hostileCallers(t, func(t *testing.T, environment string) said {
		return h.dial(t, address, network+environment)
	})
	h.wantNothingElse(t)
}

// TestHostileScripts: URL and arguments of AGI() may come from an extension.
func TestHostileScripts(t *testing.T) {
	h := newHost(t)
	address := h.switchboard(t, nil)
	for _, v := range append(hostile.Values(), hostile.Value{Name: "check", Text: "check"}, hostile.Value{Name: "adcredit", Text: "adcredit"}) {
		for place, environment := range map[string]string{
			"script":   strings.Replace(network, "script: adcredit", "script: "+v.Text, 1) + honest,
			"argument": network + strings.TrimSuffix(honest, "\n") + "agi_arg_1: " + v.Text + "\n\n",
		} {
			t.Run(place+"/"+v.Name, func(t *testing.T) {
				s := h.dial(t, address, environment)
				s.harmless(t)
				want := "ERROR argument"
				switch {
				case strings.ContainsAny(v.Text, "\n\x00"):
					want = "ERROR forged"
				case place == "script" && v.Text == "adcredit", place == "argument" && v.Text == "check":
					want = "SUFFICIENT "
				}
				if got := s.outcome(); got != want {
					t.Errorf("the outcome is %s, want %s", got, want)
				}
				if asked := len(s.asks) > 0; asked != (want == "SUFFICIENT ") {
					t.Errorf("creditapi was asked %q", s.asks)
				}
			})
		}
	}
	h.wantNothingElse(t)
}

// TestNotAsterisk: what is no FastAGI at all gets nothing that it could use.
func TestNotAsterisk(t *testing.T) {
	h := newHost(t)
	address := h.switchboard(t, nil)
	for name, sent := range map[string]string{
		"HTTP":                       "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"no network line":            honest,
		"an empty line":              "\n",
		"a line without end":         strings.Repeat("agi_x: ", 20_000),
		"an environment without end": network + strings.Repeat("agi_arg_1: x\n", 10_000),
		"replies ahead":              network + honest + "200 result=0\n200 result=1\n200 result=1\n200 result=0 endpos=160000\n",
		"another reply":              network + honest + "200 result=1\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := h.dial(t, address, sent)
			if s.harmless(t); len(s.asks) > 0 || strings.Contains(s.commands, "SUFFICIENT") {
				t.Errorf("creditapi was asked %q, and Asterisk told\n%s", s.asks, s.commands)
			}
		})
	}
	if got := h.dial(t, address, network+honest).outcome(); got != "SUFFICIENT " {
		t.Errorf("the next call: %s", got)
	}
	h.wantNothingElse(t)
}

// TestSlowClients: those that never end their environment are closed in their time,
// and meanwhile everybody else is served.
func TestSlowClients(t *testing.T) {
	h := newHost(t)
	address := h.switchboard(t, nil)
	var slow []net.Conn
	for range 20 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, network); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	began := time.Now()
	if got := h.dial(t, address, network+honest).outcome(); got != "SUFFICIENT " {
		t.Errorf("the next call: %s", got)
	}
	for i, conn := range slow {
		conn.SetDeadline(time.Now().Add(patience))
		for n := 0; n < 3; n++ { // a line now and then buys no time
			io.WriteString(conn, "agi_x: y\n")
		}
		if got, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) || len(got) > 0 {
			t.Fatalf("client %d was told %q, %v", i, got, err)
		}
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("they were kept for %v", took)
	}
}

// TestTooManyCalls: fastagi_calls and fastagi_allow are obeyed.
func TestTooManyCalls(t *testing.T) {
	h := newHost(t)
	for name, change := range map[string]func(*config.Config){
		"none free": func(c *config.Config) { c.FastAGICalls = 0 },
		"other hosts": func(c *config.Config) {
			c.FastAGIAllow = []config.Network{{Prefix: netip.MustParsePrefix("192.0.2.0/24")}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if s := h.dial(t, h.switchboard(t, change), network+honest); s.commands != "" || len(s.asks) > 0 {
				t.Errorf("it was served: %s", s.commands)
			}
		})
	}
}

// TestFlushBesideCalls: what waits in the spool is delivered while it serves.
func TestFlushBesideCalls(t *testing.T) {
	h := newHost(t)
	spool := &creditclient.Spool{Dir: filepath.Join(h.dir, "spool")}
	entry := `{"version":1,"listen":"l1","account":"cid:1001","heard":{"endpos":44000,"played_ms":5500,"heard_at":"2026-01-01T00:00:00Z"}}`
	if err := errors.Join(os.Mkdir(spool.Dir, 0o700), os.WriteFile(filepath.Join(spool.Dir, "l1.json"), []byte(entry), 0o600)); err != nil {
		t.Fatal(err)
	}
	h.answer = `{"listen_id":"l1","state":"logged","amount":"50.00000","credit":"57.00000","currency":"XOF","sufficient":true}`
	h.switchboard(t, nil)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		held, err := spool.Look()
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", held, err)
		}
		if held.Waiting == 0 {
			break
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.Join(h.asks, "\n") != "POST /v1/listens/l1/complete" {
		t.Errorf("creditapi was asked %q", h.asks)
	}
}

// TestExposed: where other hosts come in, somebody must have said which.
func TestExposed(t *testing.T) {
	h := newHost(t)
	networks := func(all ...string) (list []config.Network) {
		for _, text := range all {
			var n config.Network
			if err := n.UnmarshalText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			list = append(list, n)
		}
		return list
	}
	for _, row := range []struct {
		listen string
		allow  []config.Network
		want   bool // refused
	}{
		{"127.0.0.1:0", config.Default().FastAGIAllow, false},
		{"[::1]:0", config.Default().FastAGIAllow, false},
		{"0.0.0.0:0", config.Default().FastAGIAllow, true},
		{"[::]:0", config.Default().FastAGIAllow, true},
		{"[::]:0", networks("127.0.0.1", "::1"), true},
		{"[::]:0", networks("127.0.0.1", "10.0.0.0/24"), false},
		{"0.0.0.0:0", networks("0.0.0.0/0"), false}, // in so many words
		{"127.0.0.1:0", networks("10.0.0.7"), false},
	} {
		l, err := fastagi.Listen(t.Context(), row.listen, func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		b := &switchboard{cfg: &config.Config{FastAGIAllow: row.allow}}
		if err := b.exposed(l); (err != nil) != row.want {
			t.Errorf("%s for %v: %v", row.listen, row.allow, err)
		}
		closeAll(l)
	}
	var stderr bytes.Buffer
	code := run([]string{"-fastagi", ":0"}, nil, io.Discard, &stderr, func(name string) string {
		return map[string]string{"ADCREDIT_CONFIG": h.dir + "/adcredit.toml", "ADCREDIT_API_KEY": "adc_000000000000_0000000000000000000000000000000000000000000"}[name]
	})
	if code != exitConfig || !strings.Contains(stderr.String(), "fastagi_allow") {
		t.Errorf("exit %d: %s", code, &stderr)
	}
}

// TestCheckAsksTheServer: adcredit -check -fastagi says whether one of ours
// answers this host.
func TestCheckAsksTheServer(t *testing.T) {
	h := newHost(t)
	if err := answers(t.Context(), h.switchboard(t, nil)); err != nil {
		t.Error(err)
	}
	strangers := h.switchboard(t, func(c *config.Config) {
		c.FastAGIAllow = []config.Network{{Prefix: netip.MustParsePrefix("192.0.2.0/24")}}
	})
	if err := answers(t.Context(), strangers); err == nil || !strings.Contains(err.Error(), "fastagi_allow") {
		t.Errorf("a server for others: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := answers(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "nobody serves") {
		t.Errorf("nobody: %v", err)
	}
}

// FuzzFastAGI: whatever comes on a connection, no ad is started, nothing but our
// own commands goes back, the call ends, and the next one is served.
func FuzzFastAGI(f *testing.F) {
	for _, seed := range []string{network + honest, honest, network + strings.Replace(honest, "1001", "10\n200 result=0", 1), "HANGUP\n", network + honest + "200 result=0\nHANGUP\n"} {
		f.Add([]byte(seed))
	}
	h := newHost(f)
	address := h.switchboard(f, nil)
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		conn.Write(sent)
		conn.(*net.TCPConn).CloseWrite() // it need not wait for an end
		got, err := io.ReadAll(conn)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(got)) {
			if line = strings.TrimSuffix(line, "\n"); line != "NOOP" && !aCommand.MatchString(line) && line != "CHANNEL STATUS" {
				t.Errorf("Asterisk was told %q", line)
			}
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, ask := range h.asks {
			if strings.HasPrefix(ask, "POST") {
				t.Errorf("creditapi was asked %s", ask)
			}
		}
	})
}
