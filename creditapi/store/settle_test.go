package store

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var settleParts = []part{
	{"settle/pay", testSettlePay},
	{"settle/drop", testSettleDrop},
	{"settle/credit by hand", testSettleByHand},
	{"settle/what is not in doubt", testSettleRefused},
	{"settle/many at once", testSettleOnce},
	{"settle/another card", testSettleOtherCard},
	{"settle/in doubt again", testSettleAgain},
	{"settle/after rows of cc_logrefill were lost", testSettleLostRows},
}

// doubtful is a listen whose entry is in doubt, of a campaign with a budget a
// day.
func (w *world) doubtful(t *testing.T, key string) (credit.Campaign, credit.Entry) {
	t.Helper()
	c, err := w.Store.campaign(t.Context(), "teranga")
	if err != nil {
		c = w.campaign(t, "teranga", wire.Units(1000), func(c *credit.Campaign) { c.DailyBudget = wire.Units(500) })
	}
	e := w.stopAfter(t, 1, w.mustStart(t, newCall(account, key)).ID)
	w.do(t, `UPDATE adcredit_ledger SET state = 'in_doubt', cause = ?, epoch = CASE WHEN epoch IS NULL THEN NULL ELSE 'gone' END WHERE id = ?`, causeEpoch, e.ID)
	return c, e.Entry
}

func settlement(id int64, d Decision) Settlement {
	return Settlement{EntryID: id, Decision: d, By: "awa", Reason: "compté à la main"}
}

func (w *world) mustSettle(t *testing.T, s Settlement) credit.Entry {
	t.Helper()
	e, err := w.Settle(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// wantSettlement wants one row about the entry, as it was decided.
func (w *world) wantSettlement(t *testing.T, s Settlement, cause string) {
	t.Helper()
	got := w.one(t, `SELECT CONCAT(decision, '|', cause, '|', settled_by, '|', reason, '|', CASE WHEN settled_at = ? THEN 'now' ELSE 'then' END)
		FROM adcredit_settlement WHERE entry_id = ?`, w.Now(), s.EntryID)
	wantEqual(t, "settlement", got, fmt.Sprintf("%s|%s|%s|%s|now", s.Decision, cause, s.By, s.Reason))
	wantEqual(t, "settlements", w.one(t, `SELECT COUNT(*) FROM adcredit_settlement WHERE entry_id = ?`, s.EntryID), "1")
}

func testSettlePay(t *testing.T, w *world) {
	c, e := w.doubtful(t, "k1")
	d, err := w.InDoubt(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d.Card != "9700203963" || d.Now != d.Card || d.Credit.String() != "1812.08333" || d.Amount != reward || d.Cause != causeEpoch || len(d.Refills) != 0 {
		t.Errorf("in doubt: %+v", d)
	}
	if found, _ := w.reconciled(t, Scope{}); len(found) != 1 || found[0].Check != EntryDoubtful {
		t.Errorf("before: %+v", found)
	}
	wantEqual(t, "state", w.mustSettle(t, settlement(e.ID, Pay)).State, credit.Logged)
	w.wantGranted(t, account, 1)
	w.wantBudget(t, c, 0, reward)
	w.wantSettlement(t, settlement(e.ID, Pay), causeEpoch)
	w.wantAgreed(t)
	_, err = w.Settle(t.Context(), settlement(e.ID, Pay))
	wantCode(t, err, wire.InvalidRequest)
	wantEqual(t, "completed again", w.mustComplete(t, e.ListenID).State, credit.Logged)
	w.wantGranted(t, account, 1)
}

func testSettleDrop(t *testing.T, w *world) {
	c, e := w.doubtful(t, "k1")
	key := fmt.Sprintf("adcredit %d:", e.ID) // somebody has logged it
	w.do(t, `INSERT INTO cc_logrefill (date, credit, card_id, description) VALUES (?, {money}, 2, ?)`, w.Now(), reward, key)
	w.do(t, `INSERT INTO cc_logrefill (date, credit, card_id, description) VALUES (?, {money}, 2, ?)`, w.Now(), reward, "adcredit 4711:")
	d, err := w.InDoubt(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Refills) != 1 || d.Refills[0].Credit != reward || !d.Refills[0].Date.Equal(w.Now()) {
		t.Errorf("in doubt: %+v", d)
	}
	w.do(t, `DELETE FROM cc_logrefill`)
	w.wantBudget(t, c, 0, reward)
	wantEqual(t, "state", w.mustSettle(t, settlement(e.ID, Drop)).State, credit.Dropped)
	w.wantBudget(t, c, 0, 0)
	wantEqual(t, "spent on the day", w.sum(t, `SELECT SUM(spent) FROM adcredit_budget WHERE day > 0`), 0)
	w.wantGranted(t, account, 0)
	w.wantSettlement(t, settlement(e.ID, Drop), causeEpoch)
	w.wantAgreed(t)
	for _, decision := range []Decision{Drop, Pay} {
		_, err := w.Settle(t.Context(), settlement(e.ID, decision))
		wantCode(t, err, wire.InvalidRequest)
	}
	wantEqual(t, "completed again", w.mustComplete(t, e.ListenID).State, credit.Dropped)
	w.wantGranted(t, account, 0)
	w.wantBudget(t, c, 0, 0)
}

// Credit by hand has no budget to go back to.
func testSettleByHand(t *testing.T, w *world) {
	for decision, want := range map[Decision]wire.Money{Pay: reward, Drop: 0} {
		m := refill("r" + string(decision))
		m.AccountID = 1
		had := w.balance(t, 1)
		var e entry
		err := w.tx(t.Context(), func(q session) (err error) {
			e, err = q.refill(t.Context(), w.Way(), m)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.do(t, `UPDATE adcredit_ledger SET state = 'in_doubt', cause = ? WHERE id = ?`, causeFailed, e.ID)
		w.mustSettle(t, settlement(e.ID, decision))
		wantEqual(t, string(decision), w.balance(t, 1)-had, want)
		w.wantSettlement(t, settlement(e.ID, decision), causeFailed)
	}
	w.wantAgreed(t)
}

func testSettleRefused(t *testing.T, w *world) {
	_, err := w.InDoubt(t.Context(), 4711)
	wantCode(t, err, wire.NotFound)
	_, err = w.Settle(t.Context(), settlement(4711, Pay))
	wantCode(t, err, wire.NotFound)
	w.campaign(t, "teranga", wire.Units(1000))
	for i, state := range []credit.EntryState{credit.Pending, credit.Applied, credit.Logged, credit.Dropped} {
		e := w.stopAfter(t, 1, w.mustStart(t, newCall(account, fmt.Sprint("k", i))).ID)
		if state != credit.Pending {
			w.do(t, `UPDATE adcredit_ledger SET state = ? WHERE id = ?`, string(state), e.ID)
		}
		_, err := w.InDoubt(t.Context(), e.ID)
		wantCode(t, err, wire.InvalidRequest)
		for _, decision := range []Decision{Pay, Drop, "other"} {
			_, err = w.Settle(t.Context(), settlement(e.ID, decision))
			wantCode(t, err, wire.InvalidRequest)
		}
		wantEqual(t, "state", w.one(t, `SELECT state FROM adcredit_ledger WHERE id = ?`, e.ID), string(state))
	}
	wantEqual(t, "settlements", w.one(t, `SELECT COUNT(*) FROM adcredit_settlement`), "0")
	wantEqual(t, "balance", w.balance(t, account).String(), "1812.08333")
}

// Of many who settle at once one does, and the others are told.
func testSettleOnce(t *testing.T, w *world) {
	var paid wire.Money
	for round := range 6 {
		_, e := w.doubtful(t, fmt.Sprint("k", round))
		stores := []*Store{w.Store, w.again(t)}
		var done, pays atomic.Int32
		atOnce(8, func(i int) {
			s := settlement(e.ID, []Decision{Pay, Drop}[i/2%2])
			_, err := stores[i%2].Settle(t.Context(), s)
			if err == nil {
				done.Add(1)
				if s.Decision == Pay {
					pays.Add(1)
				}
				return
			}
			wantCode(t, err, wire.InvalidRequest)
			if !strings.Contains(err.Error(), "not in doubt") {
				t.Error(err)
			}
		})
		wantEqual(t, "settled", done.Load(), 1)
		paid += wire.Money(pays.Load()) * reward
	}
	wantEqual(t, "paid", w.balance(t, account)-1812_08333, paid)
	wantEqual(t, "settlements", w.one(t, `SELECT COUNT(*) FROM adcredit_settlement`), "6")
	w.wantAgreed(t)
}

// The account's id has another owner now.
func testSettleOtherCard(t *testing.T, w *world) {
	c, e := w.doubtful(t, "k1")
	refused := func() {
		t.Helper()
		_, err := w.Settle(t.Context(), settlement(e.ID, Pay))
		wantCode(t, err, wire.InvalidRequest)
		wantEqual(t, "state", w.one(t, `SELECT state FROM adcredit_ledger WHERE id = ?`, e.ID), "in_doubt")
	}
	w.do(t, `DELETE FROM cc_card WHERE id = 2`)
	refused()
	if d, err := w.InDoubt(t.Context(), e.ID); err != nil || d.Now != "" {
		t.Errorf("in doubt: %+v, %v", d, err)
	}
	w.do(t, `INSERT INTO cc_card (id, username, useralias) VALUES (2, 'somebody else', 'x')`)
	refused()
	wantEqual(t, "balance of the next owner", w.balance(t, 2), 0)
	wantEqual(t, "settlements", w.one(t, `SELECT COUNT(*) FROM adcredit_settlement`), "0")
	w.mustSettle(t, settlement(e.ID, Drop))
	w.wantBudget(t, c, 0, 0)
}

// A payment that can't be made leaves the entry in doubt, to be settled again.
func testSettleAgain(t *testing.T, w *world) {
	c, e := w.doubtful(t, "k1")
	w.do(t, `UPDATE cc_card SET credit = {money} WHERE id = 2`, wire.MaxMoney)
	again := w.mustSettle(t, settlement(e.ID, Pay))
	wantEqual(t, "state", again.State, credit.InDoubt)
	wantEqual(t, "cause", again.Cause, causeRange)
	w.do(t, `UPDATE cc_card SET credit = 0 WHERE id = 2`)
	wantEqual(t, "state", w.mustSettle(t, settlement(e.ID, Pay)).State, credit.Logged)
	wantEqual(t, "balance", w.balance(t, 2), reward)
	wantEqual(t, "settlements", w.one(t, `SELECT COUNT(*) FROM adcredit_settlement`), "2")
	w.wantBudget(t, c, 0, reward)
	w.wantAgreed(t)
}

// MyISAM lost the last rows with the power, and gives their ids anew.
func testSettleLostRows(t *testing.T, w *world) {
	_, e := w.doubtful(t, "k1")
	w.do(t, `UPDATE adcredit_ledger SET logrefill_after = 1000000 WHERE id = ?`, e.ID)
	w.mustSettle(t, settlement(e.ID, Pay))
	w.wantGranted(t, account, 1)
	w.wantAgreed(t)
}
