package store

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var reconcileParts = []part{
	{"reconcile/all agree", testReconcileAgrees},
	{"reconcile/each difference", testReconcileDifferences},
	{"reconcile/since", testReconcileSince},
	{"reconcile/another adcredit before ours", testReconcileBefore},
	{"reconcile/many rows", testReconcileMany},
	{"reconcile/beside writers", testReconcileWriters},
	{"reconcile/a row that comes late", testReconcileLateRow},
	{"reconcile/restart", testReconcileRestart},
}

// ledgerBooks is a world with something in every state: of teranga, which has a
// budget a day, one listen plays, one was heard, one cut and one expired; of
// mangalou one was heard; one entry was made by hand.
type ledgerBooks struct {
	*world
	teranga, mangalou credit.Campaign
	playing, heard    credit.Listen
	grant, other      credit.Entry
	hand              credit.Entry
}

func newLedger(t *testing.T, w *world) *ledgerBooks {
	t.Helper()
	b := &ledgerBooks{world: w}
	b.teranga = w.campaign(t, "teranga", wire.Units(1000), func(c *credit.Campaign) { c.DailyBudget = wire.Units(500) })
	short := newCall(1, "short")
	short.Window = time.Second
	w.mustStart(t, short)
	w.advance(time.Minute)
	if swept, err := w.Sweep(t.Context()); err != nil || swept.Expired != 1 {
		t.Fatal(swept, err)
	}
	b.heard = w.mustStart(t, newCall(account, "k1"))
	b.grant = w.mustComplete(t, b.heard.ID)
	if err := w.Abandon(t.Context(), abandon(w.mustStart(t, newCall(account, "k2")).ID)); err != nil {
		t.Fatal(err)
	}
	b.playing = w.mustStart(t, newCall(3, "k3"))
	b.mangalou = w.campaign(t, "mangalou", wire.Units(1000))
	if err := w.SetCampaignState(t.Context(), "teranga", credit.CampaignPaused); err != nil {
		t.Fatal(err)
	}
	b.other = w.mustComplete(t, w.mustStart(t, newCall(1, "k4")).ID)
	var err error
	if b.hand, err = w.Refill(t.Context(), refill("r1")); err != nil {
		t.Fatal(err)
	}
	return b
}

// reconciled is what Reconcile reports.
func (w *world) reconciled(t *testing.T, scope Scope) ([]Difference, Summary) {
	t.Helper()
	var found []Difference
	summary, err := w.Reconcile(t.Context(), scope, func(d Difference) error {
		found = append(found, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, summary
}

// wantAgreed wants nothing to differ.
func (w *world) wantAgreed(t *testing.T) Summary {
	t.Helper()
	found, summary := w.reconciled(t, Scope{})
	for _, d := range found {
		t.Errorf("%s: %+v", d.Check, d)
	}
	return summary
}

func testReconcileAgrees(t *testing.T, w *world) {
	w.wantAgreed(t) // nothing at all
	newLedger(t, w)
	s := w.wantAgreed(t)
	for state, want := range map[credit.ListenState]Sum{credit.Started: {1, reward}, credit.Completed: {2, 2 * reward}, credit.Abandoned: {1, reward}, credit.Lapsed: {1, reward}} {
		wantEqual(t, string(state), s.Listens[state], want)
	}
	wantEqual(t, "entries", s.Entries[credit.Logged], Sum{3, 3 * reward})
	wantEqual(t, "refills", s.Refills, Sum{3, 3 * reward})
	wantEqual(t, "campaigns", s.Campaigns, 2)
	wantEqual(t, "budgets", s.Budgets, 3)
	wantEqual(t, "held", s.Held, reward)
	wantEqual(t, "spent", s.Spent, 2*reward)
	if s.Caps == 0 {
		t.Error("no caps were compared")
	}
}

func testReconcileSince(t *testing.T, w *world) {
	b := newLedger(t, w)
	w.advance(48 * time.Hour)
	n := newCall(account, "new")
	n.Day += 2
	e := w.mustComplete(t, w.mustStart(t, n).ID)
	w.do(t, `DELETE FROM cc_logrefill WHERE description LIKE ?`, fmt.Sprintf("adcredit %d:%%", b.grant.ID))
	since := Scope{Since: w.Now().Add(-24 * time.Hour)}
	found, s := w.reconciled(t, since)
	if len(found) != 0 || s.Entries[credit.Logged].Rows != 1 || s.Listens[credit.Completed].Rows != 1 || s.Refills.Rows != 1 || s.Held != reward {
		t.Errorf("since yesterday: %+v, %+v", found, s)
	}
	w.do(t, `DELETE FROM cc_logrefill WHERE description LIKE ?`, fmt.Sprintf("adcredit %d:%%", e.ID))
	if found, _ := w.reconciled(t, since); len(found) != 1 || found[0].EntryID != e.ID {
		t.Errorf("since yesterday: %+v", found)
	}
	if found, _ := w.reconciled(t, Scope{}); len(found) != 2 {
		t.Errorf("from the beginning: %+v", found)
	}
}

// The ledger of another adcredit counted from 1 too.
func testReconcileBefore(t *testing.T, w *world) {
	for i := range 3 {
		w.do(t, `INSERT INTO cc_logrefill (date, credit, card_id, description) VALUES (?, {money}, 2, ?)`, w.Now(), reward, fmt.Sprintf("adcredit %d: of long ago", i+1))
	}
	newLedger(t, w)
	w.wantAgreed(t)
}

// More rows than are read at a time.
func testReconcileMany(t *testing.T, w *world) {
	b := newLedger(t, w)
	rows := 1
	for ; rows <= 2*compareBatch; rows *= 2 {
		w.do(t, `INSERT INTO adcredit_ledger (account_id, card, amount, state, logrefill_after, node, reason, created_at)
			SELECT account_id, card, amount, state, logrefill_after, node, reason, created_at FROM adcredit_ledger WHERE listen_id IS NULL`)
	}
	w.do(t, `INSERT INTO cc_logrefill (date, credit, card_id, description)
		SELECT created_at, amount, account_id, CONCAT('adcredit ', id, ': ', reason) FROM adcredit_ledger WHERE id > ?`, b.hand.ID)
	w.do(t, `INSERT INTO adcredit_listen (id, node, idempotency_key, digest, account_id, card, call_id, destination, campaign_id, ad_id,
			language, reward, day, budget_shard, state, started_at, busy_until, expires_at)
		SELECT CONCAT('00000000-0000-7000-8000-', SUBSTR(CONCAT('000000000000', e.id), -12)), l.node, CONCAT('many', e.id), l.digest,
			l.account_id, l.card, l.call_id, l.destination, l.campaign_id, l.ad_id, l.language, l.reward, l.day, l.budget_shard,
			'abandoned', ?, l.busy_until, l.expires_at
		FROM adcredit_ledger e CROSS JOIN adcredit_listen l WHERE l.id = ? AND e.id > ?`, w.Now().Add(-2*tallied), b.heard.ID, b.hand.ID)
	s := w.wantAgreed(t)
	wantEqual(t, "entries", s.Entries[credit.Logged].Rows, int64(rows+2))
	wantEqual(t, "refills", s.Refills.Rows, int64(rows+2))
	wantEqual(t, "listens", s.Listens[credit.Abandoned].Rows, int64(rows))
	last := w.one(t, `SELECT MAX(id) FROM adcredit_ledger`)
	w.do(t, `DELETE FROM cc_logrefill WHERE description LIKE 'adcredit 1%' OR description LIKE ?`, "adcredit "+last+":%")
	want := w.one(t, `SELECT COUNT(*) FROM adcredit_ledger WHERE CONCAT('', id) LIKE '1%' OR id = ?`, last)
	found, _ := w.reconciled(t, Scope{})
	wantEqual(t, "missing", fmt.Sprint(len(found)), want)
	for i, d := range found {
		if d.Check != RefillMissing || i > 0 && d.EntryID <= found[i-1].EntryID {
			t.Errorf("%+v", d)
		}
	}
}

// Grants, refills and cut listens that are made meanwhile never make a
// difference.
func testReconcileWriters(t *testing.T, w *world) {
	w.addAccounts(t, 8)
	w.campaign(t, "teranga", wire.Units(1_000_000), func(c *credit.Campaign) { c.DailyBudget = wire.Units(500_000) })
	stores := []*Store{w.Store, w.again(t)}
	var writers sync.WaitGroup
	var running atomic.Int32
	running.Store(4)
	for i := range 4 {
		writers.Go(func() {
			defer running.Add(-1)
			s := stores[i%2]
			for j := range 40 {
				l, err := s.Start(t.Context(), newCall(credit.ID(101+i), fmt.Sprintf("k%d-%d", i, j)))
				switch {
				case err != nil:
				case j%4 == 0:
					err = s.Abandon(t.Context(), abandon(l.ID))
				default:
					_, err = s.Complete(t.Context(), heard(l.ID))
				}
				if err == nil && j%8 == 0 {
					_, err = s.Refill(t.Context(), refill(fmt.Sprintf("r%d-%d", i, j)))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	runs := 0
	for ; running.Load() > 0; runs++ {
		w.wantAgreed(t)
	}
	writers.Wait()
	s := w.wantAgreed(t)
	wantEqual(t, "entries", s.Entries[credit.Logged].Rows, 4*30+4*5)
	if runs == 0 {
		t.Error("the writers were done before the first comparison")
	}
}

// A row of cc_logrefill is written, or seen, after that table was read.
func testReconcileLateRow(t *testing.T, w *world) {
	b := newLedger(t, w)
	description := fmt.Sprintf("adcredit %d: ad teranga, listen %s", b.grant.ID, b.heard.ID)
	id := w.one(t, `SELECT id FROM cc_logrefill WHERE description = ?`, description)
	w.do(t, `DELETE FROM cc_logrefill WHERE id = ?`, id)
	late := func(what string, _ int64) {
		if what != "rows of cc_logrefill" || id == "" {
			return
		}
		w.do(t, `INSERT INTO cc_logrefill (id, date, credit, card_id, description) VALUES (?, ?, {money}, 2, ?)`, id, w.Now(), reward, description)
		w.mustComplete(t, w.mustStart(t, newCall(2, "meanwhile")).ID)
		id = ""
	}
	found, s := w.reconciled(t, Scope{Progress: late})
	if len(found) > 0 || s.Entries[credit.Logged].Rows != 4 {
		t.Errorf("%+v, %+v", found, s)
	}
}

// In an earlier life of the server: what was credited in its last minute is
// worth a look, for a month.
func testReconcileRestart(t *testing.T, w *world) {
	b := newLedger(t, w)
	set := func(e credit.Entry, epoch string, ago time.Duration) {
		w.do(t, `UPDATE adcredit_ledger SET epoch = ?, applied_at = ? WHERE id = ?`, epoch, w.Now().Add(-ago), e.ID)
	}
	set(b.grant, "0", 2*time.Hour+61*time.Second)
	set(b.other, "0", 2*time.Hour+60*time.Second)
	set(b.hand, "0", 2*time.Hour)
	found, s := w.reconciled(t, Scope{})
	if len(found) != 2 || found[0].EntryID != b.other.ID || found[1].EntryID != b.hand.ID || !found[0].Note || found[0].Check != Restart ||
		!strings.Contains(found[0].Detail, "50.00000 for account 1 at 2026-03-10T10:00:00Z") || !strings.Contains(found[0].Detail, "has a row of it") {
		t.Errorf("%+v", found)
	}
	wantEqual(t, "differences", s.Differences, 0)
	wantEqual(t, "notes", s.Notes, 2)
	w.advance(restartsFor)
	w.wantAgreed(t)
}
