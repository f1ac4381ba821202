package main

import (
	"strings"
	"testing"
)

func TestAccounts(t *testing.T) {
	s := newShell(t)
	s.ok("account add -alias 1001 -card 9700203963 -credit 0 -cid +221771234567 -cid 771234567 -language fr")
	s.ok("account add -alias 1000 -card 8987344413 -credit 1812.08333")
	s.fails(exitFailed, "card, alias or caller ID", "account add -alias 1001 -card 1")
	for _, name := range []string{"1001", "alias:1001", "card:9700203963", "cid:+221771234567", "771234567"} {
		var a struct {
			ID                     int
			Account, Alias, Credit string
			Sufficient             bool
		}
		s.json("account show -json "+name, &a)
		if a.Account != "9700203963" || a.Alias != "1001" || a.Credit != "0.00000" || a.Sufficient {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if out := s.ok("account show 1000 -json"); !strings.Contains(out, `"credit": "1812.08333"`) {
		t.Errorf("a flag after the account: %s", out)
	}
	for _, text := range []string{"9700203963", "0.00000 XOF", "no: 1.00000 are needed", "no: no_ad"} {
		if out := s.ok("account show 1001"); !strings.Contains(out, text) {
			t.Errorf("no %q in\n%s", text, out)
		}
	}
	s.fails(exitFailed, "no such account", "account show 4711")
	want := "ID  CARD        ALIAS      CREDIT  STATUS  LANGUAGE\n" +
		"1   9700203963  1001      0.00000  active  fr\n" +
		"2   8987344413  1000   1812.08333  active  -\n"
	if out := s.ok("account list"); !strings.HasPrefix(out, want[:20]) || strings.Count(out, "\n") != 3 || !strings.Contains(out, "   0.00000  active") {
		t.Errorf("account list:\n%swant\n%s", out, want)
	}
	r := s.run("account", "list", "-json", "-limit", "1")
	if !strings.Contains(r.out, "9700203963") || strings.Contains(r.out, "8987344413") || !strings.Contains(r.remark, "-after 1") {
		t.Errorf("the first page: %s%s", r.out, r.remark)
	}
	if out := s.ok("account list -json -after 1"); strings.Contains(out, "9700203963") || !strings.Contains(out, "8987344413") {
		t.Errorf("the second page: %s", out)
	}
}
