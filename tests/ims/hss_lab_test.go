//go:build lab

package ims_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"adcredit/tests/ims"
	"adcredit/tests/ims/diameter"
	"adcredit/tests/ims/hss"
)

// TestHSS: what changes at the home subscriber server while calls are made.
func TestHSS(t *testing.T) {
	play(t, ims.Options{},
		scene{"the criteria change", answered, criteriaChange},
		scene{"it is down and comes back", early, hssIsDown},
		scene{"it goes in mid-ad", answered, hssGoesInMidAd},
	)
}

// criteriaChange: a customer of a new contract hears no ads. Where the S-CSCF knows
// PPR, that counts from the next call on. Kamailio 5.6.3 does not, and it keeps the
// profile of the first REGISTER through all others too: there a customer must be
// taken back by RTR, and register once more. And the other way round.
func criteriaChange(t *testing.T, h *house) {
	to := func(profile string) (at string) {
		s := subscribers(t)
		s.ServiceProfiles["flat"] = hss.ServiceProfile{}
		u := s.IMPUs["sip:1001@ims.test"]
		u.ServiceProfile = profile
		s.IMPUs["sip:1001@ims.test"] = u
		if err := h.HSS.Provision(s); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.HSS.PushProfile(ctx, "sip:1001@ims.test"); err == nil {
			return "PPR"
		}
		takenBack(t, h, h.poor)
		h.wantForgotten(t, h.poor)
		h.poor.Register(t)
		return "RTR"
	}
	was := to("flat")
	h.from = time.Now()
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	talked(t, out, h.rich)
	wantNoAd(t, out)
	if n := len(h.invites(ims.SCSCFAt, ims.ASAt)); n != 0 {
		t.Errorf("since the %s %d calls went to the service, want none", was, n)
	}

	was = to("prepaid")
	h.from = time.Now()
	out = h.poor.Invite(t, "1000", ims.Invitation{})
	hearAd(t, out)
	out.Bye(t)
	h.wantNotRung(t, h.rich)
	if n := len(h.invites(ims.SCSCFAt, ims.ASAt)); n != 1 {
		t.Errorf("since the %s %d calls went to the service, want 1", was, n)
	}
	h.wantBooks(t, "0.00000", "abandoned", "")
}

// diameterNames are the messages between the HSS and its peers since then.
func (h *house) diameterNames(since time.Time) string {
	var names []string
	for _, p := range h.Rec.TCP() {
		if hssAt := p.From.String() == ims.HSSAt || p.To.String() == ims.HSSAt; !hssAt || p.Time.Before(since) {
			continue
		}
		for _, m := range diameter.Messages(p.Payload) {
			names = append(names, m.Name())
		}
	}
	return strings.Join(names, " ")
}

// wantRefused: 4xx or 6xx, which no core takes for a service that is down.
func wantRefused(t *testing.T, c *ims.Call) {
	t.Helper()
	if m := c.Final(t); m.Status() < 400 || m.Status() == 408 || m.Status()/100 == 5 {
		t.Errorf("in the end %s, want 4xx or 6xx", m.Start)
	}
}

// hssIsDown: without the HSS nobody is found, so nobody is called, and a call that
// is up stays up. When it is back, all is as before.
func hssIsDown(t *testing.T, h *house) {
	before := h.rich.Invite(t, "1001", ims.Invitation{})
	in := h.poor.Incoming(t)
	in.Answer(t)
	before.Answered(t)

	since := time.Now()
	h.StopHSS()
	// That they answer by DPA is a matter of luck with Kamailio 5.6.3.
	eventually(t, "DPR to both peers", func() bool { return strings.Count(h.diameterNames(since), "DPR") == 2 })
	wantTalk(t, before, in)
	before.Bye(t)
	in.Ended(t)

	wantRefused(t, h.rich.Invite(t, "1001", ims.Invitation{}))
	if m := h.poor.RegisterFor(t, 3600); m.Status() < 400 {
		t.Errorf("without the HSS, REGISTER: %s", m.Start)
	}
	h.poor.NoneIncoming(t)
	h.rich.NoneIncoming(t)

	h.StartHSS(t)
	h.rich.Register(t)
	h.poor.Register(t)
	after := h.rich.Invite(t, "1001", ims.Invitation{})
	in = h.poor.Incoming(t)
	in.Answer(t)
	after.Answered(t)
	wantTalk(t, after, in)
	in.Bye(t)
	after.Ended(t)
	h.wantNothingEarned(t)
}

// hssGoesInMidAd: who has heard the ad has earned it, and is told that nobody
// answers; the next call needs no ad.
func hssGoesInMidAd(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	hearAd(t, out)
	h.StopHSS()
	out.Ended(t)
	h.wantStatus(t, "GRANTED")
	h.wantOneReward(t)
	h.wantNotRung(t, h.rich)

	h.StartHSS(t)
	again := h.poor.Invite(t, "1000", ims.Invitation{})
	talked(t, again, h.rich)
	wantNoAd(t, again)
	h.wantOneReward(t)
}
