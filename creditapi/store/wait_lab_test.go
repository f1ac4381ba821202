//go:build lab

package store

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

// begun is a transaction of somebody else's that has run a statement and commits
// nothing.
func (w *labWorld) begun(t *testing.T, statement string) *sql.Tx {
	t.Helper()
	tx, err := w.database.DB(t).Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	if _, err := tx.Exec(statement); err != nil {
		t.Fatal(err)
	}
	return tx
}

// soon is less than any wait for a lock takes to be given up.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// Whoever writes a refill and has not committed it, as each grant beside this one
// does, holds up no other.
func testRefillNotCommitted(t *testing.T, on serverFor) {
	w := openLab(t, on(t, lab.InnoDB), lab.InnoDB)
	w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	w.begun(t, `INSERT INTO cc_logrefill (date, credit, card_id, description) VALUES (NOW(), 1, 1, 'of somebody else')`)
	if _, err := w.Complete(soon(t), heard(l.ID)); err != nil {
		t.Errorf("grant: %v", err)
	}
	if _, err := w.Refill(soon(t), credit.ManualEntry{Key: "r1", Digest: "d", AccountID: 1, Amount: reward, Reason: "r", By: "b"}); err != nil {
		t.Errorf("credit by hand: %v", err)
	}
	w.wantGranted(t, account, 1)
}

// A grant that waits for its caller's card, which A2Billing debits, lets others
// have the rows that all want: those of the budgets, and of the node.
func testCardNotCommitted(t *testing.T, on serverFor) {
	server := on(t, lab.InnoDB)
	w := openLab(t, server, lab.InnoDB)
	if err := w.CountNodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.campaign(t, "teranga", 3*reward, func(c *credit.Campaign) { c.DailyBudget = 3 * reward }) // on one row each
	l := w.mustStart(t, newCall(account, "k1"))
	debit := w.begun(t, `UPDATE cc_card SET credit = credit - 1 WHERE id = 2`)
	granted := make(chan error)
	go func() {
		_, err := w.Complete(t.Context(), heard(l.ID))
		granted <- err
	}()
	for limit, waiting := soon(t), 0; waiting == 0; {
		time.Sleep(200 * time.Millisecond) // InnoDB looks anew for who has not asked for 100 ms
		if err := server.Root().QueryRowContext(limit, `SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'`).Scan(&waiting); err != nil {
			t.Fatalf("the grant does not wait for the card: %v", err)
		}
	}
	if _, err := w.Start(soon(t), newCall(1, "k2")); err != nil {
		t.Errorf("start: %v", err)
	}
	if err := debit.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-granted; err != nil {
		t.Errorf("grant: %v", err)
	}
	w.wantGranted(t, account, 1)
}
