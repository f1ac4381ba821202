package agi

import (
	"fmt"
	"strings"
)

// Commands for the dialplan: applications, variables, where it goes on.

// Exec runs an application. Commas in options part its arguments: see AppArg
// for a value that may hold some. Res is what the application returns, -2 when
// there is none of that name.
func (s *Session) Exec(app, options string) (Reply, error) {
	return s.send("EXEC", app, options)
}

// Failure asks for AGISTATUS to be FAILURE. Asterisk versions that lack the
// command answer ErrUnknownCommand.
func (s *Session) Failure() (Reply, error) {
	return s.send("FAILURE")
}

// GetFullVariable evaluates an expression such as ${CALLERID(num)}, for this
// channel or the one named. Res is 1 with the value in Dat, or 0 when there is
// none.
func (s *Session) GetFullVariable(variable string, channel ...string) (Reply, error) {
	return s.send("GET FULL VARIABLE", variable, channel)
}

// GetVariable reads a variable. Res is 1 with the value in Dat, or 0 when it
// is not set.
func (s *Session) GetVariable(variable string) (Reply, error) {
	return s.send("GET VARIABLE", variable)
}

// GoSub runs a subroutine of the dialplan until its Return; args are parted by
// commas. Res is 0, or negative when that failed.
func (s *Session) GoSub(context, extension, priority, args string) (Reply, error) {
	return s.send("GOSUB", context, extension, priority, args)
}

// Noop does nothing; Asterisk may log params. Res is 0.
func (s *Session) Noop(params ...any) (Reply, error) {
	return s.send("NOOP", params)
}

// SetContext sets the context where the dialplan goes on. Res is 0.
func (s *Session) SetContext(context string) (Reply, error) {
	return s.send("SET CONTEXT", context)
}

// SetExtension sets the extension where the dialplan goes on. Res is 0.
func (s *Session) SetExtension(ext string) (Reply, error) {
	return s.send("SET EXTENSION", ext)
}

// SetPriority sets the priority, a number or a label, where the dialplan goes
// on. Res is 0.
func (s *Session) SetPriority(priority string) (Reply, error) {
	return s.send("SET PRIORITY", priority)
}

// SetVariable sets a variable, or a function such as CHANNEL(language). Res is
// 1.
func (s *Session) SetVariable(variable string, value any) (Reply, error) {
	return s.send("SET VARIABLE", variable, value)
}

// Verbose writes msg to Asterisk's log. Optional: the level, 1 to 4. Res is 1.
func (s *Session) Verbose(msg any, level ...int) (Reply, error) {
	return s.send("VERBOSE", msg, level)
}

// RawCommand sends params, parted by spaces, as they are: quoting is the
// caller's business, and nothing from a call belongs in them. Line breaks, NUL
// and more than Asterisk can take are refused like anywhere else.
func (s *Session) RawCommand(params ...any) (Reply, error) {
	words := make([]string, len(params))
	for i, p := range params {
		words[i] = fmt.Sprint(p)
	}
	line := strings.Join(words, " ")
	if err := checkLine(line); err != nil {
		return Reply{}, fmt.Errorf("agi: RawCommand: %w", err)
	}
	return s.command("RawCommand", line)
}
