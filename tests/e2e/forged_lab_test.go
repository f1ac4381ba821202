//go:build lab

package e2e_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// forged are callers whose number carries lines for AGI: an account code of
// their choice, and an environment that ends early, followed by the reply that
// would make the first command look like an ad heard to its end.
var forged = map[string]string{
	"account code": "10%0aagi_accountcode%3a%20" + richCard,
	"early end":    "10%0a%0a200%20result=0%20endpos=44000",
}

const richCard, poorCard = "8987344413", "9700203963"

func TestAForgedCallerIsRefusedByTheOpenPlan(t *testing.T) {
	onBoth(t, testAForgedCallerIsRefusedByTheOpenPlan)
}

func testAForgedCallerIsRefusedByTheOpenPlan(t *testing.T, on asterisk) {
	h := newHouse(t, options{on: on, plan: openPlan})
	for name, user := range forged {
		t.Run(name, func(t *testing.T) {
			rec := lab.Record(t)
			lab.Caller{User: user, Dial: "2000", At: trunkAt, PBX: pbxAt, Status: 403}.Start(t).Wait(t)
			rec.Stop()
			h.wantNoAGI(t, "adcredit")
			wantSilence(t, rec, trunkAt)
		})
	}
	t.Run("extension", func(t *testing.T) {
		lab.Caller{User: "1001", Dial: "2000%0aagi_accountcode%3a%20" + richCard, At: trunkAt, PBX: pbxAt, Status: 403}.Start(t).Wait(t)
		h.wantNoAGI(t, "adcredit")
	})
	h.wantBooks(t, untouched("0.00000"))
	h.wantNoListen(t)
}

// Lines forged for us would be forged for A2Billing's own AGI too.
func TestAForgedCallerIsRefusedByTheGuardedPlan(t *testing.T) {
	h := newHouse(t, options{plan: guardedPlan, credit: "0.50"})
	for name, user := range forged {
		t.Run(name, func(t *testing.T) {
			rec := lab.Record(t)
			lab.Caller{User: user, Dial: "2000", At: trunkAt, PBX: pbxAt, Status: 403}.Start(t).Wait(t)
			rec.Stop()
			h.wantNoAGI(t, "adcredit")
			h.wantNoAGI(t, "a2billing.php")
			wantSilence(t, rec, trunkAt)
		})
	}
	h.wantNoListen(t)
	h.wantBooks(t, untouched("0.50000"))
}

// Any other caller whose number is not clean is A2Billing's to judge.
func TestAnUncleanCallerIsLeftToA2Billing(t *testing.T) {
	// Enough for A2Billing and too little for us: an ad would be offered.
	h := newHouse(t, options{plan: guardedPlan, credit: "0.50"})
	for _, user := range []string{"anonymous", "1%22%20=%20%221"} {
		rec := lab.Record(t)
		callee := lab.Callee{At: calleeAt, HangUp: 2 * time.Second}.Start(t)
		lab.Caller{User: user, Dial: "2000", At: trunkAt, PBX: pbxAt}.Start(t).Wait(t)
		callee.Wait(t)
		rec.Stop()
		h.wantNoAGI(t, "adcredit")
		wantNoAnswerBeforeTheCallees(t, rec, trunkAt)
	}
	h.wantNoListen(t)
	h.eventually(t, "A2Billing's second debit", func() bool {
		return h.value(t, `SELECT COUNT(*) FROM cc_call WHERE card_id = 2`) == "2"
	})
	if got := h.books(t); got.Refills != "" || got.Ledger != "" {
		t.Errorf("an unclean caller was credited: %+v", got)
	}
}

// The program has locks of its own, for dialplans that test nothing.
func TestAForgedCallerIsRefusedByTheProgram(t *testing.T) {
	onBoth(t, testAForgedCallerIsRefusedByTheProgram)
}

func testAForgedCallerIsRefusedByTheProgram(t *testing.T, on asterisk) {
	h := newHouse(t, options{on: on, plan: openPlan})
	for name, user := range forged {
		t.Run(name, func(t *testing.T) {
			before := len(h.log(t))
			rec := lab.Record(t)
			lab.Caller{User: user, Dial: "2000", At: naiveAt, PBX: pbxAt, Status: 403}.Start(t).Wait(t)
			rec.Stop()
			wantSilence(t, rec, naiveAt)
			log := h.log(t)[before:]
			if !strings.Contains(log, "naive status ERROR cause forged") {
				t.Errorf("the dialplan was told otherwise:\n%s", strings.Join(linesWith(log, "naive status"), "\n"))
			}
		})
	}
	h.wantNoListen(t)
	h.wantBooks(t, untouched("0.00000"))
	log, err := os.ReadFile(h.pbx.Path("/var/log/asterisk/adcredit"))
	if err != nil || strings.Count(string(log), "an attack") != len(forged) {
		t.Errorf("the attacks are not in adcredit's log (%v):\n%s", err, log)
	}
}

// A phone is known by its address: who claims to be 1000 is still 1001.
func TestFromIsNotBelieved(t *testing.T) { onBoth(t, testFromIsNotBelieved) }

func testFromIsNotBelieved(t *testing.T, on asterisk) {
	h := newHouse(t, options{on: on, plan: openPlan})
	lab.Caller{User: "1000", Dial: "2000", At: poorAt, PBX: pbxAt, HangUp: time.Second}.Start(t).Wait(t)
	h.eventually(t, "ADCREDIT_STATUS", func() bool { return h.status(t) == "ABANDONED" })
	if log := h.log(t); !strings.Contains(log, "agi_accountcode: "+poorCard) {
		t.Errorf("the account code was not 1001's:\n%s", strings.Join(linesWith(log, "agi_accountcode"), "\n"))
	}
}
