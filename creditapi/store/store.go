// Package store keeps adcredit's money with database/sql: in an A2Billing
// database on MySQL or MariaDB, or in an embedded SQLite file. One sequence of
// statements serves all of them; what differs is in a dialect.
//
// An invariant is held by a unique key or by a conditional UPDATE of the row
// that owns it, never by reading rows that the transaction does not write. So
// READ COMMITTED suffices, and a cluster that certifies writes alone is safe.
// All times come from the database's clock.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// Config says which database to open, and how.
type Config struct {
	Database    config.Database
	Connections int              // at most; 0: 16
	Currency    string           // the embedded database's base currency; A2Billing has its own
	Now         func() time.Time // the embedded database's clock; nil: time.Now

	patient bool // for DDL, which takes as long as it takes
}

// Store is a credit.Store on a database.
type Store struct {
	db       *sql.DB
	dialect  dialect
	embedded bool
	now      func() time.Time // this host's clock
	config   Config
	writer   chan struct{} // SQLite has one writer: ours queue here, in turn; else nil
	templates
	asked map[string]*gather[found] // for accounts, by each kind of name

	countsNodes atomic.Bool // see CountNodes

	usages usages
	adsOf  sync.Map // campaign -> campaignAds

	remember sync.Mutex // held by the one that asks A2Billing anew
	known    atomic.Pointer[a2billing]
}

var _ credit.Store = (*Store)(nil)

// Open opens the database. An embedded one is made and migrated; any other
// must have the schema that this program knows, or the error is an [ErrSchema].
func Open(ctx context.Context, c Config) (*Store, error) {
	return open(ctx, c, nil)
}

func open(ctx context.Context, c Config, wrap func(driver.Connector) driver.Connector) (*Store, error) {
	s, err := connect(ctx, c, wrap)
	if err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		s.db.Close()
		return nil, fmt.Errorf("open %s: %w", c.Database, hint(err))
	}
	return s, nil
}

// begin readies a connected store.
func (s *Store) begin(ctx context.Context) error {
	if s.embedded {
		if err := s.migrate(ctx); err != nil {
			return err
		}
		if err := s.setCurrency(ctx, s.config.Currency); err != nil {
			return err
		}
	}
	if err := s.checkSchema(ctx); err != nil {
		return err
	}
	_, err := s.a2billing(ctx)
	return err
}

// Close closes the database's connections.
func (s *Store) Close() error { return s.db.Close() }

// Ready reports whether the database answers, its schema is ours, and a grant
// could be kept in it.
func (s *Store) Ready(ctx context.Context) error {
	err := s.checkSchema(ctx)
	if err == nil {
		err = s.fit(ctx)
	}
	return s.fail("ask whether the database is ready", err)
}

// fit is nil where a grant can be kept.
func (s *Store) fit(ctx context.Context) error {
	known, err := s.a2billing(ctx)
	if err == nil {
		err = known.unfit
	}
	return err
}

// session runs statements on the pool or in a transaction.
type session struct {
	*Store
	on interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
}

func (s *Store) pool() session { return session{s, s.db} }

func (q session) statement(template string, args []any) (string, []any) {
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = q.dialect.value(arg)
	}
	return q.dialect.clock(q.expand(q.dialect, template)), values
}

// exec answers how many rows were changed; one that was set to what it was
// counts in SQLite and not in MySQL, so no statement of ours does that.
func (q session) exec(ctx context.Context, template string, args ...any) (int64, error) {
	statement, values := q.statement(template, args)
	result, err := q.on.ExecContext(ctx, statement, values...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// insert answers the new row's id.
func (q session) insert(ctx context.Context, template string, args ...any) (int64, error) {
	statement, values := q.statement(template, args)
	result, err := q.on.ExecContext(ctx, statement, values...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

func (q session) row(ctx context.Context, template string, args ...any) *sql.Row {
	statement, values := q.statement(template, args)
	return q.on.QueryRowContext(ctx, statement, values...)
}

// each calls scan for each row.
func (q session) each(ctx context.Context, scan func(scan func(...any) error) error, template string, args ...any) error {
	statement, values := q.statement(template, args)
	rows, err := q.on.QueryContext(ctx, statement, values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// tx runs f in a transaction of its own, again from the start when it lost a
// race or its connection. So f must find what an earlier run of it has done:
// the answer to a commit may be what was lost.
func (s *Store) tx(ctx context.Context, f func(q session) error) error {
	if s.writer != nil {
		select {
		case s.writer <- struct{}{}:
			defer func() { <-s.writer }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.again(ctx, func() error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing once committed
		if err := f(session{s, tx}); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// attempts bounds how often a transaction is tried that has no deadline.
const attempts = 20

// again calls f until it neither loses a race nor its connection, with a
// growing, random pause between.
func (s *Store) again(ctx context.Context, f func() error) error {
	for i := 1; ; i++ {
		err := f()
		if err == nil || i == attempts || ctx.Err() != nil {
			return err
		}
		switch m := s.dialect.meaning(err); m {
		case conflict:
		case down, readOnly:
			if i > 2 { // a new connection did not help
				return err
			}
			if m == readOnly {
				s.reconnect()
			}
		default:
			return err
		}
		pause := time.NewTimer(rand.N(5 * time.Millisecond * time.Duration(min(i*i, 10))))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

// reconnect lets go of connections that may lead to a server that is no longer
// the one to write to.
func (s *Store) reconnect() {
	s.db.SetMaxIdleConns(0)
	s.db.SetMaxIdleConns(s.connections())
}

// refuse is an answer for the outside.
func refuse(code wire.Code, detail string) error { return &wire.Error{Code: code, Detail: detail} }

// fail says what failed. What may be shown outside stays as it is.
func (s *Store) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	var shown *wire.Error
	if errors.As(err, &shown) {
		return err
	}
	err = fmt.Errorf("%s: %w", what, err)
	switch s.dialect.meaning(err) {
	case down, conflict, readOnly, full:
		return &wire.Error{Code: wire.Unavailable, Detail: "The database does not answer now. Try again.", Err: err}
	}
	return err
}
