//go:build lab

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"

	"adcredit/tests/fakeasterisk"
	"adcredit/tests/lab"
)

const callers = 72

// A record is what Asterisk saw of a call.
type record struct {
	id     string // uniqueid
	status string // ADCREDIT_STATUS; ERROR or empty of one that was killed
	ended  string // how, for a person
	killed bool
	heard  bool // the ad, to its end, which Asterisk has told adcredit
	owed   bool // heard, and adcredit lived until it was on disk
	waits  waits
}

// Waits are the longest times that a caller waited for a next command.
type waits struct{ balance, start, complete time.Duration }

// play makes one call, whose adcredit may be killed and whose caller may hang up.
func (h *house) play(ctx context.Context, dice *rand.Rand, id, card string) (record, error) {
	call := fakeasterisk.Call{
		Program: lab.Program("adcredit"), Environ: h.environ(), AccountCode: card, CallerID: "22177" + card[3:], UniqueID: id,
		AnswerTime: time.Millisecond, HangupNotice: 50 * time.Millisecond, Acts: fate(dice),
	}
	t, err := fakeasterisk.Play(ctx, call)
	if err != nil {
		return record{}, fmt.Errorf("call %s: %w; what happened: %v", id, err, t.Events)
	}
	r := record{id: id, status: t.Variables["ADCREDIT_STATUS"], killed: t.Killed == "SIGKILL"}
	r.ended = fmt.Sprintf("%s by %s, exit code %d %s %s", r.status, t.Variables["ADCREDIT_CAUSE"], t.ExitCode, t.AGIStatus, t.Stderr)
	after := r.measure(t.Events)
	r.heard = r.heard && t.Heard[0].Complete()
	r.owed = r.heard && (after || !r.killed)
	return r, nil
}

// fate is what becomes of a call: most likely nothing.
func fate(dice *rand.Rand) []fakeasterisk.Act {
	ad := fakeasterisk.During("ads/short")
	some := func(d time.Duration) time.Duration { return time.Duration(dice.Int64N(int64(d))) }
	kill := func(m fakeasterisk.Moment) []fakeasterisk.Act {
		return []fakeasterisk.Act{fakeasterisk.Signal(m, syscall.SIGKILL)}
	}
	switch n := dice.IntN(100); {
	case n < 15: // amid the completion
		return kill(fakeasterisk.AfterSound("ads/short").Plus(some(20 * time.Millisecond)))
	case n < 20: // while it is on its way
		return kill(fakeasterisk.AfterSound("ads/short").Plus(some(time.Second)))
	case n < 30: // at any time
		return kill(fakeasterisk.At(some(time.Second)))
	case n < 38:
		return []fakeasterisk.Act{fakeasterisk.HangUp(ad.Percent(dice.Float64() * 100))}
	case n < 46:
		return []fakeasterisk.Act{fakeasterisk.HangUp(fakeasterisk.AfterSound("ads/short").Plus(some(20 * time.Millisecond)))}
	}
	return nil
}

// measure reads the longest times between a reply and the next command, and reports
// whether a command came after the ad and the count of its packets: adcredit then
// had it on disk.
func (r *record) measure(events []fakeasterisk.Event) (after bool) {
	var replied time.Duration
	answered, ad := false, false
	for _, e := range events {
		switch e.Kind {
		case fakeasterisk.Reply:
			replied = e.At
			// Who hangs up in the last 20 ms has not heard it, by any reckoning.
			r.heard = r.heard || ad && !after && strings.HasPrefix(e.Text, "200 result=0 ")
		case fakeasterisk.Command:
			wait := e.At - replied
			switch {
			case replied == 0: // it has only begun
			case !answered:
				r.waits.balance = max(r.waits.balance, wait)
			case !ad:
				r.waits.start = max(r.waits.start, wait)
			case !after && !strings.Contains(e.Text, "txcount"):
				r.waits.complete, after = wait, true
			}
			answered = answered || e.Text == "ANSWER"
			ad = ad || strings.HasPrefix(e.Text, "STREAM FILE")
		}
	}
	return after
}

// crowd calls until ctx ends, and then lets the calls under way end.
func (h *house) crowd(ctx context.Context, seed uint64, each func(record, error)) {
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			dice := rand.New(rand.NewPCG(seed, uint64(i)))
			for n := 0; ctx.Err() == nil; n++ {
				account := 1 + dice.IntN(accounts)
				if dice.IntN(3) == 0 {
					account = 1 + dice.IntN(hot)
				}
				card := fmt.Sprint(firstCard + account)
				h.bill(ctx, dice, card)
				call, cancel := context.WithTimeout(context.Background(), time.Minute)
				each(h.play(call, dice, fmt.Sprintf("%d.%d", 1_700_000_000+n, i), card))
				cancel()
				pause(ctx, time.Duration(500+dice.IntN(2000))*time.Millisecond)
			}
		})
	}
	all.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
