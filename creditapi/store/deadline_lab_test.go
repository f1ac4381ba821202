//go:build lab

package store

import (
	"context"
	"testing"
	"time"

	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

// A statement ends with its context's deadline, and so does a transaction that
// waits for another one's lock. The next ones are not cut short by it.
func TestDeadline(t *testing.T) {
	w := openLab(t, lab.MariaDB(t), lab.InnoDB)
	w.config.Connections = 1
	s := w.again(t)
	within := func(what string, do func(context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		wantCode(t, s.fail(what, do(ctx)), wire.Unavailable)
		if took := time.Since(start); took < 290*time.Millisecond || took > 2*time.Second {
			t.Errorf("%s: ended after %v", what, took)
		}
	}
	balance := func(ctx context.Context) (credit wire.Money, err error) {
		err = s.pool().row(ctx, `SELECT credit FROM cc_card WHERE id = ?`, 2).Scan(s.dialect.money(&credit))
		return credit, err
	}
	had, err := balance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	within("a query", func(ctx context.Context) error {
		return s.pool().row(ctx, `SELECT SLEEP(?)`, 5).Scan(new(int))
	})
	tx, err := w.database.DB(t).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`UPDATE cc_card SET credit = credit - 1 WHERE id = 1`); err != nil {
		t.Fatal(err)
	}
	within("a transaction", func(ctx context.Context) error {
		return s.tx(ctx, func(q session) error {
			if _, err := q.exec(ctx, `UPDATE cc_card SET credit = credit + 1 WHERE id = ?`, 2); err != nil {
				return err
			}
			_, err := q.exec(ctx, `UPDATE cc_card SET credit = credit + 1 WHERE id = ?`, 1)
			return err
		})
	})
	within("a wait for the one connection", func(ctx context.Context) error {
		return s.tx(t.Context(), func(session) error {
			_, err := balance(ctx)
			return err
		})
	})
	if has, err := balance(t.Context()); err != nil || has != had {
		t.Errorf("the balance is %v instead of %v, %v", has, had, err)
	}
	var used [2]int64
	for i := range used { // the connection goes on when its last deadline is over
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := s.pool().row(ctx, `SELECT CONNECTION_ID() + ?`, 0).Scan(&used[i]); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		cancel()
	}
	wantEqual(t, "connection", used[1], used[0])
}
