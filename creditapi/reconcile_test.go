package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
	"adcredit/creditapi/wire"
)

// change runs a statement behind creditapi's back.
func (s *shell) change(statement string, args ...any) {
	s.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "adcredit.db"))
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	result, err := db.Exec(statement, args...)
	if err != nil {
		s.Fatal(err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		s.Fatalf("%s: %d rows, %v", statement, n, err)
	}
}

// granted is a shell whose embedded database holds one grant of 50 to account
// 1, entry 1.
func granted(t *testing.T) *shell {
	t.Helper()
	s := newShell(t)
	s.ok("account add -alias 1001 -card 9700203963 -credit 0")
	s.ok("campaign add -name short -sound ads/short -duration 100ms -reward 50 -budget 1000")
	err := (&environment{getenv: s.getenv}).with(t.Context(), func(_ *config.Config, st *store.Store) error {
		l, err := st.Start(t.Context(), credit.NewListen{Key: "k1", Digest: strings.Repeat("d", 64), Node: "ast1", AccountID: 1, CallID: "ast1/1.1",
			CallerCard: "9700203963", Destination: "221770009999", Day: 20260310, Minute: 720, Busy: time.Minute, Window: time.Hour})
		if err == nil {
			_, err = st.Complete(t.Context(), credit.Completion{ListenID: l.ID})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReconcile(t *testing.T) {
	s := granted(t)
	out := s.ok("reconcile")
	for _, want := range []string{"listens      completed         1  50.00000", "entries      logged            1  50.00000",
		"cc_logrefill of ours           1  50.00000", "0.00000 held, 50.00000 spent, of 1 campaigns", "All agree."} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	s.change(`UPDATE cc_logrefill SET credit = credit + 1`)
	s.change(`UPDATE adcredit_budget SET spent = 0 WHERE spent > 0`)
	r := s.run("reconcile")
	for _, want := range []string{"DIFFERS  refill_differs        entry 1: row 1 says 50.00001, the entry 50.00000\n",
		"DIFFERS  budget_spent          campaign short: it has spent 0.00000, its grants are 50.00000\n",
		"\nrefill_differs: a row of cc_logrefill has another amount", "  To do: the row was changed in A2Billing", "\nDifferences: 2.\n"} {
		if r.code != exitFailed || r.remark != "" || !strings.Contains(r.out, want) {
			t.Errorf("exit %d, no %q in\n%s%s", r.code, want, r.out, r.remark)
		}
	}
	if out := s.run("reconcile", "-since", "2100-01-01").out; strings.Contains(out, "refill_differs") || !strings.Contains(out, "budget_spent") {
		t.Errorf("since 2100:\n%s", out)
	}
	if out := s.run("reconcile", "-since", "1d").out; !strings.Contains(out, "refill_differs") {
		t.Errorf("since yesterday:\n%s", out)
	}
}

func TestReconcileJSON(t *testing.T) {
	s := granted(t)
	type document struct {
		Differences []struct {
			Check, Detail, Means, Do string
			EntryID                  int64 `json:"entry_id"`
		}
		Summary store.Summary
	}
	var all document
	s.json("reconcile -json", &all)
	if all.Differences == nil || len(all.Differences) > 0 || all.Summary.Entries[credit.Logged] != (store.Sum{Rows: 1, Money: wire.Units(50)}) {
		t.Errorf("%+v", all)
	}
	s.change(`UPDATE adcredit_ledger SET amount = amount + 1`)
	r := s.run("reconcile", "-json")
	var found document
	if err := json.Unmarshal([]byte(r.out), &found); err != nil || r.code != exitFailed {
		t.Fatalf("exit %d, %v\n%s", r.code, err, r.out)
	}
	if len(found.Differences) != 3 || found.Differences[0].Check != "refill_differs" || found.Differences[0].EntryID != 1 ||
		found.Differences[0].Means == "" || found.Differences[0].Do == "" || found.Summary.Differences != 3 {
		t.Errorf("%+v", found)
	}
}

// noted is a store where nothing differs, and something is worth a look.
type noted struct{ fail error }

func (n noted) Reconcile(_ context.Context, scope store.Scope, report func(store.Difference) error) (store.Summary, error) {
	if n.fail != nil {
		return store.Summary{}, n.fail
	}
	err := report(store.Difference{Check: store.Restart, Note: true, EntryID: 7, Detail: "50.00000 for account 2"})
	return store.Summary{Notes: 1}, err
}

func TestReconcileNotes(t *testing.T) {
	var out bytes.Buffer
	e := &environment{stdout: &out, getenv: func(string) string { return "" }}
	if err := e.reconcile(t.Context(), noted{}, time.Time{}, false); err != nil {
		t.Errorf("a note alone: %v", err)
	}
	for _, want := range []string{"note     before_restart        entry 7: 50.00000", "All agree. Notes: 1."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	away := errors.New("database away")
	if err := e.reconcile(t.Context(), noted{away}, time.Time{}, true); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
}

func TestSettle(t *testing.T) {
	s := granted(t)
	s.env["SUDO_USER"] = "awa"
	doubt := func() { s.change(`UPDATE adcredit_ledger SET state = 'in_doubt', cause = 'database_restarted'`) }
	settled := func(want string) {
		t.Helper()
		if out := s.run("reconcile").out; !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	s.fails(exitFailed, "Entry 1 is logged and not in doubt", "reconcile settle 1 pay -reason x -yes")
	s.fails(exitFailed, "no such entry", "reconcile settle 2 pay -reason x -yes")
	doubt()
	settled(": 50.00000 for account 1, database_restarted; cc_logrefill has a row of it")
	s.in = "no\n"
	r := s.run("reconcile", "settle", "1", "drop", "-reason", "balance shows it")
	for _, want := range []string{"50.00000", "card 970*****63, credit now 50.00000", "the database server ended", "row 1 of "} {
		if r.code != exitFailed || !strings.Contains(r.out, want) || !strings.Contains(r.remark, "Nothing was changed.") || strings.Contains(r.out, "9700203963") {
			t.Errorf("exit %d, no %q in\n%s%s", r.code, want, r.out, r.remark)
		}
	}
	settled("entry_in_doubt")
	s.in = "yes\n"
	r = s.run("reconcile", "settle", "-by", "fatou", "1", "-reason", "balance shows it", "drop")
	if r.code != exitOK || !strings.Contains(r.remark, "Drop 50.00000 for account 1?") || !strings.Contains(r.remark, "Entry 1 is dropped, by fatou.") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.remark)
	}
	s.change(`DELETE FROM cc_logrefill`)
	settled("All agree.")

	doubt()
	s.change(`UPDATE adcredit_budget SET spent = 5000000 WHERE shard = (SELECT budget_shard FROM adcredit_listen)`)
	r = s.run("reconcile", "settle", "1", "pay", "-reason", "not in the balance", "-yes")
	if r.code != exitOK || strings.Contains(r.remark, "Type yes") || !strings.Contains(r.remark, "Entry 1 is paid, by awa: logged") || !strings.Contains(r.out, "no row of it") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.remark)
	}
	settled("All agree.")

	doubt()
	s.change(`UPDATE cc_card SET credit = 999999999999999`)
	s.fails(exitFailed, "is in doubt again: the account's credit can't become that large", "reconcile settle 1 pay -reason x -yes")
	s.change(`DELETE FROM cc_card`)
	if r := s.run("reconcile", "settle", "1", "pay", "-reason", "x", "-yes"); r.code != exitFailed || !strings.Contains(r.out, "deleted since") || !strings.Contains(r.remark, "Drop the entry") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.remark)
	}
}

func TestPurge(t *testing.T) {
	s := granted(t)
	if r := s.run("purge"); r.code != exitOK || !strings.Contains(r.remark, "purged, older than 400d: callers' numbers of 0 listens") {
		t.Errorf("exit %d, %s", r.code, r.remark)
	}
	old := time.Now().Add(-33 * 24 * time.Hour).UnixMicro()
	s.change(`UPDATE adcredit_listen SET started_at = ?`, old)
	s.change(`UPDATE adcredit_ledger SET created_at = ?`, old)
	var p store.Purged
	for _, line := range []string{"purge -older-than 32d -dry-run -json", "purge -older-than 32d -json"} {
		s.json(line, &p)
		if p.Listens != 1 || p.Entries != 1 || p.Tallies == 0 {
			t.Errorf("%s: %+v", line, p)
		}
	}
	if s.json("purge -older-than 32d -json", &p); p != (store.Purged{}) {
		t.Errorf("again: %+v", p)
	}
	if out := s.ok("reconcile"); !strings.Contains(out, "All agree.") {
		t.Errorf("after:\n%s", out)
	}
	if err := writeFile(s.env["CREDITAPI_CONFIG"], "retention = \"50d\"\n"); err != nil {
		t.Fatal(err)
	}
	if r := s.run("purge", "-dry-run"); !strings.Contains(r.remark, "to purge, older than 50d:") {
		t.Error(fmt.Sprint(r))
	}
}
