// Package quick measures adcredit and creditapi in half a minute, with nothing but
// Go, to compare two commits: make bench-compare BASE=commit. It runs the programs
// of the folder that ADCREDIT_BENCH_BIN names, whichever commit they are of, on an
// embedded database; figures of the real parts come from make bench.
package quick

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to make accounts by the thousand

	"adcredit/tests/fakeasterisk"
)

const (
	binEnv   = "ADCREDIT_BENCH_BIN"
	accounts = 10_000
	workers  = 8
)

// house is a running creditapi with accounts, and what adcredit needs to ask it.
type house struct {
	bin, dir, key string
	client        *http.Client
	next          atomic.Int64
}

// newHouse starts one. The odd accounts have credit, the even ones have none.
func newHouse(b *testing.B) *house {
	b.Helper()
	h := &house{bin: os.Getenv(binEnv), dir: b.TempDir()}
	if h.bin == "" {
		b.Fatalf("%s names no folder with adcredit and creditapi; make bench-compare sets it", binEnv)
	}
	h.write(b, "creditapi.toml", "log_level = \"warn\"\nstarts_per_day = 1000\nlistens_per_day = 1000\nlisten_spacing = \"0s\"\n")
	h.creditapi(b, "migrate")
	db, err := sql.Open("sqlite", "file:"+filepath.Join(h.dir, "adcredit.db"))
	must(b, err)
	_, err = db.Exec(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO cc_card (username, useralias, credit) SELECT 7000000000 + i, i, (i % 2) * 100000000 FROM n`, accounts-1)
	must(b, err)
	must(b, db.Close())
	root, err := filepath.Abs("../../../sounds/ads/mangalou-en.wav")
	must(b, err)
	h.creditapi(b, "campaign", "add", "-name", "quick", "-reward", "50", "-budget", "100000000", "-sound", "en="+root)
	h.key = strings.TrimSpace(h.creditapi(b, "key", "add", "-name", "quick", "-scope", "agi", "-node", "quick"))
	h.write(b, "key", h.key+"\n")
	h.write(b, "adcredit.toml", fmt.Sprintf("node = \"quick\"\nurls = [\"unix://%s\"]\nkey_file = %q\nspool_dir = %q\nlog = %q\n",
		h.path("api.sock"), h.path("key"), h.path("spool"), h.path("log")))
	must(b, os.Mkdir(h.path("spool"), 0o700))
	h.serve(b)
	return h
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

func (h *house) write(b *testing.B, name, text string) {
	b.Helper()
	must(b, os.WriteFile(h.path(name), []byte(text), 0o600))
}

func (h *house) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(h.bin, "creditapi"), args...)
	cmd.Env = append(os.Environ(), "CREDITAPI_CONFIG="+h.path("creditapi.toml"), "CREDITAPI_DATABASE=sqlite://"+h.path("adcredit.db"),
		"CREDITAPI_LISTEN=unix://"+h.path("api.sock"))
	return cmd
}

func (h *house) creditapi(b *testing.B, args ...string) string {
	b.Helper()
	cmd := h.command(args...)
	var remarks bytes.Buffer
	cmd.Stderr = &remarks
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("creditapi %s: %v\n%s", strings.Join(args, " "), err, remarks.Bytes())
	}
	return string(out)
}

// serve runs creditapi until the benchmark ends.
func (h *house) serve(b *testing.B) {
	b.Helper()
	var log bytes.Buffer // read when the process is gone
	cmd := h.command("serve")
	cmd.Stdout, cmd.Stderr = &log, &log
	must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // how it ended is known
		if b.Failed() {
			b.Logf("creditapi says:\n%s", log.Bytes())
		}
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", h.path("api.sock"))
	}
	h.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: workers}}
	b.Cleanup(h.client.CloseIdleConnections)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := dial(b.Context(), "", "")
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("creditapi does not answer: %v", err)
		}
	}
}

// request asks creditapi and wants the status.
func (h *house) request(method, path string, body any, status int, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, "http://localhost"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+h.key)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", rand.Text())
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		return fmt.Errorf("%s %s: %s %w %s", method, path, resp.Status, err, got)
	}
	return json.Unmarshal(got, answer)
}

// card is another account each time: with credit, or without.
func (h *house) card(rich bool) string {
	n := 2 * h.next.Add(1) % accounts
	if rich {
		n++
	}
	return fmt.Sprint(7_000_000_000 + n)
}

func (h *house) check() error {
	var answer struct{ Sufficient bool }
	err := h.request(http.MethodGet, "/v1/accounts/card:"+h.card(true)+"/credit?destination=2000", nil, http.StatusOK, &answer)
	if err == nil && !answer.Sufficient {
		err = fmt.Errorf("the credit is not sufficient")
	}
	return err
}

// listen starts one and gives it up: what a reward costs to hold, without the
// time that an ad takes.
func (h *house) listen() error {
	var started struct{ ID string }
	body := map[string]any{"account": "card:" + h.card(false), "call_id": "quick/" + rand.Text(), "destination": "2000", "language": "en"}
	if err := h.request(http.MethodPost, "/v1/listens", body, http.StatusCreated, &started); err != nil {
		return err
	}
	return h.request(http.MethodPost, "/v1/listens/"+started.ID+"/abandon", map[string]any{"endpos": 0, "played_ms": 0, "cause": "hangup"}, http.StatusOK, &struct{}{})
}

// BenchmarkDecision is one call of a caller with credit, from exec to exit.
func BenchmarkDecision(b *testing.B) {
	h := newHouse(b)
	environ := append(os.Environ(), "ADCREDIT_CONFIG="+h.path("adcredit.toml"))
	for b.Loop() {
		got, err := fakeasterisk.Play(b.Context(), fakeasterisk.Call{Program: filepath.Join(h.bin, "adcredit"), Environ: environ, CallerID: "221770001000", AccountCode: h.card(true)})
		if err != nil {
			b.Fatal(err)
		}
		if status := got.Variables["ADCREDIT_STATUS"]; status != "SUFFICIENT" {
			b.Fatalf("ADCREDIT_STATUS is %q", status)
		}
	}
}

// BenchmarkCheck is one question for a balance after the other, BenchmarkChecks
// several at a time; so are the listens.
func BenchmarkCheck(b *testing.B)   { alone(b, (*house).check) }
func BenchmarkChecks(b *testing.B)  { together(b, (*house).check) }
func BenchmarkListen(b *testing.B)  { alone(b, (*house).listen) }
func BenchmarkListens(b *testing.B) { together(b, (*house).listen) }

func alone(b *testing.B, do func(*house) error) {
	h := newHouse(b)
	for b.Loop() {
		must(b, do(h))
	}
}

func together(b *testing.B, do func(*house) error) {
	h := newHouse(b)
	b.SetParallelism(workers)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := do(h); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
