package store

import (
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var icidParts = []part{
	{"icid/recorded once with its listen", testICID},
	{"icid/purged with its listen's numbers", testICIDPurged},
}

const icid = "AyretyU0dm+6O2IrT5tAFrbHLso=023551024"

func testICID(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	n := newCall(account, "k1")
	n.ICID = icid
	l := w.mustStart(t, n)
	wantEqual(t, "started again", w.mustStart(t, n).ID, l.ID)
	if _, err := w.Start(t.Context(), newCall(account, "k2")); err == nil {
		t.Fatal("two listens of one account")
	}
	wantEqual(t, "rows", w.one(t, `SELECT COUNT(*) FROM adcredit_icid`), "1")
	wantEqual(t, "the listen of an ICID", w.one(t, `SELECT listen_id FROM adcredit_icid WHERE icid = ?`, icid), l.ID)
	wantEqual(t, "in another case it is another", w.one(t, `SELECT COUNT(*) FROM adcredit_icid WHERE icid = LOWER(?)`, icid), "0")
	w.mustStart(t, newCall(1, "k3"))
	wantEqual(t, "a call without has no row", w.one(t, `SELECT COUNT(*) FROM adcredit_icid`), "1")
}

// An ICID is kept as long as the numbers of its listen, and no longer.
func testICIDPurged(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	start := func(account credit.ID, key string) string {
		n := newCall(account, key)
		n.ICID = icid + key
		return w.mustStart(t, n).ID
	}
	w.mustComplete(t, start(account, "old"))
	start(1, "open")
	w.advance(retention + 48*time.Hour)
	w.mustComplete(t, start(account, "new"))
	wantEqual(t, "would be purged", w.mustPurge(t, true).ICIDs, 1)
	wantEqual(t, "purged", w.mustPurge(t, false).ICIDs, 1)
	wantEqual(t, "left", w.one(t, `SELECT COUNT(*) FROM adcredit_icid WHERE icid IN (?, ?)`, icid+"open", icid+"new"), "2")
	wantEqual(t, "in all", w.one(t, `SELECT COUNT(*) FROM adcredit_icid`), "2")
	w.advance(retention + 48*time.Hour)
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "purged later", w.mustPurge(t, false).ICIDs, 2)
	wantEqual(t, "in the end", w.one(t, `SELECT COUNT(*) FROM adcredit_icid`), "0")
}
