package creditclient

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"adcredit/creditapi/wire"
)

// deliver posts one completion until it is answered for good or ctx ends, and
// lets its spool entry go as money.md's rules say: when it is granted, when it
// is recorded for a person, and into refused/ when it is refused for good.
func (c *Client) deliver(ctx context.Context, e *Claim) (wire.Grant, error) {
	for {
		var grant wire.Grant
		err := c.send(ctx, request{method: http.MethodPost, path: "/v1/listens/" + e.Listen + "/complete", body: e.Heard, into: &grant,
			sane: func() bool { return grant.ListenID == e.Listen && grant.Amount > 0 && grant.Currency != "" }})
		var refused *wire.Error
		switch {
		case err == nil && grant.State == string(wire.InDoubt):
			e.delivered()
			return grant, &wire.Error{Code: wire.InDoubt, Detail: "The grant is recorded and waits for a person."}
		case err == nil:
			e.delivered()
			return grant, nil
		case errors.As(err, &refused) && refused.Code == wire.TooEarly && refused.RetryAfterMS > 0:
			if !wait(ctx, time.Duration(refused.RetryAfterMS)*time.Millisecond) {
				e.failed(err)
				return grant, err
			}
		case settled(err):
			slog.Error("creditapi refused a completion for good: it is kept for a person", "listen", e.Listen, "code", refused.Code)
			e.refused()
			return grant, err
		default:
			e.failed(err)
			return grant, err
		}
	}
}

// settled reports whether creditapi has answered for good: the entry needs no
// further delivery.
func settled(err error) bool {
	var refused *wire.Error
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Code.Status() {
	case http.StatusAccepted, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// deliverOwn delivers the account's completions, however lately they were tried:
// the caller waits for their own money, but no longer than half of a step.
func (c *Client) deliverOwn(ctx context.Context, account string) (granted bool) {
	names, err := c.spool.of(account)
	if err != nil {
		slog.Warn("the spool could not be read", "error", err)
	}
	if len(names) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout/2)
	defer cancel()
	var done Flushed
	for _, name := range names {
		e := c.take(name, &done)
		if e == nil {
			continue
		}
		if e.Account != account { // of the same tag
			e.end()
			continue
		}
		err := c.flushOne(ctx, e)
		granted = granted || err == nil
		if err != nil {
			slog.Warn("an earlier completion of this caller is not granted", "listen", e.Listen, "error", err)
		}
		if unanswered(err) {
			break
		}
	}
	return granted
}

// Flushed counts what a flush has done. Waiting is what stays, by its cause: one
// of creditapi's codes, or a word below.
type Flushed struct {
	Delivered, Refused, Corrupt int
	Waiting                     map[string]int
}

// Causes of waiting that are not creditapi's codes.
const (
	Unanswered = "unreachable" // of creditapi; also what was not tried after others had no answer
	NotDue     = "not_due"     // tried a moment ago
	NoTime     = "no_time"     // the flush was ended
	Busy       = "busy"        // another process delivers it now
	Later      = "later"       // written by a later version of adcredit
	Unreadable = "unreadable"
)

// Left is how many wait, whatever the cause.
func (f *Flushed) Left() (n int) {
	for _, waiting := range f.Waiting {
		n += waiting
	}
	return n
}

func (f *Flushed) wait(cause string, n int) {
	if n == 0 {
		return
	}
	if f.Waiting == nil {
		f.Waiting = map[string]int{}
	}
	f.Waiting[cause] += n
}

// mostSilent is how many entries in a row are tried while creditapi does not
// answer: more than one, since it may fail on one entry alone.
const mostSilent = 3

// Flush delivers what is due until ctx ends; all of it when force is set. After
// each entry it tells progress how many of them there are. The error is the
// spool's own: creditapi's failures are counted.
func (c *Client) Flush(ctx context.Context, force bool, progress func(done Flushed, of int)) (done Flushed, err error) {
	return c.flush(ctx, force, 0, progress)
}

// sample is how many files of the spool a call looks at, for others.
const sample = 100

// FlushSome delivers a few that are due, until ctx ends, in the time of a caller
// who waits.
func (c *Client) FlushSome(ctx context.Context) (Flushed, error) {
	return c.flush(ctx, false, sample, func(Flushed, int) {})
}

func (c *Client) flush(ctx context.Context, force bool, most int, progress func(done Flushed, of int)) (done Flushed, err error) {
	if err := c.spool.Check(); errors.Is(err, fs.ErrNotExist) {
		return done, nil // nothing was ever kept
	} else if err != nil {
		return done, err
	}
	names, resting, err := c.spool.waiting(force, most)
	done.wait(NotDue, resting)
	silent, stop := 0, ""
	for i, name := range names {
		if ctx.Err() != nil {
			stop = NoTime
		}
		if stop != "" {
			done.wait(stop, len(names)-i)
			break
		}
		e := c.take(name, &done)
		if e == nil {
			continue
		}
		err := c.flushOne(ctx, e)
		done.count(err)
		switch {
		case !unanswered(err):
			silent = 0
		case silent+1 == mostSilent:
			stop = Unanswered
		default:
			silent++
		}
		if errors.Is(err, wire.Unauthorized) { // and so are all the others
			stop = string(wire.Unauthorized)
		}
		progress(done, len(names))
	}
	return done, err
}

// unanswered reports whether creditapi is away, or another server may do better.
func unanswered(err error) bool {
	var refused *wire.Error
	if !errors.As(err, &refused) {
		return err != nil
	}
	return refused.Code == wire.Unavailable || refused.Code == wire.Internal || refused.Code == wire.Misdirected
}

func (f *Flushed) count(err error) {
	var refused *wire.Error
	switch {
	case err == nil || errors.Is(err, wire.InDoubt):
		f.Delivered++
	case settled(err):
		f.Refused++
	case errors.As(err, &refused):
		f.wait(string(refused.Code), 1)
	default:
		f.wait(Unanswered, 1)
	}
}

// take claims an entry, or says and counts why there is none to deliver.
func (c *Client) take(name string, done *Flushed) *Claim {
	e, err := c.spool.claim(name)
	switch {
	case err == nil:
		return e
	case errors.Is(err, fs.ErrNotExist): // delivered by another process
	case errors.Is(err, errBusy):
		done.wait(Busy, 1)
	case errors.Is(err, errLater):
		done.wait(Later, 1)
	case errors.Is(err, errNotOurs):
		slog.Error("a file in the spool is not a completion of ours: it is set aside", "file", name, "error", err)
		c.spool.setAside(name, corruptDir)
		done.Corrupt++
	default:
		slog.Error("a completion in the spool can't be read", "file", name, "error", err)
		done.wait(Unreadable, 1)
	}
	return nil
}

func (c *Client) flushOne(ctx context.Context, e *Claim) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	_, err := c.deliver(ctx, e)
	return err
}
