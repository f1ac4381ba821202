package store

import (
	"context"
	"fmt"
	"strings"

	"adcredit/creditapi/wire"
)

// A budget is a campaign's whole one, or that of a day (YYYYMMDD).
type budget struct {
	campaign int64
	day      int
}

const wholeBudget = 0

// A budget lies on at most maxShards rows, so that calls at the same time
// don't queue for one; on fewer when a row would hold less than fewRewards.
const (
	maxShards  = 16
	fewRewards = 4
)

// shards divides an amount into rows of whole rewards, so that nothing is
// stranded; what is no whole reward lies on the first one. They sum to the
// amount exactly.
func shards(amount, reward wire.Money) []wire.Money {
	rewards := int64(amount / reward)
	n := min(max(rewards/fewRewards, 1), maxShards)
	parts := make([]wire.Money, n)
	for i := range parts {
		parts[i] = wire.Money(rewards/n) * reward
		if int64(i) < rewards%n {
			parts[i] += reward
		}
	}
	parts[0] += amount % reward
	return parts
}

// fund makes the rows of a budget, and leaves those that exist.
func (q session) fund(ctx context.Context, b budget, amount, reward wire.Money) error {
	var rows []string
	var args []any
	for i, part := range shards(amount, reward) {
		rows = append(rows, `(?, ?, ?, {money}, 0, 0)`)
		args = append(args, b.campaign, b.day, i, part)
	}
	_, err := q.exec(ctx, `INSERT INTO adcredit_budget (campaign_id, day, shard, amount, held, spent)
		VALUES `+strings.Join(rows, ", ")+` {keep amount}`, args...)
	return err
}

// hold sets the reward aside on one row of n: on the one that hint picks, else
// on another that has room. ok is false when none has.
func (q session) hold(ctx context.Context, b budget, reward wire.Money, hint, n int) (shard int, ok bool, err error) {
	shard = hint % n
	if ok, err = q.holdOn(ctx, b, shard, reward); ok || err != nil {
		return shard, ok, err
	}
	var others []int
	err = q.each(ctx, func(scan func(...any) error) error {
		var other int
		err := scan(&other)
		others = append(others, other)
		return err
	}, `SELECT shard FROM adcredit_budget WHERE campaign_id = ? AND day = ? AND amount - held - spent >= {money}
		ORDER BY shard`, b.campaign, b.day, reward)
	if err != nil {
		return 0, false, err
	}
	for i := range others { // each from where it was picked, so that not all run to the same row
		shard = others[(hint+i)%len(others)]
		if ok, err = q.holdOn(ctx, b, shard, reward); ok || err != nil {
			return shard, ok, err
		}
	}
	return 0, false, nil
}

// holdOn is the guard of the budget: the condition and the change are one.
func (q session) holdOn(ctx context.Context, b budget, shard int, reward wire.Money) (bool, error) {
	n, err := q.exec(ctx, `UPDATE adcredit_budget SET held = held + {money}
		WHERE campaign_id = ? AND day = ? AND shard = ? AND held + spent + {money} <= amount`,
		reward, b.campaign, b.day, shard, reward)
	return n == 1, err
}

// release gives a held reward back.
func (q session) release(ctx context.Context, b budget, shard int, reward wire.Money) error {
	n, err := q.exec(ctx, `UPDATE adcredit_budget SET held = held - {money}
		WHERE campaign_id = ? AND day = ? AND shard = ? AND held >= {money}`,
		reward, b.campaign, b.day, shard, reward)
	return b.one(n, err)
}

// spend turns a held reward into a spent one.
func (q session) spend(ctx context.Context, b budget, shard int, reward wire.Money) error {
	n, err := q.exec(ctx, `UPDATE adcredit_budget SET held = held - {money}, spent = spent + {money}
		WHERE campaign_id = ? AND day = ? AND shard = ? AND held >= {money}`,
		reward, reward, b.campaign, b.day, shard, reward)
	return b.one(n, err)
}

// unspend gives a spent reward back.
func (q session) unspend(ctx context.Context, b budget, shard int, reward wire.Money) error {
	n, err := q.exec(ctx, `UPDATE adcredit_budget SET spent = spent - {money}
		WHERE campaign_id = ? AND day = ? AND shard = ? AND spent >= {money}`,
		reward, b.campaign, b.day, shard, reward)
	return b.one(n, err)
}

// one refuses to go on when the row that held the reward is not as we left it.
func (b budget) one(n int64, err error) error {
	if err == nil && n != 1 {
		err = fmt.Errorf("the budget of campaign %d, day %d does not hold this reward: its rows were changed by hand", b.campaign, b.day)
	}
	return err
}
