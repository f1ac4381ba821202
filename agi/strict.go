package agi

import (
	"fmt"
	"strconv"
	"strings"
)

// Every rule of a strict session is in this file, with what it defends against.
//
// The one fact behind them: Asterisk does not escape caller identity in AGI.
// The user part of a SIP From, a P-Asserted-Identity or a request URI may hold
// %0a, and what follows it arrives as a line of its own, in the environment and
// inside the reply to GET VARIABLE CALLERID(num). The dialplan should refuse
// such callers before AGI; these rules stand for when it does not.

// standardKeys is what Asterisk 16 to 22 send to every AGI program. Only the
// names are looked at: the values (agi_version too) differ between versions.
var standardKeys = [...]string{
	"request", "channel", "language", "type", "uniqueid", "version",
	"callerid", "calleridname", "callingpres", "callingani2", "callington",
	"callingtns", "dnid", "rdnis", "context", "extension", "priority",
	"enhanced", "accountcode", "threadid",
}

// strictEnvironment applies the rules of the environment to its lines.
func strictEnvironment(lines []string) (map[string]string, error) {
	env := make(map[string]string, len(lines))
	args := 0
	for i, line := range lines {
		key, value, err := strictLine(i, line)
		if err != nil {
			return nil, err
		}
		// From <sip:10%0aagi_accountcode%3a%20ROOT@x> puts a line with another
		// account before the real one: a key that comes twice is a forgery,
		// whichever of the two is real.
		if _, again := env[key]; again {
			return nil, fmt.Errorf("%w: agi_%s comes twice in the environment", ErrForged, key)
		}
		switch {
		case strings.HasPrefix(key, "network"):
			// Asterisk begins with the network lines; later ones were smuggled
			// in by the caller.
			if i > 1 {
				return nil, fmt.Errorf("%w: %s after the beginning of the environment", ErrForged, shown(line))
			}
		case strings.HasPrefix(key, "arg_"):
			// Asterisk sends the arguments last, agi_arg_1 first. Arguments are
			// optional, so a smuggled one repeats no key; but it comes before
			// the lines that Asterisk sends after the caller's.
			args++
			if missing(env) != "" || key != "arg_"+strconv.Itoa(args) {
				return nil, fmt.Errorf("%w: %s out of its place in the environment", ErrForged, shown(line))
			}
		}
		env[key] = value
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%w: the environment is empty; Asterisk begins with agi_request", ErrNotAGI)
	}
	// From <sip:10%0a%0a200%20result=0%20endpos=160000@x> ends the environment
	// early and queues a reply: the keys that Asterisk sends after the caller's
	// number are then missing.
	if key := missing(env); key != "" {
		return nil, fmt.Errorf("%w: the environment ends without agi_%s", ErrForged, key)
	}
	return env, nil
}

// strictLine takes one line of the environment apart: agi_, a name, ": ", a value.
func strictLine(i int, line string) (key, value string, err error) {
	name, value, found := strings.Cut(line, ": ")
	key, isAGI := strings.CutPrefix(name, "agi_")
	if found && isAGI && isKey(key) && !strings.Contains(line, "\x00") {
		return key, value, nil
	}
	if i == 0 { // no caller reaches the first line: the other side is not Asterisk
		return "", "", fmt.Errorf("%w: the environment begins with %s, not agi_request", ErrNotAGI, shown(line))
	}
	// A caller ID of 10%0aHELLO adds a line that Asterisk would never send.
	return "", "", fmt.Errorf("%w: line %d of the environment is %s", ErrForged, i+1, shown(line))
}

func isKey(key string) bool {
	return key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// missing is the first standard key that env lacks, or "".
func missing(env map[string]string) string {
	for _, key := range standardKeys {
		if _, ok := env[key]; !ok {
			return key
		}
	}
	return ""
}

// greet asks a FastAGI peer for one NOOP. Over a network the rest of a forged
// environment may still be under way when nothing is waiting yet; it then
// arrives in place of this reply, and never in place of one that matters.
func (s *Session) greet() error {
	if !s.strict || s.Env["network"] == "" {
		return nil
	}
	reply, err := s.exchange("NOOP")
	if err != nil {
		return fmt.Errorf("NOOP: %w", err)
	}
	if reply.text != "0" {
		return fmt.Errorf("%w: NOOP was answered %s, not 0", ErrNotAGI, shown(reply.text))
	}
	return nil
}

const hangupLine = "HANGUP\n"

// nothingWaits refuses to go on while bytes wait that no command asked for, in
// the buffer or on the descriptor. A caller who forged replies has them queued
// there, and the first would be taken for the answer to the next command: "ad
// heard to its end". It is asked before each command and again after each reply,
// since the value in the reply to GET VARIABLE may hold a newline as well.
// Asterisk itself sends one thing unasked, on FastAGI: a whole line HANGUP.
func (s *Session) nothingWaits() error {
	if !s.strict {
		return nil
	}
	onDescriptor, err := s.src.waiting()
	if err != nil {
		return fmt.Errorf("%w: ask how much is waiting: %w", ErrClosed, err)
	}
	waiting := s.r.Buffered() + onDescriptor
	if waiting == 0 {
		return nil
	}
	if waiting == len(hangupLine) { // so Peek finds them there and does not wait
		line, err := s.r.Peek(waiting)
		if err != nil {
			return readError(err)
		}
		if string(line) == hangupLine {
			s.hungUp.Store(true)
			_, err = s.r.Discard(waiting)
			return err
		}
	}
	front, _ := s.r.Peek(min(s.r.Buffered(), 80)) // for the log; never waits
	return fmt.Errorf("%w: %d bytes wait that no command asked for, beginning with %s", ErrForged, waiting, shown(string(front)))
}

// strictReply checks the line of a 200: after "result=" a number or keys of a
// keypad, then nothing or a space and data. A newline in a variable's value cuts
// its reply in two: "(" without ")" is the first half of one, and the second
// half may be any reply that the caller likes.
func strictReply(line string, r Reply) error {
	if strings.ContainsFunc(strings.TrimPrefix(r.text, "-"), notResult) || strings.Contains(line, "\x00") {
		return fmt.Errorf("%w: %s has neither a number nor keys for a result", ErrNotAGI, shown(line))
	}
	if strings.HasPrefix(r.tail, "(") && !strings.Contains(r.tail, ")") {
		return fmt.Errorf("%w: %s is half a reply", ErrForged, shown(line))
	}
	return nil
}

// notResult: numbers, and the keys that GET DATA hands over (A to D exist).
func notResult(c rune) bool {
	return !(c >= '0' && c <= '9' || c == '*' || c == '#' || c >= 'A' && c <= 'D' || c >= 'a' && c <= 'd')
}
