package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A ledgerRow is a row of the ledger as it is compared.
type ledgerRow struct {
	id      int64
	listen  string
	account credit.ID
	amount  wire.Money
	state   credit.EntryState
	cause   string
	epoch   string
	after   int64 // its row of cc_logrefill has a higher id
	applied *time.Time
	since   time.Time // it is open: since it was made, or a person paid it
	listens int       // of those that it names, how many are there
}

const ledgerRows = `SELECT e.id, COALESCE(e.listen_id, ''), e.account_id, e.amount, e.state, COALESCE(e.cause, ''), COALESCE(e.epoch, ''),
	e.logrefill_after, e.applied_at,
	COALESCE(CASE WHEN e.state IN ('pending', 'applied') THEN (SELECT MAX(settled_at) FROM adcredit_settlement WHERE entry_id = e.id) END, e.created_at),
	CASE WHEN l.id IS NULL THEN 0 ELSE 1 END
	FROM adcredit_ledger e LEFT JOIN adcredit_listen l ON l.id = e.listen_id WHERE `

// batch reads the entries that fit a condition, then calls f with each.
func (r *reconciler) batch(ctx context.Context, f func(ledgerRow) error, condition string, args ...any) error {
	var batch []ledgerRow
	err := r.each(ctx, func(scan func(...any) error) error {
		var e ledgerRow
		err := scan(&e.id, &e.listen, &e.account, r.dialect.money(&e.amount), &e.state, &e.cause, &e.epoch,
			&e.after, instantOrNil(&e.applied), instant(&e.since), &e.listens)
		batch = append(batch, e)
		return err
	}, ledgerRows+condition, args...)
	if err != nil {
		return err
	}
	for _, e := range batch {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// eachEntryOf calls f with the entries of these ids that there are.
func (r *reconciler) eachEntryOf(ctx context.Context, ids []int64, f func(ledgerRow) error) error {
	const most = 500 // always so many, so that the statement is always the same
	for len(ids) > 0 {
		n := min(most, len(ids))
		args := make([]any, most)
		for i := range args {
			args[i] = ids[min(i, n-1)]
		}
		if err := r.batch(ctx, f, `e.id IN (?`+strings.Repeat(", ?", most-1)+`) ORDER BY e.id`, args...); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// eachEntry calls f with all entries after an id, in batches.
func (r *reconciler) eachEntry(ctx context.Context, after int64, f func(ledgerRow) error) error {
	for read := int64(0); ; {
		n := int64(0)
		err := r.batch(ctx, func(e ledgerRow) error {
			n++
			after = e.id
			return f(e)
		}, `e.id > ? AND e.created_at >= ? ORDER BY e.id LIMIT ?`, after, r.scope.Since, compareBatch)
		if err != nil {
			return err
		}
		read += n
		r.progress("entries", read)
		if n < compareBatch {
			return nil
		}
	}
}

// compareEntries compares each entry with its listen and with what was seen in
// cc_logrefill; what does not fit there is only marked, to be confirmed.
func (r *reconciler) compareEntries(ctx context.Context) error {
	r.again = -1
	return r.eachEntry(ctx, 0, func(e ledgerRow) error {
		sum := r.Entries[e.state]
		sum.add(e.amount)
		r.Entries[e.state] = sum
		r.outlived(e)
		n := r.seen.count(e.id)
		if e.state == credit.Logged && n != 1 || e.state == credit.Applied && n > 1 ||
			(e.state == credit.Dropped || e.state == credit.Pending) && n > 0 {
			r.seen.confirm(e.id)
			if r.again < 0 || e.after < r.again {
				r.again = e.after
			}
		}
		return r.compareEntry(e, n)
	})
}

func (r *reconciler) compareEntry(e ledgerRow, rows int) error {
	d := Difference{EntryID: e.id, ListenID: e.listen, AccountID: e.account}
	if e.listen != "" && e.listens == 0 {
		d.Check = EntryWithoutListen
		d.Detail = fmt.Sprintf("%s for account %d", e.amount, e.account)
		if err := r.differ(d); err != nil {
			return err
		}
	}
	switch open := r.now.Sub(e.since); {
	case e.state == credit.InDoubt:
		d.Check = EntryDoubtful
		d.Detail = fmt.Sprintf("%s for account %d, %s; %s", e.amount, e.account, e.cause, knows(rows))
	case (e.state == credit.Pending || e.state == credit.Applied) && open > openFor:
		d.Check = EntryOpen
		d.Detail = fmt.Sprintf("%s for account %d is %s for %s", e.amount, e.account, e.state, open.Round(time.Second))
	default:
		return nil
	}
	return r.differ(d)
}

// knows says what cc_logrefill knows of an entry.
func knows(rows int) string {
	switch rows {
	case 0:
		return "cc_logrefill has no row of it"
	case 1:
		return "cc_logrefill has a row of it"
	}
	return fmt.Sprintf("cc_logrefill has %d rows of it", rows)
}

// outlived remembers what was credited by servers that have ended.
func (r *reconciler) outlived(e ledgerRow) {
	if e.epoch == "" || e.epoch == r.epoch || e.applied == nil {
		return
	}
	l := r.epochs[e.epoch]
	if l == nil {
		l = &life{first: e.id}
		r.epochs[e.epoch] = l
	}
	if e.applied.After(l.last) {
		l.last = *e.applied
	}
}

// noteRestarts names what was credited just before a server of MyISAM tables
// ended. When it did is not known; it was not before it credited the last.
func (r *reconciler) noteRestarts(ctx context.Context) error {
	first := int64(-1)
	for id, l := range r.epochs {
		if r.now.Sub(l.last) > restartsFor {
			delete(r.epochs, id)
		} else if first < 0 || l.first < first {
			first = l.first
		}
	}
	if first < 0 {
		return nil
	}
	return r.eachEntry(ctx, first-1, func(e ledgerRow) error {
		l := r.epochs[e.epoch]
		if l == nil || e.applied == nil || l.last.Sub(*e.applied) > unsynced {
			return nil
		}
		return r.differ(Difference{Check: Restart, Note: true, EntryID: e.id, ListenID: e.listen, AccountID: e.account,
			Detail: fmt.Sprintf("%s for account %d at %s; %s", e.amount, e.account, e.applied.Format(time.RFC3339), knows(r.seen.count(e.id)))})
	})
}
