package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"

	"adcredit/creditapi/wire"
)

// What is tried again, how often, and what the outside is told in the end.
func TestAgain(t *testing.T) {
	nobody, err := mysql.NewConnector(mysql.NewConfig()) // never dialled
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{dialect: mysqlDialect{}, db: sql.OpenDB(nobody)}
	for _, c := range []struct {
		name  string
		err   error
		tries int
		code  wire.Code
	}{
		{"deadlock, or Galera's certification failure", &mysql.MySQLError{Number: 1213}, attempts, wire.Unavailable},
		{"lock wait timeout", fmt.Errorf("hold: %w", &mysql.MySQLError{Number: 1205}), attempts, wire.Unavailable},
		{"lost connection", mysql.ErrInvalidConn, 3, wire.Unavailable},
		{"connection gone before the statement", driver.ErrBadConn, 3, wire.Unavailable},
		{"too many connections", &mysql.MySQLError{Number: 1040}, 3, wire.Unavailable},
		{"read-only: a primary that was", &mysql.MySQLError{Number: 1290}, 3, wire.Unavailable},
		{"disk full", &mysql.MySQLError{Number: 1114}, 1, wire.Unavailable},
		{"no right", &mysql.MySQLError{Number: 1142}, 1, ""},
		{"a refusal", refuse(wire.NoAd, "none"), 1, wire.NoAd},
	} {
		tries := 0
		err := s.fail("try", s.again(t.Context(), func() error { tries++; return c.err }))
		wantEqual(t, c.name+": tries", tries, c.tries)
		var shown *wire.Error
		if !errors.Is(err, c.err) || errors.As(err, &shown) != (c.code != "") || shown != nil && shown.Code != c.code {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	tries := 0
	err = s.again(t.Context(), func() error {
		if tries++; tries < 4 {
			return &mysql.MySQLError{Number: 1213}
		}
		return nil
	})
	wantEqual(t, "a race won at last", err, nil)
	wantEqual(t, "tries", tries, 4)

	ctx, cancel := context.WithCancel(t.Context())
	tries = 0
	err = s.again(ctx, func() error { tries++; cancel(); return &mysql.MySQLError{Number: 1213} })
	wantEqual(t, "tries once nobody waits any more", tries, 1)
	wantCode(t, s.fail("try", err), wire.Unavailable)
}
