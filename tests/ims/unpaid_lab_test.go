//go:build lab

package ims_test

import (
	"fmt"
	"strings"
	"testing"

	"adcredit/tests/ims"
	"adcredit/tests/ims/hss"
	"adcredit/tests/lab"
)

// TestUnpaid: which calls the core lets through that nobody has paid for, and which
// it does not.
func TestUnpaid(t *testing.T) {
	play(t, ims.Options{},
		scene{"AS down, SESSION_CONTINUED", answered, asDownContinued},
		scene{"AS down, SESSION_TERMINATED", answered, asDownTerminated},
		scene{"no ad to be had", answered, refused("NOAD", func(t *testing.T, h *house) {
			h.Exec(t, `UPDATE adcredit_campaign SET state = 'paused'`)
			t.Cleanup(func() { h.Exec(h.table, `UPDATE adcredit_campaign SET state = 'active'`) })
		})},
		scene{"account blocked", answered, refused("BLOCKED", func(t *testing.T, h *house) {
			h.Exec(t, `UPDATE cc_card SET status = 0 WHERE useralias = '1001'`)
			t.Cleanup(func() { h.Exec(h.table, `UPDATE cc_card SET status = 1`) })
		})},
		scene{"no account", answered, refused("NOACCOUNT", func(t *testing.T, h *house) {
			h.Exec(t, `UPDATE cc_card SET useralias = 'x1001' WHERE useralias = '1001'`)
			t.Cleanup(func() { h.Exec(h.table, `UPDATE cc_card SET useralias = '1001' WHERE useralias = 'x1001'`) })
		})},
		scene{"adcredit missing", answered, refused("", func(t *testing.T, h *house) {
			h.global(t, "ADCREDIT_AGI", "no-such-program")
		})},
		scene{"creditapi down, closed", answered, refused("UNKNOWN", func(t *testing.T, h *house) {
			h.StopAPI()
			t.Cleanup(func() { h.StartAPI(h.table) })
		})},
		scene{"creditapi down, open", answered, apiDownOpen},
		scene{"creditapi down in the ad", early, apiDownInAd},
		scene{"callee refuses", answered, calleeRefuses},
		scene{"callee refuses after the ad, early", early, calleeRefusesAfterEarlyAd},
		scene{"callee refuses after the ad, answered", answered, calleeRefusesAfterAd},
		scene{"callee is away", answered, calleeAway}, // last: Kamailio loses who comes back at once
	)
}

// asDownContinued: the default handling that puts the network before the money.
func asDownContinued(t *testing.T, h *house) {
	h.PBX.Stop()
	defer h.RestartAS(h.table)
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	talked(t, out, h.rich)
	wantNoAd(t, out)
	h.wantNothingEarned(t)
}

// asDownTerminated: the one that puts the money first.
func asDownTerminated(t *testing.T, h *house) {
	careful := h.customer(t, "1002", func(s *hss.Subscribers) (profile string) {
		as := s.ApplicationServers["adcredit"]
		as.DefaultHandling = hss.SessionTerminated
		s.ApplicationServers["careful"] = as
		s.FilterCriteria["careful"] = hss.InitialFilterCriteria{TriggerPoint: "calls", ApplicationServer: "careful"}
		s.ServiceProfiles["careful"] = hss.ServiceProfile{FilterCriteria: []hss.Attached{{Name: "careful"}}}
		return "careful"
	})
	var m lab.SIP
	func() {
		h.PBX.Stop()
		defer h.RestartAS(h.table)
		m = careful.Invite(t, "1000", ims.Invitation{}).Final(t)
	}()
	if m.Status() != 504 {
		t.Errorf("with the AS down the caller got %s, want 504", m.Start)
	}
	h.wantNotRung(t, h.rich)
	h.wantNothingEarned(t)

	// And when it is up again, calls are as before.
	out := careful.Invite(t, "1000", ims.Invitation{})
	h.rich.Incoming(t).Answer(t)
	out.Answered(t)
	out.Bye(t)
}

// refused is a call that adcredit does not let through. The core must not, either:
// of what the AS may answer, 408 and 5xx would tell it that the AS is down.
func refused(status string, breaks func(t *testing.T, h *house)) func(t *testing.T, h *house) {
	return func(t *testing.T, h *house) {
		breaks(t, h)
		m := h.poor.Invite(t, "1000", ims.Invitation{}).Final(t)
		if m.Status() != 403 {
			t.Errorf("the caller got %s, want 403", m.Start)
		}
		h.wantStatus(t, status)
		h.wantNotRung(t, h.rich)
		for _, m := range h.sip(ims.ASAt, ims.SCSCFAt) {
			if m.Status() == 408 || m.Status() >= 500 {
				t.Errorf("the AS answered %s", m.Start)
			}
		}
		if n := h.Value(t, `SELECT COUNT(*) FROM adcredit_ledger`); n != "0" {
			t.Errorf("the ledger has %s entries", n)
		}
	}
}

// apiDownOpen: an operator who has said ADCREDIT_FAIL=open wants calls more than
// money.
func apiDownOpen(t *testing.T, h *house) {
	h.StopAPI()
	t.Cleanup(func() { h.StartAPI(h.table) })
	h.global(t, "ADCREDIT_FAIL", "open")
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	h.rich.Incoming(t).Answer(t)
	out.Answered(t)
	out.Bye(t)
	wantNoAd(t, out)
	h.wantStatus(t, "UNKNOWN")
	h.wantNothingEarned(t)
}

// apiDownInAd: what was heard is kept on the AS's disk, and credited once, before
// the caller's next call is judged.
func apiDownInAd(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	hearAd(t, out)
	h.StopAPI()
	restarted := false
	defer func() {
		if !restarted {
			h.StartAPI(h.table)
		}
	}()
	in := h.rich.Incoming(t)
	in.Answer(t)
	out.Answered(t)
	wantTalk(t, out, in)
	out.Bye(t)
	wantAd(t, out)
	h.wantStatus(t, "PENDING")
	h.wantBooks(t, "0.00000", "started", "")
	h.StartAPI(h.table)
	restarted = true

	again := h.poor.Invite(t, "1000", ims.Invitation{})
	h.rich.Incoming(t).Answer(t)
	again.Answered(t)
	again.Bye(t)
	wantNoAd(t, again)
	h.wantStatus(t, "SUFFICIENT")
	h.wantOneReward(t)
}

// calleeRefuses: whatever a callee says, the caller gets a 4xx, and nobody is rung
// twice.
func calleeRefuses(t *testing.T, h *house) {
	for i, row := range []struct{ says, want int }{
		{486, 486}, {480, 480}, {404, 480}, {403, 480}, {408, 480}, {500, 480}, {503, 480}, {504, 480}, {600, 486}, {603, 480},
	} {
		t.Run(fmt.Sprint(row.says), func(t *testing.T) {
			out := h.rich.Invite(t, "1001", ims.Invitation{})
			h.poor.Incoming(t).Refuse(t, row.says)
			if m := out.Final(t); m.Status() != row.want {
				t.Errorf("the callee said %d and the caller got %s, want %d", row.says, m.Start, row.want)
			}
			h.wantIdle(t)
			if n := len(h.invites(ims.PCSCFAt, h.poor.At())); n != i+1 {
				t.Errorf("the callee was rung %d times in all, want %d", n, i+1)
			}
		})
	}
}

// calleeAway: nobody to be rung.
func calleeAway(t *testing.T, h *house) {
	h.poor.Deregister(t)
	for _, number := range []string{"1001", "1999"} {
		if m := h.rich.Invite(t, number, ims.Invitation{}).Final(t); m.Status() != 480 {
			t.Errorf("for %s the caller got %s, want 480", number, m.Start)
		}
	}
	h.wantNotRung(t, h.poor)
}

// What was heard is paid, whatever becomes of the call.
func calleeRefusesAfterEarlyAd(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	h.rich.Incoming(t).Refuse(t, 503)
	if m := out.Final(t); m.Status() != 480 {
		t.Errorf("the callee said 503 and the caller got %s, want 480", m.Start)
	}
	h.wantRungOnce(t)
}

func calleeRefusesAfterAd(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	out.Answered(t)
	h.rich.Incoming(t).Refuse(t, 503)
	if m := out.AwaitRequest(t, "BYE"); strings.Contains(m.Header("Reason"), "cause=38") {
		t.Errorf("BYE has the reason %q", m.Header("Reason"))
	}
	h.wantRungOnce(t)
}

func (h *house) wantRungOnce(t *testing.T) {
	t.Helper()
	h.wantIdle(t)
	if n := len(h.invites(ims.PCSCFAt, h.rich.At())); n != 1 {
		t.Errorf("the callee was rung %d times", n)
	}
	h.wantOneReward(t)
}
