//go:build lab

package etc_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"adcredit/etc"
	"adcredit/tests/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.Main(m, lab.NeedAsterisk, lab.NeedAsterisk16, lab.NeedSIPp, lab.NeedMariaDB, lab.NeedMySQL, lab.NeedKamailio))
}

// Who calls from where. The two strangers may write any caller ID.
const (
	pbx       = "127.0.0.1:5060"
	at1000    = "127.0.0.10:5070" // the endpoint as shipped: open plan
	atOpen    = "127.0.0.20:5070" // a stranger in the open plan
	atGuarded = "127.0.0.21:5070" // a stranger in the guarded plan
	atNobody  = "127.0.0.22:5070" // at no endpoint's address
	atCallee  = "127.0.0.30:5070"
	atBusy    = "127.0.0.31:5070"
	atBroken  = "127.0.0.32:5070"
)

const pjsipPhones = `#include adcredit-pjsip.conf
[1000-lab]
type=identify
endpoint=1000
match=127.0.0.10
[open](adcredit-phone)
set_var=ADCREDIT_STATUS=SUFFICIENT
[open]
type=identify
endpoint=open
match=127.0.0.20
[guarded](adcredit-phone)
context=a2billing
accountcode=4711
[guarded]
type=identify
endpoint=guarded
match=127.0.0.21
[callee](adcredit-phone)
aors=callee
[callee]
type=aor
contact=sip:` + atCallee + `
[busy](adcredit-phone)
aors=busy
[busy]
type=aor
contact=sip:` + atBusy + `
[broken](adcredit-phone)
aors=broken
[broken]
type=aor
contact=sip:` + atBroken + "\n"

const chanSIPPhones = `#include adcredit-sip.conf
[1000](+)
host=127.0.0.10
port=5070
[1001](+)
host=127.0.0.30
port=5070
[open](adcredit-phone)
host=127.0.0.20
port=5070
setvar=ADCREDIT_STATUS=SUFFICIENT
[guarded](adcredit-phone)
host=127.0.0.21
port=5070
context=a2billing
accountcode=4711
[callee](adcredit-phone)
host=127.0.0.30
port=5070
[busy](adcredit-phone)
host=127.0.0.31
port=5070
[broken](adcredit-phone)
host=127.0.0.32
port=5070
`

// A kind is one of the two Asterisks that our files are for.
type kind struct {
	channel string // what its SIP channels are called
	config  func(*testing.T) lab.AsteriskConfig
}

var kinds = []kind{{"PJSIP", pjsip}, {"SIP", chanSIP}}

func pjsip(t *testing.T) lab.AsteriskConfig {
	return lab.AsteriskConfig{
		Files: map[string]string{
			"adcredit.conf":       shipped(t, "asterisk/extensions.conf"),
			"extensions.conf":     "#include adcredit.conf\n[globals](+)\nADCREDIT_VIA=@callee\n",
			"adcredit-pjsip.conf": shipped(t, "asterisk/pjsip.conf"),
			"pjsip.conf":          pjsipPhones,
		},
		Modules: []string{"res_pjsip_authenticator_digest.so"},
	}
}

func chanSIP(t *testing.T) lab.AsteriskConfig {
	return lab.AsteriskConfig{
		ChanSIP: true,
		Files: map[string]string{
			"adcredit.conf":     shipped(t, "asterisk/extensions.conf"),
			"extensions.conf":   shipped(t, "asterisk16/extensions.conf") + "[globals](+)\nADCREDIT_VIA=@callee\n",
			"adcredit-sip.conf": shipped(t, "asterisk16/sip.conf"),
			"sip.conf":          chanSIPPhones,
		},
	}
}

// onEach runs a test on both.
func onEach(t *testing.T, test func(*testing.T, *site)) {
	for _, k := range kinds {
		t.Run(k.channel, func(t *testing.T) { test(t, newSite(t, k)) })
	}
}

// Each stand-in notes a line in calls. The first sets the status that is
// written in outcome ("crash" kills it before), the second dials what it may.
const (
	agiBin   = "/usr/share/asterisk/agi-bin/"
	standIn  = "/run/stand-in/"
	adcredit = `#!/bin/sh
while read -r line && [ -n "$line" ]; do
	case $line in
	agi_callerid:*) number=${line#*: } ;;
	agi_calleridname:*) name=${line#*: } ;;
	agi_extension:*) extension=${line#*: } ;;
	esac
done
echo "adcredit $extension from $number name $name" >>/run/stand-in/calls
read -r status cause answer </run/stand-in/outcome
[ "$answer" = answer ] && echo ANSWER && read -r reply
[ "$status" = crash ] && kill -9 $$
printf 'SET VARIABLE ADCREDIT_CAUSE "%s"\n' "$cause" && read -r reply
printf 'SET VARIABLE ADCREDIT_STATUS "%s"\n' "$status" && read -r reply
`
	a2billing = `#!/bin/sh
while read -r line && [ -n "$line" ]; do
	case $line in
	agi_channel:*) channel=${line#*: } ;;
	agi_extension:*) extension=${line#*: } ;;
	agi_accountcode:*) account=${line#*: } ;;
	esac
done
echo "a2billing $1 account $account on ${channel%%/*}" >>/run/stand-in/calls
[ "$extension" = 2000 ] && echo 'EXEC Dial "PJSIP/2000@callee,10"' && read -r reply
exit 0
`
)

// A site is an Asterisk with our files as they are shipped.
type site struct {
	*lab.PBX
	channel string // of its kind
	rec     *lab.Recording
	noted   int // bytes of calls that were read
}

func shipped(t *testing.T, name string) string {
	t.Helper()
	text, err := etc.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newSite(t *testing.T, k kind) *site {
	t.Helper()
	s := &site{PBX: lab.Asterisk(t, k.config(t)), channel: k.channel}
	s.write(t, agiBin+"adcredit", adcredit)
	s.write(t, agiBin+"a2billing.php", strings.Replace(a2billing, "PJSIP", k.channel, 1))
	tone := string(lab.EncodeULaw(lab.Tone(700, -20, 100*time.Millisecond)))
	for _, prompt := range []string{"refused", "later"} {
		s.write(t, "/usr/local/share/adcredit/sounds/fr/"+prompt+".ulaw", tone)
	}
	s.write(t, standIn+"calls", "")
	if err := s.Own(s.Path(standIn + "calls")); err != nil {
		t.Fatal(err)
	}
	s.rec = lab.Record(t)
	return s
}

// write writes a file that everybody may read and run.
func (s *site) write(t *testing.T, path, text string) {
	t.Helper()
	path = s.Path(path)
	folder := path[:strings.LastIndexByte(path, '/')]
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// notes are the lines that the stand-ins wrote since the last look.
func (s *site) notes(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(s.Path(standIn + "calls"))
	if err != nil {
		t.Fatal(err)
	}
	fresh := string(text[s.noted:])
	s.noted = len(text)
	return strings.FieldsFunc(fresh, func(r rune) bool { return r == '\n' })
}

// A course is what became of a call.
type course struct {
	notes   []string // of the stand-ins, in order
	dialled []string // the numbers that the callee was called by
	from    string   // the header From of the last of them
	media   bool     // the caller got 183 with a session description
}

// call makes a call, which must get that final answer, and waits for its end.
func (s *site) call(t *testing.T, c lab.Caller) course {
	t.Helper()
	c.PBX, c.Limit = pbx, 10*time.Second
	began := time.Now()
	c.Start(t).Wait(t)
	// What came before the answer was recorded before it.
	s.rec.AwaitSIP(t, 5*time.Second, "the final answer", func(m lab.SIP) bool {
		return m.To.String() == c.At && m.Time.After(began) && m.Status() >= 200
	})
	result := course{notes: s.notes(t)}
	dialled := map[string]bool{} // by Call-ID: SIP repeats itself
	for _, m := range s.rec.SIP() {
		switch {
		case m.Time.Before(began):
		case m.To.String() == c.At && m.Status() == 183:
			result.media = true
		case m.To.String() == atCallee && m.Status() == 0 && m.Method() == "INVITE" && !dialled[m.CallID()]:
			dialled[m.CallID()] = true
			result.from = m.Header("From")
			number, _, _ := strings.Cut(strings.TrimPrefix(m.Start, "INVITE sip:"), "@")
			result.dialled = append(result.dialled, number)
		}
	}
	return result
}

// complaints are the warnings and errors in Asterisk's log, save that it can't
// look up host names: there are none to be had here; and save what Asterisk 16
// says of chan_sip's future.
func (s *site) complaints(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(s.Log())
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^.* (WARNING|ERROR)\[.*$`).FindAllString(string(text), -1)
	return slices.DeleteFunc(lines, func(line string) bool {
		return strings.Contains(line, " netsock2.c: getaddrinfo(") || strings.Contains(line, " acl.c: Unable to lookup") ||
			strings.Contains(line, "Module 'chan_sip' has been loaded but will be deprecated")
	})
}

func wantLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Our files load as they are shipped, and Asterisk has nothing to say about it.
func TestAsteriskTakesOurFiles(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		wantLines(t, "complaints", s.complaints(t))
		contexts := s.CLI(t, "dialplan show")
		for _, name := range []string{
			"test", "a2billing", "adcredit-open", "adcredit-open-calls", "adcredit-guarded", "adcredit-guarded-calls",
			"adcredit-guarded-answered", "adcredit-free", "adcredit-dial", "adcredit-ask",
		} {
			if !strings.Contains(contexts, "[ Context '"+name+"' created by 'pbx_config' ]") {
				t.Errorf("no context %s", name)
			}
		}
		show, proof := "pjsip show endpoint ", map[string]string{"identify_by": "ip"}
		if s.channel == "SIP" {
			show, proof = "sip show peer ", map[string]string{"Insecure": "no", "Trust RPID": "No", "DirectMedia": "No", "Transfer mode": "closed"}
		}
		for phone, account := range map[string]string{"1000": "8987344413", "1001": "9700203963"} {
			wantShown(t, s.CLI(t, show+phone), map[string]string{"accountcode": account, "callerid": ".*<" + phone + ">"})
			wantShown(t, s.CLI(t, show+phone), proof)
		}
	})
}

// wantShown compares values, each a regular expression, with what Asterisk shows.
func wantShown(t *testing.T, shown string, values map[string]string) {
	t.Helper()
	for key, value := range values {
		if !regexp.MustCompile(`(?mi)^ *` + key + ` *: +` + value + `\s*$`).MatchString(shown) {
			t.Errorf("%s is not %s\n%s", key, value, shown)
		}
	}
}
