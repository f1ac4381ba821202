package store

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var nodeParts = []part{
	{"node/open listens", counting(testNodeOpen)},
	{"node/rewards per minute", counting(testNodePerMinute)},
	{"node/rewards per day", counting(testNodePerDay)},
	{"node/at once", counting(testNodeRace)},
	{"node/counted once", counting(testNodeOnce)},
	{"node/counted from before", counting(testNodeSeed)},
	{"node/counted anew", testNodeRecount},
}

// counting is a test in a world whose nodes have limits.
func counting(test func(*testing.T, *world)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		if err := w.CountNodes(t.Context()); err != nil {
			t.Fatal(err)
		}
		test(t, w)
	}
}

// Without limits nothing is counted; whoever sets some begins with the truth.
func testNodeRecount(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	first := w.mustStart(t, newCall(1, "a"))
	w.mustStart(t, newCall(2, "b"))
	w.mustComplete(t, first.ID)
	wantEqual(t, "rows", w.one(t, `SELECT COUNT(*) FROM adcredit_node`), "0")
	counted := w.again(t)
	for range 2 {
		if err := counted.CountNodes(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wantOpen(t, 1)
	}
	w.do(t, `UPDATE adcredit_node SET open_listens = 7`)
	w.mustStart(t, newCall(3, "c")) // by one that has no limits
	if err := counted.CountNodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantOpen(t, 2)
	third := w.limited(1, "d", credit.NodeLimits{Open: 2})
	_, err := counted.Start(t.Context(), third)
	wantCode(t, err, wire.NodeLimit)
}

// limited is a new call of an account on a node with limits, at the clock's time.
func (w *world) limited(id credit.ID, key string, limits credit.NodeLimits) credit.NewListen {
	n := newCall(id, key)
	n.Limits, n.UnixMinute = limits, w.Now().Unix()/60
	return n
}

// wantLimit wants a start to meet this limit, and to leave nothing behind.
func (w *world) wantLimit(t *testing.T, n credit.NewListen, want credit.Suspicion) {
	t.Helper()
	const counted = `SELECT COALESCE(SUM(n), 0) FROM adcredit_cap`
	before := w.one(t, counted)
	o, err := w.Outlook(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, n.Key+": outlook's limit", o.Limit, want)
	_, err = w.Start(t.Context(), n)
	wantCode(t, err, wire.NodeLimit)
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want the limit %s", n.Key, err, want)
	}
	wantEqual(t, "caps counted", w.one(t, counted), before)
}

func (w *world) wantOpen(t *testing.T, want int) {
	t.Helper()
	wantEqual(t, "open listens", w.one(t, `SELECT open_listens FROM adcredit_node WHERE node = 'ast1'`), fmt.Sprint(want))
	wantEqual(t, "started", w.one(t, `SELECT COUNT(*) FROM adcredit_listen WHERE node = 'ast1' AND state = 'started'`), fmt.Sprint(want))
}

func testNodeOpen(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	two := credit.NodeLimits{Open: 2}
	first := w.mustStart(t, w.limited(1, "a", two))
	second := w.mustStart(t, w.limited(2, "b", two))
	w.wantLimit(t, w.limited(3, "c", two), credit.NodeOpen)
	w.wantBudget(t, c, 2*reward, 0)
	other := w.limited(3, "d", two)
	other.Node = "ast2"
	w.mustStart(t, other)
	w.mustComplete(t, first.ID)
	w.wantOpen(t, 1)
	if err := w.Abandon(t.Context(), abandon(second.ID)); err != nil {
		t.Fatal(err)
	}
	w.wantOpen(t, 0)
	w.mustStart(t, w.limited(1, "e", two))
	w.mustStart(t, w.limited(2, "f", two))
	w.advance(25 * time.Hour) // both lapse
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantOpen(t, 0)
}

// An abandoned listen earns nothing, so it takes nothing of what the node may
// earn; a grant stays counted.
func testNodePerMinute(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	hundred := credit.NodeLimits{PerMinute: 2 * reward}
	w.mustComplete(t, w.mustStart(t, w.limited(1, "a", hundred)).ID)
	if err := w.Abandon(t.Context(), abandon(w.mustStart(t, w.limited(2, "b", hundred)).ID)); err != nil {
		t.Fatal(err)
	}
	plays := w.mustStart(t, w.limited(2, "c", hundred))
	w.wantLimit(t, w.limited(3, "d", hundred), credit.NodePerMinute)
	w.advance(time.Minute)
	w.mustStart(t, w.limited(3, "e", hundred))
	if err := w.Abandon(t.Context(), abandon(plays.ID)); err != nil { // of the minute before
		t.Fatal(err)
	}
	wantEqual(t, "counted", w.sum(t, `SELECT minute_amount FROM adcredit_node`), reward)
	little := credit.NodeLimits{PerMinute: reward - 1}
	w.wantLimit(t, w.limited(1, "f", little), credit.NodePerMinute)
}

func testNodePerDay(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	hundred := credit.NodeLimits{PerDay: 2 * reward}
	w.mustComplete(t, w.mustStart(t, w.limited(1, "a", hundred)).ID)
	w.advance(time.Hour)
	w.mustComplete(t, w.mustStart(t, w.limited(2, "b", hundred)).ID)
	w.wantLimit(t, w.limited(3, "c", hundred), credit.NodePerDay)
	tomorrow := w.limited(3, "d", hundred)
	tomorrow.Day++
	w.mustStart(t, tomorrow)
}

// The condition and the change are one: what an outlook said may be old.
func testNodeRace(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(10_000))
	w.addAccounts(t, 32)
	for name, limits := range map[string]credit.NodeLimits{
		"open": {Open: 5}, "minute": {PerMinute: 5*reward + reward/2}, "day": {PerDay: 5 * reward},
	} {
		var started atomic.Int32
		atOnce(32, func(i int) {
			n := w.limited(credit.ID(101+i), name+fmt.Sprint(i), limits)
			n.Node = name
			if _, err := w.Start(t.Context(), n); err != nil {
				wantCode(t, err, wire.NodeLimit)
				return
			}
			started.Add(1)
		})
		wantEqual(t, name, started.Load(), 5)
		w.advance(time.Minute)
	}
	w.wantBudget(t, c, 15*reward, 0)
}

// However often a listen is ended, the node's row is changed once.
func testNodeOnce(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	granted := w.mustStart(t, newCall(1, "a"))
	abandoned := w.mustStart(t, newCall(2, "b"))
	w.mustStart(t, newCall(3, "c"))
	atOnce(8, func(int) {
		if _, err := w.Complete(t.Context(), heard(granted.ID)); err != nil {
			t.Error(err)
		}
		if err := w.Abandon(t.Context(), abandon(abandoned.ID)); err != nil {
			t.Error(err)
		}
	})
	w.wantOpen(t, 1)
}

// A database that has open listens when it gets the table counts them, once.
func testNodeSeed(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	w.mustStart(t, newCall(1, "a"))
	w.mustStart(t, newCall(2, "b"))
	w.mustComplete(t, w.mustStart(t, newCall(3, "c")).ID)
	folder := "mysql"
	if w.embedded {
		folder = "sqlite"
	}
	files, err := fs.Glob(migrations, "migrations/"+folder+"/*_node_open.sql")
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := fs.ReadFile(migrations, files[0])
	if err != nil {
		t.Fatal(err)
	}
	w.do(t, `DELETE FROM adcredit_node`)
	for range 2 {
		if _, err := w.owner.exec(t.Context(), string(text)); err != nil {
			t.Fatal(err)
		}
		w.wantOpen(t, 2)
	}
}
