package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/wire"
)

// A change is a statement with its parameters.
type change struct {
	template string
	args     []any
}

// hand is what somebody does by hand.
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
