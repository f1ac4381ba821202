package agi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

const (
	maxReply  = 64 << 10 // bytes of one reply, line ends included
	maxHangup = 16       // HANGUP lines before one reply; Asterisk sends one per call
)

// Reply is Asterisk's answer 200 to one command.
type Reply struct {
	// Res is the number after "result=": a status, or the ASCII code of the key
	// that was pressed. It is -1 when what is there is not a number as Asterisk
	// prints one: nothing (GET DATA timed out), 12*, or 0123, whose zero counts
	// for a PIN. Ask Text where keys are collected.
	Res int

	// Dat is what follows: the text inside the parentheses where it is all in
	// them ("timeout", a variable's value), else as it came ("endpos=24000").
	Dat string

	text string // between "result=" and the first space
	tail string // after that space, parentheses included
}

// Text is the characters after "result=" as they came: the keys of GET DATA
// with their leading zeros, "" when there were none.
func (r Reply) Text() string { return r.text }

// Endpos is how far STREAM FILE or GET OPTION played, in samples of the file's
// own rate (8000 a second for 8 kHz files); CONTROL STREAM FILE stopped by a key
// gives milliseconds. ok is false unless exactly endpos=N followed the result:
// a variable whose value reads endpos=N does not count.
func (r Reply) Endpos() (samples int64, ok bool) {
	digits, found := strings.CutPrefix(r.tail, "endpos=")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !found || err != nil || n < 0 || strconv.FormatInt(n, 10) != digits {
		return 0, false
	}
	return n, true
}

// parseResult reads what stands after "200 result=".
func parseResult(s string) Reply {
	text, tail, _ := strings.Cut(s, " ")
	r := Reply{Res: -1, Dat: tail, text: text, tail: tail}
	if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text {
		r.Res = n
	}
	if len(tail) >= 2 && tail[0] == '(' && tail[len(tail)-1] == ')' {
		r.Dat = tail[1 : len(tail)-1]
	}
	return r
}

// readReply reads the one reply to the command just written. Lines HANGUP that
// come first are remembered, and so is passed over the one "100 result=0
// Trying..." that GOSUB sends before its 200.
func (s *Session) readReply() (Reply, error) {
	trying := false
	for range maxHangup {
		line, err := s.readLine(maxReply)
		if errors.Is(err, errLong) {
			return Reply{}, ErrReplySize
		} else if err != nil {
			return Reply{}, err
		}
		if !s.strict {
			line = strings.TrimSuffix(line, "\r")
		}
		switch {
		case line == "HANGUP":
			s.hungUp.Store(true)
		case strings.HasPrefix(line, "100 ") && !trying:
			trying = true
		default:
			return s.parseReply(line)
		}
	}
	return Reply{}, fmt.Errorf("%w: %d lines HANGUP and no reply", ErrNotAGI, maxHangup)
}

// parseReply tells a reply's kind by its first line, and reads on where it has more.
func (s *Session) parseReply(line string) (Reply, error) {
	if result, ok := strings.CutPrefix(line, "200 result="); ok {
		r := parseResult(result)
		if s.strict {
			if err := strictReply(line, r); err != nil {
				return Reply{}, err
			}
		}
		return r, nil
	}
	switch code, rest, _ := strings.Cut(line, " "); {
	case code == "510":
		return Reply{}, ErrUnknownCommand
	case code == "511":
		s.hungUp.Store(true)
		return Reply{}, ErrHangup
	case code == "503":
		return Reply{}, ErrFailed
	case code == "520": // "Invalid command syntax.  Proper usage not available."
		return Reply{}, &UsageError{}
	case strings.HasPrefix(line, "520-"):
		return Reply{}, s.readUsage(maxReply - len(line))
	case code == "200" && rest == "":
		return Reply{}, fmt.Errorf("%w: a reply 200 without a result", ErrNotAGI)
	}
	return Reply{}, fmt.Errorf("%w: %s is no reply", ErrNotAGI, shown(line))
}

// readUsage reads the help that follows "520-": lines without a code, up to
// "520 End of proper usage."
func (s *Session) readUsage(left int) error {
	var usage []string
	for {
		line, err := s.readLine(left)
		if errors.Is(err, errLong) {
			return ErrReplySize
		} else if err != nil {
			return err
		}
		left -= len(line) + 1
		if strings.HasPrefix(line, "520 ") {
			return &UsageError{Usage: strings.Join(usage, "\n")}
		}
		usage = append(usage, line)
	}
}

var errLong = errors.New("line too long")

// readLine reads one line of at most limit bytes, its \n included, and gives it
// without. What is left unread of a longer one ends the session.
func (s *Session) readLine(limit int) (string, error) {
	var long []byte
	for {
		part, err := s.r.ReadSlice('\n')
		if len(long)+len(part) > limit {
			return "", errLong
		}
		if err == nil && long == nil {
			return string(part[:len(part)-1]), nil
		}
		long = append(long, part...)
		switch {
		case err == nil:
			return string(long[:len(long)-1]), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(long) > 0:
			return "", fmt.Errorf("%w in the middle of the line %s", ErrClosed, shown(string(long)))
		default:
			return "", readError(err)
		}
	}
}

// readError gives the error of a stream one of ours.
func readError(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrDeadline, err)
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}
