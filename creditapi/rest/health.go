package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

const (
	readyFresh   = time.Second // so long one answer of the store serves all who ask
	readyTimeout = 2 * time.Second
)

// readiness remembers what the store said a moment ago, since anybody may ask.
type readiness struct {
	mu    sync.Mutex
	until time.Time
	err   error
}

func (s *readiness) check(ctx context.Context, store credit.Store) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.After(s.until) {
		// Not the request's context: the answer is for others too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		s.err = store.Ready(ctx)
		s.until = time.Now().Add(readyFresh)
	}
	return s.err
}

// operations registers what watches over the server.
func (a *API) operations() {
	a.plain(operation{
		id: "health", method: http.MethodGet, path: "/healthz", status: http.StatusOK,
		summary: "The process answers",
	}, "application/json", func(w http.ResponseWriter, r *http.Request) {
		a.answer(w, r, map[string]string{"status": "ok"})
	})
	a.plain(operation{
		id: "ready", method: http.MethodGet, path: "/readyz", status: http.StatusOK,
		summary: "The database answers, and its schema is ours",
		text:    "With a key of any scope the answer also says in which way grants are run, and what that promises.",
		codes:   []wire.Code{wire.Unavailable},
	}, "application/json", a.readyz)
	figures := a.metrics.handler()
	a.plain(operation{
		id: "metrics", method: http.MethodGet, path: "/metrics", scope: credit.ScopeReport, status: http.StatusOK,
		summary: "Figures for Prometheus",
		text:    "The same figures are on the listener of `metrics_listen`, if there is one, without a key.",
	}, "text/plain; version=0.0.4; charset=utf-8", figures.ServeHTTP)
}

func (a *API) readyz(w http.ResponseWriter, r *http.Request) {
	if err := a.ready.check(r.Context(), a.service.Store); err != nil {
		a.fail(w, r, &wire.Error{Code: wire.Unavailable, Detail: "Not ready; creditapi check says why.", Err: err})
		return
	}
	answer := map[string]string{"status": "ok"}
	if key, err := a.gate.admit(r); err == nil {
		recordOf(r.Context()).key = key
		way := a.service.Store.Way()
		answer["way"], answer["promise"] = string(way), way.Promise()
	}
	a.answer(w, r, answer)
}

// answer writes a small answer as JSON.
func (a *API) answer(w http.ResponseWriter, r *http.Request, body map[string]string) {
	if err := json.NewEncoder(w).Encode(body); err != nil { // the client is gone
		a.log.DebugContext(r.Context(), "an answer could not be written", "error", err)
	}
}

// Metrics is the handler of a listener for figures alone, without a key.
func (a *API) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics.handler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers(w.Header(), r)
		mux.ServeHTTP(w, r)
	})
}
