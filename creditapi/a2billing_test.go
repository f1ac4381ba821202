package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
)

// stock is an A2Billing as installed, whose tables can be converted.
type stock struct {
	todo      []store.Conversion
	fail      error
	converted bool
}

func newStock() *stock {
	return &stock{todo: []store.Conversion{
		{Table: store.Table{Name: "cc_card", Engine: "MyISAM", Rows: 120000, Bytes: 40_000_000}, Statement: "ALTER TABLE cc_card ENGINE=InnoDB", Lock: 6 * time.Second},
		{Table: store.Table{Name: "cc_logrefill", Engine: "MyISAM", Rows: 5_000_000, Bytes: 900_000_000}, Statement: "ALTER TABLE cc_logrefill ENGINE=InnoDB", Lock: 250 * time.Second},
	}}
}

func (s *stock) Way() credit.Way { return credit.Stock }

func (s *stock) ConvertStatements(context.Context) ([]store.Conversion, error) { return s.todo, nil }

func (s *stock) Convert(_ context.Context, progress func(store.Conversion, time.Duration)) error {
	if s.fail != nil {
		return s.fail
	}
	s.converted = true
	for _, c := range s.todo {
		progress(c, 1234*time.Millisecond)
	}
	return nil
}

func TestConvert(t *testing.T) {
	for _, row := range []struct {
		name, answer string
		yes          bool
		want         bool
	}{
		{"agreed", "yes\n", false, true},
		{"agreed without a line's end", "yes", false, true},
		{"refused", "no\n", false, false},
		{"y is not enough", "y\n", false, false},
		{"nobody there", "", false, false},
		{"asks nothing", "", true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			e := &environment{stdin: strings.NewReader(row.answer), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
			s := newStock()
			err := e.convert(t.Context(), s, row.yes)
			if s.converted != row.want || (err == nil) != row.want {
				t.Errorf("converted %v, %v; want %v", s.converted, err, row.want)
			}
			for _, text := range []string{"ALTER TABLE cc_card ENGINE=InnoDB", "120000", "40.0 MB", "6 s", "5000000", "900.0 MB", "5 min"} {
				if !strings.Contains(stdout.String(), text) {
					t.Errorf("no %q in\n%s", text, stdout.String())
				}
			}
			if asked := strings.Contains(stderr.String(), "Convert now?"); asked == row.yes {
				t.Errorf("asked %v:\n%s", asked, stderr.String())
			}
		})
	}
}

func TestConvertFails(t *testing.T) {
	e := &environment{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
	s := newStock()
	s.fail = errors.New("somebody's query holds the table")
	if err := e.convert(t.Context(), s, true); !errors.Is(err, s.fail) {
		t.Errorf("convert: %v", err)
	}
}

func TestNothingToConvert(t *testing.T) {
	s := newShell(t)
	if r := s.run("a2billing", "convert"); r.code != exitOK || !strings.Contains(r.remark, `Nothing to convert: grants are run in the way "transaction"`) {
		t.Errorf("exit %d, %s", r.code, r.remark)
	}
}
