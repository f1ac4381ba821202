package store

import (
	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A Check is one thing that Reconcile looks at.
type Check string

// The checks. What each means, and what to do, says Explain.
const (
	ListenUnpaid       Check = "listen_without_entry"
	ListenPaid         Check = "listen_not_completed"
	EntryDiffers       Check = "entry_differs"
	EntryWithoutListen Check = "entry_without_listen"
	EntryOpen          Check = "entry_open"
	EntryDoubtful      Check = "entry_in_doubt"
	RefillMissing      Check = "refill_missing"
	RefillTwice        Check = "refill_twice"
	RefillEarly        Check = "refill_not_credited"
	RefillStray        Check = "refill_without_entry"
	RefillDiffers      Check = "refill_differs"
	BudgetSpent        Check = "budget_spent"
	BudgetHeld         Check = "budget_held"
	BudgetOverrun      Check = "budget_overrun"
	BudgetAmount       Check = "budget_amount"
	CapTooLow          Check = "cap_too_low"
	Restart            Check = "before_restart"
)

// Checks are all of them, in the order of Reconcile.
var Checks = []Check{RefillStray, RefillDiffers, EntryWithoutListen, EntryOpen, EntryDoubtful, RefillMissing, RefillTwice,
	RefillEarly, ListenUnpaid, ListenPaid, EntryDiffers, BudgetAmount, BudgetOverrun, BudgetHeld, BudgetSpent, CapTooLow, Restart}

var explained = map[Check][2]string{
	ListenUnpaid: {"an ad was heard to its end, and the ledger has no row of it",
		"the row was deleted, or the database was restored to two times: pay the account with POST credit, and find out who did it"},
	ListenPaid: {"the ledger has a row of a listen that was not completed",
		"a row was changed by hand: find out which of the two is right, and put the other one right"},
	EntryDiffers: {"a row of the ledger has another amount, account or campaign than its listen",
		"the row was changed by hand: compare the account's credit log with the listen's reward"},
	EntryWithoutListen: {"a row of the ledger names a listen that is not there",
		"listens are never deleted: restore the row from a backup"},
	EntryOpen: {"a grant was not finished for over a minute",
		"see that creditapi serve runs: it finishes grants within seconds, and its log says what stands in the way"},
	EntryDoubtful: {"nobody can know whether this was credited; it is not paid again by itself",
		"compare the account's credit with A2Billing's calls and refills, then: creditapi reconcile settle ENTRY pay|drop"},
	RefillMissing: {"the ledger says logged, and cc_logrefill has no row of it",
		"rows of cc_logrefill were deleted (then use -since), or lost with the power: compare the account's credit, which may be lost too"},
	RefillTwice: {"cc_logrefill has more than one row of one grant",
		"the ledger counts once: see whether somebody copied a row, and whether the account was credited with it"},
	RefillEarly: {"cc_logrefill has a row of an entry that was not credited",
		"somebody credited it by hand, or a state was changed by hand: compare the account's credit"},
	RefillStray: {"cc_logrefill has a row with our mark, and the ledger has no such entry",
		"the ledger's row was deleted, or somebody wrote the mark by hand: compare the account's credit"},
	RefillDiffers: {"a row of cc_logrefill has another amount or account than its entry in the ledger",
		"the row was changed in A2Billing: the ledger is what was credited"},
	BudgetSpent: {"what a budget says is spent is not the sum of its grants",
		"adcredit_budget or the ledger was changed by hand: the ledger is right"},
	BudgetHeld: {"what a budget holds is not the sum of the rewards of listens that play or may still complete",
		"adcredit_budget or adcredit_listen was changed by hand: the listens are right"},
	BudgetOverrun: {"a row of a budget holds and has spent more than it has",
		"adcredit_budget was changed by hand: raise its amount, and the campaign's with it"},
	BudgetAmount: {"the rows of a budget do not sum to the campaign's",
		"adcredit_budget or adcredit_campaign was changed by hand: make them agree"},
	CapTooLow: {"an account was counted less often than it listened, so it may listen more often than its cap",
		"adcredit_cap was changed by hand; it is right again from the next day"},
	Restart: {"credited within a minute before the database server ended",
		"nothing after a restart or a crash of the server alone; after a power loss compare the account's credit, since MyISAM may have lost it"},
}

// Explain says what a difference means, and what to do about it.
func (c Check) Explain() (means, do string) { return explained[c][0], explained[c][1] }

// ExplainCause says in words why an entry is in doubt.
func ExplainCause(cause string) string {
	switch cause {
	case causeDeleted:
		return "the account was deleted"
	case causeEpoch:
		return "the database server ended before it was known whether the credit was written"
	case causeRange:
		return "the account's credit can't become that large"
	case causeFailed:
		return "the statement that credits failed, perhaps half-way"
	}
	return cause
}

// A Difference is one thing that does not agree, or with Note set one to look
// at though all agrees. What does not belong to its check is zero.
type Difference struct {
	Check     Check     `json:"check"`
	Note      bool      `json:"note,omitempty"`
	EntryID   int64     `json:"entry_id,omitempty"`
	ListenID  string    `json:"listen_id,omitempty"`
	RefillID  int64     `json:"refill_id,omitempty"` // of cc_logrefill
	AccountID credit.ID `json:"account_id,omitempty"`
	Campaign  string    `json:"campaign,omitempty"`
	Day       int       `json:"day,omitempty"` // YYYYMMDD; 0: the whole budget
	Detail    string    `json:"detail"`        // what was found, with its figures
}

// Sum counts rows and adds up their money.
type Sum struct {
	Rows  int64      `json:"rows"`
	Money wire.Money `json:"money"`
}

func (s *Sum) add(m wire.Money) {
	s.Rows++
	s.Money += m
}

// Summary is what Reconcile compared. While grants are being made its sums are
// of slightly different moments; the differences are not.
type Summary struct {
	Listens     map[credit.ListenState]Sum `json:"listens"`
	Entries     map[credit.EntryState]Sum  `json:"entries"`
	Refills     Sum                        `json:"refills"` // of ours, in cc_logrefill
	Campaigns   int64                      `json:"campaigns"`
	Budgets     int64                      `json:"budgets"` // whole ones and days
	Held        wire.Money                 `json:"held"`
	Spent       wire.Money                 `json:"spent"`
	Caps        int64                      `json:"caps"`
	Differences int64                      `json:"differences"`
	Notes       int64                      `json:"notes"`
}
