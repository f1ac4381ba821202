package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"adcredit/creditapi/store"
)

func TestCheckAndMigrate(t *testing.T) {
	s := newShell(t)
	s.ok("migrate")
	s.ok("migrate")
	out := s.ok("check")
	for _, text := range []string{"ok     schema", "transaction: ledger, credit and credit log", "All 8 are as they should be."} {
		if !strings.Contains(out, text) {
			t.Errorf("check: no %q in\n%s", text, out)
		}
	}
	var findings []struct {
		Name, Detail string
		OK           bool
	}
	s.json("check -json", &findings)
	if len(findings) != 8 || !findings[3].OK {
		t.Errorf("findings: %+v", findings)
	}
}

func TestFindingsThatAreWrong(t *testing.T) {
	var stdout bytes.Buffer
	e := &environment{stdout: &stdout, getenv: func(string) string { return "" }}
	findings := []store.Finding{{Name: "schema", OK: true, Detail: "fine"}, {Name: "grant", Detail: "no right\nask for it"}}
	if err := e.checkTable(findings); err != errSaid {
		t.Errorf("checkTable: %v", err)
	}
	want := "ok     schema    fine\nWRONG  grant     no right\n                 ask for it\n1 of 2 are wrong.\n"
	if stdout.String() != want {
		t.Errorf("table:\n%swant\n%s", stdout.String(), want)
	}
	stdout.Reset()
	if err := e.checkJSON(findings); !errors.Is(err, errSaid) || !strings.Contains(stdout.String(), `"ok": false`) {
		t.Errorf("checkJSON: %v\n%s", err, stdout.String())
	}
	if e.ended("check", errSaid) != exitFailed {
		t.Error("exit code of a failure that was said")
	}
}
