package etc

import (
	"fmt"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string // as it was named; empty when the value came from the environment
	Line int    // counted from 1; 0 when no single line is to blame
	Key  string // such as prompts.offer, or the name of an environment variable
	What string // what is wrong, and what to write instead
}

// String is "file:line: key: what", without the parts that are not known. It is
// one line of printable characters, whatever a hostile file held.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, b.String()+p.What)
}

// Error is a configuration that was refused, with everything that was found
// wrong in it. Programs find it by errors.As and exit with 78 (EX_CONFIG of
// sysexits.h).
type Error struct {
	Problems []Problem
}

// Error writes one problem per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// refuse is an Error of one problem that concerns a whole file.
func refuse(file, format string, args ...any) *Error {
	return &Error{Problems: []Problem{{File: file, What: fmt.Sprintf(format, args...)}}}
}
