//go:build lab

package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// chaos counts what was done to the house.
type chaos struct {
	apiKills, databaseKills int
	faults                  [faults]atomic.Int64
}

// ruin kills and cuts until ctx ends, and leaves everything running.
func (h *house) ruin(ctx context.Context, t *testing.T, seed uint64) *chaos {
	var c chaos
	var all sync.WaitGroup
	for i, network := range h.networks {
		all.Go(func() { c.cut(ctx, network, rand.New(rand.NewPCG(seed, 2000+uint64(i)))) })
	}
	all.Go(func() {
		dice := rand.New(rand.NewPCG(seed, 3000))
		for ctx.Err() == nil {
			pause(ctx, time.Duration(800+dice.IntN(2000))*time.Millisecond)
			if h.apis[dice.IntN(len(h.apis))].kill() {
				c.apiKills++
			}
		}
	})
	dice := rand.New(rand.NewPCG(seed, 4000))
	for ctx.Err() == nil { // here, as it may fail the test
		pause(ctx, time.Duration(2500+dice.IntN(5000))*time.Millisecond)
		h.server.Kill()
		c.databaseKills++
		pause(ctx, time.Duration(dice.IntN(500))*time.Millisecond)
		h.server.Start(t)
	}
	all.Wait()
	return &c
}

// cut troubles one network until ctx ends, a sixth of the time.
func (c *chaos) cut(ctx context.Context, network *Proxy, dice *rand.Rand) {
	for ctx.Err() == nil {
		pause(ctx, time.Duration(500+dice.IntN(5000))*time.Millisecond)
		f := None + 1 + Fault(dice.IntN(int(faults-1)))
		c.faults[f].Add(1)
		network.Set(f)
		pause(ctx, time.Duration(50+dice.IntN(1000))*time.Millisecond)
		network.Set(None)
	}
}
