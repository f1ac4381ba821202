//go:build lab

package store

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

// serverFor gives the server whose A2Billing keeps its tables so.
type serverFor func(*testing.T, lab.Engine) *lab.Server

func onMariaDB(t *testing.T, _ lab.Engine) *lab.Server { return lab.MariaDB(t) }

// onMySQL: MyISAM is met where GTIDs are not kept, as MySQL 8 ships it.
func onMySQL(t *testing.T, engine lab.Engine) *lab.Server {
	if engine == lab.MyISAM {
		return lab.MySQL(t, "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")
	}
	return lab.MySQL(t)
}

func TestMySQL(t *testing.T) {
	for _, engine := range []lab.Engine{lab.MyISAM, lab.InnoDB} {
		t.Logf("%s: %s", engine, onMySQL(t, engine).Version(t))
	}
	suites(t, onMySQL)
}

// What is beyond the suite goes the same on both.
func TestServers(t *testing.T) {
	for kind, on := range map[string]serverFor{"MariaDB": onMariaDB, "MySQL": onMySQL} {
		for name, test := range map[string]func(*testing.T, serverFor){
			"logged as A2Billing does": testLogAsA2Billing, "serial stays": testSerialStays, "apply fails": testApplyFails,
			"right missing": testRightMissing, "convert": testConvert, "schema": testSchema, "hints": testOpenHints,
			"over TCP": testTCP, "read-only": testReadOnly, "accounts by index": testAccountsByIndex,
			"refill not committed": testRefillNotCommitted, "card not committed": testCardNotCommitted,
			"killed after record": testServerKilledAfterRecord, "killed under load": testServerKilledUnderLoad,
		} {
			t.Run(kind+"/"+name, func(t *testing.T) { test(t, on) })
		}
	}
}

// A password that the server has not seen since its start goes over TCP, too
// (MySQL's caching_sha2_password asks more of a client then).
func testTCP(t *testing.T, on serverFor) {
	w := openLab(t, on(t, lab.InnoDB), lab.InnoDB)
	c := w.config
	var err error
	if c.Database, err = config.ParseDatabase(w.database.User(t, "creditapi", rights...).URL()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Ready(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// Accounts are found by an index, however many are asked for together.
func testAccountsByIndex(t *testing.T, on serverFor) {
	for _, engine := range []lab.Engine{lab.MyISAM, lab.AllInnoDB} {
		w := openLab(t, on(t, engine), engine)
		const numbers = ` WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT `
		w.database.Exec(t, `SET sql_mode = ''; INSERT INTO cc_card (username, useralias)`+numbers+`7000000000 + i, 20000 + i FROM n`)
		w.database.Exec(t, `INSERT INTO cc_callerid (cid, id_cc_card)`+numbers+`221780000000 + i, 10 + i FROM n`)
		w.database.Exec(t, `ANALYZE TABLE cc_card, cc_callerid`)
		for kind, template := range accountsBy {
			for _, statement := range sized(template) {
				args := make([]any, strings.Count(statement, "?"))
				for i := range args {
					args[i] = fmt.Sprint(20001 + 7*i)
				}
				for table, access := range w.explain(t, statement, args...) {
					if access == "ALL" || access == "index" {
						t.Errorf("%s: %d by %q: %s is read by %s", engine, len(args), kind, table, access)
					}
				}
			}
		}
	}
}

// explain says how each table is to be read.
func (w *labWorld) explain(t *testing.T, template string, args ...any) map[string]string {
	t.Helper()
	statement, values := w.pool().statement(template, args)
	rows, err := w.db.QueryContext(t.Context(), "EXPLAIN "+statement, values...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	access := map[string]string{}
	for rows.Next() {
		var table, how sql.NullString
		into := make([]any, len(columns))
		for i, column := range columns {
			switch into[i] = new(any); column {
			case "table":
				into[i] = &table
			case "type":
				into[i] = &how
			}
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(table.String, "<") { // derived ones are as long as the list
			access[table.String] = how.String
		}
	}
	if err := rows.Err(); err != nil || len(access) == 0 {
		t.Fatalf("%s: %v, %v", statement, access, err)
	}
	return access
}

// A server that went read-only, as the old primary after a fail-over does, is
// one that does not answer; nothing is in doubt.
func testReadOnly(t *testing.T, on serverFor) {
	for _, engine := range []lab.Engine{lab.MyISAM, lab.InnoDB} {
		server := on(t, engine)
		w := openLab(t, server, engine)
		w.campaign(t, "teranga", wire.Units(1000))
		l := w.mustStart(t, newCall(account, "k1"))
		set := func(value string) {
			name := "read_only"
			if strings.HasPrefix(server.Version(t), "MySQL") {
				name = "super_read_only"
			}
			if _, err := server.Root().Exec("SET GLOBAL " + name + " = " + value); err != nil {
				t.Fatal(err)
			}
		}
		set("ON")
		_, err := w.Complete(t.Context(), heard(l.ID))
		wantCode(t, err, wire.Unavailable)
		w.advance(2 * time.Minute)
		wantCode(t, w.Ready(t.Context()), wire.Unavailable)
		if _, err := server.Root().Exec("SET GLOBAL read_only = OFF"); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "state", w.mustComplete(t, l.ID).State, credit.Logged)
		w.wantGranted(t, account, 1)
	}
}

// A server that enforces GTID consistency, as MySQL 9.7 ships, refuses a grant
// where A2Billing's tables are MyISAM, and every change of cc_card where its
// trigger's table is kept by another engine. No ad is offered there, and check
// says the way out.
func TestGTIDConsistency(t *testing.T) {
	for name, change := range map[string][]string{
		"as installed":            nil,
		"converted without seria": {"ALTER TABLE cc_card ENGINE=InnoDB", "ALTER TABLE cc_logrefill ENGINE=InnoDB"},
		"cc_logrefill left":       {"ALTER TABLE cc_card ENGINE=InnoDB", "ALTER TABLE cc_card_seria ENGINE=InnoDB"},
	} {
		t.Run(name, func(t *testing.T) {
			w := openLab(t, lab.MySQL(t), lab.MyISAM, change...)
			w.campaign(t, "teranga", wire.Units(1000))
			for _, finding := range []string{"way", "grant"} {
				if f := w.finding(t, finding); f.OK || !strings.Contains(f.Detail, "creditapi a2billing convert") {
					t.Errorf("check: %+v", f)
				}
			}
			if err := w.Ready(t.Context()); err == nil {
				t.Error("it is ready, and could keep no grant")
			}
			outlook, err := w.Outlook(t.Context(), newCall(account, "k1"))
			if err != nil || outlook.Ad != nil {
				t.Errorf("an ad that can't be paid is offered: %+v, %v", outlook, err)
			}
			_, err = w.Start(t.Context(), newCall(account, "k1"))
			wantCode(t, err, wire.NoAd)

			convert(t, w)
			w.advance(time.Minute)
			wantEqual(t, "ready", w.Ready(t.Context()), nil)
			w.mustComplete(t, w.mustStart(t, newCall(account, "k1")).ID)
			w.wantGranted(t, account, 1)
		})
	}
}

// No debit of A2Billing's fails while its tables are converted: it waits.
func TestDebitsWhileConverting(t *testing.T) {
	w := openLab(t, lab.MySQL(t), lab.MyISAM)
	ctx := t.Context()
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		debits := 0
		defer func() { stopped <- debits }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := w.owner.exec(ctx, `UPDATE cc_card SET credit = credit - 1 WHERE id = ?`, account); err != nil {
				t.Errorf("debit %d: %v", debits, err)
				return
			}
			debits++
		}
	}()
	convert(t, w)
	close(stop)
	debits := <-stopped
	wantEqual(t, "balance", w.balance(t, account), 1812_08333-wire.Units(int64(debits)))
	t.Logf("%d debits", debits)
}

// convert is what an administrator does.
func convert(t *testing.T, w *labWorld) {
	t.Helper()
	owner, err := Open(t.Context(), configOf(t, w.database.Owner()))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if err := owner.Convert(t.Context(), func(Conversion, time.Duration) {}); err != nil {
		t.Fatal(err)
	}
}

// Our tables have primary keys, which a server may insist on; where it refuses
// the one that lies in memory, the way out is said.
func TestStrictServer(t *testing.T) {
	server := lab.NewMySQL(t, "--disabled-storage-engines=MEMORY")
	database := server.Database(t, "mya2billing")
	lab.LoadA2Billing(t, database, lab.InnoDB)
	server.SetGlobal(t, "sql_require_primary_key", "ON")
	err := Migrate(t.Context(), configOf(t, database.Owner()))
	if err == nil || !strings.Contains(err.Error(), "adcredit_epoch") || !strings.Contains(err.Error(), "disabled_storage_engines") {
		t.Errorf("migrate: %v", err)
	}
}
