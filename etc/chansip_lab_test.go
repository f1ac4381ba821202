//go:build lab

package etc_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// The paper's words as it prints them, as far as they are known: chan_sip and
// the dialplan take them without a word, and do something else.
const (
	papersSIP = `[general]
context=test
udpbindaddr=` + pbx + `
[1000]
type=friend
host=127.0.0.10
port=5070
careinvite=no
dtmfmod=info
[1001]
type=friend
host=127.0.0.30
port=5070
defaultuser=1001
canreinvite=no
dtmfmode=info
`
	papersDialplan = `[test]
exten => 2000,1,Dial(SIP/S(${EXTEN}))
 same => n,Hangup(20)
exten => _2XXXX,1S(${EXTEN}:1)
exten => _3XXXX,1,Dial(SIP/${EXTEN:1})
exten => _4.,1,Goto(test,${EXTEN:1},1)
exten => 5000,1,Hangup(21)
 same => n,Dial(SIP/1001)
`
)

// What etc/asterisk16/README.md says of the paper's figures.
func TestThePapersWords(t *testing.T) {
	p := lab.Asterisk(t, lab.AsteriskConfig{ChanSIP: true, Files: map[string]string{"sip.conf": papersSIP, "extensions.conf": papersDialplan}})
	s := &site{PBX: p, channel: "SIP", rec: lab.Record(t)}
	s.write(t, standIn+"calls", "")
	wantLines(t, "complaints about words that do not exist", s.complaints(t))
	wantShown(t, s.CLI(t, "sip show peer 1000"), map[string]string{"DirectMedia": "Yes", "DTMFmode": "rfc2833"})
	wantShown(t, s.CLI(t, "sip show peer 1001"), map[string]string{"DirectMedia": "No", "DTMFmode": "info"})
	wantShown(t, s.CLI(t, "sip show settings"), map[string]string{"Allow unknown access": "Yes"})

	lab.Callee{At: atCallee, Calls: 100, HangUp: 20 * time.Millisecond}.Start(t)
	got := s.call(t, lab.Caller{User: "1000", At: at1000, Dial: "2000", Status: 480})
	wantLines(t, "dialled by S(${EXTEN})", got.dialled)
	s.wantLog(t, "No such host: S(2000)")
	got = s.call(t, lab.Caller{User: "1000", At: at1000, Dial: "21001", Status: 603})
	wantLines(t, "dialled by 1S(${EXTEN}:1)", got.dialled)
	s.wantLog(t, "No application '' for extension (test, 21001, 1)")
	got = s.call(t, lab.Caller{User: "1000", At: at1000, Dial: "45000", Status: 403})
	wantLines(t, "dialled by a pattern with a dot", got.dialled)
	got = s.call(t, lab.Caller{User: "1000", At: at1000, Dial: "45000,2"})
	wantLines(t, "dialled by its priority 2", got.dialled, "1001")
	// type=friend: who writes 1000 in From is 1000, from wherever it calls.
	got = s.call(t, lab.Caller{User: "1000", At: atNobody, Dial: "31001"})
	wantLines(t, "dialled by ${EXTEN:1}", got.dialled, "1001")
	s.wantLog(t, `Dial("SIP/1000-`)
}

func (s *site) wantLog(t *testing.T, part string) {
	t.Helper()
	text, err := os.ReadFile(s.Log())
	if err != nil || !strings.Contains(string(text), part) {
		t.Errorf("Asterisk's log does not say %s (%v)", part, err)
	}
}

// The paper's numbers with a 2 before them go through the plans, without the 2.
func TestPapersPrefix(t *testing.T) {
	s := newSite(t, kinds[1])
	lab.Callee{At: atCallee, Calls: 100, HangUp: 20 * time.Millisecond}.Start(t)
	s.write(t, standIn+"outcome", "SUFFICIENT -\n")
	got := s.call(t, lab.Caller{User: "whoever", At: at1000, Dial: "22000"})
	wantLines(t, "asked by the open plan", got.notes, "adcredit 2000 from 1000 name unknown")
	wantLines(t, "dialled by the open plan", got.dialled, "2000")
	got = s.call(t, lab.Caller{User: "1001", At: atGuarded, Dial: "22000"})
	wantLines(t, "asked by the guarded plan", got.notes, "adcredit 2000 from 1001 name unknown", "a2billing 1 account 4711 on SIP")
	s.write(t, standIn+"outcome", "NOAD -\n")
	got = s.call(t, lab.Caller{User: "whoever", At: at1000, Dial: "22000", Status: 403})
	wantLines(t, "asked about who has no credit", got.notes, "adcredit 2000 from 1000 name unknown")
	wantLines(t, "dialled for who has no credit", got.dialled)
	// As shipped there is no trunk: the phones call each other by their names.
	s.CLI(t, `dialplan set global ADCREDIT_VIA ""`)
	s.write(t, standIn+"outcome", "SUFFICIENT -\n")
	got = s.call(t, lab.Caller{User: "whoever", At: at1000, Dial: "21001"})
	wantLines(t, "dialled without a trunk", got.dialled, "1001")
	for number, status := range map[string]int{"29999": 480, "2100,1": 403, "2200%0a": 403} {
		got = s.call(t, lab.Caller{User: "whoever", At: at1000, Dial: number, Status: status})
		wantLines(t, "dialled for "+number, got.dialled)
	}
}

// What a phone says of itself is not believed, in whichever header.
func TestChanSIPBelievesNoHeader(t *testing.T) {
	s := newSite(t, kinds[1])
	s.write(t, standIn+"outcome", "NOAD -\n")
	for _, header := range []string{
		"P-Asserted-Identity: <sip:1001@127.0.0.1>", "Remote-Party-ID: <sip:1001@127.0.0.1>;party=calling;screen=yes",
		"P-Preferred-Identity: <sip:1001@127.0.0.1>",
	} {
		got := s.call(t, lab.Caller{User: "1001", At: at1000, Dial: "2000", Headers: []string{header}, Status: 403})
		wantLines(t, header, got.notes, "adcredit 2000 from 1000 name unknown")
	}
}
