package callflow

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"adcredit/agi"
	"adcredit/creditapi/wire"
	"adcredit/tests/hostile"
)

func TestICID(t *testing.T) {
	for vector, want := range map[string]string{
		// The examples of RFC 7315 (4.6.4, 5.6) and RFC 3455, and what cores make.
		`icid-value=1234bc9876e;icid-generated-at=192.0.6.8;orig-ioi=home1.net`:    "1234bc9876e",
		`icid-value="AyretyU0dm+6O2IrT5tAFrbHLso=023551024"; orig-ioi=home1.net`:   "AyretyU0dm+6O2IrT5tAFrbHLso=023551024",
		`icid-value=AyretyU0dm+6O2IrT5tAFrbHLso=023551024;icid-generated-at=[::1]`: "AyretyU0dm+6O2IrT5tAFrbHLso=023551024",
		`icid-value=P-CSCFabcd000000004bf3e6b6;term-ioi=type3home2.net`:            "P-CSCFabcd000000004bf3e6b6",
		`orig-ioi="a;icid-value=9";icid-value=1`:                                   "1",
		` ICID-Value = "127.0.0.4:5060/7@x" `:                                      "127.0.0.4:5060/7@x",
		`icid-value=` + strings.Repeat("9", wire.MaxICID):                          strings.Repeat("9", wire.MaxICID),
		`icid-value=` + strings.Repeat("9", wire.MaxICID+1):                        "",
		`icid-value=1;icid-value=2`:                                                "",
		`icid-value=1, icid-value=2`:                                               "",
		`icid-value="1`:                                                            "",
		`icid-value="1" x`:                                                         "",
		`icid-value="1\"2"`:                                                        "",
		`icid-value=`:                                                              "",
		`icid-value`:                                                               "",
		`icid-value=""`:                                                            "",
		`icid-value='1' OR 1`:                                                      "",
		`icid-value=<script>`:                                                      "",
		`orig-ioi=home1.net`:                                                       "",
		`icid-values=1`:                                                            "",
		"icid-value=1\n2":                                                          "",
	} {
		if got, ok := icid(vector); got != want || ok != (want != "") {
			t.Errorf("icid(%q) = %q, %v; want %q", vector, got, ok, want)
		}
	}
}

// A vector that is not clean is left out, and the call goes on.
func TestChargingID(t *testing.T) {
	for name, row := range map[string]struct {
		lines []string
		off   bool
		want  string
	}{
		"one":            {lines: []string{"icid-value=1;orig-ioi=a"}, want: "1"},
		"none":           {},
		"two":            {lines: []string{"icid-value=1", "icid-value=1"}},
		"three":          {lines: []string{"icid-value=1", "icid-value=1", "icid-value=1"}},
		"too long":       {lines: []string{"icid-value=1;orig-ioi=" + strings.Repeat("a", maxHeader)}},
		"unclean":        {lines: []string{`icid-value="a b"`}},
		"not configured": {lines: []string{"icid-value=1"}, off: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := ims("callerid=cid")
			c.ICID = !row.off
			call, err := identify(t, "PJSIP", c, map[string][]string{"P-Charging-Vector": row.lines})
			if err != nil || call.Account != "cid:9" || call.ICID != row.want {
				t.Errorf("%+v, %v; want ICID %q", call, err, row.want)
			}
		})
	}
}

// FuzzChargingID: whatever the vector is, the call goes on or its session is
// refused, and an ICID is one that creditapi takes and that stands in the vector.
func FuzzChargingID(f *testing.F) {
	for _, v := range hostile.Values() {
		f.Add("icid-value=" + v.Text)
		f.Add(`icid-value="` + v.Text + `";orig-ioi=a`)
	}
	taken := regexp.MustCompile("^[0-9A-Za-z._~+/=@:!%*-]{1,128}$")
	c := ims("callerid=cid")
	c.ICID = true
	f.Fuzz(func(t *testing.T, vector string) {
		vector, _, _ = strings.Cut(vector, "\x00")
		call, err := identify(t, "PJSIP", c, map[string][]string{"P-Charging-Vector": {vector}})
		switch {
		case err != nil:
			if !errors.Is(err, agi.ErrForged) && !errors.Is(err, agi.ErrNotAGI) {
				t.Errorf("%q: %v", vector, err)
			}
		case call.Account != "cid:9":
			t.Errorf("%q: %+v", vector, call)
		case call.ICID != "" && (!taken.MatchString(call.ICID) || !strings.Contains(vector, call.ICID)):
			t.Errorf("%q: %q", vector, call.ICID)
		}
	})
}
