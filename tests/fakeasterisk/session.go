package fakeasterisk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"time"
)

// The values of AGISTATUS.
const (
	Success  = "SUCCESS"
	Failure  = "FAILURE"
	NotFound = "NOTFOUND"
	Hangup   = "HANGUP"
)

// Channel states, as CHANNEL STATUS says them.
const (
	stateRinging = 4
	stateUp      = 6
)

// session is one call in progress. One goroutine owns it; only the recorder is
// shared with the goroutine that reads stderr.
type session struct {
	call *Call
	proc *process
	rec  *recorder

	vars     map[string]string
	wrote    map[string]string // the vars that the program set
	database map[string]string
	up       bool // answered
	progress bool // early media: the caller hears before the answer

	busy   bool // a command is being carried out
	deaf   bool // and goes on whatever the program writes
	hung   bool // the caller is gone, or the program hung up
	dead   bool // and res_agi has noticed: channel commands are refused
	byAGI  bool // hung by the command HANGUP
	failed bool // a handler failed on a living channel
	left   bool // Asterisk has closed its ends and gone on
	hungAt time.Time

	waiting []waiting
	due     []due // by time
	outside chan Act
	forged  *Act
	held    *line  // read while something was played
	played  string // a sound that ended with the command in progress
	packets int64  // of sound, sent to the caller
	said    string // the last figure of what was said last
}

func newSession(c *Call) *session {
	s := &session{
		call: c, rec: newRecorder(c.OnEvent), outside: make(chan Act),
		vars: map[string]string{}, wrote: map[string]string{}, database: map[string]string{},
	}
	maps.Copy(s.vars, c.Variables)
	maps.Copy(s.database, c.Database)
	for _, a := range c.Acts {
		s.waiting = append(s.waiting, waiting{act: a})
	}
	return s
}

// unplayable is the end of a call whose program can't be run.
func (s *session) unplayable(status string) *Transcript {
	t := s.rec.transcript()
	t.AGIStatus, t.ExitCode, t.Variables = status, killedExit, map[string]string{}
	return t
}

// finish completes the transcript once the program has ended.
func (s *session) finish(exit *os.ProcessState) {
	s.rec.stderr.flush()
	t := s.rec.transcript()
	t.Ended = s.proc.at.Sub(s.rec.start)
	if exit != nil { // over FastAGI nobody knows how a program ended
		t.ExitCode = exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			t.Killed = signalName(ws.Signal())
		}
	}
	t.Answered, t.HungUp = s.up, s.hung
	if s.hung {
		t.Outlived = max(s.proc.at.Sub(s.hungAt), 0)
	}
	t.Variables = s.wrote
	switch {
	case s.failed || s.byAGI:
		t.AGIStatus = Failure // whatever comes after
	case s.hung:
		t.AGIStatus = Hangup
	case exit != nil && !exit.Success():
		t.AGIStatus = Failure
	default:
		t.AGIStatus = Success
	}
}

// writeEnvironment writes what the program reads first, or what is forged in its
// place.
func (s *session) writeEnvironment() {
	s.reach(callStart, "", 0)
	env := s.call.environment()
	if s.call.EnvInstead != nil {
		env = s.call.EnvInstead
	}
	for _, l := range strings.SplitAfter(string(env), "\n") {
		if l != "" {
			s.rec.event(Env, strings.TrimSuffix(l, "\n"))
		}
	}
	if s.call.EnvEndless {
		s.proc.writeEndless(strings.TrimSuffix(string(env), "\n\n") + "\n")
		return
	}
	s.deliver(append(env, s.call.EnvTail...))
}

// run answers commands until the program closes its stdout, Asterisk leaves or
// ctx ends.
func (s *session) run(ctx context.Context) {
	for !s.left {
		if s.held == nil { // idle: keys are read and dropped
			s.pause(ctx, -1, "")
		}
		if s.left || s.held == nil || ctx.Err() != nil {
			return
		}
		l := *s.held
		s.held = nil
		s.command(ctx, l.text)
	}
}

// why a pause ended
type why int

const (
	timeUp     why = iota
	keyPressed     // one that was asked for
	callerGone
	newCommand // or the end of the commands
	cutShort   // by the context
)

// pause lets time pass (without end when d is less than 0) and does what falls
// due meanwhile. It ends early with a key of stop, and as Asterisk's waits do
// when the program writes another command.
func (s *session) pause(ctx context.Context, d time.Duration, stop string) (time.Duration, why, string) {
	if s.busy && s.hung {
		return 0, callerGone, ""
	}
	start := time.Now()
	passed := func() time.Duration { return time.Since(start) }
	for {
		left := time.Duration(1<<62 - 1)
		if d >= 0 {
			left = d - passed()
		}
		if len(s.due) > 0 && !s.due[0].at.After(time.Now().Add(left)) {
			if until := time.Until(s.due[0].at); until > 0 {
				left = until
			} else if w, key := s.happen(stop); w != timeUp {
				return passed(), w, key
			} else {
				continue
			}
		} else if left <= 0 {
			return d, timeUp, ""
		}
		if w := s.sleep(ctx, left); w != timeUp {
			return passed(), w, ""
		}
	}
}

// happen does the first thing that is due and says whether it ends a pause.
func (s *session) happen(stop string) (why, string) {
	hung := s.hung
	key := s.perform()
	switch {
	case s.left:
		return newCommand, ""
	case s.hung && !hung && s.busy:
		return callerGone, ""
	case key != "" && strings.Contains(stop, key):
		return keyPressed, key
	}
	return timeUp, ""
}

// sleep waits for d, the next command, or the end of ctx.
func (s *session) sleep(ctx context.Context, d time.Duration) why {
	timer := time.NewTimer(d)
	defer timer.Stop()
	lines := s.proc.lines
	if s.held != nil || s.deaf {
		lines = nil
	}
	select {
	case <-timer.C:
		return timeUp
	case a := <-s.outside:
		s.schedule(time.Now().Add(a.when.after), a)
		return timeUp
	case l, ok := <-lines:
		if !ok {
			return newCommand
		}
		s.held = &l
		if s.busy && l.early {
			return timeUp // not seen before the command in progress is done
		}
		return newCommand
	case <-ctx.Done():
		return cutShort
	}
}

// command carries out one command and sends its reply.
func (s *session) command(ctx context.Context, text string) {
	s.rec.event(Command, text)
	if s.hung && !s.dead {
		s.notice()
		if s.left {
			return
		}
	}
	s.busy = true
	s.reach(commandStart, text, 0)
	s.settle()
	var reply string
	if f := s.forged; f != nil {
		s.forged = nil
		s.pause(ctx, f.when.after, "")
		s.rec.event(Wire, "forges the reply")
		reply = f.text
	} else {
		reply = s.execute(ctx, splitArgs(text))
	}
	// SIGHUP comes before the reply in progress, the line HANGUP after it, and
	// after its own reply when the program hung up.
	if s.hung && !s.dead && !s.byAGI && !s.call.HangupLine {
		s.notice()
	}
	if reply != "" {
		s.reply(reply)
	}
	if s.hung && !s.dead {
		s.notice()
	}
	s.busy = false
	if s.played != "" {
		s.reach(soundEnd, s.played, 0)
		s.played = ""
	}
	s.reach(commandEnd, text, 0)
	s.settle()
}

// hangUp ends the channel; the program learns of it when the command in progress
// is answered, or else some time later.
func (s *session) hangUp() {
	if s.hung {
		return
	}
	s.hung, s.hungAt = true, time.Now()
	s.rec.event(Caller, "hangs up")
	if !s.busy {
		s.schedule(s.hungAt.Add(s.call.HangupNotice), Act{do: notice})
	}
}

// notice is where res_agi sees the hangup: it tells the program, unless AGISIGHUP
// says no, and refuses channel commands from here on. A command that comes
// between the hangup and SIGHUP is taken to make res_agi look, so it finds a dead
// channel too; that second was not measured.
func (s *session) notice() {
	if s.dead {
		return
	}
	s.dead = true
	if !isFalse(s.vars["AGISIGHUP"]) {
		if s.call.HangupLine {
			s.reply("HANGUP")
		} else {
			s.rec.event(Signalled, "SIGHUP")
			s.signal(syscall.SIGHUP)
		}
	}
	s.left = s.left || isTrue(s.vars["AGIEXITONHANGUP"])
}

// signal sends the program a signal; one that has ended needs none.
func (s *session) signal(sig syscall.Signal) {
	if err := s.proc.signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.rec.note(fmt.Sprintf("%s was not delivered: %v", signalName(sig), err))
	}
}

// reply sends a reply and its end of line.
func (s *session) reply(text string) {
	for _, l := range strings.Split(text, "\n") {
		s.rec.event(Reply, l)
	}
	s.deliver([]byte(text + "\n"))
}

func (s *session) deliver(b []byte) {
	if err := s.proc.write(b); err != nil {
		s.rec.note("the program does not read its stdin: " + err.Error())
	}
}

// isTrue and isFalse are ast_true and ast_false.
func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "yes", "true", "y", "t", "1", "on":
		return true
	}
	return false
}

func isFalse(s string) bool {
	switch strings.ToLower(s) {
	case "no", "false", "n", "f", "0", "off":
		return true
	}
	return false
}
