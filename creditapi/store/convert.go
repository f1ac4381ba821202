package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Table is one of the tables of A2Billing that a grant writes.
type Table struct {
	Name   string
	Engine string
	Rows   int64 // exact for MyISAM, an estimate for InnoDB
	Bytes  int64 // data and indexes
}

// ErrNotA2Billing is returned for a database without A2Billing's tables.
var ErrNotA2Billing = errors.New("there are no tables cc_card and cc_logrefill in this database; name A2Billing's own, by convention mya2billing")

// A2BillingEngines tells how the tables that a grant writes are kept: both
// InnoDB is the way "transaction", anything else "stock". The embedded
// database has none.
func (s *Store) A2BillingEngines(ctx context.Context) ([]Table, error) {
	if s.embedded {
		return nil, nil
	}
	tables, err := s.engines(ctx)
	return tables, s.fail("read the engines of A2Billing's tables", err)
}

func (s *Store) engines(ctx context.Context) ([]Table, error) {
	var tables []Table
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		var t Table
		err := scan(&t.Name, &t.Engine, &t.Rows, &t.Bytes)
		tables = append(tables, t)
		return err
	}, `SELECT table_name, COALESCE(engine, 'none'), COALESCE(table_rows, 0), COALESCE(data_length + index_length, 0)
		FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name IN ('cc_card', 'cc_logrefill') ORDER BY table_name`)
	if err == nil && len(tables) != 2 {
		err = ErrNotA2Billing
	}
	return tables, err
}

// A Conversion is what makes one table of A2Billing transactional.
type Conversion struct {
	Table
	Statement string
	// Lock is about how long nobody can write the table meanwhile: calls that
	// end wait to be debited.
	Lock time.Duration
}

// ConvertStatements lists what Convert would do; nothing when cc_card and
// cc_logrefill are InnoDB already, or the database is the embedded one.
func (s *Store) ConvertStatements(ctx context.Context) ([]Conversion, error) {
	tables, err := s.A2BillingEngines(ctx)
	var todo []Conversion
	for _, t := range tables {
		if t.Engine != "InnoDB" {
			todo = append(todo, Conversion{t, "ALTER TABLE " + t.Name + " ENGINE=InnoDB", lockTime(t)})
		}
	}
	return todo, err
}

// lockTime guesses with caution: a slow disk copies some 10 MB or 20,000 rows
// in a second.
func lockTime(t Table) time.Duration {
	return max(time.Second, time.Duration(t.Bytes)*time.Second/10e6, time.Duration(t.Rows)*time.Second/20e3)
}

// Convert makes cc_card and cc_logrefill InnoDB, as a user who may ALTER them,
// and calls progress after each. Grants that run meanwhile wait.
func (s *Store) Convert(ctx context.Context, progress func(done Conversion, took time.Duration)) error {
	todo, err := s.ConvertStatements(ctx)
	if err != nil || len(todo) == 0 {
		return err
	}
	c := s.config
	c.patient, c.Connections = true, 1
	patient, err := connect(ctx, c, nil)
	if err != nil {
		return err
	}
	defer patient.Close()
	// An ALTER that waits for somebody's long query makes all later ones wait
	// behind it, calls included: give up soon instead.
	if _, err := patient.db.ExecContext(ctx, "SET SESSION lock_wait_timeout = 5"); err != nil {
		return fmt.Errorf("convert A2Billing's tables: %w", err)
	}
	for _, conversion := range todo {
		began := time.Now()
		if _, err := patient.db.ExecContext(ctx, conversion.Statement); err != nil {
			if s.dialect.meaning(err) == conflict {
				err = fmt.Errorf("%w; somebody's query holds the table: try again at a quiet time", err)
			}
			return fmt.Errorf("%s: %w", conversion.Statement, err)
		}
		progress(conversion, time.Since(began))
	}
	if todo, err = s.ConvertStatements(ctx); err == nil && len(todo) > 0 {
		err = fmt.Errorf("table %s still has engine %s: the server took the statement and did not follow it; enable InnoDB", todo[0].Name, todo[0].Engine)
	}
	s.forget()
	return err
}

// forget makes the next use ask A2Billing anew.
func (s *Store) forget() {
	known := *s.known.Load()
	known.at = time.Time{}
	s.known.Store(&known)
}
