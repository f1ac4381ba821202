//go:build lab

package store

import (
	"fmt"
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/tests/lab"
)

// A statement is prepared once on a connection, and answers on, whatever becomes
// of the tables that it reads.
func TestPrepared(t *testing.T) {
	server := lab.MariaDB(t)
	w := openLab(t, server, lab.MyISAM)
	w.config.Connections = 1
	s := w.again(t)
	status := func(name string) (n int) {
		t.Helper()
		if err := server.Root().QueryRow("SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	read := func() {
		t.Helper()
		a, err := s.Account(t.Context(), credit.Ref{Kind: credit.ByAlias, Name: "1000"})
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "card", a.Card, "8987344413")
	}
	read()
	prepared, executed := status("Com_stmt_prepare"), status("Com_stmt_execute")
	for range 10 {
		read()
	}
	wantEqual(t, "prepared", status("Com_stmt_prepare")-prepared, 0)
	wantEqual(t, "executed", status("Com_stmt_execute")-executed, 10)

	w.database.Exec(t, "SET sql_mode = ''; ALTER TABLE cc_card ENGINE=InnoDB, ADD COLUMN added INT FIRST")
	read()
	w.database.Exec(t, "SET sql_mode = ''; ALTER TABLE cc_card DROP COLUMN added")
	read()
}

// A connection keeps only so many; what comes beyond, and what can't be prepared,
// goes as text.
func TestPreparedBound(t *testing.T) {
	w := openLab(t, lab.MariaDB(t), lab.InnoDB)
	w.config.Connections = 1
	s := w.again(t)
	for i := range maxPrepared + 20 {
		var n int
		if err := s.pool().row(t.Context(), fmt.Sprintf("SELECT ? + %d", i), 1).Scan(&n); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "sum", n, 1+i)
	}
	var held int
	err := w.database.Server.Root().QueryRow("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'").Scan(new(string), &held)
	if err != nil || held < maxPrepared || held > 2*maxPrepared { // another store's are there, too
		t.Errorf("%d statements prepared, %v; want about %d", held, err, maxPrepared)
	}
	allow := func(n string) {
		if _, err := w.database.Server.Root().Exec("SET GLOBAL max_prepared_stmt_count = " + n); err != nil {
			t.Fatal(err)
		}
	}
	allow("0")
	defer allow("DEFAULT")
	fresh := w.again(t)
	if _, err := fresh.Account(t.Context(), credit.Ref{Kind: credit.ByCard, Name: "8987344413"}); err != nil {
		t.Errorf("a server that prepares nothing: %v", err)
	}
}
