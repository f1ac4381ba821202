//go:build lab

package store

import (
	"fmt"
	"sync/atomic"
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

// The money keeper works on one node of a cluster while grants are made on
// another: nothing differs, and of two who settle the same entry one does.
func TestKeeperOnGalera(t *testing.T) {
	var database *lab.Database
	nodes := lab.Galera(t, 2, func(first *lab.Server) { database = openLab(t, first, lab.InnoDB).database })
	near := worldOn(t, &lab.Database{Server: nodes[0].Server, Name: database.Name})
	near.config.Database.Socket = nodes[1].Socket
	far := *near.world
	far.Store = near.again(t)
	near.campaign(t, "teranga", wire.Units(1_000_000), func(c *credit.Campaign) { c.DailyBudget = wire.Units(500_000) })
	var running atomic.Int32
	running.Store(2)
	for i := range 2 {
		go func() {
			defer running.Add(-1)
			for j := range 30 {
				l, err := near.Start(t.Context(), newCall(credit.ID(1+i), fmt.Sprintf("k%d-%d", i, j)))
				if err == nil {
					_, err = near.Complete(t.Context(), heard(l.ID))
				}
				if err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for running.Load() > 0 {
		far.wantAgreed(t)
	}
	wantEqual(t, "granted", far.wantAgreed(t).Entries[credit.Logged].Rows, 60)

	had := near.balance(t, account)
	_, e := near.doubtful(t, "doubt")
	var paid, dropped atomic.Int32
	atOnce(6, func(i int) {
		s := []*Store{near.Store, far.Store}[i%2]
		decision, won := Pay, &paid
		if i >= 3 {
			decision, won = Drop, &dropped
		}
		if _, err := s.Settle(t.Context(), settlement(e.ID, decision)); err != nil {
			wantCode(t, err, wire.InvalidRequest)
			return
		}
		won.Add(1)
	})
	wantEqual(t, "settled", paid.Load()+dropped.Load(), 1)
	wantEqual(t, "paid", far.balance(t, account)-had, wire.Money(paid.Load())*reward)
	far.wantAgreed(t)
}
