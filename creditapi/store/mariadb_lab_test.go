//go:build lab

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/tests/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.NeedMariaDB, lab.NeedMySQL, lab.NeedGalera)) }

// rights are what serve and purge need, table by table: no DDL, no DELETE but of
// tallies and ICIDs, and of an account nothing but its credit.
var rights = []string{
	"SELECT ON cc_card", "UPDATE (credit) ON cc_card", "SELECT ON cc_callerid", "SELECT ON cc_config",
	"SELECT ON cc_currencies", "SELECT ON cc_logrefill", "INSERT ON cc_logrefill",
	"SELECT ON adcredit_schema", "SELECT, INSERT, UPDATE ON adcredit_campaign", "SELECT, INSERT ON adcredit_ad",
	"SELECT, INSERT, UPDATE ON adcredit_budget", "SELECT, INSERT, UPDATE, DELETE ON adcredit_cap",
	"SELECT, INSERT, UPDATE ON adcredit_listen", "SELECT, INSERT ON adcredit_attention", "SELECT, INSERT, DELETE ON adcredit_icid", "SELECT, INSERT, UPDATE ON adcredit_ledger",
	"SELECT, INSERT, UPDATE ON adcredit_epoch", "SELECT, INSERT, UPDATE ON adcredit_key",
	"SELECT, INSERT ON adcredit_settlement",
	"SELECT, INSERT, UPDATE ON adcredit_refusal", "SELECT, INSERT, UPDATE, DELETE ON adcredit_caller", "SELECT ON cc_logpayment",
	"SELECT, INSERT, UPDATE ON adcredit_node",
}

func TestMariaDB(t *testing.T) { suites(t, onMariaDB) }

// suites runs the suite on both kinds of tables, where the server's default is
// strict and where it is not.
func suites(t *testing.T, on serverFor) {
	for _, mode := range []string{"", "STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO"} {
		for _, engine := range []lab.Engine{lab.MyISAM, lab.InnoDB} {
			t.Run(fmt.Sprintf("%v,mode=%.6s", engine, mode), func(t *testing.T) {
				server := on(t, engine)
				server.SetGlobal(t, "sql_mode", mode)
				suite(t, func(t *testing.T) *world { return openLab(t, server, engine).world })
			})
		}
	}
}

// One table converted and the other not: the way is stock.
func TestMariaDBMixed(t *testing.T) {
	for _, table := range []string{"cc_card", "cc_logrefill"} {
		t.Run(table+" is MyISAM", func(t *testing.T) {
			suite(t, func(t *testing.T) *world {
				w := openLab(t, lab.MariaDB(t), lab.InnoDB, "ALTER TABLE "+table+" ENGINE=MyISAM")
				wantEqual(t, "way", w.Way(), credit.Stock)
				return w.world
			})
		})
	}
}

// A labWorld is a world on MariaDB.
type labWorld struct {
	*world
	database *lab.Database
	config   Config // of the user who serves
	*commits
}

// openLab is A2Billing's database, migrated by its owner, and a store that has
// only the rights of serve.
func openLab(t *testing.T, server *lab.Server, engine lab.Engine, change ...string) *labWorld {
	t.Helper()
	database := server.Database(t, "mya2billing")
	lab.LoadA2Billing(t, database, engine)
	for _, statement := range change {
		database.Exec(t, "SET sql_mode = ''; "+statement) // A2Billing's zero dates
	}
	if err := Migrate(t.Context(), configOf(t, database.Owner())); err != nil {
		t.Fatal(err)
	}
	return worldOn(t, database)
}

// worldOn is a store on a migrated database.
func worldOn(t *testing.T, database *lab.Database) *labWorld {
	t.Helper()
	w := &labWorld{world: &world{clock: newClock()}, database: database, commits: &commits{}}
	w.config = configOf(t, database.User(t, "creditapi", rights...))
	w.config.Now = w.Now
	w.again = func(t *testing.T) *Store {
		s, err := open(t.Context(), w.config, func(inner driver.Connector) driver.Connector { return timedConnector{inner, w.clock, w.commits} })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	w.Store = w.again(t)
	owner, err := sql.Open("mysql", database.Owner().DSN("parseTime=true", "interpolateParams=true",
		"time_zone="+url.QueryEscape("'+00:00'"), "sql_mode=''"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { owner.Close() })
	w.owner = session{w.Store, owner}
	return w
}

func configOf(t *testing.T, login lab.Login) Config {
	database, err := config.ParseDatabase(login.SocketURL())
	if err != nil {
		t.Fatal(err)
	}
	return Config{Database: database, Connections: 32}
}

// timedConnector makes sessions that live in the clock's time, and whose commits
// fail as they are told.
type timedConnector struct {
	driver.Connector
	clock   *clock
	commits *commits
}

func (c timedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	timed := timedConn{conn.(mysqlConn), c.clock, c.commits, new(bool)}
	return timed, timed.setTime(ctx)
}

// mysqlConn is what the driver's connections can do.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

type timedConn struct {
	mysqlConn
	clock   *clock
	commits *commits
	inTx    *bool
}

func (c timedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.mysqlConn.BeginTx(ctx, o)
	*c.inTx = err == nil
	return timedTx{tx, c.commits}, err
}

// ExecContext commits by itself outside of a transaction.
func (c timedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.mysqlConn.ExecContext(ctx, query, args)
	if err == nil && !*c.inTx && c.commits.alone.Add(-1) >= 0 {
		return nil, mysql.ErrInvalidConn
	}
	return result, err
}

type timedTx struct {
	driver.Tx
	commits *commits
}

// Commit commits, and perhaps nobody hears of it; or it never gets there.
func (tx timedTx) Commit() error {
	if tx.commits.drop.Add(-1) >= 0 {
		return errors.Join(tx.Rollback(), mysql.ErrInvalidConn)
	}
	err := tx.Tx.Commit()
	if err == nil && tx.commits.lose.Add(-1) >= 0 {
		return mysql.ErrInvalidConn
	}
	return err
}

// ResetSession is called each time a connection is taken from the pool.
func (c timedConn) ResetSession(ctx context.Context) error {
	if err := c.mysqlConn.ResetSession(ctx); err != nil {
		return err
	}
	return c.setTime(ctx)
}

func (c timedConn) setTime(ctx context.Context) error {
	now := c.clock.Now().UnixMicro()
	*c.inTx = false // whatever a transaction left
	_, err := c.mysqlConn.ExecContext(ctx, fmt.Sprintf("SET timestamp = %d.%06d", now/1e6, now%1e6), nil)
	return err
}
