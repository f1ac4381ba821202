// Package etctest judges refused configurations, for the tests of both programs.
package etctest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"adcredit/etc"
)

// WantRefusal checks that err refuses the text that stands in the file path:
// each problem names the file and a line that is there, in one line.
func WantRefusal(t *testing.T, path string, text []byte, err error) {
	t.Helper()
	var refused *etc.Error
	if !errors.As(err, &refused) || len(refused.Problems) == 0 {
		t.Fatalf("%v (%T) is not an *etc.Error with problems", err, err)
	}
	for _, p := range refused.Problems {
		if lines := bytes.Count(text, []byte("\n")) + 1; p.File != path || p.What == "" || p.Line < 0 || p.Line > lines {
			t.Errorf("%+v: the file has %d lines", p, lines)
		}
		if strings.ContainsAny(p.String(), "\n\r\x1b\x00") {
			t.Errorf("%q is not one line", p)
		}
	}
}
