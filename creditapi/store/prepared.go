package store

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/go-sql-driver/mysql"
)

// driverConn is what the driver's connections are to database/sql.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// conn remembers the statements that its connection has prepared. Ours are few and
// run again and again, and to read the text of one takes the server longer than
// to run it. They are kept here and not as [sql.Stmt], which would prepare on
// another connection of the pool while a transaction waits for it.
type conn struct {
	driverConn
	line       *line
	statements map[string]preparedStmt
}

// preparedStmt is what the driver's statements can do.
type preparedStmt interface {
	driver.StmtExecContext
	driver.StmtQueryContext
}

// maxPrepared bounds what one connection keeps on the server
// (max_prepared_stmt_count is 16382 for all). We have about a hundred; what comes
// beyond goes as text.
const maxPrepared = 200

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	ctx = c.line.keep(ctx)
	s, err := c.prepared(ctx, query, len(args))
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return c.driverConn.QueryContext(ctx, query, args)
	}
	return s.QueryContext(ctx, args)
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	ctx = c.line.keep(ctx)
	s, err := c.prepared(ctx, query, len(args))
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return c.driverConn.ExecContext(ctx, query, args)
	}
	return s.ExecContext(ctx, args)
}

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	return c.driverConn.BeginTx(c.line.keep(ctx), options)
}

// ResetSession implements driver.SessionResetter.
func (c *conn) ResetSession(ctx context.Context) error {
	return c.driverConn.ResetSession(c.line.keep(ctx)) // the last one's deadline may be over
}

// Errors of a server that can't prepare a statement, and has done nothing else. Any
// other may have ended the transaction: what runs after it would stand alone.
const (
	errUnsupportedPS = 1295 // ER_UNSUPPORTED_PS
	errPreparedFull  = 1461 // ER_MAX_PREPARED_STMT_COUNT_REACHED
)

// prepared is the statement ready to run; nil when it is to be sent as text: one
// without parameters, of which most run once, and one that the server can't prepare.
func (c *conn) prepared(ctx context.Context, query string, parameters int) (preparedStmt, error) {
	if s, ok := c.statements[query]; ok {
		return s, nil
	}
	if parameters == 0 || len(c.statements) >= maxPrepared {
		return nil, nil
	}
	s, err := c.PrepareContext(ctx, query)
	var refused *mysql.MySQLError
	if errors.As(err, &refused) && (refused.Number == errUnsupportedPS || refused.Number == errPreparedFull) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	c.statements[query] = s.(preparedStmt)
	return c.statements[query], nil
}
