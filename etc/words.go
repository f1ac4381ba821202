package etc

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// syntax turns the toml package's error into ours. Its messages quote what they
// stumbled over, which must not happen to a secret.
func (l *loader) syntax(text string, err error) error {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return refuse(l.file, "is not TOML: %v", err)
	}
	line := parse.Position.Line
	p := Problem{File: l.file, Line: line, What: "this is not TOML: " + parse.Message}
	key := keyOfLine(text, line)
	if l.secret(key) || l.secret(parse.LastKey) {
		p.Key, p.What = key, "this is not TOML; write the value between double quotes, on one line"
	} else if strings.HasPrefix(parse.Message, "expected value but found") {
		p.Key, p.What = key, "this is not TOML: "+parse.Message+"; write text between double quotes"
	} else if strings.HasSuffix(parse.Message, "has already been defined.") {
		p.Key, p.What = key, "is set a second time; keep one of the two lines"
	}
	return &Error{Problems: []Problem{p}}
}

// secret says whether a key's value must not be shown. A key that is not known
// may be a secret one misspelt.
func (l *loader) secret(key string) bool {
	if key == "" {
		return false
	}
	_, tag, found := fieldOf(l.root, key)
	if found {
		return tag.Get("secret") == "true"
	}
	lower := strings.ToLower(key)
	return strings.Contains(lower, "key") || strings.Contains(lower, "pass") || strings.Contains(lower, "database")
}

// keyOfLine is what stands before the equals sign, if that looks like a key.
func keyOfLine(text string, line int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	key, _, found := strings.Cut(lines[line-1], "=")
	key = strings.TrimSpace(key)
	if !found || strings.ContainsFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
	}) {
		return ""
	}
	return key
}

// unknown says what a key that nobody reads was perhaps meant to be.
func (l *loader) unknown(in reflect.Value, name string, parent toml.Key) string {
	if len(parent) > 0 {
		if _, _, found := fieldOf(l.root, name); found {
			return fmt.Sprintf("%s is not part of [%s]; write it above the first line in brackets", name, parent)
		}
	}
	if meant := closest(in, name); meant != "" {
		return fmt.Sprintf("there is no such key; did you mean %s?", meant)
	}
	return "there is no such key; delete the line, or see etc/ for the keys there are"
}

// closest is the key of a struct that is most like name, or empty when none is.
func closest(in reflect.Value, name string) string {
	best, distance := "", 1+max(2, len(name)/3)
	if len(name) > 64 {
		return "" // nobody's slip of the finger
	}
	for i := range in.NumField() {
		key := in.Type().Field(i).Tag.Get("toml")
		if key == "" || key == "-" {
			continue
		}
		if d := edits(strings.ToLower(name), key); d < distance && d < len(key) {
			best, distance = key, d
		}
	}
	return best
}

// edits is how many characters to insert, delete or replace to make b of a
// (Levenshtein's distance).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
