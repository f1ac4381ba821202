// Package rest is creditapi's interface over HTTP: [New] makes the handler of
// version 1 of the interface over a credit.Service, and [Server] runs it.
//
// Every error is a wire.Problem (RFC 9457), also those of the router and after a
// panic; what was sent is never echoed in it. Programs are let in by keys, each
// with its scopes; a key of scope agi speaks for one node. The description of the
// interface is /openapi.json, and /docs shows it to people.
package rest

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

const (
	maxBody  = 64 << 10         // bytes of a request's body
	deadline = 10 * time.Second // for the work of one request; clients give up sooner
)

// Options are what New can be told.
type Options struct {
	Version    string           // of the program, for the description
	Hosts      []string         // names allowed in Host, in small letters and without port
	LogNumbers bool             // false: the middle of accounts' names is hidden in the log
	Log        *slog.Logger     // nil: slog.Default()
	Now        func() time.Time // the clock for keys; nil: time.Now
	Body       time.Duration    // how long a body may take to come; 0: 5 s
}

// API is the handler of the whole interface.
type API struct {
	service *credit.Service
	options Options
	log     *slog.Logger
	mux     *http.ServeMux
	huma    huma.API
	gate    *gate
	metrics *metrics
	ready   readiness
}

// New makes the handler of the interface over the service.
func New(service *credit.Service, options Options) *API {
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	a := &API{service: service, options: options, log: options.Log, mux: http.NewServeMux()}
	a.gate = newGate(service.Store, options.Now, a.log)
	a.metrics = newMetrics(service.Store.Way)
	service.Noticed = a.metrics.noticed
	a.huma = humago.New(a.mux, description(options.Version))
	a.credits()
	a.listens()
	a.operations()
	a.documents()
	return a
}

// Wait waits for what requests have left running: notes that keys were used.
// Call it when no request is served any more, before the store is closed.
func (a *API) Wait() { a.gate.wait() }

// Swept counts what a sweep has mended.
func (a *API) Swept(s credit.Swept) { a.metrics.sweep(s) }

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.guard(w, r, a.route)
}

// route answers a request for a name of ours.
func (a *API) route(w http.ResponseWriter, r *http.Request) {
	if err := a.hostError(r); err != nil {
		a.fail(w, r, err)
		return
	}
	if !a.check(w, r) {
		a.dispatch(w, r)
	}
}

// dispatch lets the router find the handler. Its own answers (not found, wrong
// method, redirects to a cleaner path) become problems.
func (a *API) dispatch(w http.ResponseWriter, r *http.Request) {
	handler, pattern := a.mux.Handler(r)
	var probe routerAnswer
	if pattern == "" {
		handler.ServeHTTP(&probe, r)
	}
	switch {
	case probe.status == http.StatusMethodNotAllowed:
		w.Header().Set("Allow", probe.Header().Get("Allow"))
		a.fail(w, r, &wire.Error{Code: wire.MethodNotAllowed, Detail: "This address has other methods: see the header Allow."})
	case pattern == "" || strings.Contains(r.URL.Path, "//") || slices.Contains(strings.Split(r.URL.Path, "/"), ".."):
		a.fail(w, r, &wire.Error{Code: wire.NotFound, Detail: "There is nothing at this address; /docs lists what there is."})
	default:
		a.mux.ServeHTTP(w, r)
	}
}

// routerAnswer takes the router's own answer to a request that fits no route.
type routerAnswer struct {
	header http.Header
	status int
}

func (p *routerAnswer) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}
func (p *routerAnswer) WriteHeader(status int)      { p.status = status }
func (p *routerAnswer) Write(b []byte) (int, error) { return len(b), nil }
