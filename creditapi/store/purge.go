package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"adcredit/creditapi/wire"
)

// PurgeAtLeast is the shortest time after which data may be purged: a listen
// may be completed 30 days late, and Reconcile looks at tallies that far back.
const PurgeAtLeast = tallied + 2*24*time.Hour

// Purged counts what Purge took out, or would.
type Purged struct {
	Listens int64 `json:"listens"` // that lost card, destination and call id
	ICIDs   int64 `json:"icids"`   // of such listens, that are gone
	Entries int64 `json:"entries"` // that lost the card
	Tallies int64 `json:"tallies"` // that are gone
}

// purgeBatch bounds what is changed at a time, so that nobody waits for it.
const purgeBatch = 1000

// Purge takes out what names callers and is older than age: the numbers and ICIDs
// of listens and entries that have ended, and tallies of days past. All that is
// summed up stays: rows, amounts, campaigns, days and A2Billing's account ids.
// Open listens, open entries and entries in doubt stay whole, with their
// listens. It works in batches that are each a transaction, so it may be
// interrupted, and run on all nodes at once. With dry set it only counts.
// Progress is called after each batch; it may be nil.
func (s *Store) Purge(ctx context.Context, age time.Duration, dry bool, progress func(Purged)) (Purged, error) {
	var p Purged
	if age < PurgeAtLeast {
		return p, refuse(wire.InvalidRequest, fmt.Sprintf("What is younger than %d days is still needed.", PurgeAtLeast/(24*time.Hour)))
	}
	if progress == nil {
		progress = func(Purged) {}
	}
	for _, table := range []struct {
		counted *int64
		purge   func(context.Context, time.Duration, bool, func(int64)) error
	}{{&p.ICIDs, s.purgeICIDs}, {&p.Listens, s.purgeListens}, {&p.Entries, s.purgeEntries}, {&p.Tallies, s.purgeTallies}, {&p.Tallies, s.purgeCallers}} {
		err := table.purge(ctx, age, dry, func(n int64) {
			*table.counted += n
			progress(p)
		})
		if err != nil {
			return p, s.fail("purge", err)
		}
	}
	return p, nil
}

// change runs a statement that changes rows in a transaction, or if dry counts
// the rows that it would change.
func (s *Store) change(ctx context.Context, dry bool, verb, table, where string, args ...any) (n int64, err error) {
	if dry {
		err = s.pool().row(ctx, `SELECT COUNT(*) FROM `+table+` WHERE `+where, args...).Scan(&n)
		return n, err
	}
	err = s.tx(ctx, func(q session) (err error) {
		n, err = q.exec(ctx, verb+` WHERE `+where, args...)
		return err
	})
	return n, err
}

// upTo is the last of the next ids of a table.
func upTo[T any](ctx context.Context, s *Store, table string, after T) (last T, found bool, err error) {
	var id sql.Null[T]
	err = s.pool().row(ctx, `SELECT MAX(id) FROM (SELECT id FROM `+table+` WHERE id > ? ORDER BY id LIMIT ?) b`, after, purgeBatch).Scan(&id)
	return id.V, id.Valid, err
}

func (s *Store) purgeListens(ctx context.Context, age time.Duration, dry bool, done func(int64)) error {
	for after := ""; ; {
		last, found, err := upTo(ctx, s, "adcredit_listen", after)
		if err != nil || !found {
			return err
		}
		// The digest is one of the numbers too: whoever tries them all finds them.
		n, err := s.change(ctx, dry, `UPDATE adcredit_listen SET card = '', destination = '', call_id = '', digest = ''`, "adcredit_listen",
			`id > ? AND id <= ? AND `+settledBefore+` AND (card <> '' OR destination <> '' OR call_id <> '' OR digest <> '')`,
			after, last, age)
		if err != nil {
			return err
		}
		done(n)
		after = last
	}
}

// settledBefore are the listens that nobody will have to look into.
const settledBefore = `state <> 'started' AND started_at <= {before}
	AND NOT EXISTS (SELECT 1 FROM adcredit_ledger e WHERE e.listen_id = adcredit_listen.id AND e.state NOT IN ('logged', 'dropped'))`

// purgeICIDs deletes charging identities: in the core's records they name who
// called whom.
func (s *Store) purgeICIDs(ctx context.Context, age time.Duration, dry bool, done func(int64)) error {
	for after := ""; ; {
		var last sql.Null[string]
		err := s.pool().row(ctx, `SELECT MAX(listen_id) FROM (SELECT listen_id FROM adcredit_icid WHERE listen_id > ? ORDER BY listen_id LIMIT ?) b`,
			after, purgeBatch).Scan(&last)
		if err != nil || !last.Valid {
			return err
		}
		n, err := s.change(ctx, dry, `DELETE FROM adcredit_icid`, "adcredit_icid",
			`listen_id > ? AND listen_id <= ? AND EXISTS (SELECT 1 FROM adcredit_listen WHERE id = adcredit_icid.listen_id AND `+settledBefore+`)`,
			after, last.V, age)
		if err != nil {
			return err
		}
		done(n)
		after = last.V
	}
}

func (s *Store) purgeEntries(ctx context.Context, age time.Duration, dry bool, done func(int64)) error {
	for after := int64(0); ; {
		last, found, err := upTo(ctx, s, "adcredit_ledger", after)
		if err != nil || !found {
			return err
		}
		n, err := s.change(ctx, dry, `UPDATE adcredit_ledger SET card = ''`, "adcredit_ledger",
			`id > ? AND id <= ? AND state IN ('logged', 'dropped') AND created_at <= {before} AND card <> ''`, after, last, age)
		if err != nil {
			return err
		}
		done(n)
		after = last
	}
}

// firstDay is the first day whose tallies are not older than age.
func (s *Store) firstDay(ctx context.Context, age time.Duration) (int, error) {
	var now time.Time
	err := s.pool().row(ctx, `SELECT {now}`).Scan(instant(&now))
	return dayOf(now.Add(-age).AddDate(0, 0, -1)), err // a day more, for zones behind UTC
}

// purgeTallies deletes by account, as its primary key is sorted.
func (s *Store) purgeTallies(ctx context.Context, age time.Duration, dry bool, done func(int64)) error {
	first, err := s.firstDay(ctx, age)
	if err != nil {
		return err
	}
	for after := int64(0); ; {
		var last, n int64
		err := s.pool().row(ctx, `SELECT COALESCE(MAX(account_id), 0), COUNT(*) FROM (
				SELECT account_id FROM adcredit_cap WHERE account_id > ? ORDER BY account_id LIMIT ?) b`,
			after, purgeBatch).Scan(&last, &n)
		if err != nil || n == 0 {
			return err
		}
		n, err = s.change(ctx, dry, `DELETE FROM adcredit_cap`, "adcredit_cap", `account_id > ? AND account_id <= ? AND day < ?`, after, last, first)
		if err != nil {
			return err
		}
		done(n)
		after = last
	}
}

// purgeCallers deletes the tallies of callers, which name their numbers, day by
// day, as its primary key is sorted.
func (s *Store) purgeCallers(ctx context.Context, age time.Duration, dry bool, done func(int64)) error {
	first, err := s.firstDay(ctx, age)
	if err != nil {
		return err
	}
	if dry {
		n, err := s.change(ctx, dry, "", "adcredit_caller", `day < ?`, first)
		done(n)
		return err
	}
	for {
		var day int
		var last string
		err := s.pool().row(ctx, `SELECT day, MAX(caller_id) FROM (SELECT day, caller_id FROM adcredit_caller
			WHERE day = (SELECT MIN(day) FROM adcredit_caller WHERE day < ?) ORDER BY caller_id LIMIT ?) b GROUP BY day`,
			first, purgeBatch).Scan(&day, &last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		n, err := s.change(ctx, dry, `DELETE FROM adcredit_caller`, "adcredit_caller", `day = ? AND caller_id <= ?`, day, last)
		if err != nil {
			return err
		}
		done(n)
	}
}
