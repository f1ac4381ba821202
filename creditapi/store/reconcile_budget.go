package store

import (
	"context"
	"fmt"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A balance is a budget beside what it must agree with.
type balance struct {
	amount, held, spent wire.Money
	overrun             int64 // rows
	holding, granted    wire.Money
}

// compareBudgets compares each budget, whole and by day, with its listens and
// its grants: both sides of a sum are read by one statement.
func (r *reconciler) compareBudgets(ctx context.Context) error {
	campaigns, err := r.campaigns(ctx, `1 = 1`)
	if err != nil {
		return err
	}
	for _, c := range campaigns {
		b, err := r.wholeBalance(ctx, c)
		if err != nil {
			return err
		}
		r.Campaigns++
		r.Held += b.held
		r.Spent += b.spent
		if err := r.compareBudget(c, wholeBudget, c.Budget, b); err != nil {
			return err
		}
		if err := r.compareDays(ctx, c); err != nil {
			return err
		}
		r.progress("budgets", r.Budgets)
	}
	return nil
}

func (r *reconciler) wholeBalance(ctx context.Context, c credit.Campaign) (balance, error) {
	return r.balance(ctx, `
			(SELECT COALESCE(SUM(reward), 0) FROM adcredit_listen WHERE campaign_id = ? AND state = 'started'),
			(SELECT COALESCE(SUM(amount), 0) FROM adcredit_ledger WHERE campaign_id = ? AND state <> 'dropped')`,
		c.ID, c.ID, c.ID, wholeBudget)
}

// dayBalance looks for the day's listens among those that started around it:
// no zone is further from UTC than a day, and no clock.
func (r *reconciler) dayBalance(ctx context.Context, c credit.Campaign, day int) (balance, error) {
	noon := time.Date(day/10000, time.Month(day/100%100), day%100, 12, 0, 0, 0, time.UTC)
	from, until := noon.AddDate(0, 0, -2), noon.AddDate(0, 0, 2)
	return r.balance(ctx, `
			(SELECT COALESCE(SUM(reward), 0) FROM adcredit_listen
				WHERE campaign_id = ? AND day = ? AND daily_shard IS NOT NULL AND started_at BETWEEN ? AND ? AND state = 'started'),
			(SELECT COALESCE(SUM(e.amount), 0) FROM adcredit_listen l JOIN adcredit_ledger e ON e.listen_id = l.id
				WHERE l.campaign_id = ? AND l.day = ? AND l.daily_shard IS NOT NULL AND l.started_at BETWEEN ? AND ? AND e.state <> 'dropped')`,
		c.ID, day, from, until, c.ID, day, from, until, c.ID, day)
}

func (r *reconciler) balance(ctx context.Context, sums string, args ...any) (b balance, err error) {
	err = r.row(ctx, `SELECT COALESCE(SUM(amount), 0), COALESCE(SUM(held), 0), COALESCE(SUM(spent), 0),
			COALESCE(SUM(CASE WHEN held + spent > amount THEN 1 ELSE 0 END), 0),`+sums+`
		FROM adcredit_budget WHERE campaign_id = ? AND day = ?`, args...).Scan(
		r.dialect.money(&b.amount), r.dialect.money(&b.held), r.dialect.money(&b.spent), &b.overrun,
		r.dialect.money(&b.holding), r.dialect.money(&b.granted))
	return b, err
}

// compareDays compares the budgets of a campaign's days.
func (r *reconciler) compareDays(ctx context.Context, c credit.Campaign) error {
	var days []int
	err := r.each(ctx, func(scan func(...any) error) error {
		var day int
		err := scan(&day)
		days = append(days, day)
		return err
	}, `SELECT DISTINCT day FROM adcredit_budget WHERE campaign_id = ? AND day >= ? ORDER BY day`,
		c.ID, dayOf(r.scope.Since.AddDate(0, 0, -1)))
	if err != nil {
		return err
	}
	for _, day := range days {
		b, err := r.dayBalance(ctx, c, day)
		if err == nil {
			err = r.compareBudget(c, day, c.DailyBudget, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reconciler) compareBudget(c credit.Campaign, day int, amount wire.Money, b balance) error {
	r.Budgets++
	for _, row := range []struct {
		check  Check
		differ bool
		detail string
	}{
		{BudgetAmount, b.amount != amount, fmt.Sprintf("its rows sum to %s, the campaign says %s", b.amount, amount)},
		{BudgetOverrun, b.overrun > 0, fmt.Sprintf("%d of its rows hold and have spent more than they have", b.overrun)},
		{BudgetHeld, b.held != b.holding, fmt.Sprintf("it holds %s, its open listens %s", b.held, b.holding)},
		{BudgetSpent, b.spent != b.granted, fmt.Sprintf("it has spent %s, its grants are %s", b.spent, b.granted)},
	} {
		if !row.differ {
			continue
		}
		if err := r.differ(Difference{Check: row.check, Campaign: c.Name, Day: day, Detail: row.detail}); err != nil {
			return err
		}
	}
	return nil
}
