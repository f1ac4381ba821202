// Package agi speaks the Asterisk Gateway Interface on a pair of streams: the
// channel's variables once, then one command and one reply, in turn. One
// [Session] serves one call from one goroutine; only [Session.SetReadDeadline]
// and [Session.HungUp] may be called from others.
//
// # Use
//
// [New], then [Session.Attach] (or [Session.Init], which a program written for
// github.com/zaf/agi already calls), then the commands, a method each. Nothing
// but commands may go to the output: Asterisk answers a stray line as if it
// were a command, and every later reply is off by one. A Go program that
// Asterisk starts must catch SIGHUP, which Asterisk sends at hangup, and
// SIGPIPE, or it dies of them before it has read the reply under way.
//
// # Trust
//
// What comes from Asterisk holds what callers chose: a caller ID with a newline
// in it forges lines of the environment and whole replies. A session is
// therefore strict unless [Session.Lax] is set: strict.go has every rule with
// the reason for it. Arguments are data: they are quoted, and one that AGI
// cannot carry is refused with [ErrArgument] before anything is written.
//
// # Units
//
// Timeouts are milliseconds as on the wire, except where a comment says seconds.
// [Reply.Endpos] counts samples of the file's own rate. Dates are Unix seconds.
//
// # Errors
//
// errors.go lists them. Those that leave the streams in step (a hangup, a
// command refused) leave the session usable; after any other one every command
// returns that same error and writes nothing.
//
// Source: Asterisk's res/res_agi.c, and what Asterisk 16 and 22 were seen to send.
package agi

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// environmentTime is how long Asterisk may take from Attach to the end of the
// environment. It sends all of it in one go, within a millisecond.
const environmentTime = 5 * time.Second

// Session is one AGI conversation with one channel.
type Session struct {
	// Env has the channel's variables by their names without "agi_":
	// Env["callerid"], Env["arg_1"]. Values are as Asterisk sent them, and many
	// are chosen by the caller. Empty when the environment was refused.
	Env map[string]string

	// Lax, set before Attach or Init, drops the rules of strict.go, for replies
	// piped ahead from a shell. A FastAGI connection is strict all the same.
	Lax bool

	r      *bufio.Reader
	w      io.Writer // each write is a command, and is under way when it returns
	src    *source
	strict bool
	fatal  error // what every command returns from now on

	hungUp atomic.Bool

	mu    sync.Mutex // guards what follows: deadlines are set from any goroutine
	ready *source    // src, for those other goroutines; nil until attached
	user  time.Time  // the deadline that the program asked for
	own   time.Time  // a deadline of ours: the environment's, or that of a playing to be stopped
	limit time.Duration
}

// New makes a session that still needs Init or Attach.
func New() *Session {
	return &Session{Env: map[string]string{}, limit: environmentTime}
}

// Init reads the environment from rw, or when rw is nil from standard input,
// with commands going to standard output. Behind a given rw the session sees
// neither a descriptor nor a deadline; Attach is the safer choice.
func (s *Session) Init(rw *bufio.ReadWriter) error {
	if rw == nil {
		return s.Attach(os.Stdin, os.Stdout)
	}
	if rw.Reader == nil || rw.Writer == nil {
		return fmt.Errorf("agi: Init: %w: it needs a reader and a writer", ErrArgument)
	}
	return s.open(rw.Reader, flushed{rw.Writer}, &source{})
}

// Attach reads the environment from in and will write commands to out. It asks
// in for two things besides bytes. Where in is a file or a connection, how many
// bytes wait there (FIONREAD, which reads none) is known before each command.
// Where in can wait with a limit, SetReadDeadline works and the environment must
// be complete within 5 s; Attach takes over in's read deadline. Files that Go
// opened without deadlines, such as standard input, get them by poll(2), so
// that no flag of a descriptor shared with others is changed. A lax session at
// a terminal has no time limit: a person is typing.
//
// On a FastAGI connection (agi_network) one NOOP is answered before Attach
// returns. The streams stay the caller's to close, after Close.
func (s *Session) Attach(in io.Reader, out io.Writer) error {
	src := newSource(in)
	return s.open(bufio.NewReaderSize(src, 1024), out, src) // an environment has half of that, and a reply fewer
}

// open reads the environment, applies the rules and, for FastAGI, sends NOOP.
func (s *Session) open(r *bufio.Reader, w io.Writer, src *source) error {
	if s.fatal != nil {
		return s.fatal
	}
	if s.r != nil {
		return fmt.Errorf("agi: %w: the session is already open; make a new one for each call", ErrArgument)
	}
	s.r, s.w, s.src = r, w, src
	s.beginOpening()
	env, err := s.environment()
	if err == nil {
		s.Env = env
		err = s.greet()
	}
	s.setOwnDeadline(time.Time{})
	if err != nil {
		s.Env = map[string]string{} // nothing of a refused environment is used
		return s.fail("environment", s.timeOfOpening(err))
	}
	return nil
}

// SetReadDeadline bounds every wait for Asterisk from now on, a command under
// way included; the zero time removes the bound. A wait that reaches it ends in
// ErrDeadline and ends the session, since the reply still owed would be taken
// for the next one. It returns os.ErrNoDeadline before Attach, after Init with
// a ReadWriter, and when in cannot wait with a limit.
func (s *Session) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = t
	return s.applyDeadline()
}

// HungUp reports whether Asterisk has said that the channel is gone, by a
// HANGUP line or by 511. Commands may still be sent: a dead channel answers
// NOOP, VERBOSE, GET and SET VARIABLE, DATABASE and EXEC.
func (s *Session) HungUp() bool { return s.hungUp.Load() }

// Close ends the session and releases what Attach took, never the streams.
// Not to be called while a command is under way.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal == nil {
		s.fatal = fmt.Errorf("agi: %w: the session was ended by Close", ErrClosed)
	}
	src := s.ready
	s.ready = nil
	if src == nil {
		return nil
	}
	return src.close()
}

// fail ends the session: every later command returns this error.
func (s *Session) fail(doing string, err error) error {
	s.fatal = fmt.Errorf("agi: %s: %w", doing, err)
	return s.fatal
}
