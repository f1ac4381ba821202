//go:build lab

package store

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

// The server dies after the ledger's row was committed: nobody can know
// whether the credit was changed, so nobody pays it again.
func testServerKilledAfterRecord(t *testing.T, on serverFor) {
	server := on(t, lab.MyISAM)
	w := openLab(t, server, lab.MyISAM)
	c := w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	w.stopAfter(t, 1, l.ID)
	server.Kill()
	_, err := w.Complete(t.Context(), heard(l.ID))
	wantCode(t, err, wire.Unavailable)
	wantCode(t, w.Ready(t.Context()), wire.Unavailable)
	server.Start(t)
	w.advance(time.Minute)
	for _, want := range []credit.Swept{{Doubtful: 1}, {}} {
		swept, err := w.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "swept", swept, want)
	}
	e := w.mustComplete(t, l.ID)
	wantEqual(t, "state", e.State, credit.InDoubt)
	wantEqual(t, "cause", e.Cause, causeEpoch)
	wantEqual(t, "balance", w.balance(t, account).String(), "1812.08333")
	w.wantBudget(t, c, 0, reward)

	next := w.mustStart(t, newCall(account, "k2")) // in the new life all is well
	wantEqual(t, "state", w.mustComplete(t, next.ID).State, credit.Logged)
	wantEqual(t, "balance", w.balance(t, account).String(), "1862.08333")
}

// A completion comes back after the restart, before any sweep.
func TestServerKilledThenCompleted(t *testing.T) {
	server := lab.NewMariaDB(t, lab.MariaDBOptions{})
	w := openLab(t, server, lab.MyISAM)
	w.campaign(t, "teranga", wire.Units(1000))
	for steps, want := range map[int]credit.EntryState{1: credit.InDoubt, 2: credit.Logged, 3: credit.Logged} {
		l := w.mustStart(t, newCall(account, fmt.Sprint("k", steps)))
		w.stopAfter(t, steps, l.ID)
		server.Kill()
		server.Start(t)
		wantEqual(t, fmt.Sprint("after step ", steps), w.mustComplete(t, l.ID).State, want)
	}
	wantEqual(t, "balance", w.balance(t, account).String(), "1912.08333")
	wantEqual(t, "rows of cc_logrefill", w.one(t, `SELECT COUNT(*) FROM cc_logrefill`), "2")
}

// After a crash MyISAM may have keys of rows that it lost, and give their ids
// again, to A2Billing too: a grant is logged all the same, and then all is well.
func TestRefillIDsGivenAgain(t *testing.T) {
	server := lab.NewMariaDB(t, lab.MariaDBOptions{})
	w := openLab(t, server, lab.MyISAM)
	w.campaign(t, "teranga", wire.Units(1000))
	index := filepath.Join(server.Dir, "data", w.database.Name, "cc_logrefill.MYI")
	grant := func(key string) {
		t.Helper()
		wantEqual(t, "state", w.mustComplete(t, w.mustStart(t, newCall(account, key)).ID).State, credit.Logged)
	}
	stopped := func(change func()) {
		server.Stop()
		change()
		server.Start(t)
	}
	grant("k1")
	var before []byte
	stopped(func() { before = read(t, index) })
	grant("k2")
	grant("k3")
	stopped(func() { forgetRows(t, index, before) })

	byHand := func() error {
		_, err := w.owner.exec(t.Context(), `INSERT INTO cc_logrefill (credit, card_id, description, refill_type) VALUES (5, 1, 'by hand', 0)`)
		return err
	}
	if err := byHand(); err == nil || w.dialect.meaning(err) != duplicate {
		t.Fatalf("the table counts rightly, so this test shows nothing: %v", err)
	}
	grant("k4")
	if err := byHand(); err != nil {
		t.Errorf("A2Billing can add no row: %v", err)
	}
	wantEqual(t, "balance", w.balance(t, account).String(), "2012.08333")
	wantEqual(t, "rows", w.one(t, `SELECT GROUP_CONCAT(id, ' ', credit ORDER BY id SEPARATOR ', ') FROM cc_logrefill IGNORE INDEX (PRIMARY)`),
		"1 50.00000, 5 50.00000, 6 5.00000")
}

// forgetRows gives a table's index the counts of an earlier one, as a crash may:
// rows and their pieces, the data's length, and the last id given, of eight bytes
// each in MyISAM's mi_state_info.
func forgetRows(t *testing.T, index string, earlier []byte) {
	t.Helper()
	b := read(t, index)
	const counts = 24 + 4
	for _, at := range []int{counts, counts + 2*8, counts + 5*8, counts + 8*8} {
		copy(b[at:at+8], earlier[at:])
	}
	if err := os.WriteFile(index, b, 0o660); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The server is killed while grants are being made, three times, and every
// completion is sent until it is answered. With transactional tables each is
// paid exactly once; as A2Billing installs them, never twice, and what is not
// paid for certain is in doubt.
func testServerKilledUnderLoad(t *testing.T, on serverFor) {
	for _, engine := range []lab.Engine{lab.MyISAM, lab.InnoDB} {
		t.Run(string(engine), func(t *testing.T) {
			server := on(t, engine)
			w := openLab(t, server, engine)
			const listens = 300
			c := w.campaign(t, "teranga", wire.Units(50*listens))
			var ids []string
			for i := range listens {
				n := newCall(account, fmt.Sprint("k", i))
				n.Busy = -5 * time.Second // not playing any more
				ids = append(ids, w.mustStart(t, n).ID)
			}
			for round := range 3 {
				killAmid(t, server, w, ids[:(round+1)*listens/3])
			}
			atOnce(8, func(i int) {
				for j := i; j < listens; j += 8 {
					if _, err := w.Complete(t.Context(), heard(ids[j])); err != nil {
						t.Error(err)
					}
				}
			})
			w.wantSettled(t, c, listens, engine)
		})
	}
}

// killAmid completes the listens and kills the server after a third of them.
func killAmid(t *testing.T, server *lab.Server, w *labWorld, ids []string) {
	var done atomic.Int32
	killed := make(chan struct{})
	kill := sync.OnceFunc(func() {
		go func() {
			server.Kill()
			close(killed)
		}()
	})
	atOnce(8, func(i int) {
		for j := len(ids) - 1 - i; j >= 0; j -= 8 {
			if _, err := w.Complete(t.Context(), heard(ids[j])); err != nil {
				wantCode(t, err, wire.Unavailable)
				return
			}
			if done.Add(1) == int32(len(ids)/6) {
				kill()
			}
		}
	})
	kill() // also where all of them met dead connections from the time before
	<-killed
	server.Start(t)
}

// wantSettled wants each listen to have one entry, and the account what the
// entries say.
func (w *labWorld) wantSettled(t *testing.T, c credit.Campaign, listens int64, engine lab.Engine) {
	t.Helper()
	w.wantBudget(t, c, 0, wire.Money(listens)*reward)
	count := func(state credit.EntryState) int64 {
		var n int64
		if err := w.owner.row(t.Context(), `SELECT COUNT(*) FROM adcredit_ledger WHERE state = ?`, string(state)).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	logged, doubtful := count(credit.Logged), count(credit.InDoubt)
	wantEqual(t, "entries", logged+doubtful, listens)
	paid := w.balance(t, account) - 1812_08333
	t.Logf("%d logged, %d in doubt, paid %s", logged, doubtful, paid)
	if engine == lab.InnoDB {
		wantEqual(t, "in doubt", doubtful, 0)
	}
	if paid < wire.Money(logged)*reward || paid > wire.Money(logged+doubtful)*reward {
		t.Errorf("paid %s for %d logged entries and %d in doubt", paid, logged, doubtful)
	}
	if engine == lab.MyISAM { // as the log asks, where keys were left of rows that are lost
		if _, err := w.owner.exec(t.Context(), `REPAIR TABLE cc_logrefill`); err != nil {
			t.Fatal(err)
		}
	}
	found, summary := w.reconciled(t, Scope{})
	var missing int64
	for _, d := range found {
		switch {
		case d.Check == EntryDoubtful, d.Check == Restart:
		case d.Check == RefillMissing && engine == lab.MyISAM:
			missing++ // MyISAM itself forgets its last rows in a crash
		default:
			t.Errorf("reconcile: %+v", d)
		}
	}
	t.Logf("%d rows of cc_logrefill were lost by the server, and are named", missing)
	var rows int64
	if err := w.owner.row(t.Context(), `SELECT COUNT(*) FROM cc_logrefill WHERE credit > 0`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows < logged-missing || rows > logged { // a row may have lost its key alone
		t.Errorf("%d rows of cc_logrefill for %d logged entries, %d of them named as missing", rows, logged, missing)
	}
	wantEqual(t, "differences", summary.Differences, doubtful+missing)
}

// The answer to a commit is lost: the retry finds what happened.
func TestLostCommit(t *testing.T) {
	for _, engine := range []lab.Engine{lab.MyISAM, lab.InnoDB} {
		t.Run(string(engine), func(t *testing.T) {
			w := openLab(t, lab.MariaDB(t), engine)
			c := w.campaign(t, "teranga", wire.Units(1000))
			w.lose.Store(1)
			l := w.mustStart(t, newCall(account, "k1"))
			w.wantBudget(t, c, reward, 0)
			w.lose.Store(2)
			w.mustComplete(t, l.ID)
			w.wantGranted(t, account, 1)
			w.lose.Store(1)
			if _, err := w.Refill(t.Context(), refill("r1")); err != nil {
				t.Fatal(err)
			}
			w.wantGranted(t, account, 2)
			l = w.mustStart(t, newCall(account, "k2"))
			w.lose.Store(1)
			if err := w.Abandon(t.Context(), abandon(l.ID)); err != nil {
				t.Fatal(err)
			}
			w.wantBudget(t, c, 0, reward)
			w.lose.Store(100) // never an answer
			_, err := w.Start(t.Context(), newCall(account, "k3"))
			wantEqual(t, "a start that is never answered, and is found", err, nil)
			w.lose.Store(0)
			w.wantBudget(t, c, reward, reward)
		})
	}
}
