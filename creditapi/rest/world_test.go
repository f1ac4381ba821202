package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/credit/credittest"
	"adcredit/creditapi/wire"
)

// world is the interface over a store in memory, with a clock that the test
// sets. Account 1000 has credit, 1001 has none, 1002 is postpaid; the name 77
// fits two accounts. Campaign teranga plays ads/teranga-fr of 10 s for 50.
type world struct {
	*testing.T
	store *credittest.Memory
	api   *API
	keys  map[string]string // by node or scope: ast1, ast2, credit, report
	ids   map[string]string
	clock
	log *lines
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// lines is a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newWorld makes it; change may wrap the store or set options.
func newWorld(t *testing.T, change ...func(*credit.Service, *Options)) *world {
	t.Helper()
	w := furnished(t)
	w.api = newAPI(w.store, w.Now, w.log, change...)
	t.Cleanup(w.api.Wait)
	return w
}

// newAPI is the interface over a store that is there.
func newAPI(store credit.Store, now func() time.Time, log io.Writer, change ...func(*credit.Service, *Options)) *API {
	service := &credit.Service{Store: store, Now: now, Policy: credit.Policy{
		Required: wire.Units(1), NeverOffer: []string{"88"}, CompletionWindow: 24 * time.Hour,
		ClockTolerance: time.Second, StartsPerDay: 3, ListensPerDay: 2, Location: time.UTC,
	}}
	options := Options{
		Version: "test", Hosts: []string{"127.0.0.1", "credit.example.net"}, Now: now,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(service, &options)
	}
	return New(service, options)
}

// furnished is the world without the interface.
func furnished(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, keys: map[string]string{}, ids: map[string]string{}, log: &lines{}}
	w.now = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	w.store = credittest.New(w.Now)
	ctx := t.Context()
	for _, a := range []credit.NewAccount{
		{Card: "8987344413", Alias: "1000", Credit: wire.Units(2000), Language: "fr"},
		{Card: "9700203963", Alias: "1001", CallerIDs: []string{"+221771234567"}, Language: "fr"},
		{Card: "3377949903", Alias: "1002", Language: "en"},
		{Card: "77", Alias: "1003"},
		{Card: "5550001112", Alias: "77"},
	} {
		if _, err := w.store.AddAccount(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	w.campaign("teranga", "fr")
	w.key("ast1", credit.ScopeAGI)
	w.key("ast2", credit.ScopeAGI)
	w.key("", credit.ScopeCredit)
	w.key("", credit.ScopeReport)
	return w
}

func (w *world) campaign(name, language string) {
	w.Helper()
	_, err := w.store.AddCampaign(w.Context(), credit.Campaign{Name: name, Reward: wire.Units(50), Budget: wire.Units(1000),
		Ads: []credit.Ad{{Language: language, Sound: "ads/" + name + "-" + language, RateHz: 8000, Samples: 80000}}})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) key(node, scope string) {
	w.Helper()
	name := node
	if name == "" {
		name = scope
	}
	k, text, err := credit.NewKey(name, node, []string{scope}, nil)
	if err == nil {
		err = w.store.AddKey(w.Context(), k)
	}
	if err != nil {
		w.Fatal(err)
	}
	w.keys[name], w.ids[name] = text, k.ID
}

// request is one question and who asks it.
type request struct {
	key     string // of world.keys; "": none
	method  string
	path    string
	body    string
	headers map[string]string
}

func get(key, path string) request { return request{key: key, method: http.MethodGet, path: path} }

func post(key, path, body string) request {
	return request{key: key, method: http.MethodPost, path: path, body: body}
}

func (r request) with(name, value string) request {
	headers := map[string]string{name: value}
	for n, v := range r.headers {
		headers[n] = v
	}
	r.headers = headers
	return r
}

// run is a subtest in the same world.
func (w *world) run(name string, f func()) {
	outer := w.T
	defer func() { w.T = outer }()
	outer.Run(name, func(t *testing.T) {
		w.T = t
		f()
	})
}

func (w *world) make(r request) *http.Request {
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req := httptest.NewRequestWithContext(w.Context(), r.method, r.path, body)
	req.Host = "127.0.0.1:8080"
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+w.keys[r.key])
	}
	for name, value := range r.headers {
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	return req
}

func (w *world) ask(r request) *http.Response {
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, w.make(r))
	return rec.Result()
}

// want asks, and reads the answer of this status into a value.
func (w *world) want(status int, r request, into any) {
	w.Helper()
	resp := w.ask(r)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	if resp.StatusCode != status {
		w.Fatalf("%s %s: status %d, want %d: %s", r.method, r.path, resp.StatusCode, status, body)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			w.Fatalf("%s %s: %v in %s", r.method, r.path, err, body)
		}
	}
}

// problem asks, and checks that the answer is a problem of this code as the
// interface promises it.
func (w *world) problem(code wire.Code, r request) (wire.Problem, http.Header) {
	w.Helper()
	resp := w.ask(r)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	var p wire.Problem
	if err := json.Unmarshal(body, &p); err != nil {
		w.Fatalf("%s %s: %v in %q", r.method, r.path, err, body)
	}
	if resp.StatusCode != code.Status() || p.Code != code {
		w.Errorf("%s %s: %d %s, want %d %s", r.method, r.path, resp.StatusCode, body, code.Status(), code)
	}
	if got := resp.Header.Get("Content-Type"); got != wire.ProblemType {
		w.Errorf("%s: Content-Type %q, want %q", code, got, wire.ProblemType)
	}
	if p.Type != "urn:adcredit:problem:"+string(code) || p.Status != code.Status() || p.Title == "" || p.Detail == "" {
		w.Errorf("incomplete problem: %s", body)
	}
	return p, resp.Header
}

const key1, key2, key3 = "idem-0000000000000001", "idem-0000000000000002", "idem-0000000000000003"

func start(key, idempotency, account string) request {
	return post(key, "/v1/listens", `{"account":"`+account+`","call_id":"ast1/1.1","destination":"2000"}`).with("Idempotency-Key", idempotency)
}

const heard = `{"endpos":80000,"played_ms":10000,"heard_at":"2026-11-24T10:00:10Z"}`

// started starts a listen of 1001 on ast1.
func (w *world) started(idempotency string) wire.Listen {
	w.Helper()
	var l wire.Listen
	w.want(http.StatusCreated, start("ast1", idempotency, "alias:1001"), &l)
	return l
}

// faulty is a store with faults of its own.
type faulty struct {
	credit.Store
	account func(context.Context, credit.Ref) (credit.Account, error)
	touch   func(context.Context, string) error
	key     func(context.Context, string) (credit.Key, error)
}

func (f faulty) Account(ctx context.Context, ref credit.Ref) (credit.Account, error) {
	if f.account != nil {
		return f.account(ctx, ref)
	}
	return f.Store.Account(ctx, ref)
}

func (f faulty) TouchKey(ctx context.Context, id string) error {
	if f.touch != nil {
		return f.touch(ctx, id)
	}
	return f.Store.TouchKey(ctx, id)
}

func (f faulty) Key(ctx context.Context, id string) (credit.Key, error) {
	if f.key != nil {
		return f.key(ctx, id)
	}
	return f.Store.Key(ctx, id)
}
