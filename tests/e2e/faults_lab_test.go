//go:build lab

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

func TestWhoHangsUpInMidAdGetsNothing(t *testing.T) { onBoth(t, testWhoHangsUpInMidAdGetsNothing) }

func testWhoHangsUpInMidAdGetsNothing(t *testing.T, on asterisk) {
	h := newHouse(t, options{on: on, plan: openPlan, engine: lab.InnoDB})
	rec := lab.Record(t)
	accepted := h.recorded(t, "en/accepted").length()
	lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys:   []lab.Key{{After: time.Second, Digit: "1"}},
		HangUp: accepted + adLength/2}.Start(t).Wait(t)
	h.eventually(t, "the listen's end", func() bool {
		return h.value(t, `SELECT GROUP_CONCAT(state) FROM adcredit_listen`) == "abandoned"
	})
	h.eventually(t, "ADCREDIT_STATUS", func() bool { return h.status(t) == "ABANDONED" })
	rec.Stop()

	ad, ok := sentTo(t, rec, poorAt).find(h.recorded(t, "ads/mangalou-en"))
	if !ok || ad.length() < time.Second || ad.length() > adLength-time.Second {
		t.Errorf("the ad was heard for %s, want about half of it", ad.length())
	}
	h.wantBooks(t, untouched("0.00000"))
	for _, m := range rec.SIP() {
		if m.To.String() == calleeAt {
			t.Fatalf("the callee was called:\n%s", lab.Ladder(rec.SIP()))
		}
	}
}

func TestWithoutTheProgram(t *testing.T) {
	t.Run("the open plan refuses", func(t *testing.T) {
		h := newHouse(t, options{plan: openPlan, absent: true})
		lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt, Status: 403}.Start(t).Wait(t)
		h.wantNoAGI(t, "adcredit")
	})
	t.Run("the guarded plan goes on", func(t *testing.T) {
		h := newHouse(t, options{plan: guardedPlan, absent: true})
		rec := lab.Record(t)
		callee := lab.Callee{At: calleeAt, HangUp: 2 * time.Second}.Start(t)
		lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt}.Start(t).Wait(t)
		callee.Wait(t)
		rec.Stop()
		h.wantNoAGI(t, "adcredit")
		wantNoAnswerBeforeTheCallees(t, rec, richAt)
		wantTalk(t, rec, richAt)
	})
}

func TestWithoutCreditapi(t *testing.T) { onBoth(t, testWithoutCreditapi) }

func testWithoutCreditapi(t *testing.T, on asterisk) {
	h := newHouse(t, options{on: on, plan: openPlan})
	h.api.kill()
	rec := lab.Record(t)
	lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt, Status: 403}.Start(t).Wait(t)
	rec.Stop()
	h.wantStatus(t, "UNKNOWN")
	// The phone speaks French in pjsip.conf; no account is known.
	if p, ok := sentTo(t, rec, richAt).find(h.recorded(t, "fr/refused")); !ok || p.lost > samplesOf(100*time.Millisecond) || p.likeness < 0.9 {
		t.Errorf("the caller was not told that the call is refused: %+v\n%s", p, lab.Ladder(rec.SIP()))
	}

	h.pbx.CLI(t, "dialplan set global ADCREDIT_FAIL open")
	rec = lab.Record(t)
	callee := lab.Callee{At: calleeAt, HangUp: 2 * time.Second}.Start(t)
	lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt}.Start(t).Wait(t)
	callee.Wait(t)
	rec.Stop()
	wantNoAnswerBeforeTheCallees(t, rec, richAt)
	h.wantBooks(t, untouched("0.00000"))
}

func TestACompletionThatWaitsIsCreditedOnce(t *testing.T) {
	h := newHouse(t, options{plan: openPlan})
	rec := lab.Record(t)
	callee := lab.Callee{At: calleeAt, HangUp: 2 * time.Second}.Start(t)
	caller := lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys: []lab.Key{{After: time.Second, Digit: "1"}}}.Start(t)
	h.eventually(t, "the ad", func() bool { return strings.Contains(h.log(t), "AGI Rx << STREAM FILE "+quoted("ads/mangalou-en")) })
	h.api.kill()
	caller.Wait(t)
	callee.Wait(t)
	rec.Stop()

	h.wantStatus(t, "PENDING")
	if _, ok := sentTo(t, rec, poorAt).find(h.recorded(t, "en/pending")); !ok {
		t.Error("the caller was not told that the credit comes later")
	}
	wantOneCall(t, rec, poorAt)
	wantTalk(t, rec, poorAt)
	h.wantBooks(t, books{Credit: "0.00000", Held: reward, Spent: "0.00000"})
	if out, code := h.adcredit(t, "-flush"); code != 1 {
		t.Errorf("adcredit -flush, with creditapi away: exit code %d, want 1\n%s", code, out)
	}

	h.api.start(t)
	for range 2 { // the second finds nothing to do
		if out, code := h.adcredit(t, "-flush"); code != 0 {
			t.Errorf("adcredit -flush: exit code %d\n%s", code, out)
		}
		h.wantBooks(t, credited("50.00000"))
	}
	if waiting, _ := filepath.Glob(h.pbx.Path(spoolDir + "/*.json")); len(waiting) > 0 {
		t.Errorf("the spool still has %s", waiting)
	}
}

func TestCheck(t *testing.T) { onBoth(t, testCheck) }

func testCheck(t *testing.T, on asterisk) {
	h := newHouse(t, options{on: on, plan: openPlan})
	out, code := h.adcredit(t, "-check")
	if code != 0 || strings.Count(out, "\n") < 7 || !strings.Contains(out, "ads/mangalou-en") {
		t.Errorf("adcredit -check: exit code %d\n%s", code, out)
	}
	if err := os.Remove(h.pbx.Path(filepath.Join(soundsDir, "fr/thanks.wav"))); err != nil {
		t.Fatal(err)
	}
	out, code = h.adcredit(t, "-check")
	if code != 1 || !strings.Contains(out, "fr lacks thanks.wav") {
		t.Errorf("adcredit -check without a prompt: exit code %d\n%s", code, out)
	}
}
