package main

import (
	"context"
	"flag"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/store"
)

var purgeCommand = command{
	name:    "purge",
	usage:   "[-older-than 400d] [-dry-run] [-json]",
	summary: "take old callers' numbers out of our tables",
	help: `
Takes cards, destinations, call ids and charging identities (ICID) out of listens
and ledger rows that are older than retention in creditapi.toml, or -older-than: a
number of days, at least 32d. Tallies of those days are deleted. Amounts, counts and account ids stay, so
reconcile agrees before and after. What is open or in doubt stays whole. Works in
small batches: it may be interrupted, and run beside creditapi serve and on every
host. A2Billing's own tables are not touched; what we write there holds no
caller's number, save what a person typed as the reason of credit by hand.

  creditapi purge -dry-run
  creditapi purge
  creditapi purge -older-than 90d -json`,
	setup: func(flags *flag.FlagSet) action {
		var older *config.Days
		flags.Func("older-than", "", func(text string) error {
			older = new(config.Days)
			return older.UnmarshalText([]byte(text))
		})
		dry := flags.Bool("dry-run", false, "")
		asJSON := flags.Bool("json", false, "")
		return func(ctx context.Context, e *environment) error {
			return e.withPatience(ctx, func(c *config.Config, s *store.Store) error {
				age := c.Retention
				if older != nil {
					age = *older
				}
				return e.purge(ctx, s, age, *dry, *asJSON)
			})
		}
	},
}

// purger is what purge needs of a store.
type purger interface {
	Purge(ctx context.Context, age time.Duration, dry bool, progress func(store.Purged)) (store.Purged, error)
}

func (e *environment) purge(ctx context.Context, s purger, age config.Days, dry, asJSON bool) error {
	if age.Duration() < store.PurgeAtLeast {
		return wrongUsage("-older-than %v is too short: what is younger than %dd may still be needed", age, store.PurgeAtLeast/(24*time.Hour))
	}
	verb := "purged"
	if dry {
		verb = "to purge"
	}
	said := time.Now()
	purged, err := s.Purge(ctx, age.Duration(), dry, func(p store.Purged) {
		if time.Since(said) > progressEvery {
			e.remark("so far %s: %d listens, %d ICIDs, %d ledger rows, %d tallies", verb, p.Listens, p.ICIDs, p.Entries, p.Tallies)
			said = time.Now()
		}
	})
	if err != nil {
		return err
	}
	e.remark("%s, older than %v: callers' numbers of %d listens and %d ledger rows, %d ICIDs and %d tallies", verb, age, purged.Listens, purged.Entries, purged.ICIDs, purged.Tallies)
	if asJSON {
		return printJSON(e.stdout, purged)
	}
	return nil
}
