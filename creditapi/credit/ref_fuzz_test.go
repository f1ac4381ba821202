package credit

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"adcredit/creditapi/wire"
	"adcredit/tests/hostile"
)

// whole is all that may name an account from outside.
var whole = regexp.MustCompile(`^(?:(card|alias|cid):)?([0-9A-Za-z+_.@-]{1,40})$`)

// FuzzParseRef: an account is named by exactly what the interface documents, and
// the name is what was written; a refusal is a problem that shows nothing of it.
func FuzzParseRef(f *testing.F) {
	for _, v := range hostile.Values() {
		for _, kind := range []string{"", "card:", "alias:", "cid:", "id:", ":"} {
			f.Add(kind + v.Text)
		}
	}
	f.Add("cid:+221771234567")
	f.Add("1000")
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := ParseRef(text)
		m := whole.FindStringSubmatch(text)
		if (err == nil) != (m != nil) {
			t.Fatalf("ParseRef(%q) = %+v, %v", text, ref, err)
		}
		if err == nil && (ref != Ref{Kind: m[1], Name: m[2]}) {
			t.Errorf("ParseRef(%q) = %+v", text, ref)
		}
		var refused *wire.Error
		if err != nil && (ref != Ref{} || !errors.As(err, &refused) || refused.Code != wire.InvalidRequest || refused.Err != nil ||
			len(text) > 20 && strings.Contains(err.Error(), text)) {
			t.Errorf("ParseRef(%q) = %+v, %v", text, ref, err)
		}
	})
}
