package fakeasterisk

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitArgs(t *testing.T) {
	for line, want := range map[string][]string{
		`STREAM FILE "w3 x" ""`:        {"STREAM", "FILE", "w3 x", ""},
		`SET VARIABLE A "say ""x"" z"`: {"SET", "VARIABLE", "A", "say x z"},
		`a\ b "c\"d" e\\f`:             {"a b", `c"d`, `e\f`},
		"  a\tb  ":                     {"a", "b"},
		`a"b c"d`:                      {"ab cd"},
		``:                             nil,
	} {
		if got := splitArgs(line); !slices.Equal(got, want) {
			t.Errorf("splitArgs(%s) = %q, want %q", line, got, want)
		}
	}
}

// latePipe is a pipe on a busy machine: the deadline has passed before the first
// tries.
type latePipe struct {
	late    int
	written string
}

func (p *latePipe) SetWriteDeadline(time.Time) error { return nil }

func (p *latePipe) Write(b []byte) (int, error) {
	if p.late--; p.late >= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	p.written += string(b)
	return len(b), nil
}

func TestWriteInTime(t *testing.T) {
	for late, want := range map[int]string{0: "200 result=0\n", 2: "200 result=0\n", 3: ""} {
		p := &latePipe{late: late}
		err := writeInTime(p, []byte("200 result=0\n"))
		if p.written != want || (err == nil) != (want != "") {
			t.Errorf("%d times late: %q was written, %v", late, p.written, err)
		}
	}
}

// Whatever stands between quotes, with quotes and backslashes escaped, is one
// argument.
func FuzzSplitArgs(f *testing.F) {
	f.Add(`say "x" and \ y`)
	f.Add("tab\tand  spaces")
	f.Fuzz(func(t *testing.T, arg string) {
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(arg)
		if got := splitArgs(`X "` + quoted + `" Y`); !slices.Equal(got, []string{"X", arg, "Y"}) {
			t.Errorf("%q became %q", arg, got)
		}
	})
}

// What a caller sends is evaluated neither when it is read nor when it is
// filtered, and a filter lets nothing else through.
func FuzzSubstitute(f *testing.F) {
	f.Add("${SHELL(id)}")
	f.Add("10\n00,1)}")
	f.Fuzz(func(t *testing.T, caller string) {
		s := newSession(&Call{CallerID: caller})
		if got := s.substitute("<${CALLERID(num)}>"); got != "<"+caller+">" {
			t.Errorf("%q became %q", caller, got)
		}
		if got := s.substitute("${FILTER(0-9+,${CALLERID(num)})}"); strings.Trim(got, "0123456789+") != "" {
			t.Errorf("%q passed the filter as %q", caller, got)
		}
	})
}

// A line of a transcript stays one line, whatever a caller sent.
func FuzzPrintable(f *testing.F) {
	f.Add("10\nagistatus SUCCESS")
	f.Add("\xe9\u2028")
	f.Fuzz(func(t *testing.T, hostile string) {
		if got := printable(hostile); strings.ContainsAny(got, "\r\n\x1b\u2028") {
			t.Errorf("printable(%q) = %q", hostile, got)
		}
	})
}
