package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

func TestKeysThatAreNone(t *testing.T) {
	w := newWorld(t)
	id, secret, _ := credit.SplitKey(w.keys["ast1"])
	other, _, _ := credit.SplitKey(w.keys["ast2"])
	for name, header := range map[string]string{
		"nothing": "", "another kind": "Basic YWRtaW46YWRtaW4=", "a word": "Bearer", "garbage": "Bearer adc_", "no prefix": "Bearer " + id + "_" + secret,
		"an id alone": "Bearer adc_" + id, "another's secret": "Bearer adc_" + other + "_" + secret,
		"a wrong secret": "Bearer adc_" + id + "_" + strings.Repeat("x", 43), "an unknown id": "Bearer adc_000000000000_" + secret,
	} {
		_, headers := w.problem(wire.Unauthorized, get("", "/v1/sounds").with("Authorization", header))
		if got := headers.Get("WWW-Authenticate"); got != `Bearer realm="creditapi"` {
			t.Errorf("%s: WWW-Authenticate %q", name, got)
		}
	}
	w.want(http.StatusOK, get("", "/v1/sounds").with("Authorization", "bearer "+w.keys["ast1"]), nil)
}

// TestKeyElsewhere: a key counts in one header Authorization alone. In an address
// it would end in the logs of proxies and browsers.
func TestKeyElsewhere(t *testing.T) {
	w := newWorld(t)
	key := w.keys["ast1"]
	for _, r := range []request{
		get("", "/v1/sounds?key="+key), get("", "/v1/sounds?access_token="+key), get("", "/v1/sounds?Authorization=Bearer+"+key),
		get("", "/v1/sounds").with("X-Api-Key", key), get("", "/v1/sounds").with("Cookie", "key="+key),
		get("", "/v1/sounds").with("Proxy-Authorization", "Bearer "+key),
	} {
		w.problem(wire.Unauthorized, r)
	}
	for _, other := range []string{"Bearer " + key, "Bearer " + w.keys["ast2"], "", "Basic eDp5"} {
		twice := w.make(get("ast1", "/v1/sounds"))
		twice.Header.Add("Authorization", other)
		rec := httptest.NewRecorder()
		w.api.ServeHTTP(rec, twice)
		if rec.Code != http.StatusUnauthorized {
			t.Errorf("a second Authorization: %q is answered with %d", other, rec.Code)
		}
	}
	if strings.Contains(w.log.String(), key[20:]) {
		t.Errorf("a key is in the log:\n%s", w.log)
	}
}

// TestRevoked: a revoked key is let in for five seconds at most.
func TestRevoked(t *testing.T) {
	w := newWorld(t)
	w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil)
	if err := w.store.RevokeKey(t.Context(), w.ids["ast1"]); err != nil {
		t.Fatal(err)
	}
	w.pass(4 * time.Second)
	w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil) // remembered; asking does not prolong it
	w.pass(time.Second)
	w.problem(wire.Unauthorized, get("ast1", "/v1/sounds"))
}

func TestExpiredKey(t *testing.T) {
	w := newWorld(t)
	end := w.Now().Add(time.Second)
	k, text, err := credit.NewKey("brief", "ast3", []string{credit.ScopeAGI}, &end)
	if err == nil {
		err = w.store.AddKey(t.Context(), k)
	}
	if err != nil {
		t.Fatal(err)
	}
	brief := get("", "/v1/sounds").with("Authorization", "Bearer "+text)
	w.pass(time.Second - time.Nanosecond)
	w.want(http.StatusOK, brief, nil)
	w.pass(time.Nanosecond) // the end itself is not in it, though the key is remembered
	w.problem(wire.Unauthorized, brief)
}

// TestNewKey: an id that was no key a second ago may be one now.
func TestNewKey(t *testing.T) {
	w := newWorld(t)
	k, text, err := credit.NewKey("new", "ast3", []string{credit.ScopeAGI}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fresh := get("", "/v1/sounds").with("Authorization", "Bearer "+text)
	w.problem(wire.Unauthorized, fresh)
	if err := w.store.AddKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	w.problem(wire.Unauthorized, fresh)
	w.pass(time.Second)
	w.want(http.StatusOK, fresh, nil)
}

// TestKeyReads counts how often the store is asked: once in five seconds for a
// key, once in one for an id that is none, and never for ever more memory.
func TestKeyReads(t *testing.T) {
	var reads atomic.Int64
	w := newWorld(t, func(s *credit.Service, _ *Options) {
		inner := s.Store
		s.Store = faulty{Store: inner, key: func(ctx context.Context, id string) (credit.Key, error) {
			reads.Add(1)
			return inner.Key(ctx, id)
		}}
	})
	for range 10 {
		w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil)
	}
	if n := reads.Load(); n != 1 {
		t.Errorf("%d reads of a key in use, want 1", n)
	}
	for i := range 3 * maxCached {
		w.problem(wire.Unauthorized, get("", "/v1/sounds").with("Authorization", fmt.Sprintf("Bearer adc_%012x_%043d", i, 0)))
	}
	if n := len(w.api.gate.unknown); n > maxCached {
		t.Errorf("%d unknown ids are remembered, want at most %d", n, maxCached)
	}
	before := reads.Load()
	w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil)
	if reads.Load() != before {
		t.Error("guessing pushed a real key out of memory")
	}
}

// TestKeyStoreDown: while the database is away, keys that were read within the
// last five seconds are let in, and nobody else.
func TestKeyStoreDown(t *testing.T) {
	down := &wire.Error{Code: wire.Unavailable, Detail: "The database does not answer now. Try again."}
	var failure error
	w := newWorld(t, func(s *credit.Service, _ *Options) {
		inner := s.Store
		s.Store = faulty{Store: inner, key: func(ctx context.Context, id string) (credit.Key, error) {
			if failure != nil {
				return credit.Key{}, failure
			}
			return inner.Key(ctx, id)
		}}
	})
	w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil)
	failure = down
	w.problem(wire.Unavailable, get("ast2", "/v1/sounds"))
	w.problem(wire.Forbidden, get("ast1", "/metrics")) // what a key may do is remembered with it
	w.pass(keyFresh - time.Nanosecond)
	w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil)
	w.problem(wire.Unauthorized, get("", "/v1/sounds").with("Authorization", "Bearer "+w.keys["ast1"][:55]+strings.Repeat("x", 5)))
	w.pass(time.Nanosecond)
	w.problem(wire.Unavailable, get("ast1", "/v1/sounds"))
	failure = nil
	w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil) // the failure was not remembered
	w.want(http.StatusOK, get("ast2", "/v1/sounds"), nil)
}

// TestRevokedOnTwoServers: each remembers a key for itself, and none for longer
// than five seconds after it was revoked.
func TestRevokedOnTwoServers(t *testing.T) {
	w := newWorld(t)
	first := w.api
	second := New(w.api.service, w.api.options)
	t.Cleanup(second.Wait)
	on := func(api *API) *world { w.api = api; return w }
	sounds := get("ast1", "/v1/sounds")
	on(first).want(http.StatusOK, sounds, nil)
	w.pass(3 * time.Second)
	on(second).want(http.StatusOK, sounds, nil)
	if err := w.store.RevokeKey(t.Context(), w.ids["ast1"]); err != nil {
		t.Fatal(err)
	}
	w.pass(2 * time.Second)
	on(first).problem(wire.Unauthorized, sounds)
	on(second).want(http.StatusOK, sounds, nil)
	w.pass(3 * time.Second)
	on(second).problem(wire.Unauthorized, sounds)
	w.pass(time.Hour)
	on(first).problem(wire.Unauthorized, sounds)
}

// TestTouch: the last use is noted once a minute, and nobody waits for it.
func TestTouch(t *testing.T) {
	var touches atomic.Int64
	held := make(chan struct{})
	w := newWorld(t, func(s *credit.Service, _ *Options) {
		s.Store = faulty{Store: s.Store, touch: func(ctx context.Context, _ string) error {
			touches.Add(1)
			<-held
			return errors.New("no matter")
		}}
	})
	for range 5 {
		w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil) // though the first note hangs
	}
	close(held)
	w.api.Wait()
	w.pass(59 * time.Second)
	w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil)
	w.api.Wait()
	if n := touches.Load(); n != 1 {
		t.Errorf("%d notes within a minute, want 1", n)
	}
	w.pass(time.Second)
	w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil)
	w.api.Wait()
	if n := touches.Load(); n != 2 {
		t.Errorf("%d notes in a minute and more, want 2", n)
	}
	w.problem(wire.Unauthorized, get("", "/v1/sounds").with("Authorization", "Bearer "+w.keys["ast2"]+"x"))
	w.api.Wait()
	if n := touches.Load(); n != 2 {
		t.Errorf("a key that was not let in was noted")
	}
}
