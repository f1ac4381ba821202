package store

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var capParts = []part{
	{"cap/of starts", testCapStarts},
	{"cap/of listens", testCapListens},
	{"cap/of a campaign", testCapCampaign},
	{"cap/at once", testCapRace},
	{"cap/of a caller", testCapCaller},
	{"cap/of a caller at once", testCapCallerRace},
	{"cap/of a caller purged", testPurgeCallers},
	{"cap/spacing", testSpacing},
	{"cap/payments", testHasPaid},
}

// outlookCapped compares what an outlook says with what a start meets.
func (w *world) wantCapped(t *testing.T, n credit.NewListen) {
	t.Helper()
	o, err := w.Outlook(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "outlook says capped", o.Capped, true)
	_, err = w.Start(t.Context(), n)
	wantCode(t, err, wire.Capped)
}

// A start counts even if the ad is abandoned: else an account could hear the
// beginnings of ads all day.
func testCapStarts(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	start := func(key string) credit.NewListen {
		n := newCall(account, key)
		n.StartsPer = 2
		return n
	}
	for _, key := range []string{"a", "b"} {
		if err := w.Abandon(t.Context(), abandon(w.mustStart(t, start(key)).ID)); err != nil {
			t.Fatal(err)
		}
	}
	w.wantCapped(t, start("c"))
	w.wantBudget(t, c, 0, 0)
	tomorrow := start("d")
	tomorrow.Day++
	w.mustStart(t, tomorrow)
}

func testCapListens(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	start := func(key string) credit.NewListen {
		n := newCall(account, key)
		n.ListensPer = 2
		return n
	}
	for _, key := range []string{"a", "b"} { // abandoned ones don't count
		if err := w.Abandon(t.Context(), abandon(w.mustStart(t, start(key)).ID)); err != nil {
			t.Fatal(err)
		}
	}
	w.mustComplete(t, w.mustStart(t, start("c")).ID)
	expires := start("d")
	expires.Window = time.Minute
	w.mustStart(t, expires)
	w.advance(time.Minute)
	w.wantCapped(t, start("e"))
	swept, err := w.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "expired", swept.Expired, 1)
	w.mustComplete(t, w.mustStart(t, start("f")).ID)
	w.wantCapped(t, start("g"))
}

func testCapCampaign(t *testing.T, w *world) {
	once := func(c *credit.Campaign) { c.PerDay = 1 }
	first := w.campaign(t, "first", wire.Units(1000), once)
	w.campaign(t, "second", wire.Units(500), once)
	if err := w.Abandon(t.Context(), abandon(w.mustStart(t, newCall(account, "a")).ID)); err != nil {
		t.Fatal(err)
	}
	l := w.mustStart(t, newCall(account, "b"))
	wantEqual(t, "after an abandoned one", l.Campaign, "first")
	w.mustComplete(t, l.ID)
	l = w.mustStart(t, newCall(account, "c"))
	wantEqual(t, "when the first is capped", l.Campaign, "second")
	w.mustComplete(t, l.ID)
	w.wantCapped(t, newCall(account, "d"))
	wantEqual(t, "another account", w.mustStart(t, newCall(1, "e")).Campaign, "first")
	w.wantBudget(t, first, reward, reward)
}

// The count itself is the guard: what was read before may be old.
func testCapRace(t *testing.T, w *world) {
	mine := tally{int64(account), day, 0, starts}
	var counted atomic.Int32
	atOnce(32, func(i int) {
		err := w.tx(t.Context(), func(q session) error {
			ok, err := q.count(t.Context(), mine, 5)
			if ok {
				counted.Add(1)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	n := fmt.Sprint(counted.Load())
	wantEqual(t, "counted", n, "5")
	wantEqual(t, "n", w.one(t, `SELECT n FROM adcredit_cap`), "5")
}

// Whoever has a drawer full of cards calls from one number.
func testCapCaller(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	start := func(id credit.ID, key string) credit.NewListen {
		n := newCall(id, key)
		n.CallerID, n.StartsPer = "+221771234567", 2
		return n
	}
	for i, id := range []credit.ID{1, 2} {
		if err := w.Abandon(t.Context(), abandon(w.mustStart(t, start(id, fmt.Sprint("a", i))).ID)); err != nil {
			t.Fatal(err)
		}
	}
	w.wantCapped(t, start(3, "b"))
	w.wantBudget(t, c, 0, 0)
	wantEqual(t, "starts of account 3", w.one(t, `SELECT COUNT(*) FROM adcredit_cap WHERE account_id = 3`), "0")
	wantEqual(t, "accounts of the caller", w.one(t, `SELECT COUNT(*) FROM adcredit_caller WHERE account_id <> 0 AND n = 1`), "2")
	other := start(3, "c")
	other.CallerID = "" // an old client tells no number
	w.mustStart(t, other)
	tomorrow := start(1, "d")
	tomorrow.Day++
	w.mustStart(t, tomorrow)
}

func testCapCallerRace(t *testing.T, w *world) {
	n := newCall(account, "")
	n.CallerID, n.StartsPer = "1001", 5
	var counted atomic.Int32
	atOnce(32, func(i int) {
		err := w.tx(t.Context(), func(q session) error {
			ok, err := q.countCaller(t.Context(), n)
			if ok {
				counted.Add(1)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	wantEqual(t, "counted", counted.Load(), 5)
	wantEqual(t, "n", w.one(t, `SELECT n FROM adcredit_caller WHERE account_id = 0`), "5")
}

func testSpacing(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	start := func(key string) credit.NewListen {
		n := newCall(account, key)
		n.Spacing = time.Minute
		return n
	}
	tooSoon := func(key string) {
		t.Helper()
		o, err := w.Outlook(t.Context(), start(key))
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, key+": outlook says too soon", o.TooSoon, true)
		_, err = w.Start(t.Context(), start(key))
		wantCode(t, err, wire.TooSoon)
	}
	if err := w.Abandon(t.Context(), abandon(w.mustStart(t, start("a")).ID)); err != nil {
		t.Fatal(err)
	}
	l := w.mustStart(t, start("after an abandoned one"))
	w.advance(5 * time.Second)
	w.mustComplete(t, l.ID)
	w.advance(time.Minute - time.Microsecond)
	tooSoon("a moment too soon")
	wantEqual(t, "starts counted", w.one(t, `SELECT n FROM adcredit_cap WHERE kind = 'start' AND campaign_id = 0`), "2")
	same := start("second ad of one call")
	same.CallID = "ast1/after an abandoned one"
	w.mustComplete(t, w.mustStart(t, same).ID)
	w.advance(time.Minute)
	stale := w.mustStart(t, start("a minute later"))
	w.advance(time.Hour)
	w.mustComplete(t, stale.ID) // from a spool: it was heard long ago
	w.mustComplete(t, w.mustStart(t, start("after a late one")).ID)
	other := start("another account")
	other.AccountID = 1
	w.mustStart(t, other)
	w.advance(-2 * time.Hour) // the database's clock is set back, and nobody is refused for that
	w.mustStart(t, start("in the past"))
	w.wantBudget(t, c, 2*reward, 4*reward)
}

// Credit that was given away is no payment.
func testHasPaid(t *testing.T, w *world) {
	want := func(refills int, want bool) {
		t.Helper()
		paid, err := w.HasPaid(t.Context(), account, refills)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, fmt.Sprint("paid ", refills), paid, want || w.embedded)
	}
	want(1, false)
	if w.embedded {
		return
	}
	w.do(t, `INSERT INTO cc_logpayment (payment, card_id) VALUES (0, 2), (-5, 2), (10, 1)`)
	want(1, false)
	w.do(t, `INSERT INTO cc_logpayment (payment, card_id) VALUES (0.5, 2), (10, 2)`)
	want(2, true)
	want(3, false)
}

// Callers' numbers are not kept for longer than anything else that names them.
func testPurgeCallers(t *testing.T, w *world) {
	for _, day := range []int{20260101, 20260102, 20260209} {
		for caller := range 3 {
			n := newCall(account, "")
			n.Day, n.CallerID = day, fmt.Sprint("22177000000", caller)
			if err := w.tx(t.Context(), func(q session) error { _, err := q.countCaller(t.Context(), n); return err }); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.advance(60 * 24 * time.Hour) // to the 9th of May
	for _, dry := range []bool{true, false} {
		purged, err := w.Purge(t.Context(), 89*24*time.Hour, dry, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "tallies", purged.Tallies, 12)
	}
	wantEqual(t, "left", w.one(t, `SELECT COUNT(*) FROM adcredit_caller WHERE day = 20260209`), "6")
	wantEqual(t, "left in all", w.one(t, `SELECT COUNT(*) FROM adcredit_caller`), "6")
}
