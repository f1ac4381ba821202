// Package hostile is the corpus of what callers put where a number or a name
// belongs. One file, corpus.txt, serves all tests: through a real Asterisk by
// SIP, on standard input, on a FastAGI connection, and in every field of
// creditapi's interface.
package hostile

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// A Value is one of them.
type Value struct {
	Name string // what it tries; names a subtest
	Text string
}

//go:embed corpus.txt
var corpus string

// Values are for any place.
func Values() []Value { return section("values") }

// Asserted are values of a whole header P-Asserted-Identity.
func Asserted() []Value { return section("P-Asserted-Identity") }

// section reads one section of the corpus. A line that can't be read is a fault
// of the corpus, and every test meets it.
func section(name string) (values []Value) {
	_, text, _ := strings.Cut(corpus, "\n["+name+"]\n")
	text, _, _ = strings.Cut(text, "\n[")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		v, err := read(line)
		if err != nil {
			panic(fmt.Sprintf("hostile: %s: %v", line, err))
		}
		values = append(values, v)
	}
	return values
}

// read reads NAME = "TEXT", or NAME = "TEXT" * N.
func read(line string) (Value, error) {
	name, value, _ := strings.Cut(line, " = ")
	quoted, err := strconv.QuotedPrefix(value)
	if err != nil {
		return Value{}, err
	}
	text, err := strconv.Unquote(quoted)
	if times, repeated := strings.CutPrefix(value[len(quoted):], " * "); repeated && err == nil {
		var n int
		n, err = strconv.Atoi(times)
		text = strings.Repeat(text, n)
	}
	return Value{Name: name, Text: text}, err
}

// User is the value as the user part of a SIP address (RFC 3261, 25.1): whatever
// is no letter and no digit behind a percent sign.
func (v Value) User() string {
	var b strings.Builder
	for i := range len(v.Text) {
		c := v.Text[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}
