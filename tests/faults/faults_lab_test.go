//go:build lab

package faults

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// leastKills of each way, however short the run is.
const leastKills = 110

// duration is how long things are broken, in both ways together.
func duration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("FAULTS")
	if text == "" {
		return 40 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("FAULTS: %v; write it like 10m", err)
	}
	return d
}

func seed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("FAULTS_SEED")
	if text == "" {
		return rand.Uint64()
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("FAULTS_SEED: %v", err)
	}
	return n
}

func TestFaults(t *testing.T) {
	for _, engine := range []lab.Engine{lab.InnoDB, lab.MyISAM} {
		t.Run(string(engine), func(t *testing.T) {
			seed := seed(t)
			t.Logf("FAULTS_SEED=%d", seed)
			h := newHouse(t, engine)
			h.await(t)
			var r result
			h.live(t, seed, duration(t)/2, &r)
			waited := h.waiting(t)
			h.settle(t)
			c := h.audit(t, engine)
			h.reconcile(t, c.doubtful)
			lost := h.auditCalls(t, r.calls, waited)
			r.granted = h.number(t, `SELECT COUNT(*) FROM adcredit_ledger WHERE state = 'logged'`)
			t.Log(r.String())
			t.Logf("%d lost, %d doubled, %d in doubt of which %d are credited, %d waited in the spool, %d debits",
				lost, c.doubled, c.doubtful, c.credited, len(waited), h.billed.debits.Load())
			r.judge(t)
		})
	}
}

// live lets callers, A2Billing and the sampler run while all is being broken.
func (h *house) live(t *testing.T, seed uint64, length time.Duration, r *result) {
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	all.Go(func() {
		h.crowd(ctx, seed, func(c record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			r.add(c)
			if time.Since(began) > length && r.kills >= leastKills || time.Since(began) > length+time.Minute {
				cancel()
			}
		})
	})
	all.Go(func() { h.trade(ctx, seed) })
	all.Go(func() { r.samples = h.sample(ctx, t) })
	r.chaos = h.ruin(ctx, t, seed)
	all.Wait()
	r.length = time.Since(began)
	for _, network := range h.networks {
		r.answers += network.Answered.Load()
	}
}

// A result is what came of it.
type result struct {
	calls         []record
	kills         int // of adcredit
	chaos         *chaos
	length        time.Duration
	samples       int
	answers       int64
	granted       int64
	longest       waits
	heard, unsure int
	statuses      map[string]int
}

func (r *result) add(c record) {
	r.calls = append(r.calls, c)
	if r.statuses == nil {
		r.statuses = map[string]int{}
	}
	status := c.status
	if c.killed {
		r.kills++
		status = "killed"
	}
	r.statuses[status]++
	if c.heard {
		r.heard++
	}
	if c.heard && !c.owed {
		r.unsure++
	}
	r.longest.balance = max(r.longest.balance, c.waits.balance)
	r.longest.start = max(r.longest.start, c.waits.start)
	r.longest.complete = max(r.longest.complete, c.waits.complete)
}

func (r *result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.0f s, %d calls", r.length.Seconds(), len(r.calls))
	for _, status := range slices.Sorted(maps.Keys(r.statuses)) {
		fmt.Fprintf(&b, ", %d %s", r.statuses[status], strings.ToLower(status))
	}
	fmt.Fprintf(&b, "\nkilled: adcredit %d times, creditapi %d, mariadbd %d; network", r.kills, r.chaos.apiKills, r.chaos.databaseKills)
	for f := None + 1; f < faults; f++ {
		fmt.Fprintf(&b, " %s %d,", f, r.chaos.faults[f].Load())
	}
	fmt.Fprintf(&b, "\n%d ads heard to their end (%d of them killed before they were surely on disk), %d grants; the budget looked at %d times",
		r.heard, r.unsure, r.granted, r.samples)
	fmt.Fprintf(&b, "\n%.0f answers a second; the longest a caller waited: balance %s, start %s, completion %s",
		float64(r.answers)/r.length.Seconds(), r.longest.balance.Round(time.Millisecond),
		r.longest.start.Round(time.Millisecond), r.longest.complete.Round(time.Millisecond))
	return b.String()
}

// judge wants the run to have been one: enough was killed, and enough went well.
func (r *result) judge(t *testing.T) {
	t.Helper()
	if r.kills < leastKills || r.chaos.apiKills == 0 || r.chaos.databaseKills == 0 {
		t.Errorf("too little was killed in this time")
	}
	if int(r.granted) < len(r.calls)/20 || r.samples == 0 {
		t.Errorf("too little was granted: %d of %d calls", r.granted, len(r.calls))
	}
	// A call is a process, and dozens of them at once wait for a processor, too.
	const most = timeout + 3*time.Second
	if max(r.longest.balance, r.longest.start, r.longest.complete) > most {
		t.Errorf("a caller waited longer than %s for one step", most)
	}
}
