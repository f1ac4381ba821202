//go:build lab

package lab_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// probeSh is an AGI program that notes what it says, what it is told, and when
// (seconds). The caller hangs up during its last sound.
const probeSh = `#!/bin/bash
note() { echo "$EPOCHREALTIME $*" >>/run/asterisk/probe; }
ask() {
	note "> $*"
	echo "$*"
	read -r reply && note "< $reply"
}
trap 'note SIGHUP' HUP
while read -r line && [ -n "$line" ]; do :; done
ask ANSWER
ask 'STREAM FILE custom/tone ""'
ask 'STREAM FILE custom/tone "" 4000'
ask 'STREAM FILE custom/none ""'
ask 'WAIT FOR DIGIT 100'
note '> STREAM FILE, stopped by NOOP'
echo 'STREAM FILE custom/long ""'
sleep 1
ask NOOP
read -t 0.3 -r reply && note "< $reply"
ask 'GET VARIABLE NONE'
ask 'EXEC "MSet" "ONE=,TWO=2.5,ONE=a-b_c,EMPTY="'
ask 'GET VARIABLE ONE'
ask 'GET VARIABLE TWO'
ask 'GET VARIABLE EMPTY'
ask 'EXEC "NoSuchApplication" "ONE="'
ask 'STREAM FILE custom/long ""'
ask 'CHANNEL STATUS'
ask 'STREAM FILE custom/long ""'
ask 'SET VARIABLE KEPT yes'
ask 'GET VARIABLE KEPT'
ask 'EXEC "MSet" "TWO=3,KEPT=still"'
ask 'GET VARIABLE KEPT'
note done
`

const probeDialplan = `[from-caller]
exten => probe,1,AGI(probe.sh)
exten => leave,1,Answer()
 same => n,AGI(leave.sh)
`

const leaveSh = `#!/bin/bash
trap 'echo SIGHUP >>/run/asterisk/leave' HUP
while read -r line && [ -n "$line" ]; do :; done
echo HANGUP
read -r reply && echo "$reply" >>/run/asterisk/leave
sleep 2 >/dev/null & wait # for the signal, which may come later
`

const chanSIPConf = "[general]\nudpbindaddr=" + pbx + "\ncontext=nowhere\n" +
	"[caller]\ntype=peer\nhost=127.0.0.11\ncontext=from-caller\ndisallow=all\nallow=ulaw\ndirectmedia=no\ndtmfmode=auto\n"

// probed is what the program must have noted, line by line, but for the signal
// SIGHUP, which may come before the reply of the sound that the hangup ends, or
// after it.
var probed = []string{
	`> ANSWER`, `< 200 result=0`,
	`> STREAM FILE custom/tone ""`, `< 200 result=0 endpos=8000`,
	`> STREAM FILE custom/tone "" 4000`, `< 200 result=0 endpos=8000`,
	`> STREAM FILE custom/none ""`, `< 200 result=-1 endpos=0`,
	`> WAIT FOR DIGIT 100`, `< 200 result=0`,
	`> STREAM FILE, stopped by NOOP`, `> NOOP`, `< 200 result=0`,
	`> GET VARIABLE NONE`, `< 200 result=0`,
	`> EXEC "MSet" "ONE=,TWO=2.5,ONE=a-b_c,EMPTY="`, `< 200 result=0`,
	`> GET VARIABLE ONE`, `< 200 result=1 (a-b_c)`,
	`> GET VARIABLE TWO`, `< 200 result=1 (2.5)`,
	`> GET VARIABLE EMPTY`, `< 200 result=1 ()`,
	`> EXEC "NoSuchApplication" "ONE="`, `< 200 result=-2`,
	`> STREAM FILE custom/long ""`, `< 200 result=-1 endpos=[1-9]\d*`,
	`> CHANNEL STATUS`, `< 511 Command Not Permitted on a dead channel or intercept routine`,
	`> STREAM FILE custom/long ""`, `< 511 Command Not Permitted on a dead channel or intercept routine`,
	`> SET VARIABLE KEPT yes`, `< 200 result=1`,
	`> GET VARIABLE KEPT`, `< 200 result=1 (yes)`,
	`> EXEC "MSet" "TWO=3,KEPT=still"`, `< 200 result=0`,
	`> GET VARIABLE KEPT`, `< 200 result=1 (still)`,
	`done`,
}

// TestAsteriskAnswersAGI holds both Asterisks to the answers that adcredit relies
// on, and that fakeasterisk gives.
func TestAsteriskAnswersAGI(t *testing.T) {
	for name, c := range map[string]lab.AsteriskConfig{
		"22": {Files: map[string]string{"pjsip.conf": pjsipConf}},
		"16": {ChanSIP: true, Files: map[string]string{"sip.conf": chanSIPConf}},
	} {
		t.Run(name, func(t *testing.T) {
			p := probing(t, c)
			// The last sound begins 3 s after the answer, and lasts 20 s.
			lab.Caller{User: "1001", Dial: "probe", At: callerAt, PBX: pbx, HangUp: 5 * time.Second}.Start(t).Wait(t)
			notes := awaitNotes(t, p.Path("/run/asterisk/probe"), "done")
			t.Log("\n" + strings.Join(notes, "\n"))
			wantNoted(t, notes)
			lab.Caller{User: "1001", Dial: "leave", At: callerAt, PBX: pbx}.Start(t).Wait(t)
			left := awaitNotes(t, p.Path("/run/asterisk/leave"), "200 result=1", "SIGHUP")
			t.Logf("HANGUP brings %q", left)
		})
	}
}

// wantNoted compares the probe's notes with what they must be.
func wantNoted(t *testing.T, notes []string) {
	t.Helper()
	var said []string
	for _, note := range notes {
		_, text, _ := strings.Cut(note, " ")
		said = append(said, text)
	}
	all := len(said)
	said = slices.DeleteFunc(said, func(text string) bool { return text == "SIGHUP" })
	if all-len(said) != 1 || len(said) != len(probed) {
		t.Fatalf("%d lines and %d SIGHUP, want %d and 1", len(said), all-len(said), len(probed))
	}
	for i, text := range said {
		if !regexp.MustCompile(`^` + quoteBut(probed[i]) + `$`).MatchString(text) {
			t.Errorf("line %d is %q, want %q", i+1, text, probed[i])
		}
	}
}

// quoteBut quotes all of a pattern but a position that only is not 0.
func quoteBut(text string) string {
	return strings.Replace(regexp.QuoteMeta(text), regexp.QuoteMeta(`[1-9]\d*`), `[1-9]\d*`, 1)
}

func probing(t *testing.T, c lab.AsteriskConfig) *lab.PBX {
	t.Helper()
	const agiBin, custom = "/usr/share/asterisk/agi-bin/", "/usr/local/share/asterisk/sounds/"
	c.Files["extensions.conf"], c.Mounts = probeDialplan, map[string]string{}
	for inside, text := range map[string]string{
		agiBin + "probe.sh":  probeSh,
		agiBin + "leave.sh":  leaveSh,
		custom + "tone.ulaw": string(lab.EncodeULaw(lab.Tone(700, -20, time.Second))),
		custom + "long.ulaw": string(lab.EncodeULaw(lab.Tone(700, -20, 20*time.Second))),
	} {
		outside := filepath.Join(t.TempDir(), filepath.Base(inside))
		if err := os.WriteFile(outside, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		c.Mounts[inside] = outside
	}
	return lab.Asterisk(t, c)
}

// awaitNotes waits until a program has noted these lines, which have a time before
// them or not.
func awaitNotes(t *testing.T, path string, want ...string) []string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(path) // absent at first
		noted := strings.Split(strings.TrimSpace(string(text)), "\n")
		if !slices.ContainsFunc(want, func(w string) bool {
			return !slices.ContainsFunc(noted, func(n string) bool { return n == w || strings.HasSuffix(n, " "+w) })
		}) {
			return noted
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s lacks one of %q:\n%s", path, want, text)
		}
	}
}
