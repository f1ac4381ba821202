package main

import (
	"fmt"
	"strings"
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// TestReportSuspicious: what somebody tries against a server that runs is in the
// report, with advice, and callers' numbers are hidden.
func TestReportSuspicious(t *testing.T) {
	s := newShell(t)
	s.ok("campaign add -name short -sound ads/short -duration 100s -reward 50 -budget 1000")
	for alias := 1001; alias <= 1003; alias++ {
		s.ok(fmt.Sprintf("account add -alias %d -card 970020%d", alias, alias))
	}
	if out := s.ok("report suspicious"); !strings.Contains(out, "Nodes: nothing in 7 days.") || strings.Contains(out, "What it means") {
		t.Errorf("of nothing:\n%s", out)
	}
	key := s.ok("key add -name ast1 -scope agi -node ast1")
	_, stop := s.serve("creditapi serves")
	c := s.client(key)
	for alias := 1001; alias <= 1003; alias++ {
		c.idempotency = fmt.Sprint("idem-00000000000", alias)
		var l wire.Listen
		body := fmt.Sprintf(`{"account":"alias:%d","call_id":"%d","caller_id":"+221771234567"}`, alias, alias)
		if status := c.ask("POST", "/v1/listens", body, &l); status != 201 {
			t.Fatalf("listen: %d", status)
		}
		if status := c.ask("POST", "/v1/listens/"+l.ID+"/complete", `{"endpos":1000000000000,"played_ms":100000,"heard_at":"2026-11-24T10:00:00Z"}`, nil); status != 422 {
			t.Fatalf("forged: %d", status)
		}
	}
	if status := c.ask("POST", "/v1/listens/019ce000-0000-7000-8000-000000000000/complete", `{"endpos":1,"played_ms":1,"heard_at":"2026-11-24T10:00:00Z"}`, nil); status != 404 {
		t.Fatalf("invented: %d", status)
	}
	stop()

	out := s.ok("report suspicious")
	for _, text := range []string{
		"Nodes, in 7 days:", "absurd_values 3, unknown_listen 1", "9700201001", "absurd_values            completed with values that no Asterisk reports",
		"Callers with several accounts", "+22********67  3         3", "accounts                 one number with many accounts",
	} {
		if !strings.Contains(out, text) {
			t.Errorf("no %q in\n%s", text, out)
		}
	}
	if strings.Contains(out, "+221771234567") {
		t.Errorf("the caller's number is shown:\n%s", out)
	}
	var found credit.Suspects
	s.json("report suspicious -json -numbers -days 1", &found)
	if len(found.Nodes) != 1 || found.Nodes[0].Open != 3 || found.Nodes[0].Refusals[credit.Absurd] != 3 ||
		len(found.Accounts) != 3 || len(found.Callers) != 1 || found.Callers[0] != (credit.SuspectCaller{CallerID: "+221771234567", Accounts: 3, Starts: 3}) {
		t.Errorf("as JSON: %+v", found)
	}
	s.fails(exitUsage, "-days is 1 to 366", "report suspicious -days 0")
	s.fails(exitUsage, "say which: report suspicious", "report")
}

// Every reason is explained.
func TestAdvice(t *testing.T) {
	for _, reason := range []credit.Suspicion{credit.FarTooEarly, credit.CutShort, credit.Absurd, credit.Changed, credit.OtherNode, credit.UnknownListen,
		credit.AfterAbandon, credit.AfterWindow, credit.LateCap, credit.NodeOpen, credit.NodePerMinute, credit.NodePerDay} {
		if reason.Advice() == "" {
			t.Errorf("%s is not explained", reason)
		}
	}
}
