package store

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/pressly/goose/v3"

	"adcredit/creditapi/wire"
)

// A dialect holds the little that must be said differently to each kind of
// database. All statements are templates that both understand but for these
// words:
//
//	{now}        the time, the same throughout one statement
//	{after}      the time and ? microseconds
//	{before}     the time less ? microseconds
//	{since COL}  microseconds from COL until now
//	{minute COL} COL in whole minutes since 1970
//	{unix COL}   A2Billing's COL in Unix seconds, 0 for none
//	{money}      a parameter that is wire.Money
//	{keep COL}   ends an INSERT that leaves an existing row as it is
//	{or}         ends an INSERT; the changes behind it are made to an existing row
//	{once COL}   ends an INSERT that adds 1 to COL of an existing row, unless
//	             COL has reached ?; no row changes then
type dialect interface {
	goose() goose.Dialect
	// version asks what database this is.
	version() string
	// hasTable counts the tables of a name.
	hasTable() string
	// words gives what stands for each word; $ in it is the column.
	words() map[string]string
	// clock puts the time into a statement whose words are replaced.
	clock(statement string) string
	// value is what the driver gets for a parameter.
	value(arg any) any
	// money scans an amount.
	money(to *wire.Money) sql.Scanner
	// apply is the second step of a grant: statements with the ledger id as
	// their one parameter, which together change the ledger row and the
	// account, two rows, or none.
	apply() []string
	// meaning says what a driver's error means to us.
	meaning(err error) meaning
}

// meaning is what an error means for what was being done.
type meaning int

const (
	unknown    meaning = iota
	duplicate          // a unique key exists
	conflict           // lost a race: the transaction is rolled back and may be tried again
	down               // the database does not answer
	readOnly           // the server takes no changes: after a fail-over it is not the primary any more
	full               // the server's disk is full; the statement may have been half done
	outOfRange         // a number does not fit its column
	refused            // the statement was refused before it did anything
)

// templates remembers statements whose words were replaced.
type templates struct {
	done sync.Map // template -> statement
}

var word = regexp.MustCompile(`\{([a-z]+)(?: ([a-z_.]+))?\}`)

func (t *templates) expand(d dialect, template string) string {
	if statement, ok := t.done.Load(template); ok {
		return statement.(string)
	}
	words := d.words()
	statement := word.ReplaceAllStringFunc(template, func(token string) string {
		parts := word.FindStringSubmatch(token)
		return strings.ReplaceAll(words[parts[1]], "$", parts[2])
	})
	t.done.Store(template, statement)
	return statement
}

// binding is a parameter as both drivers take it, except money and instants.
func binding(arg any, money func(wire.Money) any, instant func(time.Time) any) any {
	switch v := arg.(type) {
	case wire.Money:
		return money(v)
	case time.Duration:
		return v.Microseconds()
	case time.Time:
		return instant(v)
	case *time.Time:
		if v == nil {
			return nil
		}
		return instant(*v)
	}
	return arg
}

// scanner is a function as sql.Scanner.
type scanner func(src any) error

func (f scanner) Scan(src any) error { return f(src) }

// instant scans a time: DATETIME in MySQL, microseconds in SQLite.
func instant(to *time.Time) sql.Scanner {
	return scanner(func(src any) error {
		switch v := src.(type) {
		case time.Time:
			*to = v.UTC()
		case int64:
			*to = time.UnixMicro(v).UTC()
		default:
			return fmt.Errorf("%T is no time", src)
		}
		return nil
	})
}

// instantOrNil scans a time that may be NULL.
func instantOrNil(to **time.Time) sql.Scanner {
	return scanner(func(src any) error {
		if src == nil {
			*to = nil
			return nil
		}
		*to = new(time.Time)
		return instant(*to).Scan(src)
	})
}
