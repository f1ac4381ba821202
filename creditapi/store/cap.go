package store

import (
	"cmp"
	"context"
	"math"
	"time"

	"adcredit/creditapi/credit"
)

// dayOf is the date of an instant, as days are written in our tables.
func dayOf(t time.Time) int { return t.Year()*10000 + int(t.Month())*100 + t.Day() }

// A tally counts what an account did in a day: with campaign 0 in all, else of
// one campaign.
type tally struct {
	account  int64
	day      int
	campaign int64
	kind     string
}

// Kinds of tallies.
const (
	starts  = "start"  // listens started, also those that were abandoned
	listens = "listen" // without the abandoned and the expired ones
	lates   = "late"   // listens completed late
)

// count adds one, unless the tally has reached the cap; 0 is no cap. The
// condition and the change are one statement.
func (q session) count(ctx context.Context, t tally, limit int) (bool, error) {
	if limit <= 0 {
		limit = math.MaxInt32
	}
	n, err := q.exec(ctx, `INSERT INTO adcredit_cap (account_id, day, campaign_id, kind, n)
		VALUES (?, ?, ?, ?, 1) {once n}`, t.account, t.day, t.campaign, t.kind, limit)
	return n > 0, err
}

// countCaller counts a start of the number that calls, over all accounts, and
// for people by account.
func (q session) countCaller(ctx context.Context, n credit.NewListen) (bool, error) {
	const counted = `INSERT INTO adcredit_caller (day, caller_id, account_id, n) VALUES (?, ?, ?, 1) {once n}`
	changed, err := q.exec(ctx, counted, n.Day, n.CallerID, 0, cmp.Or(n.StartsPer, math.MaxInt32))
	if err == nil && changed > 0 {
		_, err = q.exec(ctx, counted, n.Day, n.CallerID, int64(n.AccountID), math.MaxInt32)
	}
	return changed > 0, err
}

// uncount takes one back.
func (q session) uncount(ctx context.Context, t tally) error {
	_, err := q.exec(ctx, `UPDATE adcredit_cap SET n = n - 1
		WHERE account_id = ? AND day = ? AND campaign_id = ? AND kind = ? AND n > 0`,
		t.account, t.day, t.campaign, t.kind)
	return err
}
