package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var purgeParts = []part{
	{"purge/what is old", testPurge},
	{"purge/what is open or in doubt", testPurgeOpen},
	{"purge/many rows", testPurgeMany},
	{"purge/interrupted", testPurgeInterrupted},
	{"purge/too young", testPurgeTooYoung},
	{"purge/no number in cc_logrefill", testNoNumberLogged},
}

const (
	retention = 400 * 24 * time.Hour
	card      = "9700203963"
)

// numbered counts the rows of our tables that still name a caller.
func (w *world) numbered(t *testing.T) string {
	t.Helper()
	return w.one(t, `SELECT CONCAT((SELECT COUNT(*) FROM adcredit_listen WHERE card <> '' OR destination <> '' OR call_id <> '' OR digest <> ''), ' listens, ',
		(SELECT COUNT(*) FROM adcredit_ledger WHERE card <> ''), ' entries, ', (SELECT COUNT(*) FROM adcredit_cap), ' tallies')`)
}

func (w *world) mustPurge(t *testing.T, dry bool) Purged {
	t.Helper()
	p, err := w.Purge(t.Context(), retention, dry, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testPurge(t *testing.T, w *world) {
	b := newLedger(t, w)
	if err := w.Abandon(t.Context(), abandon(b.playing.ID)); err != nil {
		t.Fatal(err)
	}
	w.advance(retention - time.Microsecond)
	recent := newCall(account, "recent")
	recent.Day = 20270414
	w.mustComplete(t, w.mustStart(t, recent).ID)
	sums := w.wantAgreed(t)
	wantEqual(t, "but for one all are too young by a microsecond", w.mustPurge(t, false), Purged{Listens: 1})
	wantEqual(t, "before", w.numbered(t), "5 listens, 4 entries, 13 tallies")
	w.advance(48 * time.Hour) // then it is another day everywhere
	want := Purged{Listens: 4, Entries: 3, Tallies: 10}
	wantEqual(t, "would be purged", w.mustPurge(t, true), want)
	wantEqual(t, "dry", w.numbered(t), "5 listens, 4 entries, 13 tallies")
	wantEqual(t, "purged", w.mustPurge(t, false), want)
	wantEqual(t, "purged again", w.mustPurge(t, false), Purged{})
	wantEqual(t, "after", w.numbered(t), "1 listens, 1 entries, 3 tallies")
	wantEqual(t, "sums", fmt.Sprint(w.wantAgreed(t)), fmt.Sprint(sums))
	wantEqual(t, "completed again", w.mustComplete(t, b.heard.ID), b.grant)
}

// What a person may still have to look into stays whole.
func testPurgeOpen(t *testing.T, w *world) {
	_, doubt := w.doubtful(t, "doubt")
	open := w.stopAfter(t, 1, w.mustStart(t, newCall(account, "open")).ID)
	w.mustStart(t, newCall(account, "playing"))
	w.advance(2 * retention)
	wantEqual(t, "purged", w.mustPurge(t, false).Listens, 0)
	wantEqual(t, "left", w.numbered(t), "3 listens, 2 entries, 0 tallies")
	w.mustSettle(t, settlement(doubt.ID, Pay))
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "state", w.one(t, `SELECT state FROM adcredit_ledger WHERE id = ?`, open.ID), string(credit.Logged))
	p := w.mustPurge(t, false)
	wantEqual(t, "purged", p, Purged{Listens: 3, Entries: 2})
	wantEqual(t, "left", w.numbered(t), "0 listens, 0 entries, 0 tallies")
	w.wantAgreed(t)
}

// More rows than are changed at a time, from two creditapi at once.
func testPurgeMany(t *testing.T, w *world) {
	newLedger(t, w)
	rows := 1
	for ; rows <= 2*purgeBatch; rows *= 2 {
		w.do(t, `INSERT INTO adcredit_ledger (account_id, card, amount, state, logrefill_after, node, reason, created_at)
			SELECT account_id, card, amount, state, logrefill_after, node, reason, created_at FROM adcredit_ledger WHERE listen_id IS NULL`)
	}
	w.do(t, `INSERT INTO adcredit_cap (account_id, day, campaign_id, kind, n) SELECT 1000 + id, 20260310, 0, 'start', 1 FROM adcredit_ledger`)
	w.advance(2 * retention)
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	stores := []*Store{w.Store, w.again(t)}
	var purged [2]Purged
	atOnce(2, func(i int) {
		calls := 0
		p, err := stores[i].Purge(t.Context(), retention, false, func(Purged) { calls++ })
		if err != nil {
			t.Error(err)
		}
		if calls < 4 {
			t.Errorf("%d batches", calls)
		}
		purged[i] = p
	})
	wantEqual(t, "entries", purged[0].Entries+purged[1].Entries, int64(rows+2))
	wantEqual(t, "listens", purged[0].Listens+purged[1].Listens, 5)
	wantEqual(t, "left", w.numbered(t), "0 listens, 0 entries, 0 tallies")
}

// The next purge does what is left.
func testPurgeInterrupted(t *testing.T, w *world) {
	newLedger(t, w)
	w.advance(2 * retention)
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	p, err := w.Purge(ctx, retention, false, func(Purged) { interrupt() })
	if err == nil || p.Listens != 5 || p.Entries != 0 {
		t.Errorf("interrupted: %+v, %v", p, err)
	}
	wantEqual(t, "the rest", w.mustPurge(t, false), Purged{Entries: 3, Tallies: 10})
	wantEqual(t, "left", w.numbered(t), "0 listens, 0 entries, 0 tallies")
	w.wantAgreed(t)
}

func testPurgeTooYoung(t *testing.T, w *world) {
	_, err := w.Purge(t.Context(), PurgeAtLeast-1, false, nil)
	wantCode(t, err, wire.InvalidRequest)
}

// What we write into A2Billing's log stays there: it names no caller.
func testNoNumberLogged(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	n := newCall(account, "k1")
	n.CallID, n.Destination, n.CallerCard = "ast1/1795492582.2", "221770009999", card
	e := w.mustComplete(t, w.mustStart(t, n).ID)
	logged := w.one(t, `SELECT description FROM cc_logrefill`) + " " + e.Reason
	for _, number := range []string{n.CallID, "1795492582", n.Destination, n.CallerCard} {
		if strings.Contains(logged, number) {
			t.Errorf("%s is in %q", number, logged)
		}
	}
}
