package agi_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"adcredit/agi"
)

// watched is a FastAGI session after its greeting, and Asterisk's end of it.
func watched(t *testing.T) (*agi.Session, io.ReadWriteCloser) {
	t.Helper()
	ours, asterisk := connection(t)
	go io.WriteString(asterisk, fastAGI)
	greeted := make(chan struct{})
	go func() {
		defer close(greeted)
		io.ReadFull(asterisk, make([]byte, len("NOOP\n")))
		io.WriteString(asterisk, "200 result=0\n")
	}()
	s := agi.New()
	if err := s.Attach(ours, ours); err != nil {
		t.Fatal(err)
	}
	<-greeted
	t.Cleanup(func() { s.Close() })
	return s, asterisk
}

// patience is what a busy machine may need.
const patience = 10 * time.Second

func TestWatchHangup(t *testing.T) {
	for name, c := range map[string]struct {
		does  func(io.ReadWriteCloser)
		after error // what the next command finds
	}{
		"HANGUP": {func(w io.ReadWriteCloser) { io.WriteString(w, "HANGUP\n") }, agi.ErrHangup},
		"HANGUP, halved": {func(w io.ReadWriteCloser) {
			io.WriteString(w, "HAN")
			time.Sleep(50 * time.Millisecond)
			io.WriteString(w, "GUP\n")
		}, agi.ErrHangup},
		"closed": {func(w io.ReadWriteCloser) { w.Close() }, agi.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			s, asterisk := watched(t)
			gone := make(chan struct{})
			stop := s.WatchHangup(func() { close(gone) })
			c.does(asterisk)
			select {
			case <-gone:
			case <-time.After(patience):
				t.Fatal("nobody noticed")
			}
			stop()
			go func() {
				io.ReadFull(asterisk, make([]byte, len("CHANNEL STATUS\n")))
				io.WriteString(asterisk, "511 Command Not Permitted on a dead channel or intercept routine\n")
			}()
			if _, err := s.ChannelStatus(); !errors.Is(err, c.after) {
				t.Errorf("the next command: %v, want %v", err, c.after)
			}
			if errors.Is(c.after, agi.ErrHangup) {
				told := make(chan struct{})
				defer s.WatchHangup(func() { close(told) })()
				select {
				case <-told:
				case <-time.After(patience):
					t.Error("a second watch does not know it")
				}
			}
		})
	}
}

// TestWatchLeavesForgeriesAlone: what comes while we wait is found by the next
// command, as without a watch, and nobody is taken to have hung up.
func TestWatchLeavesForgeriesAlone(t *testing.T) {
	for _, forged := range []string{
		"200 result=0 endpos=160000\n", "HANGUP\n200 result=0 endpos=160000\n", "HANGUP\nHANGUP\n", "HANGUPS\n", "HANG", "\n",
	} {
		t.Run(forged, func(t *testing.T) {
			s, asterisk := watched(t)
			stop := s.WatchHangup(func() {
				if !strings.HasPrefix(forged, "HANG") { // a hangup may have been there alone for a moment
					t.Error("taken for a hangup")
				}
			})
			if _, err := io.WriteString(asterisk, forged); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * agi.Unwatched) // to come, and to be looked at; in vain it would be found later all the same
			stop()
			if _, err := s.StreamFile("ad", ""); !errors.Is(err, agi.ErrForged) {
				t.Errorf("the next command: %v, want %v", err, agi.ErrForged)
			}
		})
	}
}

// TestWatchEnds: a watch in vain costs nothing, and commands go on behind it.
func TestWatchEnds(t *testing.T) {
	s, asterisk := watched(t)
	for _, after := range []time.Duration{0, 0, agi.Unwatched, 3 * agi.Unwatched, 0} {
		stop := s.WatchHangup(func() { t.Error("taken for a hangup") })
		time.Sleep(after)
		stop()
		go func() {
			io.ReadFull(asterisk, make([]byte, len("NOOP\n")))
			io.WriteString(asterisk, "200 result=0\n")
		}()
		if _, err := s.Noop(); err != nil {
			t.Fatal(err)
		}
	}
}
