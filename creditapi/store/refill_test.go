package store

import (
	"fmt"
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var refillParts = []part{
	{"refill/once", testRefillOnce},
	{"refill/once of many at once", testRefillRace},
}

func refill(key string) credit.ManualEntry {
	return credit.ManualEntry{Key: key, Digest: fmt.Sprintf("%064d", 1), AccountID: account, Amount: reward,
		Reason: "crédit perdu le 3 mars 😀", By: "shop"}
}

func testRefillOnce(t *testing.T, w *world) {
	e, err := w.Refill(t.Context(), refill("r1"))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "entry", e, credit.Entry{ID: e.ID, AccountID: account, Amount: reward, State: credit.Logged,
		Node: "shop", Reason: "crédit perdu le 3 mars 😀", CreatedAt: w.Now()})
	again, err := w.Refill(t.Context(), refill("r1"))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "again", again, e)
	w.wantGranted(t, account, 1)
	// A2Billing's utf8 has three bytes.
	wantEqual(t, "description", w.one(t, `SELECT description FROM cc_logrefill`), fmt.Sprintf("adcredit %d: crédit perdu le 3 mars \ufffd", e.ID))
	other := refill("r1")
	other.Digest = fmt.Sprintf("%064d", 2)
	_, err = w.Refill(t.Context(), other)
	wantCode(t, err, wire.KeyReused)
	other.By = "another key's holder"
	if _, err = w.Refill(t.Context(), other); err != nil {
		t.Error(err)
	}
	w.wantGranted(t, account, 2)
	nobody := refill("r2")
	nobody.AccountID = 4711
	_, err = w.Refill(t.Context(), nobody)
	wantCode(t, err, wire.AccountNotFound)
	wantEqual(t, "ledger rows", w.one(t, `SELECT COUNT(*) FROM adcredit_ledger`), "2")
}

func testRefillRace(t *testing.T, w *world) {
	ids := make([]int64, 32)
	atOnce(len(ids), func(i int) {
		e, err := w.Refill(t.Context(), refill("r1"))
		if err != nil {
			t.Error(err)
		}
		ids[i] = e.ID
	})
	for _, id := range ids {
		wantEqual(t, "entry", id, ids[0])
	}
	w.wantGranted(t, account, 1)
}
