package store

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var grantParts = []part{
	{"grant/whole", testGrantWhole},
	{"grant/once of many at once", testGrantOnce},
	{"grant/credit applied once", testGrantApplyTwice},
	{"grant/nothing logged before the credit", testGrantLogEarly},
	{"grant/late", testGrantLate},
	{"grant/window over", testGrantWindow},
	{"grant/abandoned", testGrantAbandoned},
	{"grant/complete and abandon at once", testGrantOrAbandon},
	{"grant/card deleted", testGrantCardDeleted},
	{"grant/credit out of range", testGrantOutOfRange},
}

// One grant, as each table has it.
func testGrantWhole(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	// Of another adcredit, before ours: the numbers of its ledger were the same.
	const old = "adcredit 1: ad of long ago"
	w.do(t, `INSERT INTO cc_logrefill (date, credit, card_id, description) VALUES (?, {money}, 2, ?)`, w.Now(), wire.Units(1), old)
	l := w.mustStart(t, newCall(account, "k1"))
	wantEqual(t, "sound", l.Ad.Sound, "ads/teranga")
	wantEqual(t, "samples", l.Ad.Samples, 40000)
	w.wantBudget(t, c, reward, 0)
	w.advance(6*time.Second + time.Microsecond)
	got, err := w.Listen(t.Context(), l.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "elapsed", got.Elapsed, 6*time.Second+time.Microsecond)
	wantEqual(t, "node", got.Node, "ast1")
	wantEqual(t, "state", got.State, credit.Started)
	e := w.mustComplete(t, l.ID)
	wantEqual(t, "entry", e, credit.Entry{ID: e.ID, ListenID: l.ID, AccountID: account, Amount: reward, State: credit.Logged,
		Node: "ast1", Reason: "ad teranga, listen " + l.ID, CreatedAt: w.Now()})
	wantEqual(t, "again", w.mustComplete(t, l.ID), e)
	wantEqual(t, "balance", w.balance(t, account).String(), "1862.08333")
	wantEqual(t, "others", w.balance(t, 1).String(), "2000.00000")
	w.wantBudget(t, c, 0, reward)

	mine := ` FROM cc_logrefill WHERE card_id = 2 AND description <> '` + old + `'`
	wantEqual(t, "rows logged", w.one(t, `SELECT COUNT(*)`+mine), "1")
	wantEqual(t, "credit logged", w.sum(t, `SELECT credit`+mine), reward)
	wantEqual(t, "type", w.one(t, `SELECT refill_type`+mine), "0")
	wantEqual(t, "date", w.one(t, `SELECT {unix date}`+mine), fmt.Sprint(w.Now().Unix()))
	wantEqual(t, "description", w.one(t, `SELECT description`+mine), fmt.Sprintf("adcredit %d: ad teranga, listen %s", e.ID, l.ID))

	row := `SELECT %s FROM adcredit_listen WHERE id = ?`
	for column, want := range map[string]string{"state": "completed", "playing_account": "NULL", "playing_call": "NULL",
		"endpos": "40000", "played_ms": "5000", "card": "9700203963", "call_id": "ast1/k1"} {
		wantEqual(t, column, w.one(t, fmt.Sprintf(row, column), l.ID), want)
	}
	wantEqual(t, "card in the ledger", w.one(t, `SELECT card FROM adcredit_ledger`), "9700203963")
}

func testGrantOnce(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	other := w.again(t)
	ids := make([]int64, 32)
	atOnce(len(ids), func(i int) {
		e, err := []*Store{w.Store, other}[i%2].Complete(t.Context(), heard(l.ID))
		if err != nil {
			t.Error(err)
		}
		wantEqual(t, "state", e.State, credit.Logged)
		ids[i] = e.ID
	})
	for _, id := range ids {
		wantEqual(t, "entry", id, ids[0])
	}
	w.wantGranted(t, account, 1)
	w.wantBudget(t, c, 0, reward)
}

// The second step has a guard of its own, whoever runs it.
func testGrantApplyTwice(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	e := w.mustComplete(t, w.mustStart(t, newCall(account, "k1")).ID)
	err := w.tx(t.Context(), func(q session) error {
		changed, err := q.applyOnce(t.Context(), e.ID)
		wantEqual(t, "rows changed", changed, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantGranted(t, account, 1)
}

// Nor does the third step log what was not credited.
func testGrantLogEarly(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	e := w.stopAfter(t, 1, w.mustStart(t, newCall(account, "k1")).ID)
	err := w.tx(t.Context(), func(q session) error {
		after, err := q.log(t.Context(), e)
		wantEqual(t, "state", after.State, credit.Pending)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantGranted(t, account, 0)
}

func testGrantLate(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	w.advance(24*time.Hour - time.Microsecond)
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.mustComplete(t, l.ID)
	w.wantGranted(t, account, 1)
	w.wantBudget(t, c, 0, reward)
}

func testGrantWindow(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	w.advance(24 * time.Hour)
	refusals := func() {
		t.Helper()
		got, err := w.Listen(t.Context(), l.ID)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "over", got.Over, true)
		_, err = w.Complete(t.Context(), heard(l.ID))
		wantCode(t, err, wire.ListenExpired)
		wantCode(t, w.Abandon(t.Context(), abandon(l.ID)), wire.ListenExpired)
	}
	refusals()
	w.wantBudget(t, c, reward, 0) // until it is swept
	swept, err := w.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "swept", swept, credit.Swept{Expired: 1})
	refusals()
	w.wantBudget(t, c, 0, 0)
	w.wantGranted(t, account, 0)
}

func testGrantAbandoned(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	for range 2 {
		if err := w.Abandon(t.Context(), abandon(l.ID)); err != nil {
			t.Fatal(err)
		}
		w.wantBudget(t, c, 0, 0)
	}
	wantEqual(t, "cause", w.one(t, `SELECT cause FROM adcredit_listen`), "hangup")
	wantEqual(t, "endpos", w.one(t, `SELECT endpos FROM adcredit_listen`), "20000")
	_, err := w.Complete(t.Context(), heard(l.ID))
	wantCode(t, err, wire.ListenAbandoned)
	w.wantGranted(t, account, 0)

	l = w.mustStart(t, newCall(account, "k2")) // at once: the playing key is free
	w.mustComplete(t, l.ID)
	wantCode(t, w.Abandon(t.Context(), abandon(l.ID)), wire.ListenCompleted)
	w.wantGranted(t, account, 1)
	w.wantBudget(t, c, 0, reward)
	w.mustStart(t, newCall(account, "k3")) // likewise after a completion
}

// Whoever ends the listen moves its reward, and nobody else.
func testGrantOrAbandon(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(5000))
	granted := 0
	for round := range 8 {
		l := w.mustStart(t, newCall(account, fmt.Sprint("k", round)))
		var completed, abandoned atomic.Int32
		atOnce(8, func(i int) {
			if i%2 == 0 {
				if _, err := w.Complete(t.Context(), heard(l.ID)); err == nil {
					completed.Add(1)
				} else {
					wantCode(t, err, wire.ListenAbandoned)
				}
			} else if err := w.Abandon(t.Context(), abandon(l.ID)); err == nil {
				abandoned.Add(1)
			} else {
				wantCode(t, err, wire.ListenCompleted)
			}
		})
		if completed.Load()+abandoned.Load() != 4 {
			t.Errorf("%d completed and %d abandoned", completed.Load(), abandoned.Load())
		}
		if completed.Load() > 0 {
			granted++
		}
	}
	w.wantGranted(t, account, int64(granted))
	w.wantBudget(t, c, 0, wire.Money(granted)*reward)
}

func testGrantCardDeleted(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	w.do(t, `DELETE FROM cc_card WHERE id = 2`)
	for range 2 {
		e := w.mustComplete(t, l.ID)
		wantEqual(t, "state", e.State, credit.InDoubt)
		wantEqual(t, "cause", e.Cause, causeDeleted)
	}
	w.do(t, `INSERT INTO cc_card (id, username, useralias) VALUES (2, 'somebody else', 'x')`)
	w.advance(time.Hour)
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "balance of the next owner of the id", w.balance(t, 2), 0)
	wantEqual(t, "state", w.mustComplete(t, l.ID).State, credit.InDoubt)
	w.wantBudget(t, c, 0, reward) // a person pays it or drops it
}

func testGrantOutOfRange(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	w.do(t, `UPDATE cc_card SET credit = {money} WHERE id = 2`, wire.MaxMoney-reward+1)
	e := w.mustComplete(t, l.ID)
	wantEqual(t, "state", e.State, credit.InDoubt)
	wantEqual(t, "cause", e.Cause, causeRange)
	wantEqual(t, "balance", w.balance(t, account), wire.MaxMoney-reward+1)
}
