//go:build lab

package store

import (
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

// The server dies after an entry was recorded, which is then in doubt; it is
// paid in the new life, and what was credited just before is noted.
func TestSettleAfterServerKilled(t *testing.T) {
	server := lab.NewMariaDB(t, lab.MariaDBOptions{})
	w := openLab(t, server, lab.MyISAM)
	w.campaign(t, "teranga", wire.Units(1000))
	before := w.mustComplete(t, w.mustStart(t, newCall(account, "k1")).ID)
	l := w.mustStart(t, newCall(account, "k2"))
	w.stopAfter(t, 1, l.ID)
	server.Kill()
	server.Start(t)
	e := w.mustComplete(t, l.ID)
	wantEqual(t, "state", e.State, credit.InDoubt)
	found, _ := w.reconciled(t, Scope{})
	if len(found) != 2 || found[0].Check != EntryDoubtful || found[0].EntryID != e.ID || found[1].Check != Restart || found[1].EntryID != before.ID {
		t.Errorf("%+v", found)
	}
	wantEqual(t, "paid", w.mustSettle(t, settlement(e.ID, Pay)).State, credit.Logged)
	w.wantGranted(t, account, 2)
	if found, s := w.reconciled(t, Scope{}); s.Differences != 0 || s.Notes != 1 {
		t.Errorf("%+v", found)
	}
}

// The server dies between the decision to pay and the credit: again nobody can
// know, and a person decides again.
func TestServerKilledWhileSettling(t *testing.T) {
	server := lab.NewMariaDB(t, lab.MariaDBOptions{})
	w := openLab(t, server, lab.MyISAM)
	_, e := w.doubtful(t, "k1")
	err := w.tx(t.Context(), func(q session) error {
		return q.settle(t.Context(), credit.Stock, settlement(e.ID, Pay), "00000000-0000-7000-8000-000000000000")
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Start(t)
	wantEqual(t, "state", w.mustComplete(t, e.ListenID).State, credit.InDoubt)
	wantEqual(t, "balance", w.balance(t, account).String(), "1812.08333")
	w.mustSettle(t, settlement(e.ID, Pay))
	w.wantGranted(t, account, 1)
	wantEqual(t, "settlements", w.one(t, `SELECT COUNT(*) FROM adcredit_settlement`), "2")
}

// The answer to the commit of a settlement is lost: the retry knows its own
// work, and does not say that somebody else was faster.
func TestSettleLostCommit(t *testing.T) {
	for _, engine := range []lab.Engine{lab.MyISAM, lab.InnoDB} {
		t.Run(string(engine), func(t *testing.T) {
			w := openLab(t, lab.MariaDB(t), engine)
			for decision, want := range map[Decision]credit.EntryState{Pay: credit.Logged, Drop: credit.Dropped} {
				_, e := w.doubtful(t, string(decision))
				w.lose.Store(1)
				wantEqual(t, string(decision), w.mustSettle(t, settlement(e.ID, decision)).State, want)
				w.wantSettlement(t, settlement(e.ID, decision), causeEpoch)
			}
			w.wantGranted(t, account, 1)
			w.wantAgreed(t)
		})
	}
}
