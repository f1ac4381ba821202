package fakeasterisk

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// anchor is what a Moment is counted from.
type anchor int

const (
	callStart anchor = iota // the environment is about to be written
	soundStart
	soundEnd // played to its end, or stopped
	commandStart
	commandEnd // its reply has been sent
	outside    // of Asterisk: whoever plays the call says when
)

// A Moment is a point of a call. A Moment that never comes is not an error: the
// caller then did nothing. Once its beginning is reached the clock runs, whatever
// the program does: a hangup in the middle of a prompt also comes when the prompt
// is stopped before.
type Moment struct {
	from    anchor
	name    string // of the sound, or the beginning of the command
	nth     int
	percent float64
	after   time.Duration
	outside <-chan struct{}
}

// At is d after the start of the call.
func At(d time.Duration) Moment { return Moment{after: d} }

// During is the beginning of the first playing of a sound, named in full or by
// its last elements: "offer" is also "fr/offer" and "/sounds/fr/offer".
func During(sound string) Moment { return Moment{from: soundStart, name: sound, nth: 1} }

// AfterSound is the end of the first playing of a sound.
func AfterSound(sound string) Moment { return Moment{from: soundEnd, name: sound, nth: 1} }

// OnCommand is when the first command that begins with these letters has come
// and is not yet carried out; any command when beginning is empty.
func OnCommand(beginning string) Moment {
	return Moment{from: commandStart, name: beginning, nth: 1}
}

// AfterCommand is when that command has been answered.
func AfterCommand(beginning string) Moment {
	return Moment{from: commandEnd, name: beginning, nth: 1}
}

// When is when happened is closed: something that Asterisk does not see, such as
// a request of the program to somebody else.
func When(happened <-chan struct{}) Moment { return Moment{from: outside, outside: happened} }

// Nth takes the nth such sound or command, from 1.
func (m Moment) Nth(n int) Moment { m.nth = n; return m }

// Percent adds a part of the sound's length; only with [During].
func (m Moment) Percent(p float64) Moment { m.percent = p; return m }

// Plus adds time.
func (m Moment) Plus(d time.Duration) Moment { m.after += d; return m }

// matches says whether what happened is this kind of moment.
func (m Moment) matches(from anchor, name string) bool {
	switch {
	case m.from != from:
		return false
	case from == soundStart || from == soundEnd:
		return name == m.name || strings.HasSuffix(name, "/"+m.name)
	}
	return len(name) >= len(m.name) && strings.EqualFold(name[:len(m.name)], m.name)
}

// MomentHelp describes what [ParseMoment] reads.
const MomentHelp = `  300ms                 that long after the start of the call
  offer                 when the sound offer (or fr/offer, or /dir/offer) begins
  offer@1s              1 s into it
  ads/short@50%         at half of its length
  offer*2@1s            1 s into the second playing of it
  ads/short@end         when it has been played to its end or stopped
  ads/short@end+300ms   300 ms later
  cmd:ANSWER            when the first command that begins so has come
  cmd:SET VARIABLE*2    the second
  cmd:3                 when the third command of any kind has come
  cmd:3@end+1s          1 s after it was answered
`

// ParseMoment reads a Moment as [MomentHelp] describes.
func ParseMoment(s string) (Moment, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return At(d), nil
	}
	subject, point, found := cutLast(s, "@")
	name, nth := subject, 1
	if before, count, ok := cutLast(subject, "*"); ok {
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			return Moment{}, fmt.Errorf("moment %q: %q is not a count; write it like offer*2", s, count)
		}
		name, nth = before, n
	}
	m := During(name)
	if command, ok := strings.CutPrefix(name, "cmd:"); ok {
		m = OnCommand(command)
		if k, err := strconv.Atoi(command); err == nil {
			m, nth = OnCommand(""), k
		}
	} else if name == "" {
		return Moment{}, fmt.Errorf("moment %q names no sound or command; write it like offer@1s, cmd:ANSWER or 300ms", s)
	}
	m = m.Nth(nth)
	if !found {
		return m, nil
	}
	return m.parsePoint(s, point)
}

// parsePoint reads what follows the @ of s.
func (m Moment) parsePoint(s, point string) (Moment, error) {
	if percent, ok := strings.CutSuffix(point, "%"); ok && m.from == soundStart {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || p < 0 || p > 100 {
			return Moment{}, fmt.Errorf("moment %q: %q is not between 0%% and 100%%", s, point)
		}
		return m.Percent(p), nil
	}
	if rest, ok := strings.CutPrefix(point, "end"); ok {
		m.from++ // from the start to the end of the same thing
		if rest == "" {
			return m, nil
		}
		point = strings.TrimPrefix(rest, "+")
	}
	d, err := time.ParseDuration(point)
	if err != nil {
		return Moment{}, fmt.Errorf("moment %q: %q is no point in time; write it like offer@1s, offer@50%% or offer@end+300ms", s, point)
	}
	return m.Plus(d), nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
