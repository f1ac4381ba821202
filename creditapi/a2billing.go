package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
)

var convertCommand = command{
	name:    "a2billing convert",
	usage:   "[-yes]",
	summary: "make A2Billing's tables transactional",
	help: `
Converts cc_card and cc_logrefill from MyISAM to InnoDB, and cc_card_seria, which
a trigger of cc_card writes: then a grant is one transaction. Shows the statements, the rows and about how long each table can't
be written, and asks. Run it at a quiet time, as a user who may ALTER them, after
a backup. A2Billing itself works on either.

  creditapi a2billing convert
  creditapi a2billing convert -yes    # asks nothing`,
	setup: func(flags *flag.FlagSet) action {
		yes := flags.Bool("yes", false, "")
		return func(ctx context.Context, e *environment) error {
			return e.with(ctx, func(_ *config.Config, s *store.Store) error { return e.convert(ctx, s, *yes) })
		}
	},
}

// converter is what convert needs of a store.
type converter interface {
	Way() credit.Way
	ConvertStatements(ctx context.Context) ([]store.Conversion, error)
	Convert(ctx context.Context, progress func(done store.Conversion, took time.Duration)) error
}

func (e *environment) convert(ctx context.Context, s converter, yes bool) error {
	todo, err := s.ConvertStatements(ctx)
	if err != nil {
		return err
	}
	if len(todo) == 0 {
		e.remark("Nothing to convert: grants are run in the way %q, %s.", s.Way(), s.Way().Promise())
		return nil
	}
	var rows [][]string
	for _, c := range todo {
		rows = append(rows, []string{c.Statement, c.Engine, strconv.FormatInt(c.Rows, 10), fmt.Sprintf("%.1f MB", float64(c.Bytes)/1e6), about(c.Lock)})
	}
	if err := e.table([]string{"STATEMENT", "ENGINE NOW", "ROWS", "SIZE", "LOCKED FOR ABOUT"}, rows); err != nil {
		return err
	}
	e.remark("While a table is locked, calls that end wait to be debited.")
	if !yes && !e.confirmed("Convert now?") {
		e.remark("Nothing was changed.")
		return errSaid
	}
	err = s.Convert(ctx, func(done store.Conversion, took time.Duration) {
		e.remark("%s: done in %s", done.Statement, took.Round(10*time.Millisecond))
	})
	if err == nil {
		e.remark("Servers that run notice within a minute. From then on the way is \"transaction\"; creditapi check shows it.")
	}
	return err
}

// about writes a guess of a duration for people.
func about(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", math.Ceil(d.Seconds()))
	}
	return fmt.Sprintf("%.0f min", math.Ceil(d.Minutes()))
}

// confirmed asks a person. Whoever answers nothing means no.
func (e *environment) confirmed(question string) bool {
	fmt.Fprintf(e.stderr, "%s Type yes: ", question)
	line, err := bufio.NewReader(io.LimitReader(e.stdin, 100)).ReadString('\n')
	if err != nil {
		fmt.Fprintln(e.stderr) // the answer did not end the line
	}
	return strings.TrimSpace(line) == "yes"
}
