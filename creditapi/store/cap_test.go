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
