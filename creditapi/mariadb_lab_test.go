//go:build lab

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.NeedMariaDB)) }

// TestA2Billing goes the way of an operator with an A2Billing as installed:
// refused before migrate, then a call in the way stock, then convert.
func TestA2Billing(t *testing.T) {
	database := lab.MariaDB(t).Database(t, "mya2billing")
	lab.LoadA2Billing(t, database, lab.MyISAM)
	s := newShell(t)
	s.env["CREDITAPI_DATABASE"] = database.Owner().SocketURL()

	s.fails(exitConfig, "creditapi migrate", "serve")
	s.ok("migrate")
	s.ok("migrate")
	if out := s.ok("check"); !strings.Contains(out, "ok     way       stock:") {
		t.Errorf("check:\n%s", out)
	}
	if out := s.ok("account list"); strings.Count(out, "\n") != 4 || !strings.Contains(out, "1812.08333") {
		t.Errorf("accounts:\n%s", out)
	}
	s.fails(exitFailed, "Accounts are made in A2Billing", "account add -card 1")
	s.ok("campaign add -name short -sound ads/short -duration 100ms -reward 50 -budget 1000")
	key := s.ok("key add -name ast1 -scope agi -node ast1")
	database.Exec(t, "UPDATE cc_card SET credit = 0 WHERE useralias = '1001'")

	log, stop := s.serve("way=stock")
	c := s.client(key)
	var l wire.Listen
	if status := c.ask("POST", "/v1/listens", `{"account":"alias:1001","call_id":"ast1/1.1"}`, &l); status != 201 {
		t.Fatalf("listen: %d\n%s", status, log)
	}
	var g wire.Grant
	heard := `{"endpos":800,"played_ms":100,"heard_at":"` + time.Now().UTC().Format(time.RFC3339) + `"}`
	if status := c.complete(l.ID, heard, &g); status != 200 || g.Credit != wire.Units(50) {
		t.Fatalf("grant: %d %+v\n%s", status, g, log)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit %d\n%s", code, log)
	}

	if out := s.ok("reconcile"); !strings.Contains(out, "of ours           1  50.00000") || !strings.Contains(out, "All agree.") {
		t.Errorf("reconcile:\n%s", out)
	}
	s.in = "no\n"
	s.fails(exitFailed, "Nothing was changed.", "a2billing convert")
	s.in = "yes\n"
	if out := s.ok("a2billing convert"); !strings.Contains(out, "ALTER TABLE cc_card ENGINE=InnoDB") {
		t.Errorf("convert:\n%s", out)
	}
	if out := s.ok("check"); !strings.Contains(out, "ok     way       transaction:") {
		t.Errorf("check:\n%s", out)
	}
	if r := s.run("a2billing", "convert", "-yes"); r.code != exitOK || !strings.Contains(r.remark, "Nothing to convert") {
		t.Errorf("convert again: exit %d, %s", r.code, r.remark)
	}
}

// TestDatabaseErrors: each names the database and never the password.
func TestDatabaseErrors(t *testing.T) {
	database := lab.MariaDB(t).Database(t, "mya2billing")
	s := newShell(t)
	for _, row := range []struct{ url, why string }{
		{strings.Replace(database.Owner().URL(), "://root@", "://nobody:s3cr3t@", 1), "nobody"},
		{"mysql://root:s3cr3t@127.0.0.1:1/mya2billing", "127.0.0.1:1"},
		{"mysql://root:s3cr3t@localhost/mya2billing?socket=/nowhere/mysqld.sock", "/nowhere/mysqld.sock"},
	} {
		s.env["CREDITAPI_DATABASE"] = row.url
		if r := s.run("check"); r.code != exitFailed || !strings.Contains(r.out, row.why) || strings.Contains(r.out, "s3cr3t") {
			t.Errorf("creditapi check: exit %d, want %q:\n%s", r.code, row.why, r.out)
		}
		for _, line := range []string{"serve", "migrate", "key list"} {
			r := s.run(strings.Fields(line)...)
			if r.code == exitOK || !strings.Contains(r.remark, row.why) || strings.Contains(r.remark, "s3cr3t") || strings.Count(r.remark, "\n") != 1 {
				t.Errorf("creditapi %s: exit %d, want a line about %q:\n%s", line, r.code, row.why, r.remark)
			}
		}
	}
	s.env["CREDITAPI_DATABASE"] = database.Owner().SocketURL() // without A2Billing's tables
	s.fails(exitFailed, "cc_card", "migrate")
}
