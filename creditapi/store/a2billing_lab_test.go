//go:build lab

package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

// The row is what A2Billing writes itself, down to the columns that we leave
// to their defaults; its payments stay its own.
func testLogAsA2Billing(t *testing.T, on serverFor) {
	w := openLab(t, on(t, lab.MyISAM), lab.MyISAM)
	w.campaign(t, "teranga", wire.Units(1000))
	w.mustComplete(t, w.mustStart(t, newCall(account, "k1")).ID)
	for column, want := range map[string]string{"credit": "50.00000", "card_id": "2", "refill_type": "0", "added_invoice": "0",
		"agent_id": "NULL", "UNIX_TIMESTAMP(date)": "1773144000"} {
		wantEqual(t, column, w.one(t, `SELECT `+column+` FROM cc_logrefill`), want)
	}
	wantEqual(t, "payments", w.one(t, `SELECT COUNT(*) FROM cc_logpayment`), "0")
}

// A2Billing's trigger copies a session variable into cc_card.serial.
func testSerialStays(t *testing.T, on serverFor) {
	for _, engine := range []lab.Engine{lab.MyISAM, lab.InnoDB} {
		w := openLab(t, on(t, engine), engine)
		w.database.Exec(t, `INSERT INTO cc_card_seria (id, name, value) VALUES (1, 'shop', 100)`)
		w.database.Exec(t, `UPDATE cc_card SET id_seria = 1 WHERE id = 3`)
		w.campaign(t, "teranga", wire.Units(1000))
		for _, id := range []credit.ID{3, 2, 3, 1} {
			w.mustComplete(t, w.mustStart(t, newCall(id, time.Duration(w.Now().UnixNano()).String())).ID)
			w.advance(time.Second)
		}
		for id, want := range map[int]string{1: "NULL", 2: "NULL", 3: "101"} {
			wantEqual(t, "serial", w.one(t, `SELECT serial FROM cc_card WHERE id = ?`, id), want)
		}
		wantEqual(t, "series", w.one(t, `SELECT value FROM cc_card_seria`), "101")
	}
}

// Names are compared byte by byte even where somebody changed the collation.
func TestNamesInAnotherCollation(t *testing.T) {
	w := openLab(t, lab.MariaDB(t), lab.InnoDB, `ALTER TABLE cc_card CONVERT TO CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci`)
	testAccountExactly(t, w.world)
	w = openLab(t, lab.MariaDB(t), lab.InnoDB, `ALTER TABLE cc_card CONVERT TO CHARACTER SET latin1 COLLATE latin1_swedish_ci`,
		`ALTER TABLE cc_currencies CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin`)
	testAccountExactly(t, w.world)
}

// A trigger of the operator's own refuses the credit. In a transaction nothing
// has happened, and it is tried again; in the stock way nobody can know how
// far the statement came.
func testApplyFails(t *testing.T, on serverFor) {
	for engine, want := range map[lab.Engine]credit.EntryState{lab.MyISAM: credit.InDoubt, lab.InnoDB: credit.Logged} {
		t.Run(string(engine), func(t *testing.T) {
			w := openLab(t, on(t, engine), engine)
			w.campaign(t, "teranga", wire.Units(1000))
			l := w.mustStart(t, newCall(account, "k1"))
			w.database.Exec(t, `CREATE TRIGGER no_credit BEFORE UPDATE ON cc_card FOR EACH ROW SIGNAL SQLSTATE '45000'`)
			if f := w.finding(t, "account"); f.OK {
				t.Error("check does not see that the account can't be changed")
			}
			e, err := w.Complete(t.Context(), heard(l.ID))
			if engine == lab.InnoDB {
				if err == nil || errors.Is(err, wire.Unavailable) {
					t.Errorf("error is %v", err)
				}
			} else {
				wantEqual(t, "state", e.State, credit.InDoubt)
				wantEqual(t, "cause", e.Cause, causeFailed)
			}
			w.database.Exec(t, `DROP TRIGGER no_credit`)
			wantEqual(t, "later", w.mustComplete(t, l.ID).State, want)
		})
	}
}

// A server that leaves MyISAM tables as a crash left them is named.
func TestServerThatRepairsNothing(t *testing.T) {
	for engine, content := range map[lab.Engine]bool{lab.MyISAM: false, lab.InnoDB: true} {
		w := openLab(t, lab.NewMariaDB(t, lab.MariaDBOptions{Args: []string{"--myisam-recover-options=OFF"}}), engine)
		if f := w.finding(t, "way"); f.OK != content || !content && !strings.Contains(f.Detail, "myisam_recover_options=BACKUP,QUICK") {
			t.Errorf("%s: %+v", engine, f)
		}
	}
}

// A disk that fills up while the statement runs is no way out of a doubt either.
func TestDiskFullHalfWay(t *testing.T) {
	w := openLab(t, lab.MariaDB(t), lab.MyISAM)
	w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	w.database.Exec(t, `CREATE TRIGGER no_room BEFORE UPDATE ON cc_card FOR EACH ROW SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1114`)
	e, err := w.Complete(t.Context(), heard(l.ID))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "state", e.State, credit.InDoubt)
	wantEqual(t, "cause", e.Cause, causeFailed)
}

// A right is missing: the statement never began, so nothing is in doubt.
func testRightMissing(t *testing.T, on serverFor) {
	w := openLab(t, on(t, lab.MyISAM), lab.MyISAM)
	w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	w.database.Exec(t, `REVOKE UPDATE (credit) ON cc_card FROM creditapi`)
	_, err := w.Complete(t.Context(), heard(l.ID))
	if err == nil {
		t.Error("completed without the right to")
	}
	for _, name := range []string{"account", "grant"} {
		if f := w.finding(t, name); f.OK || !strings.Contains(f.Detail, "grants.sql") {
			t.Errorf("check: %+v", f)
		}
	}
	w.database.Exec(t, `GRANT UPDATE (credit) ON cc_card TO creditapi`)
	w.advance(time.Minute)
	swept, err := w.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "swept", swept, credit.Swept{Finished: 1})
	w.wantGranted(t, account, 1)
}

func testConvert(t *testing.T, on serverFor) {
	w := openLab(t, on(t, lab.MyISAM), lab.MyISAM)
	wantEqual(t, "way", w.Way(), credit.Stock)
	c := w.campaign(t, "teranga", wire.Units(1000))
	open := w.mustStart(t, newCall(account, "k1"))
	w.stopAfter(t, 1, open.ID)
	owner, err := Open(t.Context(), configOf(t, w.database.Owner()))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	todo, err := owner.ConvertStatements(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "statements", len(todo), 3)
	wantEqual(t, "first", todo[0].Statement, "ALTER TABLE cc_card ENGINE=InnoDB")
	wantEqual(t, "rows", todo[0].Rows, 3)
	var done []string
	err = owner.Convert(t.Context(), func(c Conversion, _ time.Duration) { done = append(done, c.Name) })
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "converted", strings.Join(done, " "), "cc_card cc_card_seria cc_logrefill")
	if todo, err = owner.ConvertStatements(t.Context()); err != nil || len(todo) != 0 {
		t.Errorf("left to do: %v, %v", todo, err)
	}
	w.advance(time.Minute) // seen at the next look
	wantEqual(t, "a grant that was open", w.mustComplete(t, open.ID).State, credit.Logged)
	wantEqual(t, "way", w.Way(), credit.Transaction)
	w.mustComplete(t, w.mustStart(t, newCall(account, "k2")).ID)
	w.wantGranted(t, account, 2)
	w.wantBudget(t, c, 0, 2*reward)
}

func TestConvertBusy(t *testing.T) {
	w := openLab(t, lab.MariaDB(t), lab.MyISAM)
	tx, err := w.database.DB(t).Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM cc_card`).Scan(&n); err != nil { // holds the table's metadata
		t.Fatal(err)
	}
	owner, err := Open(t.Context(), configOf(t, w.database.Owner()))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	err = owner.Convert(t.Context(), func(Conversion, time.Duration) { t.Error("converted a table in use") })
	if err == nil || !strings.Contains(err.Error(), "quiet time") {
		t.Errorf("error is %v", err)
	}
}
