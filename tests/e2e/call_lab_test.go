//go:build lab

package e2e_test

import (
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

func TestAnAdPaysForTheCall(t *testing.T) {
	for _, o := range []options{ // TestDegraded has Asterisk 22 with InnoDB
		{on: asterisk22, plan: openPlan, engine: lab.MyISAM},
		{on: asterisk16, plan: openPlan, engine: lab.InnoDB},
	} {
		t.Run(o.on.name+" "+string(o.engine), func(t *testing.T) {
			h := newHouse(t, o)
			rec := lab.Record(t)
			callee := lab.Callee{At: calleeAt, Ring: 500 * time.Millisecond, HangUp: 2 * time.Second}.Start(t)
			lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
				Keys: []lab.Key{{After: 2 * time.Second, Digit: "1"}}}.Start(t).Wait(t)
			callee.Wait(t)
			rec.Stop()

			h.wantBooks(t, credited("50.00000"))
			h.wantStatus(t, "GRANTED")
			h.wantAdHeard(t, rec)
			wantOneCall(t, rec, poorAt)
			wantTalk(t, rec, poorAt)
			h.figures(t, rec)
		})
	}
}

func TestEnoughCreditMeetsNoAd(t *testing.T) { onBoth(t, testEnoughCreditMeetsNoAd) }

func testEnoughCreditMeetsNoAd(t *testing.T, on asterisk) {
	h := newHouse(t, options{on: on, plan: openPlan})
	rec := lab.Record(t)
	callee := lab.Callee{At: calleeAt, Ring: 500 * time.Millisecond, HangUp: 2 * time.Second}.Start(t)
	lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt}.Start(t).Wait(t)
	callee.Wait(t)
	rec.Stop()

	h.wantStatus(t, "SUFFICIENT")
	h.wantBooks(t, untouched("0.00000"))
	wantOneCall(t, rec, richAt)
	wantTalk(t, rec, richAt)
	wantNoAnswerBeforeTheCallees(t, rec, richAt)
	figure(t, "post-dial delay of a caller with credit: the callee's phone is called %.0f ms after the caller's INVITE", ms(postDial(t, rec, richAt)))
}

// postDial is the time from the caller's INVITE to the callee's.
func postDial(t *testing.T, rec *lab.Recording, caller string) time.Duration {
	t.Helper()
	return request(t, rec, "INVITE", pbxAt, calleeAt).Time.Sub(request(t, rec, "INVITE", caller, pbxAt).Time)
}

// wantAdHeard measures the ad where it matters: in the caller's ear.
func (h *house) wantAdHeard(t *testing.T, rec *lab.Recording) {
	t.Helper()
	heard := sentTo(t, rec, poorAt)
	ad, ok := heard.find(h.recorded(t, "ads/mangalou-en"))
	if !ok {
		t.Fatalf("the caller heard %s, and no ad in it", lengthOf(len(heard.samples)))
	}
	if d := ad.length() - adLength; d < -100*time.Millisecond || d > 100*time.Millisecond || ad.likeness < 0.95 {
		t.Errorf("the ad was heard for %s, alike to %.2f; want %s and 1", ad.length(), ad.likeness, adLength)
	}
	took := heard.when(ad.end - 1).Sub(heard.when(ad.begin))
	if took < adLength-busy || took > adLength+busy {
		t.Errorf("the ad took %s, want %s", took, adLength)
	}
	level := lab.Level(heard.samples[ad.begin:ad.end])
	if level < -30 || level > -10 {
		t.Errorf("the ad came with %.1f dB; want it loud and not too loud", level)
	}
	t.Logf("the ad was heard for %s, in %s, at %.1f dB, alike to %.3f", ad.length(), took, level, ad.likeness)
}

// wantOneCall: all that the phone sent and got belongs to one call.
func wantOneCall(t *testing.T, rec *lab.Recording, at string) {
	t.Helper()
	calls, invites, answers := map[string]bool{}, 0, 0
	for _, m := range rec.SIP() {
		if m.From.String() != at && m.To.String() != at {
			continue
		}
		calls[m.CallID()] = true
		if m.Start[:min(6, len(m.Start))] == "INVITE" {
			invites++
		}
		if m.Status() == 200 && m.Method() == "INVITE" {
			answers++
		}
	}
	if len(calls) != 1 || invites != 1 || answers != 1 {
		t.Errorf("%s saw %d calls, %d INVITEs and %d answers, want one of each:\n%s", at, len(calls), invites, answers, lab.Ladder(rec.SIP()))
	}
}

// wantTalk: caller and callee heard each other's tone for two seconds at the
// end of the call.
func wantTalk(t *testing.T, rec *lab.Recording, caller string) {
	t.Helper()
	for at, hz := range map[string]float64{caller: 440, calleeAt: 300} {
		heard := sentTo(t, rec, at).samples
		last := heard[max(0, len(heard)-samplesOf(1500*time.Millisecond)):]
		if l := lab.ToneLevel(last, hz); len(last) < samplesOf(1500*time.Millisecond) || l < -24 || l > -16 {
			t.Errorf("at the end %s heard the other's tone with %.1f dB, want -20", at, l)
		}
	}
}

// request waits for a request between two addresses.
func request(t *testing.T, rec *lab.Recording, method, from, to string) lab.SIP {
	t.Helper()
	return rec.AwaitSIP(t, 10*time.Second, method+" from "+from+" to "+to, func(m lab.SIP) bool {
		return m.Status() == 0 && m.Method() == method && m.From.String() == from && m.To.String() == to
	})
}

// answer waits for the 200 OK to an INVITE that the address sends.
func answer(t *testing.T, rec *lab.Recording, from string) lab.SIP {
	t.Helper()
	return rec.AwaitSIP(t, 10*time.Second, "answer from "+from, func(m lab.SIP) bool {
		return m.Status() == 200 && m.Method() == "INVITE" && m.From.String() == from
	})
}

func linesWith(text, part string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
