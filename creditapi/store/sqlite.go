package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"adcredit/creditapi/wire"
)

// sqliteDialect is the embedded database: small stand-ins for A2Billing's
// tables under their names, instants as microseconds since 1970 in UTC, money
// as a count of 0.00001 (a DECIMAL column of SQLite is a float).
type sqliteDialect struct {
	now func() time.Time
}

// openSQLite opens the file and makes it, readable by its owner alone, when
// there is none: it holds callers' numbers.
func openSQLite(path string) (*sql.DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the embedded database: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the embedded database: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("open the embedded database: %w", err)
	}
	// A transaction takes the write lock when it begins: one that reads first
	// and writes later can't wait for the lock and would have to start again.
	// With synchronous FULL a commit is on the disk when it is answered.
	options := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}}
	uri := url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}
	return sql.Open("sqlite", uri.String())
}

func (sqliteDialect) goose() goose.Dialect { return goose.DialectSQLite3 }

func (sqliteDialect) version() string { return `SELECT 'SQLite ' || sqlite_version()` }

func (sqliteDialect) hasTable() string {
	return `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?`
}

func (sqliteDialect) words() map[string]string {
	return map[string]string{
		"now":    "{now}", // for clock
		"after":  "({now} + ?)",
		"before": "({now} - ?)",
		"since":  "({now} - $)",
		"minute": "($ / 60000000)",
		"unix":   "($ / 1000000)",
		"money":  "?",
		"keep":   "ON CONFLICT DO NOTHING",
		"or":     "ON CONFLICT DO UPDATE SET",
		"once":   "ON CONFLICT DO UPDATE SET $ = $ + 1 WHERE $ < ?",
	}
}

func (d sqliteDialect) clock(statement string) string {
	return strings.ReplaceAll(statement, "{now}", strconv.FormatInt(d.now().UnixMicro(), 10))
}

func (sqliteDialect) value(arg any) any {
	return binding(arg,
		func(m wire.Money) any { return int64(m) },
		func(t time.Time) any { return t.UnixMicro() })
}

func (sqliteDialect) money(to *wire.Money) sql.Scanner {
	return scanner(func(src any) error {
		n, ok := src.(int64)
		if !ok {
			return fmt.Errorf("%T is no amount", src)
		}
		*to = wire.Money(n)
		return nil
	})
}

// apply takes two statements, as SQLite's UPDATE changes one table; the
// transaction around them makes them one.
func (sqliteDialect) apply() []string {
	return []string{`
		UPDATE cc_card SET credit = credit + l.amount
		FROM adcredit_ledger l
		WHERE l.id = ? AND l.state = 'pending' AND cc_card.id = l.account_id`, `
		UPDATE adcredit_ledger SET state = 'applied', applied_at = {now}
		WHERE id = ? AND state = 'pending' AND account_id IN (SELECT id FROM cc_card)`}
}

// Result codes of SQLite (https://sqlite.org/rescode.html); the low byte is
// the primary one.
const (
	sqliteBusy             = 5
	sqliteLocked           = 6
	sqliteConstraintCheck  = 275
	sqliteConstraintKey    = 1555
	sqliteConstraintUnique = 2067
)

func (sqliteDialect) meaning(err error) meaning {
	var e *sqlite.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return down
	case !errors.As(err, &e):
		return unknown
	case e.Code() == sqliteConstraintUnique, e.Code() == sqliteConstraintKey:
		return duplicate
	case e.Code() == sqliteConstraintCheck:
		return outOfRange
	case e.Code()&0xff == sqliteBusy, e.Code()&0xff == sqliteLocked:
		return conflict
	}
	return unknown
}
