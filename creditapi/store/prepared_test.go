package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// unpreparing is a connection to a server that prepares nothing.
type unpreparing struct {
	driverConn
	why  error
	text int // statements that came as text
}

func (u *unpreparing) PrepareContext(context.Context, string) (driver.Stmt, error) { return nil, u.why }

func (u *unpreparing) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	u.text++
	return driver.RowsAffected(1), nil
}

// A statement goes as text where the server can't prepare it. Where preparing it
// found that its transaction has ended, it must not run at all: it would stand alone.
func TestPrepareRefused(t *testing.T) {
	for number, text := range map[uint16]int{
		errUnsupportedPS: 1, errPreparedFull: 1,
		1213: 0, // a deadlock, or a Galera node that took another's transaction first
		1205: 0, 1927: 0, 1142: 0,
	} {
		u := &unpreparing{why: &mysql.MySQLError{Number: number}}
		c := &conn{driverConn: u, line: &line{}, statements: map[string]preparedStmt{}}
		_, err := c.ExecContext(t.Context(), "UPDATE t SET n = ?", []driver.NamedValue{{Value: 1}})
		if wantEqual(t, "sent as text", u.text, text); text == 0 && !errors.Is(err, u.why) {
			t.Errorf("error %d: %v", number, err)
		}
	}
}
