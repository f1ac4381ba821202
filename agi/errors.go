package agi

import "errors"

// These leave the streams in step: the session goes on.
var (
	// ErrHangup: Asterisk answered 511, the channel is gone. A command that a
	// dead channel still answers may follow; see Session.HungUp.
	ErrHangup = errors.New("the channel is hung up")

	// ErrUnknownCommand: 510, Asterisk does not know the command (its module is
	// not loaded, or RawCommand was misspelt).
	ErrUnknownCommand = errors.New("command unknown to Asterisk")

	// ErrUsage: 520, an argument is missing or of the wrong kind. The error is
	// a *UsageError with Asterisk's own help.
	ErrUsage = errors.New("arguments refused by Asterisk")

	// ErrFailed: 503, Asterisk could not carry the command out (no memory).
	ErrFailed = errors.New("command failed inside Asterisk")

	// ErrArgument: AGI cannot carry the argument (a line break, a NUL, too long,
	// too many). Nothing was written. Also a wrong use of Init or Attach.
	ErrArgument = errors.New("argument refused")
)

// These end the session: every later command returns the same error and writes
// nothing.
var (
	// ErrClosed: the other side closed, also in the middle of a line, or
	// reading or writing failed. Nothing can follow.
	ErrClosed = errors.New("the AGI connection is closed")

	// ErrNotAGI: what was read is not AGI: no environment where one belongs, or
	// a line that is no reply.
	ErrNotAGI = errors.New("this is not AGI")

	// ErrForged: a line that Asterisk would not have sent then: a key of the
	// environment twice, a line in it without agi_, keys missing, or bytes that
	// wait before a command was written. Treat the call as an attack.
	ErrForged = errors.New("forged AGI input")

	// ErrEnvironmentSize: the environment has no end within 64 KiB.
	ErrEnvironmentSize = errors.New("the AGI environment is larger than 64 KiB")

	// ErrEnvironmentTime: the environment was not complete (on FastAGI: and one
	// NOOP answered) in 5 s.
	ErrEnvironmentTime = errors.New("the AGI environment did not end in time")

	// ErrReplySize: a reply larger than 64 KiB.
	ErrReplySize = errors.New("the AGI reply is larger than 64 KiB")

	// ErrDeadline: the time set by SetReadDeadline came before the reply. The
	// error also matches os.ErrDeadlineExceeded.
	ErrDeadline = errors.New("no AGI reply before the deadline")
)

// UsageError is the reply 520. It matches ErrUsage.
type UsageError struct {
	Usage string // Asterisk's help for the command, lines parted by \n; may be empty
}

func (e *UsageError) Error() string {
	if e.Usage == "" {
		return ErrUsage.Error()
	}
	return ErrUsage.Error() + "; its usage:\n" + e.Usage
}

// Unwrap makes errors.Is(err, ErrUsage) true.
func (e *UsageError) Unwrap() error { return ErrUsage }

// inStep reports whether the session can go on after err.
func inStep(err error) bool {
	for _, ok := range []error{ErrHangup, ErrUnknownCommand, ErrUsage, ErrFailed} {
		if errors.Is(err, ok) {
			return true
		}
	}
	return false
}
