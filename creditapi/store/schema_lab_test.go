//go:build lab

package store

import (
	"errors"
	"strings"
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/tests/lab"
)

func testSchema(t *testing.T, on serverFor) {
	database := on(t, lab.MyISAM).Database(t, "mya2billing")
	c := configOf(t, database.Owner())
	if err := Migrate(t.Context(), c); !errors.Is(err, ErrNotA2Billing) {
		t.Errorf("migrate an empty database: %v", err)
	}
	lab.LoadA2Billing(t, database, lab.MyISAM)
	refused := func(want ErrSchema) {
		t.Helper()
		_, err := Open(t.Context(), c)
		var schema ErrSchema
		if !errors.As(err, &schema) || schema.Have != want.Have || schema.Need == 0 || !strings.Contains(err.Error(), "creditapi migrate") {
			t.Errorf("open: %v", err)
		}
	}
	refused(ErrSchema{Have: 0})
	atOnce(4, func(int) { // several hosts are brought up at once
		if err := Migrate(t.Context(), c); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	need, err := s.schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	database.Exec(t, `DELETE FROM adcredit_schema WHERE version_id = ?`, need)
	before, err := s.schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refused(ErrSchema{Have: before})
	if err := Migrate(t.Context(), c); err != nil { // the table is there: each migration may run again
		t.Error(err)
	}
	database.Exec(t, `INSERT INTO adcredit_schema (version_id, is_applied) VALUES (?, 1)`, need+1)
	refused(ErrSchema{Have: need + 1})
	var schema ErrSchema
	if err := Migrate(t.Context(), c); !errors.As(err, &schema) {
		t.Errorf("migrate a newer schema: %v", err)
	}
}

// A server that gave a table another engine than asked for is found out.
func TestEngineSubstituted(t *testing.T) {
	w := openLab(t, lab.MariaDB(t), lab.MyISAM)
	w.database.Exec(t, `ALTER TABLE adcredit_ledger ENGINE=MyISAM`)
	w.database.Exec(t, `ALTER TABLE adcredit_epoch ENGINE=InnoDB`)
	err := Migrate(t.Context(), configOf(t, w.database.Owner()))
	for _, want := range []string{"ALTER TABLE adcredit_ledger ENGINE=InnoDB", "ALTER TABLE adcredit_epoch ENGINE=MEMORY"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("migrate: %v", err)
		}
	}
	if f := w.finding(t, "schema"); f.OK {
		t.Error("check does not see it")
	}
}

// Where the server's binary log is in the way of our transactions, check says
// so; where it is not, all goes well with it.
func TestBinaryLog(t *testing.T) {
	server := lab.NewMariaDB(t, lab.MariaDBOptions{Args: []string{"--log-bin=binlog", "--server-id=1"}})
	for _, format := range []string{"ROW", "MIXED"} {
		server.SetGlobal(t, "binlog_format", format)
		w := openLab(t, server, lab.MyISAM)
		testCheck(t, w.world)
		wantEqual(t, format, w.mustComplete(t, w.mustStart(t, newCall(account, "k1")).ID).State, credit.Logged)
	}
	w := openLab(t, server, lab.InnoDB)
	server.SetGlobal(t, "binlog_format", "STATEMENT")
	w.Store = w.again(t)
	if f := w.finding(t, "grant"); f.OK || !strings.Contains(f.Detail, "binlog_format") {
		t.Errorf("%+v", f)
	}
	fresh := server.Database(t, "fresh")
	lab.LoadA2Billing(t, fresh, lab.InnoDB)
	if err := Migrate(t.Context(), configOf(t, fresh.Owner())); err == nil || !strings.Contains(err.Error(), "binlog_format") {
		t.Errorf("migrate: %v", err)
	}
}

// What comes up when a database is opened says what to do about it.
func testOpenHints(t *testing.T, on serverFor) {
	w := openLab(t, on(t, lab.MyISAM), lab.MyISAM)
	for want, change := range map[string]func(*Config){
		"database_password_file":  func(c *Config) { c.Database.Password = "wrong" },
		"A2Billing's own":         func(c *Config) { c.Database.Name, c.Database.User, c.Database.Password = "nothing", "root", "" },
		"is the server running":   func(c *Config) { c.Database.Socket = "/nowhere.sock" },
		"grants.sql":              func(c *Config) { c.Database.Name = "mysql" },
		"is the server running t": func(c *Config) { c.Database.Socket, c.Database.Addr = "", "127.0.0.1:1" },
	} {
		c := w.config
		change(&c)
		_, err := Open(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("want %q in: %v", want, err)
		}
	}
}
