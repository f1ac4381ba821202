package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Table is one of the tables of A2Billing that a grant writes, or that the
// triggers on them write.
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
	tables, err := s.tables(ctx, `'cc_card', 'cc_logrefill'`)
	if err == nil && len(tables) != 2 {
		err = ErrNotA2Billing
	}
	return tables, err
}

// tables reads those of the names, written as in SQL, that are there.
func (s *Store) tables(ctx context.Context, names string) ([]Table, error) {
	var tables []Table
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		var t Table
		err := scan(&t.Name, &t.Engine, &t.Rows, &t.Bytes)
		tables = append(tables, t)
		return err
	}, `SELECT table_name, COALESCE(engine, 'none'), COALESCE(table_rows, 0), COALESCE(data_length + index_length, 0)
		FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name IN (`+names+`) ORDER BY table_name`)
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
// cc_logrefill are InnoDB already, or the database is the embedded one. A
// trigger of cc_card writes cc_card_seria: it goes with it, since a server that
// enforces GTID consistency refuses every debit and every credit while the two
// are kept by different engines.
func (s *Store) ConvertStatements(ctx context.Context) ([]Conversion, error) {
	_, err := s.A2BillingEngines(ctx)
	if err != nil || s.embedded {
		return nil, err
	}
	tables, err := s.tables(ctx, `'cc_card', 'cc_card_seria', 'cc_logrefill'`)
	var todo []Conversion
	for _, t := range tables {
		if t.Engine != "InnoDB" {
			todo = append(todo, Conversion{t, "ALTER TABLE " + t.Name + " ENGINE=InnoDB", lockTime(t)})
		}
	}
	return todo, s.fail("read the engines of A2Billing's tables", err)
}

// lockTime guesses with caution: a slow disk copies some 10 MB or 20,000 rows
// in a second.
func lockTime(t Table) time.Duration {
	return max(time.Second, time.Duration(t.Bytes)*time.Second/10e6, time.Duration(t.Rows)*time.Second/20e3)
}

// Convert makes cc_card, cc_card_seria and cc_logrefill InnoDB, as a user who
// may LOCK and ALTER them, and calls progress after each. Debits and grants that
// run meanwhile wait.
func (s *Store) Convert(ctx context.Context, progress func(done Conversion, took time.Duration)) error {
	todo, err := s.ConvertStatements(ctx)
	if err != nil || len(todo) == 0 {
		return err
	}
	c := s.config
	c.patient = true
	patient, err := connect(ctx, c, nil)
	if err != nil {
		return err
	}
	defer patient.Close()
	if err := patient.convert(ctx, todo, progress); err != nil {
		if s.dialect.meaning(err) == conflict {
			err = fmt.Errorf("%w; somebody's query holds the table: try again at a quiet time", err)
		}
		return fmt.Errorf("convert A2Billing's tables: %w", err)
	}
	if todo, err = s.ConvertStatements(ctx); err == nil && len(todo) > 0 {
		err = fmt.Errorf("table %s still has engine %s: the server took the statement and did not follow it; enable InnoDB", todo[0].Name, todo[0].Engine)
	}
	s.forget()
	return err
}

// convert runs the statements on one connection.
func (s *Store) convert(ctx context.Context, todo []Conversion, progress func(done Conversion, took time.Duration)) error {
	if nodes, err := s.value(ctx, "SHOW STATUS LIKE 'wsrep_cluster_size'"); err != nil {
		return err
	} else if nodes > "1" {
		return fmt.Errorf("%s nodes have these tables, and not the same rows in them: %w", nodes, errCluster)
	}
	enforced, err := s.variable(ctx, "enforce_gtid_consistency")
	if err != nil {
		return err
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// An ALTER that waits for somebody's long query makes all later ones wait
	// behind it, calls included: give up soon instead.
	if _, err := conn.ExecContext(ctx, "SET SESSION lock_wait_timeout = 5"); err != nil {
		return err
	}
	if enforced == "ON" { // nobody must meet cc_card and cc_card_seria in different engines
		if _, err := conn.ExecContext(ctx, lockTables(todo)); err != nil {
			return err
		}
	}
	for _, conversion := range todo {
		began := time.Now()
		if _, err := conn.ExecContext(ctx, conversion.Statement); err != nil {
			return fmt.Errorf("%s: %w", conversion.Statement, err)
		}
		progress(conversion, time.Since(began))
	}
	if enforced == "ON" {
		_, err = conn.ExecContext(ctx, "UNLOCK TABLES")
	}
	return err // after a failure the locks go with the connection
}

func lockTables(todo []Conversion) string {
	var names []string
	for _, c := range todo {
		names = append(names, c.Name+" WRITE")
	}
	return "LOCK TABLES " + strings.Join(names, ", ")
}

// forget makes the next use ask A2Billing anew.
func (s *Store) forget() {
	known := *s.known.Load()
	known.at = time.Time{}
	s.known.Store(&known)
}
