package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
)

var reconcileCommand = command{
	name:    "reconcile",
	usage:   "[-since 2d|2027-01-31] [-json]",
	summary: "prove that ledger, budgets and A2Billing's credit log agree",
	help: `
Compares every listen with its row in the ledger, every row of the ledger with
its row in cc_logrefill, every budget, whole and by day, with its listens and
grants, and the caps of the last 30 days; shows what does not agree, row by row,
what that means and what to do; then what was compared. It changes nothing and
may run beside creditapi serve. Exit code 1 when anything differs or is in doubt.
A note is something to look at that does not differ: what was credited just
before the database server ended, where A2Billing's tables are MyISAM.

-since leaves out rows from before a day, or so many days ago; whole budgets are
compared all the same. Entries in doubt: creditapi reconcile settle.

  creditapi reconcile
  creditapi reconcile -since 2d
  creditapi reconcile -since 2027-01-31 -json`,
	setup: func(flags *flag.FlagSet) action {
		since := flags.String("since", "", "")
		asJSON := flags.Bool("json", false, "")
		return func(ctx context.Context, e *environment) error {
			return e.withPatience(ctx, func(c *config.Config, s *store.Store) error {
				from, err := sinceWhen(*since, time.Now(), c.Location())
				if err != nil {
					return err
				}
				return e.reconcile(ctx, s, from, *asJSON)
			})
		}
	},
}

// sinceWhen reads a day, or how many days ago. Nothing is the beginning.
func sinceWhen(text string, now time.Time, zone *time.Location) (time.Time, error) {
	var ago config.Days
	if text == "" {
		return time.Time{}, nil
	}
	if err := ago.UnmarshalText([]byte(text)); err == nil {
		return now.Add(-ago.Duration()), nil
	}
	from, err := day(text, zone)
	if err != nil {
		err = wrongUsage("-since %q is no day; write it like 2027-01-31, or 2d for two days ago", text)
	}
	return from, err
}

// reconciler is what reconcile needs of a store.
type reconciler interface {
	Reconcile(ctx context.Context, scope store.Scope, report func(store.Difference) error) (store.Summary, error)
}

func (e *environment) reconcile(ctx context.Context, s reconciler, since time.Time, asJSON bool) error {
	show := differences(&differenceLines{environment: e, met: map[store.Check]bool{}})
	if asJSON {
		show = &differenceJSON{environment: e}
	}
	said := time.Now()
	summary, err := s.Reconcile(ctx, store.Scope{Since: since, Progress: func(what string, rows int64) {
		if time.Since(said) > progressEvery {
			e.remark("%d %s compared so far", rows, what)
			said = time.Now()
		}
	}}, show.one)
	if err != nil {
		return err
	}
	if err := show.end(summary); err != nil {
		return err
	}
	if summary.Differences > 0 {
		return errSaid
	}
	return nil
}

// progressEvery is how often long work says how far it is.
const progressEvery = 5 * time.Second

// differences shows them as they are found: there may be many.
type differences interface {
	one(store.Difference) error
	end(store.Summary) error
}

// differenceLines is for people.
type differenceLines struct {
	*environment
	met map[store.Check]bool
}

func (l *differenceLines) one(d store.Difference) error {
	l.met[d.Check] = true
	mark := l.paint(red, "DIFFERS")
	if d.Note {
		mark = "note   "
	}
	where := ""
	for _, part := range []struct {
		what string
		is   any
		set  bool
	}{{"campaign", d.Campaign, d.Campaign != ""}, {"day", d.Day, d.Day != 0}, {"entry", d.EntryID, d.EntryID != 0},
		{"listen", d.ListenID, d.ListenID != ""}, {"account", d.AccountID, d.Campaign != "" && d.AccountID != 0 && d.ListenID == ""}} {
		if part.set {
			where += fmt.Sprintf("%s %v, ", part.what, part.is)
		}
	}
	if where != "" {
		where = where[:len(where)-2] + ": "
	}
	_, err := fmt.Fprintf(l.stdout, "%s  %-21s %s%s\n", mark, d.Check, where, d.Detail)
	return err
}

// end explains each check that was met, and sums up.
func (l *differenceLines) end(s store.Summary) error {
	for _, check := range store.Checks {
		if l.met[check] {
			means, do := check.Explain()
			fmt.Fprintf(l.stdout, "\n%s: %s.\n  To do: %s.\n", check, means, do)
		}
	}
	if len(l.met) > 0 {
		fmt.Fprintln(l.stdout)
	}
	for _, state := range []credit.ListenState{credit.Started, credit.Completed, credit.Abandoned, credit.Lapsed} {
		l.sum("listens", string(state), s.Listens[state])
	}
	for _, state := range []credit.EntryState{credit.Pending, credit.Applied, credit.Logged, credit.InDoubt, credit.Dropped} {
		l.sum("entries", string(state), s.Entries[state])
	}
	l.sum("cc_logrefill", "of ours", s.Refills)
	fmt.Fprintf(l.stdout, "%-12s %-10s %8d  %s held, %s spent, of %d campaigns\n", "budgets", "", s.Budgets, s.Held, s.Spent, s.Campaigns)
	fmt.Fprintf(l.stdout, "%-12s %-10s %8d\n", "caps", "", s.Caps)
	verdict := l.paint(green, "All agree.")
	if s.Differences > 0 {
		verdict = l.paint(red, fmt.Sprintf("Differences: %d.", s.Differences))
	}
	if s.Notes > 0 {
		verdict += fmt.Sprintf(" Notes: %d.", s.Notes)
	}
	_, err := fmt.Fprintln(l.stdout, verdict)
	return err
}

func (l *differenceLines) sum(what, state string, s store.Sum) {
	if s.Rows > 0 {
		fmt.Fprintf(l.stdout, "%-12s %-10s %8d  %s\n", what, state, s.Rows, s.Money)
	}
}

// differenceJSON is for programs: one document, written as it goes.
type differenceJSON struct {
	*environment
	begun bool
}

func (j *differenceJSON) one(d store.Difference) error {
	head := ",\n"
	if !j.begun {
		head, j.begun = "{\"differences\": [\n", true
	}
	means, do := d.Check.Explain()
	text, err := json.Marshal(struct {
		store.Difference
		Means string `json:"means"`
		Do    string `json:"do"`
	}{d, means, do})
	if err == nil {
		_, err = fmt.Fprintf(j.stdout, "%s%s", head, text)
	}
	return err
}

func (j *differenceJSON) end(s store.Summary) error {
	head := "\n"
	if !j.begun {
		head = "{\"differences\": ["
	}
	text, err := json.Marshal(s)
	if err == nil {
		_, err = fmt.Fprintf(j.stdout, "%s],\n\"summary\": %s}\n", head, text)
	}
	return err
}
