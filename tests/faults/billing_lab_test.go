//go:build lab

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// What A2Billing does to a card. A statement whose answer is lost may have been
// done or not, so each leaves a mark in the row that it changes: the sum of the
// debits in initialbalance, the reservations in inuse.
const (
	debit   = `UPDATE cc_card SET credit = credit - ?, lastuse = now(), nbused = nbused + 1, initialbalance = initialbalance + ? WHERE username = ?`
	reserve = `UPDATE cc_card SET inuse = inuse + 1, credit = credit - 0.25 WHERE username = ?`
	restore = `UPDATE cc_card SET inuse = inuse - 1, credit = credit + 0.25 WHERE username = ?`
)

// billing is what was debited as far as A2Billing knows, in units: most and
// least are with and without what was never answered.
type billing struct{ debits, most, least atomic.Int64 }

// bill is a call that A2Billing has sold: it spends what is on the card. One
// that is far below zero, since two calls spent the same, is paid up.
func (h *house) bill(ctx context.Context, dice *rand.Rand, card string) {
	if dice.IntN(4) == 0 {
		if _, err := h.db.ExecContext(ctx, reserve, card); err == nil {
			defer h.db.ExecContext(context.WithoutCancel(ctx), restore, card) // else it stays taken, as with A2Billing
		}
	}
	var credit float64
	if h.db.QueryRowContext(ctx, `SELECT credit FROM cc_card WHERE username = ?`, card).Scan(&credit) != nil {
		return // no database, no call
	}
	units := int64(credit)
	if credit < 1 && credit > -40 {
		return
	}
	h.billed.debits.Add(1)
	_, err := h.db.ExecContext(context.WithoutCancel(ctx), debit, units, units, card)
	if units > 0 || err == nil {
		h.billed.most.Add(units)
	}
	if units < 0 || err == nil {
		h.billed.least.Add(units)
	}
}

// trade bills the accounts that everybody calls from until ctx ends.
func (h *house) trade(ctx context.Context, seed uint64) {
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			dice := rand.New(rand.NewPCG(seed, 1000+uint64(i)))
			for ctx.Err() == nil {
				h.bill(ctx, dice, fmt.Sprint(firstCard+1+dice.IntN(hot)))
				pause(ctx, time.Duration(dice.IntN(20))*time.Millisecond)
			}
		})
	}
	all.Wait()
}
