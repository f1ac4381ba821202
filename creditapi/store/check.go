package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"adcredit/creditapi/credit"
)

// A Finding is one thing that Check looked at.
type Finding struct {
	Name   string
	OK     bool
	Detail string // what was found, or what is wrong and what to do
}

// clockTolerance is how far this host's clock may be from the database's.
const clockTolerance = time.Second

// Check looks at all that a grant needs, with statements that change nothing.
func (s *Store) Check(ctx context.Context) []Finding {
	checks := []struct {
		name string
		look func(context.Context) (string, error)
	}{
		{"database", s.lookServer},
		{"schema", s.lookSchema},
		{"way", s.lookWay},
		{"settings", s.lookSettings},
		{"account", s.proveAccount},
		{"grant", s.proveGrant},
		{"clock", s.lookClock},
	}
	var findings []Finding
	for _, check := range checks {
		detail, err := check.look(ctx)
		if err != nil {
			detail = hint(err).Error()
		}
		findings = append(findings, Finding{check.name, err == nil, detail})
	}
	return findings
}

func (s *Store) lookServer(ctx context.Context) (version string, err error) {
	err = s.pool().row(ctx, s.dialect.version()).Scan(&version)
	return s.config.Database.String() + ", " + version, err
}

func (s *Store) lookSchema(ctx context.Context) (string, error) {
	if err := s.checkSchema(ctx); err != nil {
		return "", err
	}
	return "adcredit's tables are there and kept by the engines they need", s.checkEngines(ctx)
}

// lookWay says which way grants are run, and why.
func (s *Store) lookWay(ctx context.Context) (string, error) {
	s.forget()
	known, err := s.a2billing(ctx)
	if err != nil {
		return "", err
	}
	tables, err := s.A2BillingEngines(ctx)
	if err != nil {
		return "", err
	}
	var engines []string
	for _, t := range tables {
		engines = append(engines, t.Name+" is "+t.Engine)
	}
	detail := fmt.Sprintf("%s: %s", known.way, known.way.Promise())
	if len(engines) > 0 {
		detail += " (" + strings.Join(engines, ", ") + ")"
	}
	if err := s.recovers(ctx, known.way); err != nil {
		return "", fmt.Errorf("%s; but %w", detail, err)
	}
	if known.unfit != nil {
		return "", fmt.Errorf("%s; but no grant could be kept here, and so no ad is offered: %w", detail, known.unfit)
	}
	return detail, nil
}

// recovers refuses a server that leaves MyISAM tables as a crash left them: it
// goes on from an old end of their files, over the rows that came after.
func (s *Store) recovers(ctx context.Context, way credit.Way) error {
	if way != credit.Stock {
		return nil
	}
	options, err := s.variable(ctx, "myisam_recover_options")
	if err == nil && (options == "" || options == "OFF") {
		err = errors.New("this server does not repair MyISAM tables after a crash, and loses rows of them then: " +
			"set myisam_recover_options=BACKUP,QUICK in its configuration, or run creditapi a2billing convert")
	}
	return err
}

func (s *Store) lookSettings(ctx context.Context) (string, error) {
	settings, err := s.Settings(ctx)
	if err == nil && settings.BaseCurrency == "" {
		err = errors.New("A2Billing has no base currency: set base_currency of group global in its settings")
	}
	return fmt.Sprintf("base currency %s, min_credit_2call %s", settings.BaseCurrency, settings.MinCreditCall), err
}

// proveAccount sets an account's credit to what it is: that fires A2Billing's
// triggers and needs the right that a grant needs.
func (s *Store) proveAccount(ctx context.Context) (detail string, err error) {
	err = s.tx(ctx, func(q session) error {
		var id, accounts int64
		err := q.row(ctx, `SELECT COALESCE(MIN(id), 0), COUNT(*) FROM cc_card`).Scan(&id, &accounts)
		if err == nil {
			_, err = q.exec(ctx, `UPDATE cc_card SET credit = credit WHERE id = ?`, id)
		}
		detail = fmt.Sprintf("%d accounts; their credit may be changed", accounts)
		return err
	})
	return detail, err
}

// proveGrant runs the statements of a grant for an entry that does not exist.
func (s *Store) proveGrant(ctx context.Context) (string, error) {
	known, err := s.a2billing(ctx)
	if err == nil {
		err = s.prove(ctx, known.way)
	}
	return "its statements are allowed and change nothing without an entry", err
}

// lookClock compares the database's clock with this host's.
func (s *Store) lookClock(ctx context.Context) (string, error) {
	var there time.Time
	before := s.now()
	if err := s.pool().row(ctx, `SELECT {now}`).Scan(instant(&there)); err != nil {
		return "", err
	}
	took := s.now().Sub(before)
	offset := there.Sub(before.Add(took / 2))
	detail := fmt.Sprintf("the database's clock is %s from this host's", offset.Round(time.Millisecond))
	if offset.Abs() > clockTolerance+took/2 {
		return "", errors.New(detail + ": run a time service (chrony, systemd-timesyncd) on both")
	}
	return detail, nil
}
