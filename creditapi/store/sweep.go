package store

import (
	"context"
	"errors"
	"time"

	"adcredit/creditapi/credit"
)

const (
	// sweepBatch bounds a sweep, so that it never holds a database up.
	sweepBatch = 200
	// sweepAge leaves an entry to the request that is at it. It would be
	// right all the same if both were.
	sweepAge = 5 * time.Second
)

// Sweep finishes the ledger's open entries and lapses listens whose window is
// over, a batch of each. What fails is left to the next sweep and does not
// keep the rest from it.
func (s *Store) Sweep(ctx context.Context) (credit.Swept, error) {
	var swept credit.Swept
	known, err := s.a2billing(ctx)
	if err == nil {
		err = errors.Join(s.sweepEntries(ctx, known.way, &swept), s.sweepListens(ctx, &swept))
	}
	return swept, s.fail("sweep", err)
}

func (s *Store) sweepEntries(ctx context.Context, way credit.Way, swept *credit.Swept) error {
	var open []int64
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		open = append(open, id)
		return err
	}, `SELECT id FROM adcredit_ledger WHERE state IN ('pending', 'applied') AND created_at <= {before}
		ORDER BY created_at LIMIT ?`, sweepAge, sweepBatch)
	for _, id := range open {
		e, finishErr := s.resume(ctx, id, way)
		err = errors.Join(err, finishErr)
		switch {
		case finishErr != nil:
		case e.State == credit.InDoubt:
			swept.Doubtful++
		default:
			swept.Finished++
		}
	}
	return err
}

// resume finishes an entry that was left open.
func (s *Store) resume(ctx context.Context, id int64, way credit.Way) (e entry, err error) {
	if way == credit.Stock {
		return s.pool().resumed(ctx, id, way)
	}
	err = s.tx(ctx, func(q session) (err error) {
		e, err = q.resumed(ctx, id, way)
		return err
	})
	return e, err
}

func (q session) resumed(ctx context.Context, id int64, way credit.Way) (entry, error) {
	e, err := q.entry(ctx, id)
	if err == nil {
		e, err = q.finish(ctx, e, way)
	}
	return e, err
}

func (s *Store) sweepListens(ctx context.Context, swept *credit.Swept) error {
	var over []string
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		over = append(over, id)
		return err
	}, `SELECT id FROM adcredit_listen WHERE state = 'started' AND expires_at <= {now} ORDER BY expires_at LIMIT ?`, sweepBatch)
	for _, id := range over {
		lapsed := 0
		err = errors.Join(err, s.tx(ctx, func(q session) error {
			lapsed = 0
			n, err := q.exec(ctx, `UPDATE adcredit_listen SET state = 'expired', ended_at = {now}, playing_account = NULL, playing_call = NULL
				WHERE id = ? AND state = 'started' AND expires_at <= {now}`, id)
			if err != nil || n == 0 {
				return err
			}
			lapsed = 1
			l, err := q.listen(ctx, id)
			if err != nil {
				return err
			}
			return q.giveBack(ctx, l)
		}))
		swept.Expired += lapsed
	}
	return err
}
