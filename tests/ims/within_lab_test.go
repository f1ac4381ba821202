//go:build lab

package ims_test

import (
	"strings"
	"testing"
	"time"

	"adcredit/tests/ims"
	"adcredit/tests/lab"
)

// TestWithinCall: what phones ask in the middle of a call, and that talk goes on.
func TestWithinCall(t *testing.T) {
	play(t, ims.Options{},
		scene{"re-INVITE and UPDATE", answered, func(t *testing.T, h *house) { renegotiate(t, h, h.rich, h.poor) }},
		scene{"re-INVITE and UPDATE after an answered ad", answered, func(t *testing.T, h *house) { renegotiate(t, h, h.poor, h.rich) }},
		scene{"re-INVITE and UPDATE after an early ad", early, func(t *testing.T, h *house) { renegotiate(t, h, h.poor, h.rich) }},
		scene{"re-INVITE in the ad", answered, reinviteInAd},
		scene{"hold in the ad", answered, holdInAd},
		scene{"hold in the middle of the ad", answered, holdForAWhile},
	)
}

func renegotiate(t *testing.T, h *house, caller, callee *ims.UE) {
	out := caller.Invite(t, callee.User, ims.Invitation{})
	in := callee.Incoming(t)
	in.Answer(t)
	out.Answered(t)
	wantTalk(t, out, in)
	for _, who := range []struct {
		name          string
		asks, listens *ims.Call
	}{{"caller", out, in}, {"callee", in, out}} {
		ok := func(what string, m lab.SIP, direction string) {
			if m.Status() != 200 || !strings.Contains(m.Text, "a="+direction+"\r\n") {
				t.Errorf("%s's %s was answered\n%s\nwant 200 and %s", who.name, what, m.Text, direction)
			}
		}
		ok("re-INVITE", who.asks.Reinvite(t, "sendrecv"), "sendrecv")
		wantTalk(t, out, in)
		ok("UPDATE", who.asks.Update(t), "sendrecv")
		wantTalk(t, out, in)
		for _, hold := range []struct{ says, means string }{{"sendonly", "recvonly"}, {"inactive", "inactive"}} {
			ok(hold.says, who.asks.Reinvite(t, hold.says), hold.means)
			wantHeld(t, who.asks)
			ok("return", who.asks.Reinvite(t, "sendrecv"), "sendrecv")
			wantTalk(t, out, in)
		}
	}
	out.Bye(t)
	in.Ended(t)
	h.invite(t, ims.ASAt, ims.SCSCFAt) // all of that in one call
	if caller == h.poor {
		wantAd(t, out)
		h.wantOneReward(t)
	} else {
		h.wantNothingEarned(t)
	}
}

// wantHeld: who holds a call is sent nothing.
func wantHeld(t *testing.T, c *ims.Call) {
	t.Helper()
	time.Sleep(100 * time.Millisecond) // what was under way
	before := len(c.Said())
	time.Sleep(400 * time.Millisecond)
	if more := len(c.Said()) - before; more > 0 {
		t.Errorf("who holds the call heard %d samples", more)
	}
}

// holdInAd: who puts the call on hold hears nothing and earns nothing, though
// Asterisk plays the ad to its end.
func holdInAd(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	out.Answered(t)
	hearAd(t, out)
	if m := out.Reinvite(t, "inactive"); m.Status() != 200 {
		t.Errorf("re-INVITE was answered %s", m.Start)
	}
	out.Ended(t)
	h.wantStatus(t, "ABANDONED")
	h.wantGivenUp(t)
}

// holdForAWhile: a part that was not heard is not made up for by coming back.
func holdForAWhile(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	out.Answered(t)
	hearAd(t, out)
	out.Reinvite(t, "sendonly")
	time.Sleep(2 * time.Second)
	out.Reinvite(t, "sendrecv")
	out.Ended(t)
	h.wantStatus(t, "ABANDONED")
	h.wantGivenUp(t)
}

// reinviteInAd: a phone that moves its audio in mid-ad hears the rest there.
func reinviteInAd(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	out.Answered(t)
	hearAd(t, out)
	if m := out.Reinvite(t, "sendrecv"); m.Status() != 200 {
		t.Errorf("re-INVITE was answered %s", m.Start)
	}
	if m := out.Update(t); m.Status() != 200 {
		t.Errorf("UPDATE was answered %s", m.Start)
	}
	in := h.rich.Incoming(t)
	in.Answer(t)
	wantTalk(t, out, in)
	out.Bye(t)
	in.Ended(t)
	wantAd(t, out)
	h.wantOneReward(t)
}
