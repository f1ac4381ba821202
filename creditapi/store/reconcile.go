package store

import (
	"context"
	"time"

	"adcredit/creditapi/credit"
)

// Scope says what Reconcile compares.
type Scope struct {
	// Since leaves out listens and entries from before it. Whole budgets are
	// compared all the same: they can't be in part. Zero: everything.
	Since time.Time
	// Progress is told how many rows of a kind were compared; it may be nil.
	Progress func(what string, rows int64)
}

const (
	// compareBatch bounds what is read at a time.
	compareBatch = 1000
	// openFor is how long an entry may be open: sweeps come every ten seconds.
	openFor = time.Minute
	// unsynced is how long before its end a server may have lost what MyISAM
	// had written, if the power went.
	unsynced = time.Minute
	// restartsFor is how long a restart is worth a note.
	restartsFor = 30 * 24 * time.Hour
)

// OpenPatient opens the database for work that reads or writes much at once,
// so that a statement may take as long as it takes.
func OpenPatient(ctx context.Context, c Config) (*Store, error) {
	c.patient = true
	return Open(ctx, c)
}

// Reconcile compares ledger, listens, budgets and A2Billing's credit log, and
// reports what does not agree. It changes nothing, holds no lock longer than a
// batch takes to read, and needs a byte of memory per entry. An error of
// report ends it.
//
// It is right beside grants that are being made: each comparison is one
// statement, and so of one moment, or reads in the order in which a grant does
// not write. cc_logrefill is read before the entries that it must be of, and
// again after the entries that had no row in it.
func (s *Store) Reconcile(ctx context.Context, scope Scope, report func(Difference) error) (Summary, error) {
	r := &reconciler{session: s.pool(), scope: scope, report: report, seen: seen{},
		Summary: Summary{Listens: map[credit.ListenState]Sum{}, Entries: map[credit.EntryState]Sum{}}}
	if scope.Since.Before(time.Unix(0, 0)) {
		r.scope.Since = time.Unix(0, 0) // as early as each database can say
	}
	for _, step := range []func(context.Context) error{
		r.begin, r.compareRefills, r.compareEntries, r.confirmRefills, r.compareListens, r.compareBudgets, r.compareCaps, r.noteRestarts,
	} {
		if err := step(ctx); err != nil {
			return r.Summary, s.fail("reconcile", err)
		}
	}
	return r.Summary, nil
}

// reconciler is one run of Reconcile.
type reconciler struct {
	session
	Summary
	scope  Scope
	report func(Difference) error
	seen   seen // rows of cc_logrefill by entry

	now    time.Time
	epoch  string           // of the server as it runs; "": none is known
	epochs map[string]*life // of servers that have ended
	again  int64            // where cc_logrefill must be read from again
}

// life is what the ledger tells of a server's.
type life struct {
	first int64     // entry
	last  time.Time // something was credited
}

func (r *reconciler) begin(ctx context.Context) error {
	r.epochs = map[string]*life{}
	return r.row(ctx, `SELECT {now}, COALESCE((SELECT id FROM adcredit_epoch), '')`).Scan(instant(&r.now), &r.epoch)
}

// differ reports a difference.
func (r *reconciler) differ(d Difference) error {
	if d.Note {
		r.Notes++
	} else {
		r.Differences++
	}
	return r.report(d)
}

func (r *reconciler) progress(what string, rows int64) {
	if r.scope.Progress != nil {
		r.scope.Progress(what, rows)
	}
}
