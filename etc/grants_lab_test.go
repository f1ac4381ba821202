//go:build lab

package etc_test

import (
	"strings"
	"testing"

	api "adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
	"adcredit/creditapi/wire"
	"adcredit/etc"
	"adcredit/tests/lab"
)

// The rights of grants.sql, given before there are tables of ours and given
// again, suffice for migrate and for serve, and for no more.
func TestGrantsOnMariaDB(t *testing.T) { testGrants(t, lab.MariaDB(t), lab.MyISAM) }

func TestGrantsOnMySQL(t *testing.T) { testGrants(t, lab.MySQL(t), lab.InnoDB) }

func testGrants(t *testing.T, server *lab.Server, engine lab.Engine) {
	text, err := etc.Files.ReadFile("a2billing/grants.sql")
	if err != nil {
		t.Fatal(err)
	}
	database := server.Database(t, "mya2billing")
	lab.LoadA2Billing(t, database, engine)
	if _, err := database.DB(t).Exec(firstStatement(string(text))); err == nil || !strings.Contains(err.Error(), "near '<password of creditapi>") {
		t.Fatalf("a password that nobody filled in: %v", err)
	}
	filled := strings.NewReplacer("<password of creditapi>", "'p-serve'", "<password of adcredit_owner>", "'p-owner'").Replace(string(text))
	database.Exec(t, filled)
	t.Cleanup(func() { database.Exec(t, "DROP USER creditapi@localhost, adcredit_owner@localhost") })

	migrate := func() error {
		return store.Migrate(t.Context(), storeAs(t, lab.Login{User: "adcredit_owner", Password: "p-owner", Database: database}))
	}
	if err := migrate(); err != nil {
		t.Fatal("migrate as the owner: ", err)
	}
	database.Exec(t, filled)
	if err := migrate(); err != nil {
		t.Fatal("migrate again: ", err)
	}
	serve := lab.Login{User: "creditapi", Password: "p-serve", Database: database}
	s, err := store.Open(t.Context(), storeAs(t, serve))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, finding := range s.Check(t.Context()) {
		if !finding.OK {
			t.Errorf("check as creditapi: %s: %s", finding.Name, finding.Detail)
		}
	}
	if err := s.AddKey(t.Context(), credit.Key{ID: "abcdefghijkl", Name: "lab", Node: "ast1"}); err != nil {
		t.Errorf("add a key as creditapi: %v", err)
	}
	if err := s.TouchKey(t.Context(), "abcdefghijkl"); err != nil {
		t.Errorf("use a key as creditapi: %v", err)
	}
	if _, err := s.Refill(t.Context(), credit.ManualEntry{AccountID: 1, Amount: wire.Units(50), Key: "k", Digest: "d", By: "lab", Reason: "lab"}); err != nil {
		t.Errorf("add credit as creditapi: %v", err)
	}
	keepMoney(t, s, database)
	for _, statement := range []string{
		"UPDATE cc_card SET status = 0", "DELETE FROM cc_logrefill", "DELETE FROM adcredit_ledger",
		"DELETE FROM adcredit_budget", "UPDATE adcredit_settlement SET reason = ''", "DELETE FROM adcredit_settlement",
		"DROP TABLE adcredit_ledger", "CREATE TABLE adcredit_key2 (id INT)", "ALTER TABLE adcredit_key ADD COLUMN x INT",
	} {
		if _, err := serve.DB(t).Exec(statement); err == nil || !strings.Contains(err.Error(), "denied") {
			t.Errorf("%s as creditapi: %v, want it denied", statement, err)
		}
	}
}

// keepMoney does the money keeper's work: settle, purge, reconcile.
func keepMoney(t *testing.T, s *store.Store, database *lab.Database) {
	t.Helper()
	database.Exec(t, "UPDATE adcredit_ledger SET state = 'in_doubt', cause = 'apply_failed'; DELETE FROM cc_logrefill; "+
		"INSERT INTO adcredit_cap (account_id, day, campaign_id, kind, n) VALUES (1, 20200101, 0, 'start', 1)")
	if e, err := s.Settle(t.Context(), store.Settlement{EntryID: 1, Decision: store.Pay, By: "lab", Reason: "lab"}); err != nil || e.State != credit.Logged {
		t.Errorf("settle as creditapi: %+v, %v", e, err)
	}
	if p, err := s.Purge(t.Context(), store.PurgeAtLeast, false, nil); err != nil || p.Tallies != 1 {
		t.Errorf("purge as creditapi: %+v, %v", p, err)
	}
	sum, err := s.Reconcile(t.Context(), store.Scope{}, func(d store.Difference) error {
		t.Errorf("reconcile as creditapi: %+v", d)
		return nil
	})
	if err != nil || sum.Refills.Rows != 1 {
		t.Errorf("reconcile as creditapi: %+v, %v", sum, err)
	}
}

// firstStatement is the first of a file of SQL, behind its comments.
func firstStatement(text string) string {
	first, _, _ := strings.Cut(text, ";")
	return first[strings.Index(first, "CREATE USER"):]
}

func storeAs(t *testing.T, login lab.Login) store.Config {
	t.Helper()
	database, err := api.ParseDatabase(login.SocketURL())
	if err != nil {
		t.Fatal(err)
	}
	return store.Config{Database: database}
}
