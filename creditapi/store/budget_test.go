package store

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var budgetParts = []part{
	{"budget/never overrun, none stranded", testBudgetRace},
	{"budget/to the last decimal", testBudgetDecimals},
	{"budget/gone meanwhile", testBudgetGone},
	{"budget/of a day", testBudgetDay},
	{"budget/day at once", testBudgetDayRace},
	{"budget/over midnight and a day of 23 hours", testBudgetMidnight},
}

func TestShards(t *testing.T) {
	for _, c := range []struct {
		amount, reward wire.Money
		rows           int
	}{
		{100, 100, 1}, {799, 100, 1}, {800, 100, 2}, {6399, 100, 15}, {6400, 100, 16}, {1 << 40, 7, 16},
		{wire.MaxMoney, wire.MaxMoney, 1}, {wire.MaxMoney, 1, 16}, {wire.Units(1000), wire.Units(50), 5},
	} {
		parts := shards(c.amount, c.reward)
		wantEqual(t, fmt.Sprint(c.amount, "/", c.reward, " rows"), len(parts), c.rows)
		var sum, rewards wire.Money
		for _, part := range parts {
			sum += part
			rewards += part / c.reward
		}
		wantEqual(t, "sum", sum, c.amount)
		wantEqual(t, "whole rewards", rewards, c.amount/c.reward)
	}
}

// addAccounts makes accounts 101 to 100+n.
func (w *world) addAccounts(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		w.do(t, `INSERT INTO cc_card (id, username, useralias) VALUES (?, ?, ?)`, 101+i, fmt.Sprint(7000000101+i), fmt.Sprint(7101+i))
	}
}

// race starts n listens at once, each of an account of its own, on two
// creditapis, and tells how many play.
func (w *world) race(t *testing.T, n int, change func(*credit.NewListen)) (started []credit.Listen) {
	t.Helper()
	other := w.again(t)
	all := make([]credit.Listen, n)
	var plays atomic.Int32
	atOnce(n, func(i int) {
		s := []*Store{w.Store, other}[i%2]
		call := newCall(credit.ID(101+i), fmt.Sprint("k", i))
		change(&call)
		l, err := s.Start(t.Context(), call)
		if err != nil {
			wantCode(t, err, wire.NoAd)
			return
		}
		all[plays.Add(1)-1] = l
	})
	return all[:plays.Load()]
}

func testBudgetRace(t *testing.T, w *world) {
	w.addAccounts(t, 64)
	c := w.campaign(t, "teranga", wire.Units(1020)) // 20 rewards and a rest
	started := w.race(t, 64, func(*credit.NewListen) {})
	wantEqual(t, "started", len(started), 20)
	w.wantBudget(t, c, 20*reward, 0)
	_, err := w.Start(t.Context(), newCall(account, "late"))
	wantCode(t, err, wire.NoAd)
	if err := w.Abandon(t.Context(), abandon(started[0].ID)); err != nil {
		t.Fatal(err)
	}
	// What is given back is found again, wherever it lies.
	l := w.mustStart(t, newCall(account, "later"))
	atOnce(20, func(i int) {
		id := l.ID
		if i > 0 {
			id = started[i].ID
		}
		if _, err := w.Complete(t.Context(), heard(id)); err != nil {
			t.Error(err)
		}
	})
	w.wantBudget(t, c, 0, 20*reward)
	wantEqual(t, "ledger", w.sum(t, `SELECT SUM(amount) FROM adcredit_ledger WHERE state = 'logged'`), 20*reward)
}

// 0.1 three times is 0.3, which no float knows; and the largest amount counts
// to its last digit.
func testBudgetDecimals(t *testing.T, w *world) {
	small := w.campaign(t, "small", 30_000, func(c *credit.Campaign) { c.Reward = 10_000 })
	for i := range 3 {
		w.mustComplete(t, w.mustStart(t, newCall(account, fmt.Sprint("s", i))).ID)
	}
	w.wantBudget(t, small, 0, 30_000)
	wantEqual(t, "balance", w.balance(t, account).String(), "1812.38333")
	_, err := w.Start(t.Context(), newCall(account, "no more"))
	wantCode(t, err, wire.NoAd)

	large := w.campaign(t, "large", wire.MaxMoney, func(c *credit.Campaign) { c.Reward = wire.MaxMoney / 3 })
	for i := range 3 {
		w.mustStart(t, newCall([]credit.ID{1, 2, 3}[i], fmt.Sprint("l", i)))
	}
	w.wantBudget(t, large, wire.MaxMoney, 0)
}

// A budget that was there when campaigns were looked at, and is gone when it
// is needed, leaves nothing behind.
func testBudgetGone(t *testing.T, w *world) {
	w.campaign(t, "first", reward, func(c *credit.Campaign) { c.PerDay, c.DailyBudget = 3, 2*reward })
	n := newCall(account, "late")
	meets, err := w.pool().situation(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	w.mustStart(t, newCall(1, "early"))
	second := w.campaign(t, "second", wire.Units(100))
	more, err := w.pool().situation(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	meets.fitting = append(meets.fitting, more.fitting...)
	err = w.tx(t.Context(), func(q session) error {
		l, err := q.startOneOf(t.Context(), n, "019ce000-0000-7000-8000-000000000000", meets)
		wantEqual(t, "campaign", l.Campaign, "second")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantBudget(t, second, reward, 0)
	wantEqual(t, "held of the first's day", w.sum(t, `SELECT SUM(held) FROM adcredit_budget WHERE day = ?`, day), reward)
	wantEqual(t, "counted of the first", w.one(t, `SELECT SUM(n) FROM adcredit_cap WHERE account_id = 2 AND campaign_id <> ?`, second.ID), "0")
}

func testBudgetDay(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000), func(c *credit.Campaign) { c.DailyBudget = wire.Units(120) })
	today := `SELECT SUM(held) FROM adcredit_budget WHERE day = ?`
	a := w.mustStart(t, newCall(1, "a"))
	b := w.mustStart(t, newCall(2, "b"))
	_, err := w.Start(t.Context(), newCall(3, "c"))
	wantCode(t, err, wire.NoAd)
	wantEqual(t, "held today", w.sum(t, today, day), 2*reward)
	w.wantBudget(t, c, 2*reward, 0)
	if err := w.Abandon(t.Context(), abandon(a.ID)); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "held today", w.sum(t, today, day), reward)
	w.advance(13 * time.Hour)
	tomorrow := newCall(3, "d")
	tomorrow.Day = day + 1
	w.mustStart(t, tomorrow)
	w.mustComplete(t, b.ID) // of yesterday's budget
	wantEqual(t, "spent yesterday", w.sum(t, `SELECT SUM(spent) FROM adcredit_budget WHERE day = ?`, day), reward)
	wantEqual(t, "held yesterday", w.sum(t, today, day), 0)
	wantEqual(t, "held today", w.sum(t, today, day+1), reward)
	w.wantBudget(t, c, reward, reward)
}

// A day's rows are made by its first callers, who come at once.
func testBudgetDayRace(t *testing.T, w *world) {
	w.addAccounts(t, 32)
	c := w.campaign(t, "teranga", wire.Units(10000), func(c *credit.Campaign) { c.DailyBudget = wire.Units(500) })
	started := w.race(t, 32, func(*credit.NewListen) {})
	wantEqual(t, "started", len(started), 10)
	w.wantBudget(t, c, 10*reward, 0)
	wantEqual(t, "the day's budget", w.sum(t, `SELECT SUM(amount) FROM adcredit_budget WHERE day = ?`, day), wire.Units(500))
}

// The day is that of the policy's time zone; the last Sunday of March has 23
// hours in Paris.
func testBudgetMidnight(t *testing.T, w *world) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	w.campaign(t, "teranga", wire.Units(1000), func(c *credit.Campaign) { c.DailyBudget = 2 * reward })
	service := credit.Service{Store: w, Policy: credit.Policy{Required: wire.Units(1_000_000), Location: paris, CompletionWindow: time.Hour}}
	calls := 0
	listen := func(at time.Time) error {
		w.set(at)
		calls++
		l, err := service.Start(t.Context(), "ast1", fmt.Sprint("k", calls),
			wire.StartListen{Account: "alias:1001", CallID: fmt.Sprint("ast1/", calls), Language: "fr"})
		if err == nil {
			w.mustComplete(t, l.ID)
		}
		return err
	}
	for _, day := range []time.Time{
		time.Date(2026, 3, 28, 0, 10, 0, 0, paris),
		time.Date(2026, 3, 29, 0, 10, 0, 0, paris),
		time.Date(2026, 3, 30, 0, 10, 0, 0, paris), // 23 hours later
	} {
		for range 2 {
			if err := listen(day); err != nil {
				t.Errorf("%s: %v", day, err)
			}
		}
		end := time.Date(day.Year(), day.Month(), day.Day(), 23, 59, 59, 0, paris)
		wantCode(t, listen(end), wire.NoAd)
	}
	w.wantGranted(t, account, 6)
}
