package callflow

import (
	"regexp"
	"testing"

	"adcredit/tests/hostile"
)

func TestAssertedUser(t *testing.T) {
	for header, want := range map[string]string{
		"<sip:1000@ims.example.net>":                     "1000",
		"sip:1000@ims.example.net":                       "1000",
		"<sip:+221771234567@192.0.2.10:5060>":            "+221771234567",
		"<sip:+221771234567@ims.example.net;user=phone>": "+221771234567",
		"<sips:moussa.diop@ims.example.net>":             "moussa.diop",
		"<tel:+221771234567>":                            "+221771234567",
		"tel:+221771234567":                              "+221771234567",
		"<tel:1000;phone-context=ims.example.net>":       "1000",
		"SIP:1000@ims.example.net":                       "", // not repaired
		"":                                               "",
	} {
		if got, ok := assertedUser(header); got != want || ok != (want != "") {
			t.Errorf("assertedUser(%q) = %q, %v; want %q", header, got, ok, want)
		}
	}
}

// one is the whole of a header that may be taken, with its user.
var one = regexp.MustCompile(`^(?:<(?:sips?:([^<>@:; ]+)@[0-9a-zA-Z.:-]+|tel:([^<>@:; ]+))(?:;[^<>@ ]*)?>|` +
	`(?:sips?:([^<>@:; ]+)@[0-9a-zA-Z.:-]+|tel:([^<>@:; ]+))(?:;[^<>@ ]*)?)$`)

// FuzzAssertedUser: a user is taken exactly where the header, from its first
// character to its last, is one address of RFC 3325, and it is that one's.
func FuzzAssertedUser(f *testing.F) {
	for _, v := range hostile.Asserted() {
		f.Add(v.Text)
	}
	for _, v := range hostile.Values() {
		f.Add("<sip:" + v.Text + "@192.0.2.10>")
	}
	f.Add("<sip:+221771234567@ims.example.net;user=phone>")
	f.Add("tel:1000;phone-context=+221")
	f.Fuzz(func(t *testing.T, header string) {
		user, ok := assertedUser(header)
		m := one.FindStringSubmatch(header)
		if ok != (m != nil) {
			t.Fatalf("assertedUser(%q) = %q, %v", header, user, ok)
		}
		if ok && user != m[1]+m[2]+m[3]+m[4] {
			t.Errorf("assertedUser(%q) = %q", header, user)
		}
	})
}
