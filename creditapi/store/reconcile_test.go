package store

import (
	"fmt"
	"slices"
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

// A change is a statement with its parameters.
type change struct {
	template string
	args     []any
}

func hand(template string, args ...any) change { return change{template, args} }

// A breakage is one thing that somebody did by hand, and how to undo it.
type breakage struct {
	name     string
	do, undo change
	want     []Check
	entry    int64
	campaign string
	day      int
	first    string // in the detail of the first
}

// Each breaks one thing behind the store's back: that is reported, what follows
// from it, and nothing else.
func testReconcileDifferences(t *testing.T, w *world) {
	b := newLedger(t, w)
	for _, row := range slices.Concat(b.brokenEntries(), b.brokenRefills(), b.brokenBudgets()) {
		w.do(t, row.do.template, row.do.args...)
		found, summary := w.reconciled(t, Scope{})
		var checks []Check
		for _, d := range found {
			checks = append(checks, d.Check)
			if d.Detail == "" || d.Note {
				t.Errorf("%s: %+v", row.name, d)
			}
		}
		if !slices.Equal(checks, row.want) {
			t.Errorf("%s: reported %q, want %q", row.name, checks, row.want)
		} else if d := found[0]; d.EntryID != row.entry || d.Campaign != row.campaign || d.Day != row.day || !strings.Contains(d.Detail, row.first) {
			t.Errorf("%s: %+v", row.name, d)
		}
		wantEqual(t, row.name, summary.Differences, int64(len(found)))
		w.do(t, row.undo.template, row.undo.args...)
		w.wantAgreed(t)
	}
}

func (b *ledgerBooks) brokenEntries() []breakage {
	const nobody = "00000000-0000-7000-8000-000000000000"
	grant, byHand := b.grant.ID, b.hand.ID
	set := func(column string) string { return `UPDATE adcredit_ledger SET ` + column + ` WHERE id = ?` }
	return []breakage{
		{name: "a completed listen loses its entry", want: []Check{ListenUnpaid, BudgetSpent}, campaign: "teranga", first: "50.00000 for account 2",
			do: hand(set(`listen_id = NULL`), grant), undo: hand(set(`listen_id = ?`), b.heard.ID, grant)},
		{name: "a paid listen is abandoned", want: []Check{ListenPaid}, entry: grant, campaign: "teranga", first: "the listen is abandoned",
			do:   hand(`UPDATE adcredit_listen SET state = 'abandoned' WHERE id = ?`, b.heard.ID),
			undo: hand(`UPDATE adcredit_listen SET state = 'completed' WHERE id = ?`, b.heard.ID)},
		{name: "another amount", want: []Check{RefillDiffers, EntryDiffers, BudgetSpent, BudgetSpent}, entry: grant, first: "says 50.00000, the entry 50.00001",
			do: hand(set(`amount = {money}`), reward+1, grant), undo: hand(set(`amount = {money}`), reward, grant)},
		{name: "another account", want: []Check{RefillDiffers, RefillMissing, EntryDiffers}, entry: grant, first: "is of account 2, the entry of account 3",
			do: hand(set(`account_id = 3`), grant), undo: hand(set(`account_id = 2`), grant)},
		{name: "another campaign", want: []Check{EntryDiffers, BudgetSpent, BudgetSpent}, entry: grant, campaign: "teranga",
			do: hand(set(`campaign_id = ?`), b.mangalou.ID, grant), undo: hand(set(`campaign_id = ?`), b.teranga.ID, grant)},
		{name: "a listen that is not there", want: []Check{EntryWithoutListen}, entry: byHand,
			do: hand(set(`listen_id = ?`), nobody, byHand), undo: hand(set(`listen_id = NULL`), byHand)},
		{name: "not logged for long", want: []Check{EntryOpen}, entry: byHand, first: "is applied for 1m1s",
			do:   hand(set(`state = 'applied', created_at = ?`), b.Now().Add(-61*time.Second), byHand),
			undo: hand(set(`state = 'logged', created_at = ?`), b.Now(), byHand)},
		{name: "not credited for long, and logged", want: []Check{EntryOpen, RefillEarly}, entry: byHand, first: "is pending for 1m1s",
			do:   hand(set(`state = 'pending', created_at = ?`), b.Now().Add(-61*time.Second), byHand),
			undo: hand(set(`state = 'logged', created_at = ?`), b.Now(), byHand)},
		{name: "in doubt", want: []Check{EntryDoubtful}, entry: grant, first: "account 2, apply_failed; cc_logrefill has a row of it",
			do: hand(set(`state = 'in_doubt', cause = 'apply_failed'`), grant), undo: hand(set(`state = 'logged', cause = NULL`), grant)},
		{name: "dropped, and logged", want: []Check{RefillEarly, BudgetSpent, BudgetSpent}, entry: grant, first: "is dropped, and there is a row",
			do: hand(set(`state = 'dropped'`), grant), undo: hand(set(`state = 'logged'`), grant)},
	}
}

func (b *ledgerBooks) brokenRefills() []breakage {
	grant := b.grant.ID
	key := fmt.Sprintf("adcredit %d: ad teranga, listen %s", grant, b.heard.ID)
	insert := `INSERT INTO cc_logrefill (date, credit, card_id, description) VALUES (?, {money}, 2, ?)`
	set := func(column string) string { return `UPDATE cc_logrefill SET ` + column + ` WHERE description = ?` }
	remove := `DELETE FROM cc_logrefill WHERE description = ?`
	return []breakage{
		{name: "no row", want: []Check{RefillMissing}, entry: grant, first: "50.00000 for account 2 is logged",
			do: hand(remove, key), undo: hand(insert, b.Now(), reward, key)},
		{name: "two rows", want: []Check{RefillTwice}, entry: grant, first: "has 2 rows",
			do: hand(insert, b.Now(), reward, key+" twin"), undo: hand(remove, key+" twin")},
		{name: "a row of no entry", want: []Check{RefillStray}, entry: 4711, first: "gives 50.00000 to account 2",
			do: hand(insert, b.Now(), reward, "adcredit 4711: stray"), undo: hand(remove, "adcredit 4711: stray")},
		{name: "a row of another amount", want: []Check{RefillDiffers}, entry: grant, first: "says 50.00001, the entry 50.00000",
			do: hand(set(`credit = {money}`), reward+1, key), undo: hand(set(`credit = {money}`), reward, key)},
		{name: "a row of another account", want: []Check{RefillDiffers, RefillMissing}, entry: grant, first: "is of account 3, the entry of account 2",
			do: hand(set(`card_id = 3`), key), undo: hand(set(`card_id = 2`), key)},
	}
}

func (b *ledgerBooks) brokenBudgets() []breakage {
	whole := func(column string) change {
		return hand(`UPDATE adcredit_budget SET `+column+` WHERE campaign_id = ? AND day = 0 AND shard = 0`, wire.Money(1), b.mangalou.ID)
	}
	ofDay := func(column string) change {
		return hand(`UPDATE adcredit_budget SET `+column+` WHERE campaign_id = ? AND day = ? AND shard = 0`, wire.Money(1), b.teranga.ID, day)
	}
	caps := func(n int) change {
		return hand(`UPDATE adcredit_cap SET n = ? WHERE account_id = 2 AND day = ? AND kind = 'start'`, n, day)
	}
	return []breakage{
		{name: "spent", want: []Check{BudgetSpent}, campaign: "mangalou", first: "has spent 50.00001, its grants are 50.00000",
			do: whole(`spent = spent + {money}`), undo: whole(`spent = spent - {money}`)},
		{name: "held", want: []Check{BudgetHeld}, campaign: "mangalou", first: "holds 0.00001, its open listens 0.00000",
			do: whole(`held = held + {money}`), undo: whole(`held = held - {money}`)},
		{name: "amount", want: []Check{BudgetAmount}, campaign: "mangalou", first: "sum to 1000.00001, the campaign says 1000.00000",
			do: whole(`amount = amount + {money}`), undo: whole(`amount = amount - {money}`)},
		{name: "the day's spent", want: []Check{BudgetSpent}, campaign: "teranga", day: day,
			do: ofDay(`spent = spent + {money}`), undo: ofDay(`spent = spent - {money}`)},
		{name: "the day's held", want: []Check{BudgetHeld}, campaign: "teranga", day: day,
			do: ofDay(`held = held + {money}`), undo: ofDay(`held = held - {money}`)},
		{name: "the day's amount", want: []Check{BudgetAmount}, campaign: "teranga", day: day,
			do: ofDay(`amount = amount + {money}`), undo: ofDay(`amount = amount - {money}`)},
		{name: "a cap", want: []Check{CapTooLow}, day: day, first: "1 counted as start, and there are 2", do: caps(1), undo: caps(2)},
	}
}

// What a database without its CHECK lets through is found.
func TestReconcileOverrun(t *testing.T) {
	w := openSQLiteWorld(t)
	c := w.campaign(t, "teranga", reward)
	w.mustStart(t, newCall(account, "k1"))
	w.db.SetMaxOpenConns(1)
	for _, statement := range []string{`PRAGMA ignore_check_constraints = 1`,
		`UPDATE adcredit_budget SET amount = amount - 1`, `UPDATE adcredit_campaign SET budget = budget - 1`} {
		if _, err := w.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	found, _ := w.reconciled(t, Scope{})
	want := Difference{Check: BudgetOverrun, Campaign: c.Name, Detail: "1 of its rows hold and have spent more than they have"}
	if len(found) != 1 || found[0] != want {
		t.Errorf("%+v", found)
	}
}

// Every check is explained.
func TestChecksExplained(t *testing.T) {
	if len(Checks) != len(explained) {
		t.Errorf("%d checks, %d explained", len(Checks), len(explained))
	}
	for _, c := range Checks {
		if means, do := c.Explain(); means == "" || do == "" {
			t.Errorf("%s is not explained", c)
		}
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
