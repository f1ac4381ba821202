// Command billing stands in for A2Billing's a2billing.php in the tests of the
// guarded dialplan: an AGI program that does with the caller and with cc_card
// what that does, in the same order, and nothing else. It finds the card by the
// account code, turns away who has no credit, dials, and debits what Asterisk's
// ANSWEREDTIME says. BILLING_DATABASE names the database as go-sql-driver does,
// BILLING_DIAL what to dial, with %s for the number.
//
// Source: Star2Billing/a2billing 2.3.0, common/lib/Class.RateEngine.php
// (rate_engine_performcall, rate_engine_updatesystem).
package main

import (
	"database/sql"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	_ "github.com/go-sql-driver/mysql" // the card's database

	"adcredit/agi"
)

// perSecond is the price of a second in 0.00001 of the base currency: the call
// plan of the tests asks 0.60 a minute, by the second.
const perSecond = 1000

func main() {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE) // the debit comes after the hangup
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "billing:", err)
		os.Exit(1)
	}
}

func run() error {
	s := agi.New()
	if err := s.Init(nil); err != nil {
		return err
	}
	db, err := sql.Open("mysql", os.Getenv("BILLING_DATABASE"))
	if err != nil {
		return err
	}
	defer db.Close()
	card := s.Env["accountcode"]
	var id, credit int64
	err = db.QueryRow(`SELECT id, CAST(credit * 100000 AS SIGNED) FROM cc_card WHERE username = ?`, card).Scan(&id, &credit)
	if err != nil {
		return fmt.Errorf("find card %q: %w", card, err)
	}
	seconds := credit / perSecond
	if seconds <= 0 {
		_, err := s.Hangup()
		return err
	}
	if _, err := s.Exec("Dial", fmt.Sprintf(os.Getenv("BILLING_DIAL")+",30,L(%d)", s.Env["extension"], 1000*seconds)); err != nil {
		return err
	}
	talked, err := s.GetVariable("ANSWEREDTIME")
	if err != nil {
		return err
	}
	answered, err := strconv.ParseInt(talked.Dat, 10, 64)
	if err != nil { // never answered
		return nil
	}
	return debit(db, s, id, card, answered)
}

// debit writes the call first and the card second, in two statements, as
// A2Billing does; like it, it drops channel names of 30 characters and more.
func debit(db *sql.DB, s *agi.Session, id int64, card string, seconds int64) error {
	cost := fmt.Sprintf("%d.%05d", seconds*perSecond/100000, seconds*perSecond%100000)
	channel := s.Env["channel"]
	if len(channel) >= 30 {
		channel = ""
	}
	_, err := db.Exec(`INSERT INTO cc_call (sessionid, uniqueid, card_id, nasipaddress, calledstation, sessiontime, sessionbill, src, dnid)
		VALUES (?, ?, ?, '', ?, ?, ?, ?, ?)`,
		channel, s.Env["uniqueid"], id, s.Env["extension"], seconds, cost, s.Env["callerid"], s.Env["dnid"])
	if err != nil {
		return fmt.Errorf("record the call: %w", err)
	}
	_, err = db.Exec(`UPDATE cc_card SET credit = credit - ?, lastuse = now(), nbused = nbused + 1 WHERE username = ?`, cost, card)
	if err != nil {
		return fmt.Errorf("debit the card: %w", err)
	}
	return nil
}
