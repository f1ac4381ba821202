package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/credit/credittest"
	"adcredit/creditapi/rest"
)

// converted is a store whose tables change their engines.
type converted struct {
	credit.Store
	innodb atomic.Bool
}

func (c *converted) Way() credit.Way {
	if c.innodb.Load() {
		return credit.Transaction
	}
	return credit.Stock
}

// TestSweep: every ten seconds, through failures, and noticing another way; the
// test's clock passes by itself while all wait.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := credittest.New(time.Now)
		c, err := memory.AddCampaign(t.Context(), credit.Campaign{Name: "short", Reward: 1, Budget: 10, Ads: []credit.Ad{{RateHz: 8000, Samples: 8000}}})
		if err == nil {
			_, err = memory.Start(t.Context(), credit.NewListen{Node: "ast1", Key: "1", AccountID: 1, Window: time.Minute})
		}
		if err != nil {
			t.Fatal(err)
		}
		text := watch("")
		log := slog.New(slog.NewTextHandler(text, nil))
		store := &converted{Store: memory}
		service := &credit.Service{Store: store}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); sweep(ctx, service, rest.New(service, rest.Options{Log: log}), log) }()
		expect := func(wait time.Duration, want string, times int) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			if n := strings.Count(text.String(), want); n != times {
				t.Errorf("%q is logged %d times, want %d:\n%s", want, n, times, text.String())
			}
		}
		expect(55*time.Second, "swept", 0) // the listen may still complete
		expect(30*time.Second, "msg=swept finished=0 doubtful=0 expired=1", 1)
		memory.Fail(errors.New("database away"))
		expect(30*time.Second, "a sweep failed", 3)
		memory.Fail(nil)
		store.innodb.Store(true)
		expect(30*time.Second, "another way", 1)
		cancel()
		<-ended
		if left, err := memory.Campaigns(context.Background(), false); err != nil || left[0].Held != 0 || c.Name != left[0].Name {
			t.Errorf("the reward is still held: %+v, %v", left, err)
		}
	})
}
