package creditclient

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/agi/callflow"
	"adcredit/creditapi/wire"
)

const credit = `{"account":"9700203963","credit":"7.00000","currency":"XOF","required":"10.00000","available":"7.00000","offer":{"available":true,"reward":"50.00000","duration_ms":5500}}`

func answer(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}
}

func problem(code wire.Code) http.HandlerFunc {
	body, _ := json.Marshal((&wire.Error{Code: code, Detail: "no"}).Problem())
	return answer(code.Status(), wire.ProblemType, string(body))
}

func client(t *testing.T, timeout time.Duration, urls ...string) *Client {
	t.Helper()
	c, err := New(Config{URLs: urls, Key: "adc_k_s", Timeout: timeout, SpoolDir: filepath.Join(t.TempDir(), "spool"), Agent: "adcredit/test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestWhatIsNoAnswer(t *testing.T) {
	elsewhere := serve(t, answer(200, "application/json", credit))
	for _, row := range []struct {
		name string
		h    http.HandlerFunc
		want error
	}{
		{"an answer", answer(200, "application/json", credit), nil},
		{"an empty object", answer(200, "application/json", `{}`), ErrNoAnswer},
		{"garbage", answer(200, "application/json", `<html>`), ErrNoAnswer},
		{"somebody's page", answer(200, "text/html", credit), ErrNoAnswer},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) }, ErrNoAnswer},
		{"a plain 500", answer(500, "text/plain", "oops"), ErrNoAnswer},
		{"a proxy's 404", answer(404, "text/plain", "not here"), ErrNoAnswer},
		{"a problem of somebody else", answer(404, wire.ProblemType, `{"code":"gone_fishing","status":404}`), ErrNoAnswer},
		{"a problem whose status lies", answer(404, wire.ProblemType, `{"code":"no_ad","status":404}`), ErrNoAnswer},
		{"an answer over 64 KiB", answer(200, "application/json", credit+strings.Repeat(" ", 70<<10)), ErrNoAnswer},
		{"wrong key", problem(wire.Unauthorized), wire.Unauthorized},
		{"no such account", problem(wire.AccountNotFound), wire.AccountNotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := client(t, 2*time.Second, serve(t, row.h)).Credit(t.Context(), "card:9700203963", "2000")
			if row.want == nil && err != nil || !errors.Is(err, row.want) {
				t.Errorf("got %v; want %v", err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), "9700203963") {
				t.Errorf("the error shows the account: %v", err)
			}
		})
	}
}

func TestRequestHasKeyAndAccount(t *testing.T) {
	var got *http.Request
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { got = r; answer(200, "application/json", credit)(w, r) })
	if _, err := client(t, time.Second, url).Credit(t.Context(), "cid:+221771234567", "+33 1"); err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Authorization") != "Bearer adc_k_s" || got.URL.Path != "/v1/accounts/cid:+221771234567/credit" || got.URL.Query().Get("destination") != "+33 1" {
		t.Errorf("%s %v", got.URL, got.Header)
	}
}

func TestCallerIDIsToldWhereItIsKnown(t *testing.T) {
	var query string
	var body wire.StartListen
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
		}
		problem(wire.NoAd)(w, r)
	})
	for id, want := range map[string]string{"": "", "+221771234567": "caller_id=%2B221771234567"} {
		c := client(t, time.Second, url)
		c.CallerID, body = id, wire.StartListen{}
		if _, err := c.Credit(t.Context(), "alias:1001", ""); !errors.Is(err, wire.NoAd) || query != want {
			t.Errorf("%q: query %q, %v", id, query, err)
		}
		if _, err := c.Start(t.Context(), wire.StartListen{Account: "alias:1001"}); !errors.Is(err, wire.NoAd) || body.CallerID != id {
			t.Errorf("%q: start %+v, %v", id, body, err)
		}
	}
}

func TestACertificateThatNobodyVouchesForIsNoAnswer(t *testing.T) {
	s := httptest.NewTLSServer(answer(200, "application/json", credit))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	_, err := client(t, 2*time.Second, s.URL).Credit(t.Context(), "cid:1", "")
	var unknown x509.UnknownAuthorityError
	if !errors.Is(err, ErrNoAnswer) || !errors.As(err, &unknown) {
		t.Errorf("got %v", err)
	}
}

func TestDeadlineHoldsOverAllServers(t *testing.T) {
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	start := time.Now()
	_, err := client(t, 200*time.Millisecond, serve(t, slow), serve(t, slow)).Credit(t.Context(), "cid:1", "")
	if !errors.Is(err, ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("200 ms became %v", took)
	}
}

func TestSecondServerIsAskedAndTheFirstAvoided(t *testing.T) {
	var first, second atomic.Int32
	bad := serve(t, func(w http.ResponseWriter, r *http.Request) { first.Add(1); problem(wire.Unavailable)(w, r) })
	good := serve(t, func(w http.ResponseWriter, r *http.Request) {
		second.Add(1)
		answer(200, "application/json", credit)(w, r)
	})
	c := client(t, time.Second, bad, good)
	if err := os.MkdirAll(c.cfg.SpoolDir, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := c.Credit(t.Context(), "cid:1", ""); err != nil {
			t.Fatal(err)
		}
	}
	if first.Load() != 1 || second.Load() != 3 {
		t.Errorf("the failing server was asked %d times, the other %d; want 1 and 3", first.Load(), second.Load())
	}
}

func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: answer(200, "application/json", credit)}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	if _, err := client(t, time.Second, "unix://"+socket).Credit(t.Context(), "cid:1", ""); err != nil {
		t.Error(err)
	}
}

func TestStartRefusesASoundThatIsAPath(t *testing.T) {
	for _, sound := range []string{"../../etc/passwd", "/etc/passwd", "", "ads/x&ads/y", "ads/x.wav"} {
		body, _ := json.Marshal(wire.Listen{ID: "l1", Sound: sound, Samples: 8000, RateHz: 8000, DurationMS: 1000, Reward: 1})
		_, err := client(t, time.Second, serve(t, answer(201, "application/json", string(body)))).Start(t.Context(), wire.StartListen{Account: "cid:1", CallID: "a/1"})
		if !errors.Is(err, ErrNoAnswer) {
			t.Errorf("sound %q: %v", sound, err)
		}
	}
}

// The spool's file of listen l1 and account cid:1.
var kept1 = Entry{Listen: "l1", Account: "cid:1"}.name()

const grant = `{"listen_id":"l1","state":"logged","amount":"50.00000","credit":"57.00000","currency":"XOF","sufficient":true}`

func TestCompletion(t *testing.T) {
	listen := wire.Listen{ID: "l1", Samples: 44000}
	for _, row := range []struct {
		name string
		h    http.HandlerFunc
		want error
		left string // where the entry is afterwards
	}{
		{"granted", answer(200, "application/json", grant), nil, ""},
		{"in doubt", answer(202, "application/json", strings.Replace(grant, "logged", "in_doubt", 1)), wire.InDoubt, ""},
		{"somebody else's grant", answer(200, "application/json", strings.Replace(grant, "l1", "l2", 1)), callflow.ErrPending, kept1},
		{"not heard", problem(wire.NotHeard), wire.NotHeard, "refused/" + kept1},
		{"window over", problem(wire.ListenExpired), wire.ListenExpired, "refused/" + kept1},
		{"listen unknown on this node of a cluster", problem(wire.ListenNotFound), callflow.ErrPending, kept1},
		{"key revoked", problem(wire.Unauthorized), callflow.ErrPending, kept1},
		{"other node's key", problem(wire.Forbidden), callflow.ErrPending, kept1},
		{"a proxy's 409", answer(409, "text/plain", "conflict"), callflow.ErrPending, kept1},
		{"database down", problem(wire.Unavailable), callflow.ErrPending, kept1},
		{"a redirect", answer(302, "text/plain", ""), callflow.ErrPending, kept1},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := client(t, time.Second, "http://127.0.0.1:1")
			kept := false
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, err := os.Stat(filepath.Join(c.cfg.SpoolDir, kept1))
				kept = err == nil
				row.h(w, r)
			})
			s, err := newServer(url, c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			c.servers = []*server{s}
			_, err = c.Complete(t.Context(), "cid:1", listen, wire.Heard{Endpos: 44000, PlayedMS: 5500, HeardAt: time.Now()})
			if row.want == nil && err != nil || !errors.Is(err, row.want) {
				t.Errorf("got %v; want %v", err, row.want)
			}
			if !kept {
				t.Error("the completion was sent before it was on disk")
			}
			if left := files(t, c.cfg.SpoolDir); left != row.left {
				t.Errorf("left in the spool: %q; want %q", left, row.left)
			}
		})
	}
}

// files lists what the spool holds.
func files(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func TestTooEarlyIsWaitedFor(t *testing.T) {
	var asked atomic.Int32
	body, _ := json.Marshal((&wire.Error{Code: wire.TooEarly, RetryAfterMS: 50}).Problem())
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			answer(425, wire.ProblemType, string(body))(w, r)
			return
		}
		answer(200, "application/json", grant)(w, r)
	})
	c := client(t, 2*time.Second, url)
	if _, err := c.Complete(t.Context(), "cid:1", wire.Listen{ID: "l1"}, wire.Heard{}); err != nil || asked.Load() != 2 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

func TestHangupShortensAStepAndNeverCancelsIt(t *testing.T) {
	c := client(t, time.Hour, "http://127.0.0.1:1")
	gone, hangup := context.WithCancel(t.Context())
	step, cancel := c.step(gone)
	defer cancel()
	hangup()
	if step.Err() != nil {
		t.Fatal("the completion was cancelled by the hangup")
	}
	select {
	case <-step.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("an hour's timeout was not shortened after the hangup")
	}
	next, cancelNext := c.step(gone)
	defer cancelNext()
	select {
	case <-next.Done():
	case <-time.After(afterHangup / 2):
		t.Error("the next step after the hangup has a time of its own: extension h waits for both")
	}
}

func TestAHangupSaysNothingAboutAServer(t *testing.T) {
	c := client(t, time.Hour, "http://127.0.0.1:1", "http://127.0.0.1:1")
	if err := os.MkdirAll(c.cfg.SpoolDir, 0o700); err != nil {
		t.Fatal(err)
	}
	gone, hangup := context.WithCancel(t.Context())
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) { hangup(); <-r.Context().Done() })
	s, err := newServer(slow, c.cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.servers[0] = s
	if _, err := c.Credit(gone, "cid:1", ""); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if down := files(t, c.cfg.SpoolDir); down != "" {
		t.Errorf("a server is avoided since the caller hung up: %s", down)
	}
}

func TestAListenThatStartsWhileTheCallerHangsUpIsKnown(t *testing.T) {
	gone, hangup := context.WithCancel(t.Context())
	body, _ := json.Marshal(wire.Listen{ID: "l1", Sound: "ads/x", Samples: 8000, RateHz: 8000, DurationMS: 1000, Reward: 1})
	c := client(t, 10*time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) {
		hangup()
		answer(201, "application/json", string(body))(w, r)
	}))
	if l, err := c.Start(gone, wire.StartListen{Account: "cid:1", CallID: "a/1"}); err != nil || l.ID != "l1" {
		t.Errorf("listen %q, %v: nobody can abandon it, and its reward is held", l.ID, err)
	}
}
