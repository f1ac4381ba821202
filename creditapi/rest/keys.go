package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

const (
	keyFresh     = 5 * time.Second // so long a revoked key may still be let in
	unknownFresh = time.Second     // so long a new key may still be refused
	touchEvery   = time.Minute
	touchTimeout = 2 * time.Second
	maxCached    = 1024 // keys, and as many ids that are none
)

// gate lets keys in. It remembers what the store said of them for a while, with
// the ids that are no key apart, so that guessing pushes no real key out.
type gate struct {
	keys credit.Keys
	now  func() time.Time
	log  *slog.Logger

	mu      sync.Mutex
	known   map[string]cachedKey
	unknown map[string]time.Time // id: until when it is taken to be no key
	touched map[string]time.Time
	running sync.WaitGroup // notes that a key was used
}

type cachedKey struct {
	credit.Key
	until time.Time
}

func newGate(keys credit.Keys, now func() time.Time, log *slog.Logger) *gate {
	return &gate{keys: keys, now: now, log: log,
		known: map[string]cachedKey{}, unknown: map[string]time.Time{}, touched: map[string]time.Time{}}
}

// wait waits for the notes under way.
func (g *gate) wait() { g.running.Wait() }

// Two answers for all who are not let in: which of the reasons it was (no such
// key, another secret, expired, revoked) is nobody's business.
var (
	errNoKey  = &wire.Error{Code: wire.Unauthorized, Detail: "Send a key as the header Authorization: Bearer adc_…; creditapi key add makes one."}
	errBadKey = &wire.Error{Code: wire.Unauthorized, Detail: "This key is not known, or has expired, or was revoked."}
)

// admit finds the key that the request carries.
func (g *gate) admit(r *http.Request) (credit.Key, error) {
	sent := r.Header.Values("Authorization")
	if len(sent) != 1 { // of two, a proxy and we might believe another one
		return credit.Key{}, errNoKey
	}
	kind, text, _ := strings.Cut(sent[0], " ")
	if !strings.EqualFold(kind, "Bearer") {
		return credit.Key{}, errNoKey
	}
	id, secret, ok := credit.SplitKey(strings.TrimSpace(text))
	if !ok {
		return credit.Key{}, errBadKey
	}
	key, err := g.find(r.Context(), id)
	if err != nil {
		return credit.Key{}, err
	}
	if !key.Admits(secret, g.now()) {
		return credit.Key{}, errBadKey
	}
	g.touch(key.ID)
	return key, nil
}

// find reads a key, from memory if it was read a moment ago.
func (g *gate) find(ctx context.Context, id string) (credit.Key, error) {
	now := g.now()
	g.mu.Lock()
	cached, hit := g.known[id]
	until := g.unknown[id]
	g.mu.Unlock()
	switch {
	case hit && now.Before(cached.until):
		return cached.Key, nil
	case now.Before(until):
		return credit.Key{}, errBadKey
	}
	// Not cut short when the client is gone: the answer serves the next request too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	key, err := g.keys.Key(ctx, id)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err == nil:
		makeRoom(g.known, func(k cachedKey) bool { return now.Before(k.until) })
		g.known[id] = cachedKey{Key: key, until: now.Add(keyFresh)}
		return key, nil
	case errors.Is(err, wire.NotFound):
		makeRoom(g.unknown, now.Before)
		g.unknown[id] = now.Add(unknownFresh)
		return credit.Key{}, errBadKey
	}
	return credit.Key{}, err
}

// makeRoom keeps the map below maxCached: what is stale goes first, then anything.
func makeRoom[V any](m map[string]V, fresh func(V) bool) {
	if len(m) < maxCached {
		return
	}
	for id, v := range m {
		if !fresh(v) {
			delete(m, id)
		}
	}
	for id := range m {
		if len(m) < maxCached {
			return
		}
		delete(m, id)
	}
}

// touch notes beside the request that the key was used, once in a while.
func (g *gate) touch(id string) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if last, ok := g.touched[id]; ok && now.Sub(last) < touchEvery {
		return
	}
	makeRoom(g.touched, func(t time.Time) bool { return now.Sub(t) < touchEvery })
	g.touched[id] = now
	g.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), touchTimeout)
		defer cancel()
		if err := g.keys.TouchKey(ctx, id); err != nil {
			g.log.Debug("the last use of a key could not be noted", "key", id, "error", err)
		}
	})
}

// authorize lets the request in if its key has the scope, and notes whose it is.
func (a *API) authorize(w http.ResponseWriter, r *http.Request, scope string) error {
	key, err := a.gate.admit(r)
	if err != nil {
		return err
	}
	rec := recordOf(r.Context())
	rec.key = key
	if !key.Has(scope) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="creditapi", error="insufficient_scope", scope="`+scope+`"`)
		return &wire.Error{Code: wire.Forbidden, Detail: "This key lacks the scope " + scope + "."}
	}
	return nil
}

// admits is authorize for huma's routes: it runs before anything of the request
// is read.
func (a *API) admits(scope string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		if err := a.authorize(w, r, scope); err != nil {
			a.fail(w, r, err)
			return
		}
		next(ctx)
	}
}
