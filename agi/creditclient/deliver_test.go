package creditclient

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/wire"
)

func silently(Flushed, int) {}

// listenOf is the listen of a completion's path.
func listenOf(r *http.Request) string {
	return strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/listens/"), "/complete")
}

// granting grants whatever it is asked.
func granting(w http.ResponseWriter, r *http.Request) {
	answer(200, "application/json", strings.Replace(grant, "l1", listenOf(r), 1))(w, r)
}

// What waits for the caller is granted before anything is offered, also when it
// is not due; what waits for others is not their business.
func TestWaitingCompletionsOfTheAccountGoFirst(t *testing.T) {
	var order []string
	c := client(t, time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) {
		order = append(order, r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
		switch {
		case strings.HasSuffix(r.URL.Path, "/complete"):
			granting(w, r)
		case len(order) > 1:
			answer(200, "application/json", strings.Replace(credit, `"offer"`, `"sufficient":true,"offer"`, 1))(w, r)
		default:
			answer(200, "application/json", credit)(w, r)
		}
	}))
	put(t, c.spool, "l1", "cid:1").failed(&wire.Error{Code: wire.Forbidden}) // not due
	put(t, c.spool, "l2", "cid:2").end()
	got, err := c.Credit(t.Context(), "cid:1", "")
	if !got.Sufficient || strings.Join(order, " ") != "credit complete credit" || err != nil {
		t.Errorf("sufficient %v after %v: %v", got.Sufficient, order, err)
	}
	if left := files(t, c.cfg.SpoolDir); !strings.HasPrefix(left, "l2.") || strings.Contains(left, " ") {
		t.Errorf("left: %s", left)
	}
	order = nil
	if _, err := c.Credit(t.Context(), "cid:3", ""); err != nil || strings.Join(order, " ") != "credit" {
		t.Errorf("for a caller without completions: %v, %v", order, err)
	}
}

func TestAnotherAccountOfTheSameTagIsLeftAlone(t *testing.T) {
	var asked atomic.Int32
	c := client(t, time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); granting(w, r) }))
	name := put(t, c.spool, "l1", "cid:1")
	name.end()
	names, err := c.spool.of("cid:1")
	if len(names) != 1 || err != nil {
		t.Fatal(names, err)
	}
	c.deliverOwn(t.Context(), "cid:2")
	if asked.Load() != 0 {
		t.Error("cid:2 waited for the completion of cid:1")
	}
	if e := c.take(names[0], &Flushed{}); e == nil {
		t.Error("the entry stays locked")
	}
}

func TestASlowServerCostsACallerNoMoreThanOneStep(t *testing.T) {
	c := client(t, 400*time.Millisecond, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			answer(200, "application/json", credit)(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the client is gone
		<-r.Context().Done()
	}))
	for i := range 5 {
		put(t, c.spool, fmt.Sprintf("l%d", i), "cid:1").end()
	}
	began := time.Now()
	if _, err := c.Credit(t.Context(), "cid:1", ""); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 900*time.Millisecond { // one by one they would take 1 s
		t.Errorf("a step of 400 ms took %v", took)
	}
}

func TestFlush(t *testing.T) {
	c := client(t, time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch listenOf(r) {
		case "l1":
			granting(w, r)
		case "l2":
			problem(wire.ListenExpired)(w, r)
		case "l3":
			problem(wire.Unavailable)(w, r)
		case "l4":
			problem(wire.Forbidden)(w, r)
		default:
			answer(202, "application/json", `{"listen_id":"l5","state":"in_doubt","amount":"50.00000","currency":"XOF"}`)(w, r)
		}
	}))
	for _, id := range []string{"l1", "l2", "l3", "l4", "l5"} {
		put(t, c.spool, id, "cid:1").end()
	}
	for name, text := range map[string]string{"x.json": "not ours", "l9.json": `{"version":9}`} {
		if err := os.WriteFile(filepath.Join(c.cfg.SpoolDir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	done, err := c.Flush(t.Context(), true, func(_ Flushed, of int) { told = of })
	want := "{2 1 1 map[forbidden:1 later:1 unavailable:1]}"
	if fmt.Sprint(done) != want || done.Left() != 3 || told != 7 || err != nil {
		t.Errorf("%v of %d, %v; want %s", done, told, err, want)
	}
	tagged := strings.TrimPrefix(kept1, "l1")
	if left := files(t, c.cfg.SpoolDir); left != "corrupt/x.json l3"+tagged+" l4"+tagged+" l9.json refused/l2"+tagged {
		t.Errorf("left: %s", left)
	}
	if done, _ := c.Flush(t.Context(), false, silently); fmt.Sprint(done) != "{0 0 0 map[later:1 not_due:2]}" {
		t.Errorf("an entry that is not due was tried: %v", done)
	}
	if held, err := c.spool.Look(); held != (Held{Waiting: 3, Refused: 1, Corrupt: 1}) || err != nil {
		t.Errorf("%+v, %v", held, err)
	}
}

// One entry on which creditapi fails again and again must not stand in the way,
// and one that is away must not be asked ten thousand times.
func TestWhenAFlushGivesUp(t *testing.T) {
	for _, row := range []struct {
		name  string
		h     http.HandlerFunc
		asked int32
		want  string
	}{
		{"creditapi fails on one entry", func(w http.ResponseWriter, r *http.Request) {
			if listenOf(r) == "l3" {
				problem(wire.Internal)(w, r)
				return
			}
			granting(w, r)
		}, 10, "{9 0 0 map[internal:1]}"},
		{"it fails on all", problem(wire.Unavailable), 3, "{0 0 0 map[unavailable:3 unreachable:7]}"},
		{"somebody else answers", answer(200, "text/html", "It works!"), 3, "{0 0 0 map[unreachable:10]}"},
		{"the key was revoked", problem(wire.Unauthorized), 1, "{0 0 0 map[unauthorized:10]}"},
		{"the node has another name now", problem(wire.Forbidden), 10, "{0 0 0 map[forbidden:10]}"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var asked atomic.Int32
			c := client(t, time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); row.h(w, r) }))
			for i := range 10 {
				put(t, c.spool, fmt.Sprintf("l%d", i), "cid:1").end()
			}
			done, err := c.Flush(t.Context(), true, silently)
			if fmt.Sprint(done) != row.want || asked.Load() != row.asked || err != nil {
				t.Errorf("%v after %d attempts, %v; want %s after %d", done, asked.Load(), err, row.want, row.asked)
			}
			if waiting, _, _ := c.spool.waiting(true, 0); len(waiting) != done.Left() {
				t.Errorf("%d entries are left", len(waiting))
			}
		})
	}
}

func TestAFolderThatOthersMayWriteIsNotDelivered(t *testing.T) {
	c := client(t, time.Second, serve(t, granting))
	put(t, c.spool, "l1", "cid:1").end()
	if err := os.Chmod(c.cfg.SpoolDir, 0o777); err != nil {
		t.Fatal(err)
	}
	if done, err := c.Flush(t.Context(), true, silently); err == nil || done.Delivered > 0 {
		t.Errorf("%v, %v", done, err)
	}
}

func TestTwoProcessesAtOnce(t *testing.T) {
	log := logged(t)
	const entries = 40
	var mu sync.Mutex
	asked := map[string]int{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[listenOf(r)]++
		mu.Unlock()
		if strings.HasSuffix(listenOf(r), "9") {
			problem(wire.NotHeard)(w, r)
			return
		}
		granting(w, r)
	})
	first, second := client(t, 5*time.Second, url), client(t, 5*time.Second, url)
	second.spool.Dir = first.spool.Dir
	for i := range entries {
		put(t, first.spool, fmt.Sprintf("l%d", i), "cid:1").end()
	}
	var both sync.WaitGroup
	sum := make(chan Flushed, 2)
	for _, c := range []*Client{first, second} {
		both.Go(func() {
			done, err := c.Flush(t.Context(), true, silently)
			if err != nil {
				t.Error(err)
			}
			sum <- done
		})
	}
	both.Wait()
	a, b := <-sum, <-sum
	rest, err := first.Flush(t.Context(), true, silently) // a busy machine may have refused a connection
	if err != nil || a.Delivered+b.Delivered+rest.Delivered != 36 || a.Refused+b.Refused+rest.Refused != 4 || len(asked) != entries {
		t.Errorf("%v, %v and %v of %d, %v; want 36 delivered and 4 refused", a, b, rest, len(asked), err)
	}
	for listen, n := range asked {
		if n != 1 {
			t.Errorf("%s was sent %d times", listen, n)
		}
	}
	if held, err := first.spool.Look(); held != (Held{Refused: 4}) || err != nil {
		t.Errorf("%+v, %v", held, err)
	}
	if n := strings.Count(log.String(), "level="); n != 4 {
		t.Errorf("%d lines are logged, want one for each refusal:\n%s", n, log)
	}
}

// The one who heard the ad sends it first; a flush at the same moment waits.
func TestAFlushLeavesACompletionThatIsBeingSent(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	c := client(t, 20*time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived) // panics when it comes twice
		<-release
		granting(w, r)
	}))
	sent := make(chan error, 1)
	go func() {
		_, err := c.Complete(context.Background(), "cid:1", wire.Listen{ID: "l1"}, wire.Heard{})
		sent <- err
	}()
	<-arrived
	flusher := client(t, time.Second, "http://127.0.0.1:1")
	flusher.spool.Dir = c.spool.Dir
	if done, err := flusher.Flush(t.Context(), true, silently); fmt.Sprint(done) != "{0 0 0 map[busy:1]}" || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	close(release)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// Ten thousand completions wait: the caller's own is found without reading the
// others, and these have no more than their time.
func TestTenThousandEntriesWait(t *testing.T) {
	const entries = 10_000
	var order []string
	c := client(t, 2*time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) {
		order = append(order, listenOf(r))
		granting(w, r)
	}))
	if err := os.Mkdir(c.spool.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		e := Entry{Version: 1, Listen: fmt.Sprintf("l%05d", i), Account: fmt.Sprintf("card:%010d", i)}
		text, err := json.Marshal(e)
		if err == nil {
			err = os.WriteFile(filepath.Join(c.spool.Dir, e.name()), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	names, err := c.spool.of("card:0000007000")
	if err != nil || len(names) == 0 || len(names) > 2 {
		t.Fatalf("%d files would be read for one account: %v", len(names), err)
	}
	began := time.Now()
	c.deliverOwn(t.Context(), "card:0000007000")
	own := time.Since(began)
	if strings.Join(order, " ") != "l07000" {
		t.Errorf("delivered %v", order)
	}
	const budget = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), budget)
	defer cancel()
	began = time.Now()
	done, err := c.FlushSome(ctx)
	others := time.Since(began)
	if err != nil || done.Delivered == 0 {
		t.Errorf("%v, %v", done, err)
	}
	t.Logf("own %v, others %v: %d delivered", own, others, done.Delivered)
	if own > c.cfg.Timeout || others > 10*budget { // tens of ms; ten times that on a busy machine
		t.Errorf("the caller waited %v for their own completion and %v for others", own, others)
	}
}
