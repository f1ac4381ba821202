package callflow

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"adcredit/agi"
)

// TestHeld: what counts is how many packets left Asterisk while the ad played, and
// where nobody counts, nobody is judged.
func TestHeld(t *testing.T) {
	for _, row := range []struct {
		name          string
		driver        string
		before, after string
		packet        time.Duration
		endpos        int
		held          bool
	}{
		{"all", "PJSIP", "100", "375", 20 * time.Millisecond, 44000, false},
		{"all but what is lost in any call", "PJSIP", "100", "345", 20 * time.Millisecond, 44000, false},
		{"none", "PJSIP", "100", "100", 20 * time.Millisecond, 44000, true},
		{"two seconds of hold", "PJSIP", "100", "275", 20 * time.Millisecond, 44000, true},
		{"a count that runs backwards", "PJSIP", "100", "3", 20 * time.Millisecond, 44000, true},
		{"a count that is gone", "PJSIP", "100", "", 20 * time.Millisecond, 44000, true},
		{"no count", "PJSIP", "", "", 20 * time.Millisecond, 44000, false},
		{"longer packets", "PJSIP", "0", "92", 60 * time.Millisecond, 44000, false},
		{"chan_sip", "SIP", "7", "7", 20 * time.Millisecond, 44000, true},
		{"another driver", "IAX2", "0", "0", 20 * time.Millisecond, 44000, false},
		{"nobody counts", "PJSIP", "0", "0", 0, 44000, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, asterisk := played(t, row.driver, row.before, row.after, row.endpos)
			a := &AGI{Session: s, PacketTime: row.packet}
			p, err := a.Play("ads/x", "", 0, 0)
			if err != nil || !p.Finished || p.Held != row.held {
				t.Errorf("%+v, %v; want held: %v", p, err, row.held)
			}
			if asked := strings.Contains(asterisk(), "CHANNEL"); asked != (row.driver != "IAX2" && row.packet > 0) {
				t.Errorf("asked for packets: %v", asked)
			}
		})
	}
}

// played is a session whose Asterisk plays one file, in 5.5 s of its clock, and
// counts packets before and after; and all that it was asked.
func played(t *testing.T, driver, before, after string, endpos int) (*agi.Session, func() string) {
	t.Helper()
	fromAsterisk, replies := io.Pipe()
	commands, toAsterisk := io.Pipe()
	s := agi.New()
	t.Cleanup(func() { replies.Close(); toAsterisk.Close() })
	var asked strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		fmt.Fprintf(replies, environment, driver)
		counts := []string{before, after}
		in := bufio.NewScanner(commands)
		for in.Scan() {
			asked.WriteString(in.Text() + "\n")
			if strings.HasPrefix(in.Text(), "STREAM FILE") {
				fmt.Fprintf(replies, "200 result=0 endpos=%d\n", endpos)
				continue
			}
			fmt.Fprintf(replies, "200 result=1 (%s)\n", counts[0])
			counts = counts[1:]
		}
	}()
	if err := s.Init(bufio.NewReadWriter(bufio.NewReader(fromAsterisk), bufio.NewWriter(toAsterisk))); err != nil {
		t.Fatal(err)
	}
	return s, func() string { toAsterisk.Close(); <-done; return asked.String() }
}
