//go:build lab

package main

import (
	"strings"
	"testing"

	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

// TestNumbersInDatabaseErrors: the server's own words about a statement that it
// refuses hold the values of it, here of a trigger that an operator has; the log
// has them without the card's number.
func TestNumbersInDatabaseErrors(t *testing.T) {
	database := lab.MariaDB(t).Database(t, "mya2billing")
	lab.LoadA2Billing(t, database, lab.InnoDB)
	s := newShell(t)
	s.env["CREDITAPI_DATABASE"] = database.Owner().SocketURL()
	s.ok("migrate")
	s.ok("campaign add -name short -sound ads/short -duration 100ms -reward 50 -budget 1000")
	key := s.ok("key add -name ast1 -scope agi -node ast1")
	database.Exec(t, "UPDATE cc_card SET credit = 0 WHERE useralias = '1001'")
	log, stop := s.serve("creditapi serves")
	defer stop()
	c := s.client(key)
	var l wire.Listen
	if status := c.ask("POST", "/v1/listens", `{"account":"alias:1001","call_id":"ast1/1.1"}`, &l); status != 201 {
		t.Fatalf("listen: %d\n%s", status, log)
	}
	database.Exec(t, `CREATE TRIGGER no_credit BEFORE UPDATE ON cc_card FOR EACH ROW
		SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'card 9700203963 (alias ''1001'') may not change'`)
	if status := c.complete(l.ID, `{"endpos":800,"played_ms":100,"heard_at":"2026-11-24T10:00:00Z"}`, new(wire.Grant)); status != 500 {
		t.Errorf("complete: status %d, want 500", status)
	}
	if text := log.String(); !strings.Contains(text, "card 970*****63 (alias '****') may not change") || strings.Contains(text, "9700203963") {
		t.Errorf("the log:\n%s", text)
	}
}
