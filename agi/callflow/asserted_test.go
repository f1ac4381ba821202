package callflow

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"adcredit/agi"
	"adcredit/agi/config"
	"adcredit/tests/hostile"
)

// environment is what Asterisk sends of a caller on a trunk.
const environment = "agi_request: adcredit\nagi_channel: %[1]s/isc-1\nagi_language: en\nagi_type: %[1]s\nagi_uniqueid: 1.1\n" +
	"agi_version: 22\nagi_callerid: 9\nagi_calleridname: unknown\nagi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\n" +
	"agi_callingtns: 0\nagi_dnid: 2000\nagi_rdnis: unknown\nagi_context: x\nagi_extension: 2000\nagi_priority: 1\n" +
	"agi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 1\n\n"

// question is what may be asked of a channel of either driver.
var question = regexp.MustCompile(`^GET FULL VARIABLE "\$\{(?:PJSIP_HEADER\(read,|SIP_HEADER\()([A-Za-z-]+),([1-9])\):([0-9]+):7\}"$`)

// identify is Identify on a strict session with an Asterisk whose INVITE had
// these headers: it answers with the bytes of a header as they are.
func identify(t testing.TB, driver string, c *config.Config, headers map[string][]string) (Call, error) {
	t.Helper()
	fromAsterisk, asterisk := io.Pipe()
	commands, toAsterisk := io.Pipe()
	go func() {
		defer asterisk.Close()
		if _, err := fmt.Fprintf(asterisk, environment, driver); err != nil {
			return
		}
		for in := bufio.NewScanner(commands); in.Scan(); {
			m := question.FindStringSubmatch(in.Text())
			if m == nil || strings.HasPrefix(m[0], `GET FULL VARIABLE "${PJSIP`) != (driver == "PJSIP") {
				t.Errorf("Asterisk was asked %s", in.Text())
				return
			}
			n, _ := strconv.Atoi(m[2])
			from, _ := strconv.Atoi(m[3])
			value := ""
			if lines := headers[m[1]]; n <= len(lines) {
				value = lines[n-1]
			}
			value = value[min(from, len(value)):]
			if _, err := fmt.Fprintf(asterisk, "200 result=1 (%s)\n", value[:min(7, len(value))]); err != nil {
				return
			}
		}
	}()
	s := agi.New()
	defer s.Close()
	defer fromAsterisk.Close()
	defer toAsterisk.Close()
	if err := s.Attach(fromAsterisk, toAsterisk); err != nil {
		t.Fatal(err)
	}
	return Identify(s, c)
}

// ims is the configuration of an operator whose domain is ims.test.
func ims(identity ...string) *config.Config {
	c := config.Default()
	c.Node, c.Identity, c.CoreEndpoints = "ast1", nil, []string{"isc"}
	for _, text := range identity {
		var i config.Identity
		if err := i.UnmarshalText([]byte(text)); err != nil {
			panic(err)
		}
		c.Identity = append(c.Identity, i)
	}
	return c
}

func rules(texts ...string) (all []config.Rule) {
	for _, text := range texts {
		var r config.Rule
		if err := r.UnmarshalText([]byte(text)); err != nil {
			panic(err)
		}
		all = append(all, r)
	}
	return all
}

// TestAddresses is the table of identities that a core sends, by both drivers.
// An account "" is a call that is refused.
func TestAddresses(t *testing.T) {
	usual := []string{"sip:+*@ims.test=cid:*", "sip:*@ims.test=alias:*", "tel:+*=cid:*", "tel:*;phone-context=ims.test=alias:*"}
	const served, asserted = "P-Served-User", "P-Asserted-Identity"
	type lines []string
	for _, row := range []struct {
		name     string
		rules    []string // nil: usual
		served   lines
		asserted lines
		account  string
		diverted bool
	}{
		{name: "served, originating", served: lines{"<sip:1000@ims.test>;sescase=orig;regstate=reg"}, account: "alias:1000"},
		{name: "served, not registered", served: lines{"<sip:1000@ims.test>;sescase=orig;regstate=unreg"}, account: "alias:1000"},
		{name: "served, spaces", served: lines{" <sip:1000@ims.test> ; sescase=orig ; regstate=reg"}, account: "alias:1000"},
		{name: "served, capitals", served: lines{"<sip:1000@IMS.Test>;SesCase=ORIG"}, account: "alias:1000"},
		{name: "served, terminating", served: lines{"<sip:1000@ims.test>;sescase=term;regstate=reg"}, account: "alias:1000", diverted: true},
		{name: "served, no session case", served: lines{"<sip:1000@ims.test>"}, account: "alias:1000", diverted: true},
		{name: "served, diverted", served: lines{"<sip:1000@ims.test>;sescase=orig;orig-cdiv"}, account: "alias:1000", diverted: true},
		{name: "served, diverted alone", served: lines{"<sip:1000@ims.test>;orig-cdiv"}, account: "alias:1000", diverted: true},
		{name: "served before asserted", served: lines{"<sip:1000@ims.test>;sescase=orig"}, asserted: lines{"<sip:1001@ims.test>"}, account: "alias:1000"},
		{name: "served, tel", served: lines{"<tel:+221771234567>;sescase=orig"}, account: "cid:221771234567"},
		{name: "served, sips has no rule", served: lines{"<sips:1000@ims.test>;sescase=orig"}},
		{name: "served, both cases", served: lines{"<sip:1000@ims.test>;sescase=orig;sescase=term"}},
		{name: "served, both cases, capitals", served: lines{"<sip:1000@ims.test>;sescase=orig;SESCASE=term"}},
		{name: "served, two lines", served: lines{"<sip:1000@ims.test>;sescase=orig", "<sip:1001@ims.test>;sescase=orig"}},
		{name: "served, two in a line", served: lines{"<sip:1000@ims.test>;sescase=orig, <sip:1001@ims.test>;sescase=orig"}},
		{name: "served, the case inside", served: lines{"<sip:1000@ims.test;sescase=orig>"}, account: "alias:1000", diverted: true},
		{name: "served, bare", served: lines{"sip:1000@ims.test;sescase=orig"}},
		{name: "served, a quoted case", served: lines{`<sip:1000@ims.test>;sescase="orig"`}},
		{name: "served, unclean, never falls through", served: lines{"<sip:1000>;sescase=orig"}, asserted: lines{"<sip:1000@ims.test>"}},

		{name: "sip", asserted: lines{"<sip:1000@ims.test>"}, account: "alias:1000"},
		{name: "sip, bare", asserted: lines{"sip:1000@ims.test"}, account: "alias:1000"},
		{name: "sip, name", asserted: lines{`"Moussa Diop" <sip:1000@ims.test>`}, account: "alias:1000"},
		{name: "sip, name of another script", asserted: lines{`"Moussa Ndoye, Dakar (Plateau) ☎" <sip:1000@ims.test>`}, account: "alias:1000"},
		{name: "sip, name without quotes", asserted: lines{"Moussa Diop <sip:1000@ims.test>"}, account: "alias:1000"},
		{name: "sip, the name ends a function", asserted: lines{`"):0:40" <sip:1000@ims.test>`}, account: "alias:1000"},
		{name: "sip, the name is a variable", asserted: lines{`"${SHELL(id)}" <sip:1000@ims.test>`}, account: "alias:1000"},
		{name: "sip with +", asserted: lines{"<sip:+221771234567@ims.test>"}, account: "cid:221771234567"},
		{name: "sip, user=phone", asserted: lines{"<sip:+221771234567@ims.test;user=phone>"}, account: "cid:221771234567"},
		{name: "sip, more parameters", asserted: lines{"<sip:1000@ims.test;cpc=ordinary;user=phone;transport=udp>"}, account: "alias:1000"},
		{name: "sip, another domain", asserted: lines{"<sip:1000@evil.test>"}},
		{name: "sip, a domain within", asserted: lines{"<sip:1000@ims.test.evil.test>"}},
		{name: "sip, a domain behind", asserted: lines{"<sip:1000@evil-ims.test>"}},
		{name: "sip, a port", asserted: lines{"<sip:1000@ims.test:5060>"}},
		{name: "sip, letters", asserted: lines{"<sip:moussa@ims.test>"}},
		{name: "sip, letters, escaped", asserted: lines{"<sip:%31000@ims.test>"}},
		{name: "sip, a header", asserted: lines{"<sip:1000@ims.test?P-Asserted-Identity=x>"}},
		{name: "sip, a parameter twice", asserted: lines{"<sip:1000@ims.test;user=phone;user=ip>"}},
		{name: "sip, a parameter outside", asserted: lines{"<sip:1000@ims.test>;user=phone"}},
		{name: "sip, a quote in the name", asserted: lines{`"Mou\"ssa" <sip:1000@ims.test>`}},
		{name: "sip, an address in the name", asserted: lines{`"<sip:1001@ims.test>" <sip:1000@ims.test>`}},
		{name: "sip, the name does not end", asserted: lines{`"Moussa <sip:1000@ims.test>`}},
		{name: "tel", asserted: lines{"<tel:+221771234567>"}, account: "cid:221771234567"},
		{name: "tel, bare", asserted: lines{"tel:+221771234567"}, account: "cid:221771234567"},
		{name: "tel, local", asserted: lines{"<tel:1000;phone-context=ims.test>"}, account: "alias:1000"},
		{name: "tel, local to others", asserted: lines{"<tel:1000;phone-context=evil.test>"}},
		{name: "tel, local to nobody", asserted: lines{"<tel:1000>"}},
		{name: "tel, extension", asserted: lines{"<tel:+221771234567;ext=1>"}},
		{name: "tel, separators", asserted: lines{"<tel:+221-77-123>"}},
		{name: "two lines, one account", asserted: lines{"<sip:+221771234567@ims.test;user=phone>", "<tel:+221771234567>"}, account: "cid:221771234567"},
		{name: "two lines, tel first", asserted: lines{"<tel:+221771234567>", "<sip:+221771234567@ims.test>"}, account: "cid:221771234567"},
		{name: "one line, one account", asserted: lines{`"A, B" <sip:+221771234567@ims.test>, <tel:+221771234567>`}, account: "cid:221771234567"},
		{name: "one line, bare", asserted: lines{"sip:+221771234567@ims.test , tel:+221771234567"}, account: "cid:221771234567"},
		{name: "two lines, two accounts", asserted: lines{"<sip:1000@ims.test>", "<tel:+221771234567>"}},
		{name: "one line, two accounts", asserted: lines{"<sip:1000@ims.test>, <tel:+221771234567>"}},
		{name: "no rule for tel", rules: []string{"sip:*@ims.test=alias:*"}, asserted: lines{"<tel:+221771234567>, <sip:1000@ims.test>"}, account: "alias:1000"},
		{name: "no rule for tel, and tel alone", rules: []string{"sip:*@ims.test=alias:*"}, asserted: lines{"<tel:+221771234567>"}},
		{name: "no rule for this tel", rules: []string{"sip:*@ims.test=alias:*", "tel:+33*=cid:33*"}, asserted: lines{"<sip:1000@ims.test>, <tel:+221771234567>"}},
		{name: "two sip", asserted: lines{"<sip:1000@ims.test>, <sip:1000@ims.test>"}},
		{name: "two tel", asserted: lines{"<tel:+221771234567>", "<tel:+221771234567>"}},
		{name: "three lines", asserted: lines{"<sip:1000@ims.test>", "<tel:+221771234567>", "<sip:1000@ims.test>"}},
		{name: "three in a line", asserted: lines{"<sip:1000@ims.test>, <tel:+221771234567>, <sip:1000@ims.test>"}},
		{name: "a comma too many", asserted: lines{"<sip:1000@ims.test>,"}},
		{name: "nothing", asserted: lines{" "}},
		{name: "too long", asserted: lines{`"` + strings.Repeat("x", maxHeader) + `" <sip:1000@ims.test>`}},

		{name: "prefix", rules: []string{"tel:+221*=cid:00221*"}, asserted: lines{"<tel:+221771234567>"}, account: "cid:00221771234567"},
		{name: "one identity", rules: []string{"sip:shop@ims.test=card:8987344413", "sip:*@ims.test=alias:*"}, asserted: lines{"<sip:shop@ims.test>"}, account: "card:8987344413"},
		{name: "a rule's star is not empty", rules: []string{"tel:+221*=cid:221*"}, asserted: lines{"<tel:+221>"}},
	} {
		for _, driver := range []string{"PJSIP", "SIP"} {
			t.Run(row.name+"/"+driver, func(t *testing.T) {
				c := ims("served_user=impu", "pai=impu", "callerid=cid")
				if c.Rules = rules(usual...); row.rules != nil {
					c.Rules = rules(row.rules...)
				}
				call, err := identify(t, driver, c, map[string][]string{served: row.served, asserted: row.asserted})
				if call.Account != row.account || errors.Is(err, ErrIdentity) != (row.account == "") {
					t.Errorf("account %q, %v; want %q", call.Account, err, row.account)
				}
				if row.account != "" && call.Diverted != row.diverted {
					t.Errorf("diverted %v", call.Diverted)
				}
			})
		}
	}
}

// Without rules a source says the user, whatever the domain, and where it says
// nothing the next one does.
func TestUserOfAnAddress(t *testing.T) {
	for header, want := range map[string]string{
		"<sip:1000@ims.example.net>":                     "alias:1000",
		"<sip:+221771234567@192.0.2.10:5060>":            "alias:+221771234567",
		"<sip:+221771234567@ims.example.net;user=phone>": "alias:+221771234567",
		"<tel:1000;phone-context=ims.example.net>":       "alias:1000",
		"<sip:1000@a.test>, <tel:1000>":                  "alias:1000",
		"<sip:1000@a.test>, <tel:1001>":                  "",
		"SIP:1000@ims.example.net":                       "", // not repaired
		"":                                               "cid:9",
	} {
		call, err := identify(t, "PJSIP", ims("pai=alias", "callerid=cid"), map[string][]string{"P-Asserted-Identity": {header}})
		if call.Account != want || err != nil && !errors.Is(err, ErrIdentity) {
			t.Errorf("%s: %q, %v; want %q", header, call.Account, err, want)
		}
	}
}

// A source that decides who it is keeps nobody from seeing that the leg is another's.
func TestServedUserIsReadWhoeverDecides(t *testing.T) {
	c := ims("pai=alias", "served_user=alias")
	call, err := identify(t, "PJSIP", c, map[string][]string{
		"P-Asserted-Identity": {"<sip:1000@ims.test>"}, "P-Served-User": {"<sip:1001@ims.test>;sescase=term"}})
	if err != nil || call.Account != "alias:1000" || !call.Diverted {
		t.Errorf("%+v, %v", call, err)
	}
}

// From a phone the headers of the core are not read: the next source decides.
func TestOnlyTheCoreIsBelieved(t *testing.T) {
	headers := map[string][]string{
		"P-Served-User": {"<sip:1000@ims.test>;sescase=term"}, "P-Asserted-Identity": {"<sip:1000@ims.test>"}, "P-Charging-Vector": {"icid-value=1"}}
	for _, endpoints := range [][]string{{"phone"}, {"is"}, {"isc-1"}, {"PJSIP/isc"}, {"isc-"}, {"phone", "core"}} {
		c := ims("served_user=alias", "pai=alias", "callerid=cid")
		c.ICID, c.CoreEndpoints = true, endpoints
		if call, err := identify(t, "PJSIP", c, headers); err != nil || call.Account != "cid:9" || call.Diverted || call.ICID != "" {
			t.Errorf("%q: %+v, %v", endpoints, call, err)
		}
	}
	c := ims("served_user=alias", "callerid=cid")
	for _, c.CoreEndpoints = range [][]string{nil, {"phone", "isc"}} {
		if call, err := identify(t, "PJSIP", c, headers); err != nil || call.Account != "alias:1000" || !call.Diverted {
			t.Errorf("%q: %+v, %v", c.CoreEndpoints, call, err)
		}
	}
}

// What is not configured is not asked, and no driver but the two is asked.
func TestNoHeaderIsReadInVain(t *testing.T) {
	for driver, c := range map[string]*config.Config{"PJSIP": ims("callerid=cid"), "DAHDI": ims("served_user=cid", "pai=cid", "callerid=cid")} {
		s := agi.New()
		s.Env = map[string]string{"type": driver, "channel": driver + "/isc-1", "callerid": "9", "extension": "2000"}
		if call, err := Identify(s, c); err != nil || call.Account != "cid:9" {
			t.Errorf("%s: %+v, %v", driver, call, err)
		}
	}
}

// What follows reads the grammar of RFC 3261 and RFC 3325 a second time, and has
// nothing in common with the reader that it judges.
const (
	token   = "[-.!%*_+`'~0-9A-Za-z]+"
	quoted  = `"(?:[^"\\\x00-\x1f\x7f]|\\[\x00-\x09\x0b\x0c\x0e-\x7f])*"`
	pchar   = `(?:[-_.!~*'()\[\]/:&+$0-9A-Za-z]|%[0-9A-Fa-f]{2})`
	uriTail = `(?:;` + pchar + `+(?:=` + pchar + `+)?)*`
	sipBase = `sips?:(?:[-_.!~*'()&=+$,;?/0-9A-Za-z]|%[0-9A-Fa-f]{2})+@[0-9A-Za-z](?:[-.0-9A-Za-z]*)(?::[0-9]+)?`
	telBase = `tel:\+?[-.()0-9]+`
	base    = `(?:` + sipBase + `|` + telBase + `)`
	value   = `(?:(?:` + quoted + ` *|(?:` + token + ` +)*)<` + base + uriTail + `>|` + base + `)`
)

var (
	assertedGrammar = regexp.MustCompile(`^ *` + value + `(?: *, *` + value + `)* *$`)
	servedGrammar   = regexp.MustCompile(`^ *(` + value + `) *((?:; *` + token + `(?:=` + token + `)? *)*)$`)
	oneValue        = regexp.MustCompile(`(?:` + quoted + `|` + token + `| )*?<?(sips?|tel):([^@;>, ]*)(?:@([^;>, ]*))?[^>,]*>?`)
	sescase         = regexp.MustCompile(`(?i); *sescase=orig *(?:;|$)`)
	cdiv            = regexp.MustCompile(`(?i); *orig-cdiv *(?:[;=]|$)`)
)

// FuzzAssertedAddresses: addresses are taken only where the header as a whole is
// what RFC 3325 allows, and they are all of its users and hosts, in its order.
func FuzzAssertedAddresses(f *testing.F) {
	for _, v := range hostile.Asserted() {
		f.Add(v.Text)
	}
	for _, v := range hostile.Values() {
		f.Add("<sip:" + v.Text + "@192.0.2.10>")
		f.Add(`"` + v.Text + `" <sip:1000@192.0.2.10>`)
	}
	f.Add(`"A, (B)" <sip:+221771234567@ims.test;user=phone>, <tel:+221771234567;phone-context=+1>`)
	f.Add("A b <sip:1@a.b:1> , tel:2")
	f.Fuzz(func(t *testing.T, text string) {
		all, ok := assertedAddresses(text)
		if !ok {
			return
		}
		if !assertedGrammar.MatchString(text) {
			t.Fatalf("%q is %v, and no header of RFC 3325", text, all)
		}
		judge(t, text, all)
	})
}

// FuzzServedAddress is the same of P-Served-User.
func FuzzServedAddress(f *testing.F) {
	for _, v := range hostile.Asserted() {
		f.Add(v.Text + ";sescase=orig")
	}
	f.Add(`"A; (B)" <sip:+221771234567@ims.test;user=phone> ; sescase=orig;regstate=reg;orig-cdiv`)
	f.Add("<tel:+1>;SESCASE=ORIG")
	f.Fuzz(func(t *testing.T, text string) {
		a, calls, ok := servedAddress(text)
		if !ok {
			return
		}
		m := servedGrammar.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%q is %v, and no header of RFC 5502", text, a)
		}
		judge(t, m[1], []address{a})
		if want := sescase.MatchString(m[2]) && !cdiv.MatchString(m[2]); calls != want {
			t.Errorf("%q: calls %v", text, calls)
		}
	})
}

func judge(t *testing.T, text string, all []address) {
	t.Helper()
	var want, got []string
	for _, m := range oneValue.FindAllStringSubmatch(regexp.MustCompile(quoted).ReplaceAllString(text, ""), -1) {
		want = append(want, m[1]+" "+m[2]+" "+m[3])
	}
	for _, a := range all {
		if a.scheme == "tel" {
			a.where = ""
		}
		got = append(got, a.scheme+" "+a.user+" "+a.where)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q: %q, want %q", text, got, want)
	}
}

// FuzzHeader: whatever bytes are in the header of an INVITE, it is refused, or the
// session is, or what is read is the whole of it.
func FuzzHeader(f *testing.F) {
	for _, v := range hostile.Values() {
		f.Add(v.Text)
	}
	for _, v := range hostile.Asserted() {
		f.Add(v.Text)
	}
	f.Add("<sip:9@a>\n200 result=1 (<sip:1000@a>)")
	f.Add("<sip:9\nHANGUP\n@a>")
	f.Add("1234567\n200 result=1 ()\n")
	c := ims("pai=alias")
	f.Fuzz(func(t *testing.T, text string) {
		text, _, _ = strings.Cut(text, "\x00") // Asterisk's strings end there
		call, err := identify(t, "PJSIP", c, map[string][]string{"P-Asserted-Identity": {text}})
		if err != nil {
			if call.Account != "" || !errors.Is(err, ErrIdentity) && !errors.Is(err, agi.ErrForged) && !errors.Is(err, agi.ErrNotAGI) {
				t.Errorf("%q: %+v, %v", text, call, err)
			}
			return
		}
		all, ok := assertedAddresses(text)
		if !ok || call.Account != "alias:"+all[0].user {
			t.Errorf("%q: %q", text, call.Account)
		}
	})
}
