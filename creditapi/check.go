package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"adcredit/creditapi/store"
	"adcredit/etc"
)

var checkCommand = command{
	name:    "check",
	usage:   "[-json]",
	summary: "look whether everything that a grant needs is there",
	help: `
Looks at configuration, certificate, database, schema, rights, triggers, engines
and clocks, with statements that change nothing, and prints a table. Exit code 1
when anything is wrong, such as a certificate that ends within 14 days.

  creditapi check`,
	setup: func(flags *flag.FlagSet) action {
		asJSON := flags.Bool("json", false, "")
		return func(ctx context.Context, e *environment) error {
			findings, err := e.look(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				return e.checkJSON(findings)
			}
			return e.checkTable(findings)
		}
	},
}

// look finds what is right and wrong; an error is a refused configuration.
func (e *environment) look(ctx context.Context) ([]store.Finding, error) {
	c, database, err := e.configured()
	if err != nil {
		return nil, err
	}
	findings := []store.Finding{{Name: "config", OK: true, Detail: etc.Source(c.Path())}}
	findings = append(findings, lookAtTLS(c, time.Now())...)
	s, err := store.Open(ctx, database)
	if err != nil {
		return append(findings, store.Finding{Name: "database", Detail: err.Error()}), nil
	}
	findings = append(findings, s.Check(ctx)...)
	if c.MinPaidRefills > 0 {
		f := store.Finding{Name: "payments", OK: true, Detail: "A2Billing's payments may be counted (min_paid_refills)"}
		if _, err := s.HasPaid(ctx, 0, c.MinPaidRefills); err != nil {
			f.OK, f.Detail = false, err.Error()+"; run etc/a2billing/grants.sql again"
		}
		findings = append(findings, f)
	}
	return findings, s.Close()
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
