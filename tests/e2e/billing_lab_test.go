//go:build lab

package e2e_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"adcredit/tests/lab"
)

func TestA2BillingBillsTheTalkAndNotTheAd(t *testing.T) {
	h := newHouse(t, options{plan: guardedPlan})
	rec := lab.Record(t)
	const talk = 3 * time.Second
	callee := lab.Callee{At: calleeAt, HangUp: talk}.Start(t)
	lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys: []lab.Key{{After: time.Second, Digit: "1"}}}.Start(t).Wait(t)
	callee.Wait(t)
	rec.Stop()

	h.wantStatus(t, "GRANTED")
	h.wantAdHeard(t, rec)
	wantOneCall(t, rec, poorAt)
	wantTalk(t, rec, poorAt)
	h.eventually(t, "A2Billing's debit", func() bool {
		return h.value(t, `SELECT nbused FROM cc_card WHERE useralias = '1001'`) == "1"
	})
	whole := request(t, rec, "BYE", calleeAt, pbxAt).Time.Sub(answer(t, rec, pbxAt).Time)
	billed, err := strconv.Atoi(h.value(t, `SELECT sessiontime FROM cc_call WHERE card_id = 2`))
	if err != nil || billed < 2 || billed > 4 || whole < talk+adLength {
		t.Errorf("A2Billing billed %d s (%v) of a call of %s, want the talk of %s", billed, err, whole, talk)
	}
	h.wantBooks(t, credited(fmt.Sprintf("%d.%02d000", 49, 100-billed)))
	figure(t, "billed by A2Billing's stand-in: %d s, of %.1f s since the caller's channel was answered", billed, whole.Seconds())
}

func TestAnEmergencyNumberWaitsForNobody(t *testing.T) {
	for _, p := range []plan{openPlan, guardedPlan} {
		t.Run(string(p), func(t *testing.T) {
			h := newHouse(t, options{plan: p})
			h.api.kill()
			rec := lab.Record(t)
			callee := lab.Callee{At: calleeAt, HangUp: 2 * time.Second}.Start(t)
			lab.Caller{User: "1001", Dial: "17", At: poorAt, PBX: pbxAt}.Start(t).Wait(t)
			callee.Wait(t)
			rec.Stop()
			h.wantNoAGI(t, "adcredit")
			h.wantNoAGI(t, "a2billing.php")
			wantNoAnswerBeforeTheCallees(t, rec, poorAt)
			wantTalk(t, rec, poorAt)
			figure(t, "post-dial delay without adcredit, plan %s: %.0f ms", p, ms(postDial(t, rec, poorAt)))
		})
	}
}
