package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"adcredit/agi/callflow"
	"adcredit/agi/config"
	"adcredit/agi/creditclient"
	"adcredit/creditapi/wire"
)

const (
	flushTime     = 10 * time.Minute
	progressEvery = 5 * time.Second
	// othersTime is what a caller may wait for completions of other accounts.
	othersTime = 50 * time.Millisecond
)

// flush delivers what waits, unless due is set however lately it was tried.
func flush(ctx context.Context, cfg *config.Config, due bool, stdout, stderr io.Writer) int {
	client, err := newClient(cfg)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitConfig
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	said := time.Now()
	done, err := client.Flush(ctx, !due, func(done creditclient.Flushed, of int) {
		if time.Since(said) >= progressEvery {
			said = time.Now()
			fmt.Fprintf(stderr, "%d of %d delivered\n", done.Delivered, of)
		}
	})
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	fmt.Fprintf(stdout, "%d delivered, %d refused for good, %d still waiting in %s\n", done.Delivered, done.Refused, done.Left(), cfg.SpoolDir)
	for _, cause := range slices.Sorted(maps.Keys(done.Waiting)) {
		fmt.Fprintf(stdout, "  %d wait: %s\n", done.Waiting[cause], advice(cause, cfg.Node))
	}
	if held, err := client.Spool().Look(); err != nil {
		fmt.Fprintln(stderr, err)
	} else if held.Refused+held.Corrupt > 0 {
		fmt.Fprintf(stdout, "For a person to look at: %d in refused/, %d in corrupt/\n", held.Refused, held.Corrupt)
	}
	if done.Left() > 0 {
		return exitFailed
	}
	return exitOK
}

// advice says what keeps completions waiting, and what to do.
func advice(cause, node string) string {
	switch cause {
	case creditclient.Unanswered, string(wire.Unavailable), string(wire.Internal), string(wire.Misdirected):
		return "creditapi does not answer, or fails (" + cause + "); adcredit -check and creditapi's log say more"
	case creditclient.NotDue:
		return "tried a moment ago; adcredit -flush without -due tries again at once"
	case creditclient.NoTime:
		return "the time was over; run adcredit -flush again"
	case creditclient.Busy:
		return "another process delivers them now"
	case creditclient.Later:
		return "a later version of adcredit has written them, and this one leaves them alone; install that version again"
	case creditclient.Unreadable:
		return "their files can't be read; the log says why"
	case string(wire.Unauthorized):
		return "creditapi does not know this key; put a valid one into key_file (creditapi key add -node " + node + " -scope agi): entries hold no key"
	case string(wire.Forbidden):
		return "their ads were heard on a node of another name, or the key has no scope agi; make a key for the old name " +
			"(creditapi key add -node OLD -scope agi) and run ADCREDIT_API_KEY=… adcredit -flush"
	case string(wire.ListenNotFound):
		return "creditapi does not know their listens; is it on the right database, and was a backup restored?"
	}
	return "creditapi says " + cause
}

// deliverOthers uses a moment of this run for completions that wait, after the
// caller's own business.
func deliverOthers(client *creditclient.Client, outcome callflow.Outcome) {
	if client == nil || outcome.Cause == callflow.Unreachable {
		return // creditapi is away: said already
	}
	ctx, cancel := context.WithTimeout(context.Background(), othersTime)
	defer cancel()
	done, err := client.FlushSome(ctx)
	if err != nil {
		slog.Warn("the spool could not be read", "error", err)
	}
	warnWaiting(worth(done.Waiting))
}

// worth leaves the causes of waiting that somebody should know of.
func worth(waiting map[string]int) map[string]int {
	left := maps.Clone(waiting)
	for _, cause := range []string{creditclient.NotDue, creditclient.NoTime, creditclient.Busy} {
		delete(left, cause)
	}
	return left
}

func warnWaiting(waiting map[string]int) {
	for cause, n := range waiting {
		slog.Warn("completions wait in the spool: adcredit -flush says what to do", "cause", cause, "count", n)
	}
}
