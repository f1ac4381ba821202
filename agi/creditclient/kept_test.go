package creditclient

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/wire"
)

// kept is a client for many calls.
func kept(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New(Config{URLs: []string{url}, Timeout: 10 * time.Second, SpoolDir: filepath.Join(t.TempDir(), "spool"), KeepAlive: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCallsShareConnections, and neither key nor caller.
func TestCallsShareConnections(t *testing.T) {
	var opened atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key-of-"+r.URL.Query().Get("caller_id") {
			t.Errorf("%s came with %s", r.URL, r.Header.Get("Authorization"))
		}
		answer(200, "application/json", credit)(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	shared := kept(t, s.URL)
	const callers, calls = 4, 25
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for range calls {
				id := fmt.Sprint(caller)
				if _, err := shared.ForCall("key-of-"+id, id).Credit(t.Context(), "cid:1", ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := opened.Load(); n > 2*callers { // net/http may dial one that another request then doesn't need
		t.Errorf("%d calls took %d connections", callers*calls, n)
	}
}

// TestAClosedConnectionIsNoFailure: a server that was started again has closed
// those that were kept; the next request does not fail for it.
func TestAClosedConnectionIsNoFailure(t *testing.T) {
	var grants atomic.Int32
	// The server closes each connection after one request without a word about it,
	// as one that is killed does.
	var mu sync.Mutex
	last := map[string]bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		again := last[r.RemoteAddr]
		last[r.RemoteAddr] = true
		mu.Unlock()
		if again {
			panic(http.ErrAbortHandler)
		}
		grants.Add(1)
		granting(w, r)
	}))
	t.Cleanup(s.Close)
	shared := kept(t, s.URL)
	for n := range 5 {
		listen := wire.Listen{ID: fmt.Sprint("l", n), Samples: 44000}
		if _, err := shared.ForCall("k", "").Complete(t.Context(), "cid:1", listen, wire.Heard{Endpos: 44000}); err != nil {
			t.Fatal(err)
		}
	}
	if grants.Load() != 5 {
		t.Errorf("%d grants", grants.Load())
	}
}

// TestClaimsHoldWithinAProcess: several calls deliver the same spool at once, and
// each entry is sent by one of them alone.
func TestClaimsHoldWithinAProcess(t *testing.T) {
	const entries = 40
	var mu sync.Mutex
	now, most, sent := map[string]int{}, 0, map[string]int{}
	shared := kept(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		listen := listenOf(r)
		mu.Lock()
		now[listen]++
		sent[listen]++
		most = max(most, now[listen])
		mu.Unlock()
		time.Sleep(time.Millisecond) // long enough for another to come upon it
		granting(w, r)
		mu.Lock()
		now[listen]--
		mu.Unlock()
	}))
	for n := range entries {
		claim, err := shared.Spool().Put(Entry{Version: entryVersion, Listen: fmt.Sprint("l", n), Account: "cid:1"})
		if err != nil {
			t.Fatal(err)
		}
		claim.end()
	}
	var all sync.WaitGroup
	var delivered atomic.Int32
	for range 6 {
		all.Go(func() {
			done, err := shared.ForCall("k", "").Flush(t.Context(), true, silently)
			if err != nil {
				t.Error(err)
			}
			delivered.Add(int32(done.Delivered))
		})
	}
	all.Wait()
	if delivered.Load() != entries || most != 1 || len(sent) != entries {
		t.Errorf("%d of %d delivered, %d of them sent, one by %d at once", delivered.Load(), entries, len(sent), most)
	}
}
