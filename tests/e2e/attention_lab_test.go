//go:build lab

package e2e_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// rewind is how much of the ad is heard again after a question.
const rewind = time.Second

// askEverybody makes creditapi check each listen.
func (h *house) askEverybody(t *testing.T) {
	t.Helper()
	h.api.kill()
	h.api.config = filepath.Join(t.TempDir(), "creditapi.toml")
	if err := os.WriteFile(h.api.config, []byte("attention_share = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.api.start(t)
}

func TestWhoPressesTheDigitIsCredited(t *testing.T) { onBoth(t, testWhoPressesTheDigitIsCredited) }

func testWhoPressesTheDigitIsCredited(t *testing.T, on asterisk) {
	h := newHouse(t, options{on: on, plan: openPlan})
	h.askEverybody(t)
	rec := lab.Record(t)
	callee := lab.Callee{At: calleeAt, HangUp: 2 * time.Second}.Start(t)
	caller := lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys: []lab.Key{{After: time.Second, Digit: "1"}, {}}}.Start(t)
	h.eventually(t, "the digit", func() bool { return strings.Contains(h.log(t), "AGI Rx << SAY DIGITS") })
	caller.Press(t, h.value(t, `SELECT digit FROM adcredit_attention`))
	caller.Wait(t)
	callee.Wait(t)
	rec.Stop()

	h.wantStatus(t, "GRANTED")
	h.wantBooks(t, credited("50.00000"))
	wantOneCall(t, rec, poorAt)
	wantTalk(t, rec, poorAt)
	h.wantAdInParts(t, rec)
}

// wantAdInParts: in the caller's ear the ad was whole, in two parts that overlap,
// and between them the question.
func (h *house) wantAdInParts(t *testing.T, rec *lab.Recording) {
	t.Helper()
	ms, err := strconv.Atoi(h.value(t, `SELECT at_ms FROM adcredit_attention`))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Duration(ms) * time.Millisecond
	heard := sentTo(t, rec, poorAt).samples
	question, ok := track{samples: heard}.find(h.recorded(t, "en/attention"))
	if !ok || question.likeness < 0.95 {
		t.Fatalf("the caller did not hear the question: %+v", question)
	}
	ad := h.recorded(t, "ads/mangalou-en")
	first, rest := ad, ad
	first.samples, rest.samples = ad.samples[:samplesOf(at)], ad.samples[samplesOf(at-rewind):]
	before, ok := track{samples: heard[:question.begin]}.find(first)
	// It may begin late by as much as is heard again: there is no gap then.
	if missing := at - before.length(); !ok || missing > rewind {
		t.Errorf("the caller heard %s of the ad before the question at %s", before.length(), at)
	}
	after, ok := track{samples: heard[question.end:]}.find(rest)
	if !ok || after.likeness < 0.95 {
		t.Errorf("the caller did not hear the ad go on to its end: %+v", after)
	}
	figure(t, "attention: asked for at %.2f s of %.1f s, heard until then %.2f s, and the ad's end from %.2f s on, alike to %.3f",
		at.Seconds(), adLength.Seconds(), before.length().Seconds(), (at - rewind).Seconds(), after.likeness)
}

func TestWhoPressesNothingIsNot(t *testing.T) {
	h := newHouse(t, options{plan: openPlan})
	h.askEverybody(t)
	rec := lab.Record(t)
	lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys: []lab.Key{{After: time.Second, Digit: "1"}}}.Start(t).Wait(t)
	rec.Stop()

	h.wantStatus(t, "ABANDONED")
	h.wantBooks(t, untouched("0.00000"))
	if cause := h.value(t, `SELECT CONCAT(state, ' ', cause) FROM adcredit_listen`); cause != "abandoned inattentive" {
		t.Errorf("the listen is %s, want abandoned inattentive", cause)
	}
	if n := strings.Count(h.log(t), "AGI Rx << SAY DIGITS"); n != 2 {
		t.Errorf("the digit was said %d times, want 2", n)
	}
	if _, ok := sentTo(t, rec, poorAt).find(h.recorded(t, "en/cut")); !ok {
		t.Error("the caller was not told that the ad was cut")
	}
	for _, m := range rec.SIP() {
		if m.To.String() == calleeAt {
			t.Fatalf("the callee was called:\n%s", lab.Ladder(rec.SIP()))
		}
	}
}

func TestWhoHangsUpWhenAskedIsNot(t *testing.T) {
	h := newHouse(t, options{plan: openPlan, engine: lab.InnoDB})
	h.askEverybody(t)
	accepted := h.recorded(t, "en/accepted").length()
	lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys: []lab.Key{{After: time.Second, Digit: "1"}},
		// Asked at the latest 4.5 s into the ad, and for at least 15 s.
		HangUp: accepted + adLength + 4*time.Second}.Start(t).Wait(t)
	h.eventually(t, "the listen's end", func() bool {
		return h.value(t, `SELECT CONCAT(state, ' ', COALESCE(cause, '')) FROM adcredit_listen`) == "abandoned hangup"
	})
	h.eventually(t, "ADCREDIT_STATUS", func() bool { return h.status(t) == "ABANDONED" })
	if !strings.Contains(h.log(t), "AGI Rx << SAY DIGITS") {
		t.Error("nothing was asked")
	}
	h.wantBooks(t, untouched("0.00000"))
}
