package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"

	"adcredit/creditapi/config"
	"adcredit/creditapi/wire"
)

// mysqlDialect is MySQL and MariaDB over A2Billing's tables: instants as
// DATETIME(6) in UTC, money as DECIMAL(15,5).
type mysqlDialect struct{}

// mysqlConfig is how we talk to the server.
func mysqlConfig(d config.Database, patient bool) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = d.User, string(d.Password), d.Name
	c.Net, c.Addr = "tcp", d.Addr
	if d.Socket != "" {
		c.Net, c.Addr = "unix", d.Socket
	}
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 2*time.Second, 30*time.Second, 10*time.Second
	c.DialFunc = dialLine
	if patient {
		c.ReadTimeout = 0
	}
	c.ParseTime, c.Loc = true, time.UTC
	// Where a statement is not prepared (see conn), parameters go into the text
	// here, escaped by the driver: else it costs a second round trip each time.
	// That is safe with utf8mb4, which the driver speaks.
	c.InterpolateParams = true
	c.Logger = &mysql.NopLogger{}
	c.Params = map[string]string{
		"time_zone": "'+00:00'",
		// Strict, whatever the server's default is, so that nothing is cut off
		// silently; without NO_ZERO_DATE, since A2Billing's tables are full of
		// zero dates; never another engine than the one that was asked for.
		"sql_mode": "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
		// For the tables that goose makes.
		"default_storage_engine": "InnoDB",
	}
	return c
}

// connectMySQL makes the connector of a server, which it asks once what it knows.
func connectMySQL(ctx context.Context, c Config) (driver.Connector, error) {
	plain, err := mysql.NewConnector(mysqlConfig(c.Database, c.patient))
	if err != nil {
		return nil, err
	}
	// READ COMMITTED: after waiting for another transaction we want to see
	// what it did, and there are no locks on gaps to fall over. The variable's
	// name differs between MySQL and MariaDB, so it can't be in Params.
	ready := connector{plain, []string{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"}}
	probe := sql.OpenDB(plain)
	defer probe.Close()
	rows, err := probe.QueryContext(ctx, "SHOW VARIABLES WHERE Variable_name IN ('wsrep_on', 'eq_range_index_dive_limit')")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		switch {
		case name == "eq_range_index_dive_limit":
			// Where we look for several names, plan by the statistics of the index.
			// By itself the server looks for each of them first to count its rows,
			// in each index that it could take: half of the statement's time.
			ready.setup = append(ready.setup, "SET SESSION eq_range_index_dive_limit = 3")
		case value == "ON":
			// Read what any node has committed before, not what has arrived here.
			ready.setup = append(ready.setup, "SET SESSION wsrep_sync_wait = 7")
		}
	}
	return ready, rows.Err()
}

// connector readies each new connection with statements.
type connector struct {
	driver.Connector
	setup []string
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	l := &line{}
	plain, err := c.Connector.Connect(context.WithValue(ctx, lineKey{}, l))
	if err != nil {
		return nil, err
	}
	ready := &conn{plain.(driverConn), l, map[string]preparedStmt{}}
	for _, statement := range c.setup {
		if _, err := ready.ExecContext(ctx, statement, nil); err != nil {
			ready.Close()
			return nil, err
		}
	}
	return ready, nil
}

func (mysqlDialect) goose() goose.Dialect { return goose.DialectMySQL }

func (mysqlDialect) version() string { return `SELECT CONCAT(@@version_comment, ' ', VERSION())` }

func (mysqlDialect) hasTable() string {
	return `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?`
}

func (mysqlDialect) words() map[string]string {
	return map[string]string{
		"now":    "NOW(6)",
		"after":  "(NOW(6) + INTERVAL ? MICROSECOND)",
		"before": "(NOW(6) - INTERVAL ? MICROSECOND)",
		"since":  "TIMESTAMPDIFF(MICROSECOND, $, NOW(6))",
		"minute": "TIMESTAMPDIFF(MINUTE, '1970-01-01', $)",
		"unix":   "COALESCE(UNIX_TIMESTAMP($), 0)", // 0 of the zero date, too
		// Without the cast a text beside a DECIMAL would make a DOUBLE of both.
		"money": "CAST(? AS DECIMAL(15,5))",
		// Not INSERT IGNORE: it hides every other error, too.
		"keep": "ON DUPLICATE KEY UPDATE $ = $",
		"or":   "ON DUPLICATE KEY UPDATE",
		"once": "ON DUPLICATE KEY UPDATE $ = $ + ($ < ?)",
	}
}

func (mysqlDialect) clock(statement string) string { return statement }

func (mysqlDialect) value(arg any) any {
	return binding(arg,
		func(m wire.Money) any { return m.String() },
		func(t time.Time) any { return t.UTC().Truncate(time.Microsecond) })
}

func (mysqlDialect) money(to *wire.Money) sql.Scanner {
	return scanner(func(src any) (err error) {
		switch v := src.(type) {
		case []byte:
			*to, err = wire.ParseMoney(string(v))
		case int64: // an INT column, such as creditlimit, counts whole units
			*to, err = wire.ParseMoney(fmt.Sprint(v))
		default:
			err = fmt.Errorf("%T is no amount", src)
		}
		return err
	})
}

// apply is one statement, and so atomic by itself also where cc_card is
// MyISAM. A row of the ledger that carries an epoch was recorded in the stock
// way, and matches only while the server that it was recorded on still runs.
func (mysqlDialect) apply() []string {
	return []string{`
		UPDATE adcredit_ledger l JOIN cc_card c ON c.id = l.account_id
		SET c.credit = c.credit + l.amount, l.state = 'applied', l.applied_at = {now}
		WHERE l.id = ? AND l.state = 'pending'
		AND (l.epoch IS NULL OR EXISTS (SELECT 1 FROM adcredit_epoch e WHERE e.id = l.epoch))`}
}

// mysqlMeanings gives errors by number (the manuals' server error reference).
var mysqlMeanings = map[uint16]meaning{
	1062: duplicate,  // ER_DUP_ENTRY
	1205: conflict,   // ER_LOCK_WAIT_TIMEOUT
	1213: conflict,   // ER_LOCK_DEADLOCK; Galera's certification failure, too
	1615: conflict,   // ER_NEED_REPREPARE: a table was changed again and again meanwhile
	1020: conflict,   // ER_CHECKREAD: MariaDB's snapshot isolation
	3101: conflict,   // ER_TRANSACTION_ROLLBACK_DURING_COMMIT: group replication
	1040: down,       // ER_CON_COUNT_ERROR
	1047: down,       // ER_UNKNOWN_COM_ERROR: a Galera node that is not in its cluster
	1021: full,       // ER_DISK_FULL
	1053: down,       // ER_SERVER_SHUTDOWN
	1114: full,       // ER_RECORD_FILE_FULL
	1243: down,       // ER_UNKNOWN_STMT_HANDLER: a proxy leads to another server now
	1129: down,       // ER_HOST_IS_BLOCKED
	1203: down,       // ER_TOO_MANY_USER_CONNECTIONS
	1226: down,       // ER_USER_LIMIT_REACHED
	1290: readOnly,   // ER_OPTION_PREVENTS_STATEMENT
	1792: readOnly,   // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
	1836: readOnly,   // ER_READ_ONLY_MODE
	1927: down,       // ER_CONNECTION_KILLED
	1264: outOfRange, // ER_WARN_DATA_OUT_OF_RANGE
	3819: outOfRange, // ER_CHECK_CONSTRAINT_VIOLATED, MySQL
	4025: outOfRange, // ER_CONSTRAINT_FAILED, MariaDB
	1044: refused,    // ER_DBACCESS_DENIED_ERROR
	1054: refused,    // ER_BAD_FIELD_ERROR
	1142: refused,    // ER_TABLEACCESS_DENIED_ERROR
	1143: refused,    // ER_COLUMNACCESS_DENIED_ERROR
	1146: refused,    // ER_NO_SUCH_TABLE
	1194: refused,    // ER_CRASHED_ON_USAGE: MyISAM finds it when it opens the table
	1195: refused,    // ER_CRASHED_ON_REPAIR
	1665: refused,    // ER_BINLOG_STMT_MODE_AND_ROW_ENGINE
	1785: refused,    // ER_GTID_UNSAFE_NON_TRANSACTIONAL_TABLE
}

func (mysqlDialect) meaning(err error) meaning {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return mysqlMeanings[e.Number]
	}
	var network net.Error
	switch {
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &network):
		return down
	}
	return unknown
}

// fromServer reports whether the server itself refused something.
func fromServer(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e)
}

// hints say what to do about errors that come up when a database is opened.
var hints = map[uint16]string{
	1044: "give this user its rights with etc/a2billing/grants.sql",
	1045: "check user and password: database and database_password_file in creditapi.toml",
	1049: "name A2Billing's own database, by convention mya2billing",
	1142: "give this user its rights with etc/a2billing/grants.sql",
	1143: "give this user its rights with etc/a2billing/grants.sql",
	1665: "set binlog_format to MIXED or ROW in the server",
	1785: "this server enforces GTID consistency, where no statement and no transaction may write both MyISAM and InnoDB tables: " +
		"run creditapi a2billing convert, or set gtid_mode and enforce_gtid_consistency to OFF in the server",
	3161: "adcredit_epoch lies in memory on purpose: take MEMORY out of disabled_storage_engines in the server",
	1698: "check user and password: database and database_password_file in creditapi.toml",
}

// hint adds to an error what to do about it.
func hint(err error) error {
	var server *mysql.MySQLError
	var network *net.OpError
	switch {
	case errors.As(err, &server) && hints[server.Number] != "":
		return fmt.Errorf("%w; %s", err, hints[server.Number])
	case errors.As(err, &network):
		return fmt.Errorf("%w; is the server running there?", err)
	}
	return err
}
