package fakeasterisk

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// deed is the kind of an Act.
type deed int

const (
	press deed = iota
	hangUp
	inject
	closeStdin
	closeStdout
	sendSignal
	forge
	notice // Asterisk tells the program of the hangup; made by hangUp
)

// An Act is something that happens to the call at a [Moment].
type Act struct {
	when   Moment
	do     deed
	text   string // keys, or bytes
	signal syscall.Signal
}

// keyGap is the time between two keys of one Press.
const keyGap = 250 * time.Millisecond

// Press makes the caller press keys of 0-9, * and #, one each 250 ms; ? is the
// figure that was said last, by a caller who listens. A key that nobody waits for
// is lost, as with Asterisk.
func Press(when Moment, keys string) Act { return Act{when: when, do: press, text: keys} }

// HangUp makes the caller hang up. A playing in progress ends with result=-1, the
// program gets SIGHUP, and commands on the channel get 511 from then on.
func HangUp(when Moment) Act { return Act{when: when, do: hangUp} }

// Inject puts bytes on the program's stdin beside the replies.
func Inject(when Moment, bytes string) Act { return Act{when: when, do: inject, text: bytes} }

// CloseStdin ends the program's stdin; its commands are still read.
func CloseStdin(when Moment) Act { return Act{when: when, do: closeStdin} }

// CloseStdout closes Asterisk's end of the program's stdout: whatever the
// program writes next raises SIGPIPE. The call is then over for Asterisk.
func CloseStdout(when Moment) Act { return Act{when: when, do: closeStdout} }

// Signal sends the program a signal.
func Signal(when Moment, sig syscall.Signal) Act {
	return Act{when: when, do: sendSignal, signal: sig}
}

// Forge answers a command with reply instead of carrying it out, at once or as
// much later as when says; when is an [OnCommand]. The reply is sent as it is,
// without an end of line of its own; empty, there is none.
func Forge(when Moment, reply string) Act { return Act{when: when, do: forge, text: reply} }

// check refuses what can't be done.
func (a Act) check() error {
	switch {
	case a.do == press && (a.text == "" || strings.Trim(a.text, allKeys+saidKey) != ""):
		return fmt.Errorf("press %q: keys are %s%s", a.text, allKeys, saidKey)
	case a.do == forge && a.when.from != commandStart:
		return fmt.Errorf("forge %q: say of which command, like cmd:STREAM FILE", a.text)
	case a.when.percent != 0 && a.when.from != soundStart:
		return fmt.Errorf("a percentage is of a sound, like ads/short@50%%")
	}
	return nil
}

const (
	allKeys = "0123456789*#"
	saidKey = "?"
)

// due is an Act whose time is known.
type due struct {
	at  time.Time
	act Act
}

// waiting is an Act whose beginning has not been reached yet.
type waiting struct {
	act  Act
	seen int // how many such moments there were
}

// reach starts the clock of each act that was waiting for this; length is the
// sound's.
func (s *session) reach(from anchor, name string, length time.Duration) {
	now := time.Now()
	for i := range s.waiting {
		w := &s.waiting[i]
		if !w.act.when.matches(from, name) {
			continue
		}
		w.seen++
		if from != callStart && w.seen != w.act.when.nth {
			continue
		}
		if w.act.do == forge {
			s.forged = &w.act
			continue
		}
		part := time.Duration(float64(length) * w.act.when.percent / 100)
		s.schedule(now.Add(part+w.act.when.after), w.act)
	}
}

// schedule puts an act in its place by time; keys become one act each.
func (s *session) schedule(at time.Time, a Act) {
	if a.do == press && len(a.text) > 1 {
		for i, key := range a.text {
			s.schedule(at.Add(time.Duration(i)*keyGap), Press(a.when, string(key)))
		}
		return
	}
	i := len(s.due)
	for i > 0 && s.due[i-1].at.After(at) {
		i--
	}
	s.due = append(s.due[:i], append([]due{{at, a}}, s.due[i:]...)...)
}

// await hands on the acts whose moment comes from outside. It ends with the call.
func (s *session) await() {
	for _, a := range s.call.Acts {
		if a.when.from != outside {
			continue
		}
		s.proc.writer.Go(func() {
			select {
			case <-a.when.outside:
			case <-s.proc.gone:
				return
			}
			select {
			case s.outside <- a:
			case <-s.proc.gone:
			}
		})
	}
}

// perform does the first act that is due. It returns the key that was pressed,
// if any.
func (s *session) perform() (key string) {
	a := s.due[0].act
	s.due = s.due[1:]
	switch a.do {
	case press:
		key = strings.ReplaceAll(a.text, saidKey, s.said)
		if s.hung || key == "" { // or nothing was said yet
			return ""
		}
		s.rec.event(Caller, "presses "+key)
	case hangUp:
		s.hangUp()
	case notice:
		s.notice()
	case inject:
		s.rec.event(Wire, "injects "+printable(a.text))
		s.deliver([]byte(a.text))
	case closeStdin:
		s.rec.event(Wire, "closes stdin")
		_ = s.proc.stdin.Close() // closed already is as good
	case closeStdout:
		s.rec.event(Wire, "closes stdout")
		_ = s.proc.stdout.Close()
		s.left = true
	case sendSignal:
		s.rec.event(Wire, "sends "+signalName(a.signal))
		s.signal(a.signal)
	}
	return key
}

// settle does what is due by now.
func (s *session) settle() {
	for len(s.due) > 0 && !s.due[0].at.After(time.Now()) {
		s.perform()
	}
}
