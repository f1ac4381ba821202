package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
	"adcredit/etc"
)

var reportSuspicious = command{
	name:    "report suspicious",
	usage:   "[-json] [-days 7] [-numbers]",
	summary: "show who should be looked at: nodes, accounts and callers",
	help: `
Counts of the last days what was refused, came late, was started and never
completed, and who calls with many numbers or many accounts; the worst first,
with what each word means and what to do. It accuses nobody: each figure has
honest causes, too. Callers' numbers are masked unless -numbers is given.

  creditapi report suspicious
  creditapi report suspicious -days 30 -json`,
	setup: func(flags *flag.FlagSet) action {
		asJSON := flags.Bool("json", false, "")
		days := flags.Int("days", 7, "")
		numbers := flags.Bool("numbers", false, "")
		return func(ctx context.Context, e *environment) error {
			if *days < 1 || *days > 366 {
				return wrongUsage("-days is 1 to 366")
			}
			return e.with(ctx, func(c *config.Config, s *store.Store) error {
				found, err := (&credit.Service{Store: s, Policy: policy(c)}).Suspects(ctx, *days)
				if err != nil {
					return err
				}
				if !*numbers {
					mask(found)
				}
				if *asJSON {
					return printJSON(e.stdout, found)
				}
				return e.showSuspects(c, found)
			})
		}
	},
}

// mask hides callers' numbers. Several may look the same then; they count as many
// as they are.
func mask(found credit.Suspects) {
	for i := range found.Callers {
		found.Callers[i].CallerID = etc.Mask(found.Callers[i].CallerID)
	}
	for _, a := range found.Accounts {
		for i := range a.CallerIDs {
			a.CallerIDs[i] = etc.Mask(a.CallerIDs[i])
		}
	}
}

// showSuspects prints a table for each kind, and then explains the words that
// stand in them.
func (e *environment) showSuspects(c *config.Config, found credit.Suspects) error {
	var nodes, accounts, callers [][]string
	reasons := map[credit.Suspicion]bool{}
	for _, n := range found.Nodes {
		nodes = append(nodes, []string{n.Node, strconv.Itoa(n.Open), strconv.Itoa(n.Completed),
			fmt.Sprintf("%d (%d %%)", n.Late, n.LateShare()), refusals(n.Refusals)})
		for reason := range n.Refusals {
			reasons[reason] = true
		}
	}
	for _, a := range found.Accounts {
		accounts = append(accounts, []string{strconv.FormatInt(int64(a.ID), 10), a.Card, strconv.Itoa(a.Completed), strconv.Itoa(a.Unfinished),
			strconv.Itoa(a.Late), few(a.CallerIDs), refusals(a.Refusals)})
	}
	for _, caller := range found.Callers {
		callers = append(callers, []string{caller.CallerID, strconv.Itoa(caller.Accounts), strconv.Itoa(caller.Starts)})
	}
	for _, t := range []struct {
		title  string
		header []string
		rows   [][]string
	}{
		{"Nodes", []string{"NODE", "OPEN NOW", "COMPLETED", "OF THEM LATE", "REFUSED"}, nodes},
		{"Accounts", []string{"ID", "CARD", "COMPLETED", "UNFINISHED", "LATE", "CALLER IDS", "REFUSED"}, accounts},
		{"Callers with several accounts", []string{"CALLER ID", "ACCOUNTS", "STARTS"}, callers},
	} {
		if len(t.rows) == 0 {
			fmt.Fprintf(e.stdout, "%s: nothing in %d days.\n\n", t.title, found.Days)
			continue
		}
		fmt.Fprintf(e.stdout, "%s, in %d days:\n", t.title, found.Days)
		if err := e.table(t.header, t.rows); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout)
	}
	return e.explain(c, found, reasons)
}

// explain says of each word that stands above what it means and what to do.
func (e *environment) explain(c *config.Config, found credit.Suspects, reasons map[credit.Suspicion]bool) error {
	late := slices.ContainsFunc(found.Nodes, func(n credit.SuspectNode) bool {
		return c.LateAlarm > 0 && n.Late > 0 && n.LateShare() > c.LateAlarm
	})
	var lines []string
	say := func(word, text string) { lines = append(lines, fmt.Sprintf("%-24s %s", word, text)) }
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		say(string(reason), reason.Advice())
	}
	if late {
		say("late", fmt.Sprintf("more than late_alarm (%d %%) of a node's completions came from its spool: look at its connection to creditapi; "+
			"if that was always there, somebody makes them up", c.LateAlarm))
	}
	if slices.ContainsFunc(found.Accounts, func(a credit.SuspectAccount) bool { return a.Unfinished >= credit.ManyUnfinished }) {
		say("unfinished", "ads started and never completed: a robot that probes, or a caller who never hears the end; starts_per_day bounds it")
	}
	if slices.ContainsFunc(found.Accounts, func(a credit.SuspectAccount) bool { return len(a.CallerIDs) >= credit.ManyCallers }) {
		say("caller ids", "one account from many numbers: a company, or numbers made up to get round the cap per caller")
	}
	if len(found.Callers) > 0 {
		say("accounts", "one number with many accounts: a telephone shop, or cards made by the dozen; min_account_age and min_paid_refills help")
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(e.stdout, "What it means, and what to do:\n  %s\n", strings.Join(lines, "\n  "))
	return err
}

// refusals lists reasons with their counts, the most frequent first.
func refusals(r credit.Refusals) string {
	reasons := slices.SortedFunc(maps.Keys(r), func(a, b credit.Suspicion) int {
		if r[a] != r[b] {
			return r[b] - r[a]
		}
		return strings.Compare(string(a), string(b))
	})
	var parts []string
	for _, reason := range reasons {
		parts = append(parts, fmt.Sprintf("%s %d", reason, r[reason]))
	}
	return strings.Join(parts, ", ")
}

// few shows the first of many.
func few(all []string) string {
	const shown = 3
	if len(all) <= shown {
		return strings.Join(all, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:shown], " "), len(all)-shown)
}
