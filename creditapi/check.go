package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"adcredit/creditapi/config"
	"adcredit/creditapi/store"
)

var checkCommand = command{
	name:    "check",
	usage:   "[-json]",
	summary: "look whether everything that a grant needs is there",
	help: `
Looks at configuration, database, schema, rights, triggers, engines and clocks,
with statements that change nothing, and prints a table. Exit code 1 when
anything is wrong.

  creditapi check`,
	setup: func(flags *flag.FlagSet) action {
		asJSON := flags.Bool("json", false, "")
		return func(ctx context.Context, e *environment) error {
			return e.with(ctx, func(c *config.Config, s *store.Store) error {
				findings := append([]store.Finding{{Name: "config", OK: true, Detail: c.Path()}}, s.Check(ctx)...)
				if *asJSON {
					return e.checkJSON(findings)
				}
				return e.checkTable(findings)
			})
		}
	},
}

func (e *environment) checkJSON(findings []store.Finding) error {
	type finding struct {
		Name   string `json:"name"`
		OK     bool   `json:"ok"`
		Detail string `json:"detail"`
	}
	list, wrong := []finding{}, error(nil)
	for _, f := range findings {
		list = append(list, finding{f.Name, f.OK, f.Detail})
		if !f.OK {
			wrong = errSaid
		}
	}
	return errors.Join(printJSON(e.stdout, list), wrong)
}

func (e *environment) checkTable(findings []store.Finding) error {
	wrong := 0
	for _, f := range findings {
		mark := e.paint(green, "ok   ")
		if !f.OK {
			mark = e.paint(red, "WRONG")
			wrong++
		}
		for i, line := range strings.Split(f.Detail, "\n") {
			name := f.Name
			if i > 0 {
				mark, name = "     ", ""
			}
			fmt.Fprintf(e.stdout, "%s  %-9s %s\n", mark, name, line)
		}
	}
	if wrong > 0 {
		fmt.Fprintf(e.stdout, "%d of %d are wrong.\n", wrong, len(findings))
		return errSaid
	}
	fmt.Fprintf(e.stdout, "All %d are as they should be.\n", len(findings))
	return nil
}
