package agi_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"adcredit/agi"
)

// deadlines are the three ways a wait is bounded: by poll on a blocking pipe, by
// Go on a pipe of its own, by the connection.
var deadlines = map[string]func(*testing.T) (toUs io.Writer, ours io.Reader){
	"blocking pipe, as standard input": func(t *testing.T) (io.Writer, io.Reader) { r, w := pipe(t); return w, r },
	"pipe that Go polls": func(t *testing.T) (io.Writer, io.Reader) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return w, r
	},
	"TCP": func(t *testing.T) (io.Writer, io.Reader) { a, b := tcp(t); return a, b },
}

func TestDeadline(t *testing.T) {
	for name, streams := range deadlines {
		open := func(t *testing.T) (*agi.Session, io.Writer) {
			toUs, ours := streams(t)
			if _, err := io.WriteString(toUs, asterisk22); err != nil {
				t.Fatal(err)
			}
			s := agi.New()
			t.Cleanup(func() { s.Close() })
			if err := s.Attach(ours, io.Discard); err != nil {
				t.Fatal(err)
			}
			return s, toUs
		}
		t.Run(name+", set before", func(t *testing.T) {
			s, toUs := open(t)
			if err := s.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			within(t, func() {
				_, err := s.StreamFile("ad", "")
				if !errors.Is(err, agi.ErrDeadline) || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				// The reply that comes too late must not answer the next command.
				io.WriteString(toUs, forgedEnd)
				if _, again := s.StreamFile("ad", ""); again != err {
					t.Errorf("the next command: %v; want the same error", again)
				}
			})
		})
		t.Run(name+", set while waiting", func(t *testing.T) {
			s, _ := open(t)
			go func() {
				for range 100 { // far later ones first: each wakes the wait, none ends it
					s.SetReadDeadline(time.Now().Add(time.Hour))
				}
				s.SetReadDeadline(time.Now())
			}()
			within(t, func() {
				if _, err := s.StreamFile("ad", ""); !errors.Is(err, agi.ErrDeadline) {
					t.Errorf("got %v", err)
				}
			})
		})
		t.Run(name+", taken back", func(t *testing.T) {
			s, toUs := open(t)
			err := errors.Join(s.SetReadDeadline(time.Now()), s.SetReadDeadline(time.Time{}))
			if err != nil {
				t.Fatal(err)
			}
			go func() { <-time.After(5 * time.Millisecond); io.WriteString(toUs, "200 result=0\n") }()
			within(t, func() {
				if _, err := s.Answer(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestDeadlineInTheEnvironmentIsTheProgramsOwn(t *testing.T) {
	w := newWire(t)
	w.write(asterisk22[:200])
	s := agi.New()
	defer s.Close()
	done := make(chan error)
	go func() { done <- s.Attach(w.in, w.out) }()
	within(t, func() {
		for s.SetReadDeadline(time.Now()) != nil { // not attached yet
		}
		if err := <-done; !errors.Is(err, agi.ErrDeadline) || errors.Is(err, agi.ErrEnvironmentTime) {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoDeadline(t *testing.T) {
	s := agi.New()
	if err := s.SetReadDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
		t.Errorf("before Attach: %v", err)
	}
	if err := s.Init(bufio.NewReadWriter(bufio.NewReader(strings.NewReader(asterisk22)), bufio.NewWriter(io.Discard))); err != nil {
		t.Fatal(err)
	}
	if err := s.SetReadDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
		t.Errorf("behind Init: %v", err)
	}
}

// TestFlagsAreLeftAlone: the open file may be shared with a shell or be our own
// output, so it must stay blocking.
func TestFlagsAreLeftAlone(t *testing.T) {
	s, w := call(t)
	before := flags(t, w.in)
	if err := s.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.answer("200 result=0\n")
	if _, err := s.Noop(); err != nil {
		t.Fatal(err)
	}
	if after := flags(t, w.in); after != before {
		t.Errorf("flags of the descriptor %#o, before %#o", after, before)
	}
}

func flags(t *testing.T, f *os.File) (flags int) {
	t.Helper()
	raw, err := f.SyscallConn()
	if err == nil {
		err = errors.Join(raw.Control(func(fd uintptr) { flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0) }), err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return flags
}
