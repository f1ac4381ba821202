package store

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var sweepParts = []part{
	{"sweep/on all nodes at once", testSweepRace},
	{"sweep/batch", testSweepBatch},
}

// crashParts stop a grant between two steps, as a crash of creditapi does, and
// let another creditapi's sweep finish it.
var crashParts = []part{
	{"crash/after the record", func(t *testing.T, w *world) { testCrash(t, w, 1) }},
	{"crash/after the credit", func(t *testing.T, w *world) { testCrash(t, w, 2) }},
	{"crash/after the log, before the ledger knows", func(t *testing.T, w *world) { testCrash(t, w, 3) }},
	{"crash/then a completion again", testCrashComplete},
	{"crash/others log meanwhile", testCrashOthersLog},
}

// stopAfter runs that many steps of the grant of a listen.
func (w *world) stopAfter(t *testing.T, steps int, id string) (e entry) {
	t.Helper()
	way := w.Way()
	if way == credit.Stock {
		if err := w.ensureEpoch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	err := w.tx(t.Context(), func(q session) (err error) {
		l, err := q.listen(t.Context(), id)
		if err == nil {
			_, err = q.end(t.Context(), l, heard(id).Heard)
		}
		if err == nil {
			e, err = q.recordGrant(t.Context(), way, l, grantOf(l))
		}
		if err == nil {
			err = q.spendHeld(t.Context(), l)
		}
		return err
	})
	if err == nil && steps >= 2 {
		err = w.tx(t.Context(), func(q session) error {
			_, err := q.applyOnce(t.Context(), e.ID)
			return err
		})
	}
	if err == nil && steps >= 3 {
		err = w.tx(t.Context(), func(q session) error {
			_, err := q.log(t.Context(), e)
			return err
		})
		w.do(t, `UPDATE adcredit_ledger SET state = 'applied', logged_at = NULL WHERE id = ?`, e.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func testCrash(t *testing.T, w *world, steps int) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	w.stopAfter(t, steps, l.ID)
	wantEqual(t, "rows logged so far", w.one(t, `SELECT COUNT(*) FROM cc_logrefill`), fmt.Sprint(steps/3))
	other := w.again(t)
	w.advance(4 * time.Second)
	swept, err := other.Sweep(t.Context()) // leaves it to the request that is at it
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "swept too early", swept, credit.Swept{})
	w.advance(time.Second)
	for _, want := range []credit.Swept{{Finished: 1}, {}} {
		swept, err := other.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "swept", swept, want)
		w.wantGranted(t, account, 1)
		w.wantBudget(t, c, 0, reward)
	}
}

// The spool sends its completion again, before any sweep.
func testCrashComplete(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	for steps := 1; steps <= 3; steps++ {
		l := w.mustStart(t, newCall(account, fmt.Sprint("k", steps)))
		w.stopAfter(t, steps, l.ID)
		wantEqual(t, "state", w.mustComplete(t, l.ID).State, credit.Logged)
		w.wantGranted(t, account, int64(steps))
	}
}

// Rows of A2Billing, of other accounts and of other entries are none of ours.
func testCrashOthersLog(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	e := w.stopAfter(t, 2, l.ID)
	insert := `INSERT INTO cc_logrefill (date, credit, card_id, description) VALUES (?, {money}, ?, ?)`
	w.do(t, insert, w.Now(), reward, 1, fmt.Sprintf("adcredit %d: not this account", e.ID))
	w.do(t, insert, w.Now(), reward, 2, fmt.Sprintf("adcredit %d1: not this entry", e.ID))
	w.do(t, insert, w.Now(), reward, 2, fmt.Sprintf("see adcredit %d: not at the start", e.ID))
	w.mustComplete(t, l.ID)
	wantEqual(t, "our row", w.one(t, `SELECT COUNT(*) FROM cc_logrefill WHERE card_id = 2 AND description = ?`,
		fmt.Sprintf("adcredit %d: ad teranga, listen %s", e.ID, l.ID)), "1")
}

func testSweepRace(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(5000))
	for i := range 6 {
		l := w.mustStart(t, newCall(account, fmt.Sprint("open", i)))
		w.stopAfter(t, i%3+1, l.ID)
	}
	for i := range 4 {
		n := newCall(credit.ID(1+2*(i%2)), fmt.Sprint("over", i))
		n.Window = time.Minute
		w.mustStart(t, n)
		w.advance(40 * time.Second)
	}
	w.advance(time.Minute)
	stores := []*Store{w.Store, w.again(t), w.again(t)}
	var expired atomic.Int32
	atOnce(12, func(i int) {
		swept, err := stores[i%3].Sweep(t.Context())
		if err != nil {
			t.Error(err)
		}
		expired.Add(int32(swept.Expired))
	})
	wantEqual(t, "expired", expired.Load(), 4)
	w.wantGranted(t, account, 6)
	w.wantBudget(t, c, 0, 6*reward)
	wantEqual(t, "caps of the expired", w.one(t, `SELECT SUM(n) FROM adcredit_cap WHERE kind = 'listen' AND account_id <> 2`), "0")
	wantEqual(t, "playing", w.one(t, `SELECT COUNT(*) FROM adcredit_listen WHERE playing_account IS NOT NULL OR playing_call IS NOT NULL`), "0")
}

func testSweepBatch(t *testing.T, w *world) {
	w.addAccounts(t, sweepBatch+1)
	c := w.campaign(t, "teranga", wire.Units(50_000))
	for i := range sweepBatch + 1 {
		n := newCall(credit.ID(101+i), fmt.Sprint("k", i))
		n.Window = time.Second
		w.mustStart(t, n)
	}
	w.advance(time.Minute)
	for _, want := range []int{sweepBatch, 1, 0} {
		swept, err := w.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "expired", swept.Expired, want)
	}
	w.wantBudget(t, c, 0, 0)
}
