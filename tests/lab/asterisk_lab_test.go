//go:build lab

package lab_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

const (
	pbx       = "127.0.0.1:5060"
	callerAt  = "127.0.0.11:5060"
	calleeAt  = "127.0.0.12:5060"
	pjsipConf = "[udp]\ntype=transport\nprotocol=udp\nbind=" + pbx + "\n" +
		"[caller]\ntype=endpoint\ntransport=udp\ncontext=from-caller\ndisallow=all\nallow=ulaw\ndirect_media=no\ndtmf_mode=auto_info\n" +
		"[caller]\ntype=identify\nendpoint=caller\nmatch=127.0.0.11\n" +
		"[callee]\ntype=endpoint\ntransport=udp\ncontext=nowhere\naors=callee\ndisallow=all\nallow=ulaw\ndirect_media=no\n" +
		"[callee]\ntype=aor\ncontact=sip:callee@" + calleeAt + "\n"
	extensions = `[from-caller]
exten => play,1,Answer()
 same => n,Playback(custom/tone)
 same => n,Hangup()
exten => press,1,Answer()
 same => n,AGI(press.sh)
 same => n,Hangup(${IF($["${PRESSED}"="49"]?16:21)})
exten => talk,1,Dial(PJSIP/callee,10)
 same => n,Hangup()
exten => refuse,1,Hangup(21)
exten => _[0-9].,1,Verbose(0,number [${CALLERID(num)}] length ${LEN(${CALLERID(num)})})
 same => n,Hangup(21)
`
	pressSh = `#!/bin/sh
while read -r line && [ -n "$line" ]; do :; done
echo 'STREAM FILE custom/tone "12"'
read -r reply
reply=${reply#*result=}
echo "SET VARIABLE PRESSED ${reply%% *}"
read -r reply
`
)

// asterisk starts one with the dialplan above and a sound of 3 s at -20 dB.
func asterisk(t *testing.T) *lab.PBX {
	dir := t.TempDir()
	sound, agi := filepath.Join(dir, "tone.ulaw"), filepath.Join(dir, "press.sh")
	if err := os.WriteFile(sound, lab.EncodeULaw(lab.Tone(700, -20, 3*time.Second)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(agi, []byte(pressSh), 0o755); err != nil {
		t.Fatal(err)
	}
	return lab.Asterisk(t, lab.AsteriskConfig{
		Files: map[string]string{"pjsip.conf": pjsipConf, "extensions.conf": extensions},
		Mounts: map[string]string{
			"/usr/local/share/asterisk/sounds/tone.ulaw": sound,
			"/usr/share/asterisk/agi-bin/press.sh":       agi,
		},
	})
}

func TestASoundIsMeasured(t *testing.T) {
	asterisk(t)
	rec := lab.Record(t)
	lab.Caller{User: "1001", Dial: "play", At: callerAt, PBX: pbx}.Start(t).Wait(t)
	rec.Stop()
	ear := mediaOf(t, rec, callerAt)
	heard := lab.Heard(rec.RTP(), ear)
	sounds := heard.Sounds(-50, 200*time.Millisecond)
	if len(sounds) != 1 || sounds[0].Length < 2900*time.Millisecond || sounds[0].Length > 3100*time.Millisecond {
		t.Errorf("heard %v; want one sound of 3 s", sounds)
	}
	if l := lab.ToneLevel(heard.Samples, 700); l < -21 || l > -19 {
		t.Errorf("the tone came with %.1f dB, want -20", l)
	}
}

func TestADigitStopsAPlayback(t *testing.T) {
	p := asterisk(t)
	rec := lab.Record(t)
	lab.Caller{User: "1001", Dial: "press", At: callerAt, PBX: pbx,
		Keys: []lab.Key{{After: time.Second, Digit: "1"}}}.Start(t).Wait(t)
	rec.Stop()
	// A busy machine presses early or late, but not after the whole sound of 3 s.
	if l := lab.Heard(rec.RTP(), mediaOf(t, rec, callerAt)).Length(); l == 0 || l > 2500*time.Millisecond {
		t.Errorf("the sound went on for %s, a digit at 1 s should have ended it", l)
	}
	deadline := time.Now().Add(5 * time.Second) // Asterisk says BYE before it is done with the channel
	for {
		out := p.CLI(t, "core show channels count")
		if strings.Contains(out, "0 active channels") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("5 s after the call: %s", out)
		}
	}
}

func TestTwoPartiesHearEachOther(t *testing.T) {
	asterisk(t)
	rec := lab.Record(t)
	callee := lab.Callee{At: calleeAt, Ring: 300 * time.Millisecond, HangUp: time.Second}.Start(t)
	lab.Caller{User: "1001", Dial: "talk", At: callerAt, PBX: pbx}.Start(t).Wait(t)
	callee.Wait(t)
	rec.Stop()
	for at, hz := range map[string]float64{callerAt: 440, calleeAt: 300} {
		heard := lab.Heard(rec.RTP(), mediaOf(t, rec, at))
		if l := lab.ToneLevel(heard.Samples, hz); heard.Length() < 800*time.Millisecond || l < -22 {
			t.Errorf("%s heard %s, the other's tone with %.1f dB; want 1 s at -20", at, heard.Length(), l)
		}
	}
}

func TestCallsThatAreNotAnswered(t *testing.T) {
	p := asterisk(t)
	lab.Caller{User: "1001", Dial: "refuse", At: callerAt, PBX: pbx, Status: 403}.Start(t).Wait(t)
	lab.Caller{User: "10%0a00", Dial: "2000", At: callerAt, PBX: pbx, Status: 403}.Start(t).Wait(t)
	log, err := os.ReadFile(p.Log())
	if err != nil || !strings.Contains(string(log), "number [10\n00] length 5") {
		t.Errorf("Asterisk did not get the forged number as it was sent: %v", err)
	}
	rec := lab.Record(t)
	lab.Callee{At: calleeAt, Ring: 20 * time.Second}.Start(t)
	lab.Caller{User: "1001", Dial: "talk", At: callerAt, PBX: pbx, Cancel: 500 * time.Millisecond}.Start(t).Wait(t)
	request := func(method, to string) lab.SIP {
		return rec.AwaitSIP(t, 5*time.Second, method+" to "+to, func(m lab.SIP) bool {
			return m.Status() == 0 && m.Method() == method && m.To.String() == to
		})
	}
	request("CANCEL", calleeAt)
	if wait := request("CANCEL", pbx).Time.Sub(request("INVITE", pbx).Time); wait < 450*time.Millisecond || wait > time.Second {
		t.Errorf("the caller gave up after %s, want 500 ms", wait)
	}
}

// mediaOf is where the party at that SIP address listens.
func mediaOf(t *testing.T, rec *lab.Recording, at string) netip.AddrPort {
	t.Helper()
	m := rec.AwaitSIP(t, 0, "session description from "+at, func(m lab.SIP) bool {
		return m.From.String() == at && m.MediaAddress().IsValid()
	})
	return m.MediaAddress()
}
