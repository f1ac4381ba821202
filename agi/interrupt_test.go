package agi_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"adcredit/agi"
)

func TestStreamFileFor(t *testing.T) {
	const dead = "511 Command Not Permitted on a dead channel or intercept routine\n"
	for _, row := range []struct {
		name    string
		limit   time.Duration
		replies []string // one for each command: STREAM FILE, and NOOP where it is stopped
		endpos  int64
		stopped bool
		err     error
		inStep  bool
	}{
		{"still playing at its limit", time.Millisecond, []string{"", "200 result=0\n"}, 0, true, nil, true},
		{"ends before", time.Minute, []string{"200 result=0 endpos=24000\n"}, 24000, false, nil, true},
		{"hangs up before", time.Minute, []string{"200 result=-1 endpos=9000\n"}, 9000, false, nil, true},
		{"gone before it began", time.Minute, []string{dead}, 0, false, agi.ErrHangup, true},
		{"hangs up as it is stopped", time.Millisecond, []string{"", "200 result=-1 endpos=9000\n200 result=0\n"}, 9000, false, nil, true},
		{"refused as it is stopped", time.Millisecond, []string{"", dead + "200 result=0\n"}, 0, false, agi.ErrHangup, true},
		{"two replies to one command", time.Minute, []string{"200 result=0 endpos=24000\n200 result=0\n"}, 0, false, agi.ErrForged, false},
		{"more than the reply that is due", time.Millisecond, []string{"", "200 result=0\n200 result=0 endpos=24000\n"}, 0, false, agi.ErrForged, false},
		{"no reply at all", time.Millisecond, []string{"", "HELLO\n"}, 0, false, agi.ErrNotAGI, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, w := call(t)
			w.answer(append(row.replies, "200 result=1\n")...) // the last to Verbose
			within(t, func() {
				r, stopped, err := s.StreamFileFor(row.limit, "ad", "", 8000)
				if !errors.Is(err, row.err) || err != nil && row.err == nil {
					t.Errorf("error %v; want %v", err, row.err)
				}
				if endpos, _ := r.Endpos(); stopped != row.stopped || endpos != row.endpos {
					t.Errorf("stopped %v at %d; want %v at %d", stopped, endpos, row.stopped, row.endpos)
				}
				// What leaves the streams in step answers the next command for itself.
				if r, err := s.Verbose("x"); (err == nil) != row.inStep || row.inStep && r.Res != 1 {
					t.Errorf("the next command: %+v, %v", r, err)
				}
			})
		})
	}
}

func TestStreamFileForWithDeadline(t *testing.T) {
	s, w := call(t)
	if err := s.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	within(t, func() {
		if _, _, err := s.StreamFileFor(time.Minute, "ad", ""); !errors.Is(err, agi.ErrDeadline) {
			t.Errorf("the program's own deadline: %v", err)
		}
	})
	if got := w.written(); len(got) != 1 {
		t.Errorf("wrote %q", got)
	}
}

// Behind a ReadWriter no wait can be bounded: nothing is played then.
func TestStreamFileForWithoutDeadlines(t *testing.T) {
	var out strings.Builder
	s := agi.New()
	if err := s.Init(bufio.NewReadWriter(bufio.NewReader(strings.NewReader(asterisk22)), bufio.NewWriter(&out))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.StreamFileFor(time.Millisecond, "ad", ""); !errors.Is(err, os.ErrNoDeadline) || out.Len() > 0 {
		t.Errorf("error %v, wrote %q", err, out.String())
	}
	if _, _, err := s.StreamFileFor(time.Millisecond, "a\nd", ""); !errors.Is(err, agi.ErrArgument) {
		t.Errorf("a name of two lines: %v", err)
	}
}

// It stops a playing on every kind of stream that can wait with a limit.
func TestStreamFileForOn(t *testing.T) {
	for name, streams := range deadlines {
		t.Run(name, func(t *testing.T) {
			toUs, ours := streams(t)
			if _, err := io.WriteString(toUs, asterisk22); err != nil {
				t.Fatal(err)
			}
			s := agi.New()
			t.Cleanup(func() { s.Close() })
			if err := s.Attach(ours, asterisk(func(command string) {
				if command == "NOOP\n" {
					io.WriteString(toUs, "200 result=0\n")
				}
			})); err != nil {
				t.Fatal(err)
			}
			within(t, func() {
				for range 3 { // the deadline of one must not end the next
					if r, stopped, err := s.StreamFileFor(5*time.Millisecond, "ad", ""); !stopped || err != nil {
						t.Errorf("%+v, stopped %v: %v", r, stopped, err)
					}
				}
				if r, err := s.Noop(); err != nil || r.Res != 0 {
					t.Errorf("the next command: %+v, %v", r, err)
				}
			})
		})
	}
}

// asterisk is what hears our commands, one in each write.
type asterisk func(command string)

func (a asterisk) Write(b []byte) (int, error) { a(string(b)); return len(b), nil }
