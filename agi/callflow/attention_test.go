package callflow

import (
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/wire"
)

// asked is a call that is granted though a 7 is asked for at 2 s of its 5.5 s.
func asked() *situation {
	s := granted()
	s.bank.attention = &wire.Attention{AtMS: 2000, Digit: "7"}
	s.phone.keys = []byte{'1', '7'}
	s.phone.first = Played{Stopped: true, Took: 2004 * time.Millisecond}
	s.phone.played = Played{Finished: true, Endpos: 44000, Took: 4500 * time.Millisecond}
	return s
}

func TestAttention(t *testing.T) {
	const (
		first    = "speak fr, open, prompt offer, prompt accepted, play ads/mangalou-fr until 2s"
		question = ", prompt attention, digit 7"
		rest     = ", play ads/mangalou-fr from 8000" // a second earlier
		thanks   = ", prompt thanks, prompt balance, number 57"
	)
	for _, row := range []struct {
		name   string
		change func(*situation)
		status Status
		cause  string
		heard  string
		asked  string
	}{
		{"presses the digit", func(*situation) {}, Granted, "", first + question + rest + thanks, "complete l1"},
		{"presses it after it was said", func(s *situation) { s.phone.keys, s.phone.late = []byte{'1'}, '7' }, Granted, "", first + question + rest + thanks, "complete l1"},
		{"presses it at the second time", func(s *situation) { s.phone.keys = []byte{'1', 0, 0, '7'} }, Granted, "", first + question + question + rest + thanks, "complete l1"},
		{"presses it while asked again", func(s *situation) { s.phone.keys = []byte{'1', 0, '7'} }, Granted, "", first + question + ", prompt attention" + rest + thanks, "complete l1"},
		{"presses another digit", func(s *situation) { s.phone.keys = []byte{'1', '8', '7'} }, Abandoned, "inattentive", first + question + ", prompt cut", "abandon l1 inattentive"},
		{"goes on pressing what accepts ads", func(s *situation) { s.phone.keys, s.phone.late = []byte{'1', '1'}, '1' }, Abandoned, "inattentive", first + question + ", prompt cut", "abandon l1 inattentive"},
		{"is silent", func(s *situation) { s.phone.keys = []byte{'1'} }, Abandoned, "inattentive", first + question + question + ", prompt cut", "abandon l1 inattentive"},

		{"hangs up before the question", func(s *situation) { s.phone.goneAt = "play ads/mangalou-fr until 2s" }, Abandoned, "hangup", first, "abandon l1 hangup"},
		{"hangs up during the question", func(s *situation) { s.phone.goneAt = "prompt attention" }, Abandoned, "hangup", first + ", prompt attention", "abandon l1 hangup"},
		{"hangs up while the digit is said", func(s *situation) { s.phone.goneAt = "digit 7" }, Abandoned, "hangup", first + question, "abandon l1 hangup"},
		{"hangs up instead of a key", func(s *situation) { s.phone.keys, s.phone.goneAt = []byte{'1'}, "key" }, Abandoned, "hangup", first + question, "abandon l1 hangup"},
		{"hangs up after the question", func(s *situation) { s.phone.goneAt = "play ads/mangalou-fr from 8000" }, Abandoned, "hangup", first + question + rest, "abandon l1 hangup"},

		{"stops the ad before the question", func(s *situation) { s.phone.first = Played{Endpos: 800, Took: 100 * time.Millisecond} }, Abandoned, "stopped", first + ", prompt cut", "abandon l1 stopped"},
		{"stops the ad after the question", func(s *situation) { s.phone.played = Played{Endpos: 30000, Took: time.Second} }, Abandoned, "stopped", first + question + rest + ", prompt cut", "abandon l1 stopped"},
		{"on hold before the question", func(s *situation) { s.phone.first.Held = true }, Abandoned, "held", first + ", prompt cut", "abandon l1 held"},
		{"on hold after the question", func(s *situation) { s.phone.played.Held = true }, Abandoned, "held", first + question + rest + ", prompt cut", "abandon l1 held"},
		{"ad missing on this host", func(s *situation) { s.phone.first = Played{} }, Abandoned, "unplayable", first + ", prompt cut", "abandon l1 unplayable"},
		{"ad truncated before the question", func(s *situation) { s.phone.first = Played{Finished: true, Endpos: 8000, Took: time.Second} }, Abandoned, "short", first + ", prompt cut", "abandon l1 short"},
		{"ad that claims to be whole before the question", func(s *situation) {
			s.phone.first = Played{Finished: true, Endpos: 44000, Took: 5500 * time.Millisecond}
		}, Abandoned, "short", first + ", prompt cut", "abandon l1 short"},
		{"ad truncated after the question", func(s *situation) { s.phone.played.Endpos = 22000 }, Abandoned, "short", first + question + rest + ", prompt cut", "abandon l1 short"},
		{"forged end: no time has passed after the question", func(s *situation) { s.phone.played.Took = 10 * time.Millisecond }, Abandoned, "short", first + question + rest + ", prompt cut", "abandon l1 short"},
		{"what is heard twice makes up for nothing", func(s *situation) { s.phone.played.Took = 4300 * time.Millisecond }, Abandoned, "short", first + question + rest + ", prompt cut", "abandon l1 short"},

		{"creditapi judges otherwise", func(s *situation) { s.bank.completeErr = refused(wire.Inattentive) }, Refused, "inattentive", first + question + rest + ", prompt later", "complete l1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := asked()
			row.change(s)
			s.wantRun(t, row.status, row.cause, row.heard, 2, row.asked)
		})
	}
}

func TestAttentionReported(t *testing.T) {
	s := asked()
	Run(t.Context(), &s.phone, &s.bank, s.call, s.rules)
	if h := s.bank.heard[0]; h.AttentionDigit != "7" || h.Endpos != 44000 || h.PlayedMS != 5504 {
		t.Errorf("reported %+v", h)
	}
	s = asked()
	s.bank.attention.AtMS = 300 // there is no second to go back
	s.phone.first.Took = 300 * time.Millisecond
	s.phone.played.Took = 5500 * time.Millisecond
	Run(t.Context(), &s.phone, &s.bank, s.call, s.rules)
	if log := strings.Join(s.phone.log, ", "); !strings.Contains(log, "digit 7, play ads/mangalou-fr, ") {
		t.Errorf("the caller heard %s", log)
	}
	if h := s.bank.heard[0]; h.PlayedMS != 5500 {
		t.Errorf("reported %+v", h)
	}
}
