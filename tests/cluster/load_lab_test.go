//go:build lab

package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/agi/callflow"
	"adcredit/agi/creditclient"
	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

const (
	callers = 8
	timeout = 2 * time.Second // adcredit's default
	slack   = time.Second     // of a machine that does other things, too
)

// A load is callers, each with a spool of its own, and A2Billing's debits on
// every node, until stopped.
type load struct {
	t       *testing.T
	clients []*creditclient.Client
	ctx     context.Context
	stop    context.CancelFunc
	done    sync.WaitGroup

	calls, granted, pending, unanswered, busy atomic.Int64
	debits, failedDebits                      atomic.Int64

	mu      sync.Mutex
	heard   map[string]bool // listens that were heard to their end
	longest map[string]time.Duration
}

func (h *house) load(t *testing.T) *load {
	t.Helper()
	l := &load{t: t, heard: map[string]bool{}, longest: map[string]time.Duration{}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	t.Cleanup(func() { l.stop(); l.done.Wait() })
	for _, id := range h.heard {
		l.heard[id] = true
	}
	dir := t.TempDir()
	for i := range callers {
		// Half of them have the second creditapi first: the nodes compete.
		urls := []string{"http://" + h.apis[i%2].at, "http://" + h.apis[1-i%2].at}
		c, err := creditclient.New(creditclient.Config{
			URLs: urls, Key: h.key, Timeout: timeout, SpoolDir: filepath.Join(dir, fmt.Sprint(i)), Agent: "adcredit/cluster"})
		if err != nil {
			t.Fatal(err)
		}
		l.clients = append(l.clients, c)
		l.done.Go(func() {
			for n := i; l.ctx.Err() == nil; n += callers {
				l.call(c, n%accounts)
			}
		})
	}
	for i, node := range h.nodes {
		db := lab.Login{User: "root", Database: &lab.Database{Server: node.Server, Name: database}}.DB(t)
		l.done.Go(func() { l.debit(db, i) })
	}
	return l
}

// call is one call of one account: what adcredit asks, and the ad in between.
func (l *load) call(c *creditclient.Client, account int) {
	l.calls.Add(1)
	name := fmt.Sprint("card:", 7_000_000_000+account)
	ctx := context.Background()
	err := l.timed("check", func() error { _, err := c.Credit(ctx, name, "2000"); return err })
	if err != nil {
		l.failed("check", err)
		return
	}
	var listen wire.Listen
	err = l.timed("start", func() (err error) {
		listen, err = c.Start(ctx, wire.StartListen{Account: name, CallID: fmt.Sprint("ast1/", l.calls.Load(), ".", account), Destination: "2000"})
		return err
	})
	if err != nil {
		l.failed("start", err)
		return
	}
	time.Sleep(adMS * time.Millisecond) // the ad
	l.mu.Lock()
	l.heard[listen.ID] = true
	l.mu.Unlock()
	err = l.timed("complete", func() error {
		_, err := c.Complete(ctx, name, listen, wire.Heard{Endpos: listen.Samples, PlayedMS: listen.DurationMS, HeardAt: time.Now()})
		return err
	})
	switch {
	case err == nil:
		l.granted.Add(1)
	case errors.Is(err, callflow.ErrPending):
		l.pending.Add(1)
	default:
		l.t.Errorf("complete: %v", err)
	}
}

// failed counts what a caller may meet while something is down, and reports
// what nobody should.
func (l *load) failed(step string, err error) {
	switch {
	case errors.Is(err, wire.Playing): // the answer to an earlier start was lost
		l.busy.Add(1)
	case errors.Is(err, creditclient.ErrNoAnswer), errors.Is(err, wire.Unavailable):
		l.unanswered.Add(1)
	default:
		l.t.Errorf("%s: %v", step, err)
	}
}

func (l *load) timed(step string, f func() error) error {
	began := time.Now()
	err := f()
	took := time.Since(began)
	l.mu.Lock()
	l.longest[step] = max(l.longest[step], took)
	l.mu.Unlock()
	return err
}

// debit takes 1 off one account after the other, as A2Billing does at the end
// of calls; nbused counts those that were done.
func (l *load) debit(db *sql.DB, from int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := from; l.ctx.Err() == nil; n += 7 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := db.ExecContext(ctx, `UPDATE cc_card SET credit = credit - 1, nbused = nbused + 1 WHERE id = ?`, firstID+n%accounts)
		cancel()
		if err == nil {
			l.debits.Add(1)
		} else {
			l.failedDebits.Add(1)
		}
		<-tick.C
	}
}

// goesOn waits for grants that are made from now on.
func (l *load) goesOn(t *testing.T, grants int64) {
	t.Helper()
	want := l.granted.Load() + grants
	eventually(t, fmt.Sprint(grants, " grants more"), func() bool { return l.granted.Load() >= want })
}

// end stops the load and delivers what the spools hold, as the timer does.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.done.Wait()
	for _, c := range l.clients {
		eventually(t, "empty spool", func() bool {
			flushed, err := c.Flush(context.Background(), true, func(creditclient.Flushed, int) {})
			if err != nil || flushed.Refused > 0 || flushed.Corrupt > 0 {
				t.Fatalf("flush: %+v, %v", flushed, err)
			}
			return len(flushed.Waiting) == 0
		})
	}
	for step, longest := range l.longest {
		if longest > timeout+slack {
			t.Errorf("a caller waited %s for the %s", longest, step)
		}
	}
}
