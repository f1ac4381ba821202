package callflow

import (
	"errors"
	"testing"

	"adcredit/agi"
	"adcredit/agi/config"
)

func TestIdentify(t *testing.T) {
	for _, row := range []struct {
		name      string
		env       map[string]string
		account   string
		diverted  bool
		unusable  bool
		identity  []config.Identity
		extension string
	}{
		{name: "SIP account", env: map[string]string{"accountcode": "8987344413", "callerid": "1000"}, account: "card:8987344413"},
		{name: "caller ID alone", env: map[string]string{"accountcode": "", "callerid": "+221771234567"}, account: "cid:+221771234567"},
		{name: "caller ID as alias", env: map[string]string{"callerid": "1000"}, account: "alias:1000", identity: []config.Identity{{Source: config.CallerID, Kind: "alias"}}},
		{name: "nobody", env: map[string]string{"accountcode": "", "callerid": "unknown"}, unusable: true},
		{name: "an unclean account code never falls through", env: map[string]string{"accountcode": "x' OR 1=1", "callerid": "1000"}, unusable: true},
		{name: "a space is not dropped", env: map[string]string{"callerid": "10 00"}, unusable: true},
		{name: "too long", env: map[string]string{"callerid": "12345678901234567890123456789012345678901"}, unusable: true},
		{name: "diverted", env: map[string]string{"callerid": "1000", "rdnis": "1002"}, account: "cid:1000", diverted: true},
		{name: "not diverted", env: map[string]string{"callerid": "1000", "rdnis": "unknown"}, account: "cid:1000"},
		{name: "extension s", env: map[string]string{"callerid": "1000"}, extension: "s", account: "cid:1000"},
		{name: "extension with an option for Dial", env: map[string]string{"callerid": "1000"}, extension: "77,30,S(1)", unusable: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := config.Default()
			c.Node = "ast1"
			if row.identity != nil {
				c.Identity = row.identity
			}
			s := agi.New()
			s.Env = row.env
			s.Env["uniqueid"] = "1795492582.2"
			s.Env["extension"] = "2000"
			if row.extension != "" {
				s.Env["extension"] = row.extension
			}
			call, err := Identify(s, c)
			if errors.Is(err, ErrIdentity) != row.unusable || err != nil && !row.unusable {
				t.Fatalf("error %v", err)
			}
			if call.Account != row.account || call.Diverted != row.diverted {
				t.Errorf("got %+v", call)
			}
			if number := row.env["callerid"]; call.CallerID != number && row.account != "" {
				t.Errorf("caller ID %q, want %q", call.CallerID, number)
			}
			if call.ID != "ast1/1795492582.2" {
				t.Errorf("call id %q", call.ID)
			}
		})
	}
}

// A caller who withholds the number must not share the cap of all who do.
func TestCaller(t *testing.T) {
	for id, want := range map[string]string{
		"221771234567": "221771234567", "+221771234567": "+221771234567", "1000": "1000",
		"": "", "+": "", "anonymous": "", "10 00": "", "10*": "", "++1": "", "1\n2": "",
		"1234567890123456789012345678901234567890": "",
	} {
		if got := caller(id); got != want {
			t.Errorf("caller(%q) = %q; want %q", id, got, want)
		}
	}
}
