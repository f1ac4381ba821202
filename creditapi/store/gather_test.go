package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A slow database answers each name with itself, a millisecond after it was asked.
type slowDatabase struct {
	mu    sync.Mutex
	asked [][]string
	open  int
	worst int
}

func (d *slowDatabase) ask(ctx context.Context, names []string) ([]string, error) {
	d.mu.Lock()
	d.asked = append(d.asked, slices.Clone(names))
	d.open++
	d.worst = max(d.worst, d.open)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.open--
		d.mu.Unlock()
	}()
	switch names[0] {
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "fail":
		return nil, errDown
	case "panic":
		panic("at the disco")
	}
	time.Sleep(time.Millisecond)
	return slices.Clone(names), nil
}

var errDown = errors.New("it is down")

// gathering runs a test on a gather whose time is the test's.
func gathering(t *testing.T, most int, test func(t *testing.T, g *gather[string], d *slowDatabase)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &slowDatabase{}
		test(t, &gather[string]{ask: d.ask, most: most}, d)
	})
}

// getAll asks for the names one after the other, without waiting for answers.
func getAll(t *testing.T, g *gather[string], names ...string) *sync.WaitGroup {
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			if got, err := g.get(t.Context(), name); err != nil || got != name {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		})
		synctest.Wait()
	}
	return &all
}

// wantIdle wants nothing to be under way.
func wantIdle(t *testing.T, g *gather[string]) {
	t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asking != 0 || g.workers != 0 || len(g.waiting) != 0 {
		t.Errorf("%d names under way, %d workers, %d batches waiting", g.asking, g.workers, len(g.waiting))
	}
}

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint("n", i))
	}
	return names
}

func TestGatherAlone(t *testing.T) {
	gathering(t, 16, func(t *testing.T, g *gather[string], d *slowDatabase) {
		start := time.Now()
		getAll(t, g, "a").Wait()
		wantEqual(t, "waited", time.Since(start), time.Millisecond)
		getAll(t, g, "b").Wait()
		wantEqual(t, "waited", time.Since(start), 2*time.Millisecond)
		wantIdle(t, g)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.get(ctx, "hang"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		wantEqual(t, "waited", time.Since(start), time.Second+2*time.Millisecond)
		wantIdle(t, g)
	})
}

// The first few are asked for at once; who comes meanwhile, in one statement.
func TestGatherTogether(t *testing.T) {
	gathering(t, 16, func(t *testing.T, g *gather[string], d *slowDatabase) {
		start := time.Now()
		getAll(t, g, numbered(14)...).Wait()
		wantEqual(t, "waited", time.Since(start), 2*time.Millisecond)
		wantEqual(t, "asked", fmt.Sprint(d.asked), "[[n0] [n1] [n2] [n3] [n4 n5 n6 n7 n8 n9 n10 n11 n12 n13]]")
		wantIdle(t, g)
	})
}

// A full batch waits for none, as far as there are connections.
func TestGatherFull(t *testing.T) {
	for most, want := range map[int]int{16: 4 + 2, 5: 5} {
		gathering(t, most, func(t *testing.T, g *gather[string], d *slowDatabase) {
			getAll(t, g, numbered(4+2*together+1)...).Wait()
			wantEqual(t, "statements", len(d.asked), 4+3)
			wantEqual(t, "at once", d.worst, want)
			for _, names := range d.asked {
				if len(names) > together {
					t.Errorf("%d names in one statement", len(names))
				}
			}
		})
	}
}

// Statements that hang hold the others up for a moment only, and fail at last.
func TestGatherHangs(t *testing.T) {
	gathering(t, 16, func(t *testing.T, g *gather[string], d *slowDatabase) {
		var hung sync.WaitGroup
		start := time.Now()
		for range few {
			hung.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), hanging)
				defer cancel()
				if _, err := g.get(ctx, "hang"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error is %v", err)
				}
				wantEqual(t, "hung", time.Since(start), hanging)
			})
			synctest.Wait()
		}
		for range 3 {
			before := time.Now()
			getAll(t, g, "a", "b").Wait()
			wantEqual(t, "waited", time.Since(before), patience+time.Millisecond)
		}
		hung.Wait()
		getAll(t, g, numbered(few+2)...).Wait()
		wantIdle(t, g)
	})
}

// One who goes disturbs nobody; when all have gone, the statement is given up.
func TestGatherLeave(t *testing.T) {
	gathering(t, 1, func(t *testing.T, g *gather[string], d *slowDatabase) {
		var all sync.WaitGroup
		leaves := func(name string) (gone context.CancelFunc) {
			ctx, gone := context.WithCancel(t.Context())
			all.Go(func() {
				if _, err := g.get(ctx, name); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", name, err)
				}
			})
			synctest.Wait()
			return gone
		}
		first, early := leaves("hang"), leaves("early")
		staying := getAll(t, g, "stays")
		start := time.Now()
		early()
		first()
		all.Wait()
		staying.Wait()
		wantEqual(t, "waited", time.Since(start), time.Millisecond)
		wantEqual(t, "asked", fmt.Sprint(d.asked), "[[hang] [early stays]]")

		// What everybody has left is not asked for.
		first, never := leaves("hang"), leaves("never")
		never()
		synctest.Wait()
		first()
		all.Wait()
		wantIdle(t, g)
		getAll(t, g, "after").Wait()
		wantEqual(t, "asked", fmt.Sprint(d.asked[2:]), "[[hang] [after]]")
		wantIdle(t, g)
	})
}

// An error is that of all who share the statement, and of nobody else.
func TestGatherFails(t *testing.T) {
	gathering(t, 1, func(t *testing.T, g *gather[string], d *slowDatabase) {
		for bad, want := range map[string]string{"fail": errDown.Error(), "panic": "at the disco"} {
			before := getAll(t, g, "before")
			var failing sync.WaitGroup
			for _, name := range []string{bad, "beside"} {
				failing.Go(func() {
					if _, err := g.get(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%s: error is %v, want %s", name, err, want)
					}
				})
				synctest.Wait()
			}
			before.Wait()
			failing.Wait()
			getAll(t, g, "after").Wait()
		}
	})
}

// Whatever comes when, each gets the answer to what was asked.
func TestGatherMany(t *testing.T) {
	g := &gather[string]{most: 4, ask: func(_ context.Context, names []string) ([]string, error) { return slices.Clone(names), nil }}
	atOnce(100, func(i int) {
		for n := range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			if n%7 == 0 {
				cancel()
			}
			name := fmt.Sprint(i, "/", n)
			got, err := g.get(ctx, name)
			if err == nil && got != name || err != nil && n%7 != 0 {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			cancel()
		}
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asking != 0 || len(g.waiting) != 0 {
		t.Errorf("%d are asked for and %d wait", g.asking, len(g.waiting))
	}
}
