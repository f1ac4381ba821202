package main

import (
	"context"
	"flag"
	"fmt"
	"os/user"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
	"adcredit/etc"
)

var reconcileSettle = command{
	name:     "reconcile settle",
	usage:    "-reason TEXT [-by NAME] [-yes] ENTRY pay|drop",
	summary:  "decide about an entry in doubt: pay it, or drop it",
	operand:  "entry in doubt (creditapi reconcile lists them), and pay or drop",
	operands: 2,
	help: `
An entry is in doubt when nobody can know whether it was credited: the database
server crashed between credit and ledger, or the account is gone. It is never paid
again by itself. Shows what is known, and asks. Compare the account's credit in
A2Billing with its calls and refills first.

pay credits the account, once, the way of every grant; it may be in doubt again
if the account can't take it. drop ends the entry without credit and gives a
reward back to its campaign's budget, and to that of its day. Both are final, and
kept in adcredit_settlement with the time, -reason and who: -by, else the user of
this shell. Of two people at once one is told that the other was faster.

  creditapi reconcile settle 4711 pay -reason 'not in the balance, ticket 12'
  creditapi reconcile settle 4711 drop -reason 'balance shows it' -by awa -yes`,
	setup: func(flags *flag.FlagSet) action {
		var d store.Settlement
		flags.StringVar(&d.Reason, "reason", "", "")
		flags.StringVar(&d.By, "by", "", "")
		yes := flags.Bool("yes", false, "")
		return func(ctx context.Context, e *environment) error {
			if err := e.decide(&d); err != nil {
				return err
			}
			return e.with(ctx, func(c *config.Config, s *store.Store) error { return e.settle(ctx, c, s, d, *yes) })
		}
	},
}

// decide reads the operands and who settles.
func (e *environment) decide(d *store.Settlement) (err error) {
	d.EntryID, err = strconv.ParseInt(e.operands[0], 10, 64)
	if err != nil || d.EntryID <= 0 {
		return wrongUsage("%q is no entry; write its number, as creditapi reconcile shows it", e.operands[0])
	}
	switch d.Decision = store.Decision(e.operands[1]); d.Decision {
	case store.Pay, store.Drop:
	default:
		return wrongUsage("%q is no decision; write pay or drop", e.operands[1])
	}
	if d.By == "" {
		d.By = e.shellUser()
	}
	for _, text := range []struct {
		flag, value string
		most        int
	}{{"-reason", d.Reason, 200}, {"-by", d.By, 60}} {
		if n := utf8.RuneCountInString(text.value); n == 0 || n > text.most || !utf8.ValidString(text.value) || strings.ContainsFunc(text.value, unicode.IsControl) {
			return wrongUsage("%s is needed: 1 to %d characters on one line", text.flag, text.most)
		}
	}
	return nil
}

// shellUser is who works here: behind sudo the one who called it.
func (e *environment) shellUser() string {
	if name := e.getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// settler is what settle needs of a store.
type settler interface {
	InDoubt(ctx context.Context, id int64) (store.Doubt, error)
	Settle(ctx context.Context, d store.Settlement) (credit.Entry, error)
}

func (e *environment) settle(ctx context.Context, c *config.Config, s settler, d store.Settlement, yes bool) error {
	doubt, err := s.InDoubt(ctx, d.EntryID)
	if err != nil {
		return err
	}
	e.showDoubt(doubt, c.Location())
	question := fmt.Sprintf("Pay %s to account %d?", doubt.Amount, doubt.AccountID)
	if d.Decision == store.Drop {
		question = fmt.Sprintf("Drop %s for account %d?", doubt.Amount, doubt.AccountID)
	}
	if !yes && !e.confirmed(question) {
		e.remark("Nothing was changed.")
		return errSaid
	}
	entry, err := s.Settle(ctx, d)
	if err != nil {
		return err
	}
	switch entry.State {
	case credit.InDoubt:
		e.remark("Entry %d could not be credited and is in doubt again: %s.", entry.ID, store.ExplainCause(entry.Cause))
		return errSaid
	case credit.Dropped:
		e.remark("Entry %d is dropped, by %s. Its reward is back in the budget.", entry.ID, d.By)
	default:
		e.remark("Entry %d is paid, by %s: %s, and cc_logrefill has its row.", entry.ID, d.By, entry.State)
	}
	return nil
}

func (e *environment) showDoubt(d store.Doubt, zone *time.Location) {
	refills := "no row of it: A2Billing does not know of this credit, as far as its log goes"
	if len(d.Refills) > 0 {
		refills = "it has been logged as credited:"
		for _, r := range d.Refills {
			refills += fmt.Sprintf(" row %d of %s, %s", r.ID, when(&r.Date, zone), r.Credit)
		}
	}
	account := fmt.Sprintf("%d, card %s, credit now %s", d.AccountID, etc.Mask(d.Card), d.Credit)
	switch {
	case d.Now == "":
		account = fmt.Sprintf("%d, card %s: deleted since", d.AccountID, etc.Mask(d.Card))
	case d.Now != d.Card:
		account += "; but its card is another one now"
	}
	for _, line := range [][2]string{
		{"entry", fmt.Sprintf("%d of %s, %s", d.ID, when(&d.CreatedAt, zone), d.Reason)}, {"amount", d.Amount.String()},
		{"account", account}, {"in doubt", store.ExplainCause(d.Cause)}, {"cc_logrefill", refills},
	} {
		fmt.Fprintf(e.stdout, "%-12s %s\n", line[0], line[1])
	}
}
