//go:build lab

package etc_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// statuses are all that adcredit can say, what it did to the channel, and
// whether the open plan dials, with ADCREDIT_FAIL closed and open.
var statuses = []struct {
	outcome      string // status, cause, whether the channel was answered
	closed, open bool
}{
	{"SUFFICIENT -", true, true},
	{"GRANTED - answer", true, true},
	{"PENDING - answer", true, true},
	{"PARTIAL - answer", false, false},
	{"DECLINED - answer", false, false},
	{"ABANDONED - answer", false, false},
	{"REFUSED - answer", false, false},
	{"NOAD unreachable answer", false, false},
	{"NOAD -", false, false},
	{"CAPPED -", false, false},
	{"TOOLOW -", false, false},
	{"BLOCKED -", false, false},
	{"NOACCOUNT identity", false, false},
	{"UNKNOWN -", false, true},
	{"ERROR agi", false, true},
	{"ERROR agi answer", false, true},
	{"ERROR forged", false, false},
	{"crash -", false, true},
	{"crash - answer", false, true},
	{"granted -", false, false}, // no status of ours
}

func TestOpenPlan(t *testing.T) { onEach(t, testOpenPlan) }

func testOpenPlan(t *testing.T, s *site) {
	lab.Callee{At: atCallee, Calls: 100, HangUp: 20 * time.Millisecond}.Start(t)
	for _, fail := range []string{"closed", "open"} {
		if fail == "open" { // closed as shipped
			s.CLI(t, "dialplan set global ADCREDIT_FAIL open")
		}
		for _, c := range statuses {
			t.Run(fail+" "+c.outcome, func(t *testing.T) {
				s.write(t, standIn+"outcome", c.outcome+"\n")
				dial, answered := c.closed, strings.HasSuffix(c.outcome, "answer")
				if fail == "open" {
					dial = c.open
				}
				caller := lab.Caller{User: "whoever", At: at1000, Dial: "2000"}
				if !dial && !answered {
					caller.Status = 403
				}
				got := s.call(t, caller)
				wantLines(t, "asked", got.notes, "adcredit 2000 from 1000 name unknown")
				var want []string
				if dial {
					want = []string{"2000"}
				}
				wantLines(t, "dialled", got.dialled, want...)
				if prompt := !dial && !answered; got.media != prompt {
					t.Errorf("early media is %v, want %v", got.media, prompt)
				}
				if dial && !strings.Contains(got.from, `"1000" <sip:1000@`) {
					t.Errorf("the callee was told From: %s", got.from)
				}
			})
		}
	}
	wantLines(t, "complaints", s.complaints(t))
}

// What is said to a caller who is refused reaches his ear.
func TestRefusalIsHeard(t *testing.T) { onEach(t, testRefusalIsHeard) }

func testRefusalIsHeard(t *testing.T, s *site) {
	for outcome, least := range map[string]time.Duration{"NOAD -": 80 * time.Millisecond, "UNKNOWN -": 180 * time.Millisecond} {
		s.write(t, standIn+"outcome", outcome+"\n")
		rec := lab.Record(t)
		lab.Caller{User: "1000", At: at1000, Dial: "2000", PBX: pbx, Status: 403}.Start(t).Wait(t)
		rec.Stop()
		ear := rec.AwaitSIP(t, 0, "the caller's session description", func(m lab.SIP) bool {
			return m.From.String() == at1000 && m.MediaAddress().IsValid()
		}).MediaAddress()
		heard := lab.Heard(rec.RTP(), ear)
		if level := lab.ToneLevel(heard.Samples, 700); heard.Length() < least || level < -25 {
			t.Errorf("%s: %s heard at %.0f dB, want %s and more at -20", outcome, heard.Length(), level, least)
		}
	}
}

// A2Billing gets every call; once the channel is answered, on one of its own
// with the account and without answering it again.
func TestGuardedPlan(t *testing.T) { onEach(t, testGuardedPlan) }

func testGuardedPlan(t *testing.T, s *site) {
	lab.Callee{At: atCallee, Calls: 100, HangUp: 20 * time.Millisecond}.Start(t)
	for _, c := range statuses {
		t.Run(c.outcome, func(t *testing.T) {
			s.write(t, standIn+"outcome", c.outcome+"\n")
			got := s.call(t, lab.Caller{User: "1001", Name: "Awa", At: atGuarded, Dial: "2000"})
			follows := "a2billing 1 account 4711 on " + s.channel
			if strings.HasSuffix(c.outcome, "answer") {
				follows = "a2billing 1+answer_call=0 account 4711 on Local"
			}
			wantLines(t, "asked", got.notes, "adcredit 2000 from 1001 name unknown", follows)
			wantLines(t, "dialled", got.dialled, "2000")
			if !strings.Contains(got.from, `"Awa" <sip:1001@`) {
				t.Errorf("the callee was told From: %s", got.from)
			}
		})
	}
	wantLines(t, "complaints", s.complaints(t))
}

// Without the program the open plan refuses, and the guarded one goes on.
func TestProgramRemoved(t *testing.T) { onEach(t, testProgramRemoved) }

func testProgramRemoved(t *testing.T, s *site) {
	lab.Callee{At: atCallee, Calls: 100, HangUp: 20 * time.Millisecond}.Start(t)
	if err := os.Remove(s.Path(agiBin + "adcredit")); err != nil {
		t.Fatal(err)
	}
	got := s.call(t, lab.Caller{User: "1001", At: atOpen, Dial: "2000", Status: 403})
	wantLines(t, "dialled by the open plan", got.dialled)
	got = s.call(t, lab.Caller{User: "1001", At: atGuarded, Dial: "2000"})
	wantLines(t, "asked", got.notes, "a2billing 1 account 4711 on "+s.channel)
	wantLines(t, "dialled by the guarded plan", got.dialled, "2000")

	if err := os.Remove(s.Path(agiBin + "a2billing.php")); err != nil {
		t.Fatal(err)
	}
	got = s.call(t, lab.Caller{User: "1001", At: atGuarded, Dial: "2000", Status: 403})
	wantLines(t, "dialled without A2Billing", got.dialled)
}

// Callers who would be part of an expression, the end of a function, or
// somebody else once repaired.
var unclean = []lab.Caller{
	{User: "1%22%20=%20%221"},
	{User: "1%22%20%7c%20%221%22%20=%20%221"},
	{User: "10%2000"},
	{User: "%22quoted%22"},
	{User: "1)%3a0%3a1"},
	{User: ")%3a%3a"},
	{User: "$%7BADCREDIT_FAIL%7D"},
	{User: "1%7d"},
	{User: "1%5c"},
	{User: "1,2"},
	{User: "%e9"},
	{User: "anonymous"},
	{User: "1001", Headers: []string{"Diversion: <sip:12%2034@127.0.0.20>"}},
	{User: "1001", Dial: "2000,30,S(1)"},
	{User: "1001", Dial: "2000&PJSIP%2f1000"},
	{User: "1001", Dial: "2000&SIP%2f1000"},
	{User: "1001", Dial: "2000%401000"},
}

// Callers who would be lines of AGI, the last ones past a LEN(...) too.
var lines = []lab.Caller{
	{User: "10%0a00"},
	{User: "10%0a%0a200%20result=0%20endpos=160000"},
	{User: "10%0aagi_accountcode%3a%208987344413"},
	{User: "1001", Dial: "2000%0aagi_accountcode%3a%208987344413"},
	{User: "1001", Headers: []string{"Diversion: <sip:12%0a34@127.0.0.20>"}},
	{User: "1)%3a0%3a1%0aagi_accountcode%3a%208987344413"},
	{User: ")%3a%3a%0aagi_accountcode%3a%208987344413"},
	{User: "1001", Dial: "2)%3a0%3a1%0aagi_accountcode%3a%208987344413"},
}

func TestForgedCallers(t *testing.T) { onEach(t, testForgedCallers) }

func testForgedCallers(t *testing.T, s *site) {
	s.write(t, standIn+"outcome", "SUFFICIENT - answer\n")
	s.CLI(t, "dialplan set global ADCREDIT_FAIL open")
	lab.Callee{At: atCallee, Calls: 100, HangUp: 20 * time.Millisecond}.Start(t)
	refused := func(t *testing.T, c lab.Caller, at string) {
		t.Helper()
		c.At, c.Status = at, 403
		if c.Dial == "" {
			c.Dial = "2000"
		}
		got := s.call(t, c)
		wantLines(t, "asked", got.notes)
		wantLines(t, "dialled", got.dialled)
	}
	unclean := slices.Clone(unclean)
	for _, c := range lines {
		if s.channel == "SIP" && c.Headers != nil { // chan_sip leaves %0a in a Diversion as it is
			unclean = append(unclean, c)
			continue
		}
		t.Run(c.User+" to "+c.Dial, func(t *testing.T) {
			refused(t, c, atOpen)
			refused(t, c, atGuarded)
		})
	}
	for _, c := range unclean {
		t.Run(c.User+" to "+c.Dial, func(t *testing.T) {
			refused(t, c, atOpen)
			want := []string{"2000"}
			if c.At = atGuarded; c.Dial == "" {
				c.Dial = "2000"
			} else { // what the stand-in for A2Billing doesn't dial
				c.Status, want = 403, nil
			}
			got := s.call(t, c)
			wantLines(t, "asked by the guarded plan", got.notes, "a2billing 1 account 4711 on "+s.channel)
			wantLines(t, "dialled by the guarded plan", got.dialled, want...)
		})
	}
	for _, clean := range []string{"1001", "+221771234567"} {
		got := s.call(t, lab.Caller{User: clean, At: atOpen, Dial: "+33612345678"})
		wantLines(t, "asked for a clean caller", got.notes, "adcredit +33612345678 from "+clean+" name unknown")
		wantLines(t, "dialled for a clean caller", got.dialled, "+33612345678")
	}
}

// Emergency and toll-free numbers meet no AGI, whoever calls.
func TestFreeNumbers(t *testing.T) { onEach(t, testFreeNumbers) }

func testFreeNumbers(t *testing.T, s *site) {
	s.write(t, standIn+"outcome", "BLOCKED -\n")
	lab.Callee{At: atCallee, Calls: 100, HangUp: 20 * time.Millisecond}.Start(t)
	for _, at := range []string{atOpen, atGuarded} {
		for _, number := range []string{"17", "18", "112", "116", "1515", "800123456"} {
			got := s.call(t, lab.Caller{User: "10%0a00", At: at, Dial: number})
			wantLines(t, "asked for "+number, got.notes)
			wantLines(t, "dialled", got.dialled, number)
		}
	}
	// A longer number that begins alike is none of them.
	got := s.call(t, lab.Caller{User: "1001", At: atOpen, Dial: "177", Status: 403})
	wantLines(t, "asked for 177", got.notes, "adcredit 177 from 1001 name unknown")
}

// Whoever is not reached is 486 or 480, and never 5xx or 408.
func TestCalleeNotReached(t *testing.T) { onEach(t, testCalleeNotReached) }

func testCalleeNotReached(t *testing.T, s *site) {
	s.write(t, standIn+"outcome", "SUFFICIENT -\n")
	lab.Callee{At: atBusy, Status: 486}.Start(t)
	lab.Callee{At: atBroken, Status: 503}.Start(t)
	for via, status := range map[string]int{"@busy": 486, "@broken": 480, "@nowhere": 480} {
		s.CLI(t, "dialplan set global ADCREDIT_VIA "+via)
		s.call(t, lab.Caller{User: "1000", At: at1000, Dial: "2000", Status: status})
	}
}

// From is no proof: only the address makes a caller the endpoint 1000.
func TestUserNameOpensNothing(t *testing.T) { onEach(t, testUserNameOpensNothing) }

func testUserNameOpensNothing(t *testing.T, s *site) {
	s.write(t, standIn+"outcome", "SUFFICIENT -\n")
	got := s.call(t, lab.Caller{User: "1000", At: atNobody, Dial: "2000", Status: 401})
	wantLines(t, "asked", got.notes)
}
