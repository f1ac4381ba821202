//go:build lab

package ims_test

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"adcredit/tests/ims"
	"adcredit/tests/ims/hss"
	"adcredit/tests/lab"
)

// TestLapse: a registration that ends in the middle of an ad, by the phone's own
// wish, the operator's, or time. The call goes on to its end, and so does the
// money; the next call is refused.
func TestLapse(t *testing.T) {
	play(t, ims.Options{},
		scene{"taken back by the operator, answered", answered, goesOn(takenBack)},
		scene{"taken back by the operator, early", early, goesOn(takenBack)},
		scene{"given up by the phone, answered", answered, goesOn(givenUp)},
		scene{"given up by the phone, early", early, goesOn(givenUp)},
		scene{"taken back, and the caller hangs up", answered, hangsUp(takenBack)},
		scene{"given up, and the caller hangs up", answered, hangsUp(givenUp)},
		scene{"given up, and the caller cancels", early, cancels(givenUp)},
		scene{"the callee's is taken back, answered", answered, calleeLeaves},
		scene{"the callee's is taken back, early", early, calleeLeaves},
		scene{"time is up", answered, timeIsUp},
	)
}

// A lapse is how a registration ends.
type lapse func(*testing.T, *house, *ims.UE)

// takenBack: the operator has lost a customer, RTR.
func takenBack(t *testing.T, h *house, u *ims.UE) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.HSS.Deregister(ctx, u.IMPI); err != nil {
		t.Fatal(err)
	}
}

// givenUp: the phone is switched off, says the phone.
func givenUp(t *testing.T, _ *house, u *ims.UE) { t.Helper(); u.Deregister(t) }

// wantForgotten: a phone may not call any more.
func (h *house) wantForgotten(t *testing.T, u *ims.UE) {
	t.Helper()
	if state, _ := h.HSS.State(u.URI()); state.Status == hss.Registered {
		t.Errorf("the HSS has %s as registered", u.URI())
	}
	h.wantRefused(t, u)
}

func (h *house) wantRefused(t *testing.T, u *ims.UE) {
	t.Helper()
	// To nobody, and not by way of the service.
	eventually(t, "its calls are refused", func() bool {
		return strings.Contains(u.Invite(t, "5000", ims.Invitation{Mute: true}).Final(t).Start, "403 Register First")
	})
}

// goesOn: the ad is heard to its end, paid, and the callee is reached.
func goesOn(end lapse) func(*testing.T, *house) {
	return func(t *testing.T, h *house) {
		out := h.poor.Invite(t, "1000", ims.Invitation{})
		hearAd(t, out)
		end(t, h, h.poor)
		h.wantToGoOn(t, out)
		h.wantForgotten(t, h.poor)
	}
}

func (h *house) wantToGoOn(t *testing.T, out *ims.Call) {
	t.Helper()
	in := h.rich.Incoming(t)
	in.Answer(t)
	out.Answered(t)
	wantTalk(t, out, in)
	eventually(t, "the service has the caller's ACK", func() bool {
		return slices.ContainsFunc(h.sip(ims.SCSCFAt, ims.ASAt), func(m lab.SIP) bool { return m.Method() == "ACK" })
	})
	out.Bye(t) // also of a caller who is not registered any more
	in.Ended(t)
	wantAd(t, out)
	h.wantStatus(t, "GRANTED")
	h.wantOneReward(t)
}

// timeIsUp: a phone that does not register again, for the shortest time that the
// core grants. Kamailio 5.6.3 tells the phone a tenth less than it keeps itself, and
// the HSS later or not at all.
func timeIsUp(t *testing.T, h *house) {
	granted := regexp.MustCompile(`expires=(\d+)`).FindStringSubmatch(h.poor.RegisterFor(t, 60).Text)
	if granted == nil {
		t.Fatal("the core does not say for how long the phone is registered")
	}
	seconds, _ := strconv.Atoi(granted[1])
	ends := time.Now().Add(time.Duration(seconds) * time.Second)
	time.Sleep(time.Until(ends) - 3*time.Second) // the ad takes 5.5
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	hearAd(t, out)
	if time.Now().After(ends) {
		t.Error("the ad began too late to show anything")
	}
	h.wantToGoOn(t, out)
	if time.Now().Before(ends) {
		t.Error("the call ended too early to show anything")
	}
	h.wantRefused(t, h.poor)
}

// hangsUp: nothing is paid, and the callee is left alone.
func hangsUp(end lapse) func(*testing.T, *house) {
	return func(t *testing.T, h *house) {
		out := h.poor.Invite(t, "1000", ims.Invitation{})
		hearAd(t, out)
		end(t, h, h.poor)
		out.Bye(t)
		h.wantNotRung(t, h.rich)
		h.wantBooks(t, "0.00000", "abandoned", "")
		h.wantForgotten(t, h.poor)
	}
}

func cancels(end lapse) func(*testing.T, *house) {
	return func(t *testing.T, h *house) {
		out := h.poor.Invite(t, "1000", ims.Invitation{})
		hearAd(t, out)
		end(t, h, h.poor)
		out.Cancel(t)
		if m := out.Final(t); m.Status() != 487 {
			t.Errorf("in the end %s", m.Start)
		}
		h.wantNotRung(t, h.rich)
		h.wantBooks(t, "0.00000", "abandoned", "")
		h.wantForgotten(t, h.poor)
	}
}

// calleeLeaves: the ad was heard, so it is paid, though nobody is there to talk to.
func calleeLeaves(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	hearAd(t, out)
	takenBack(t, h, h.rich)
	m := out.Final(t)
	if m.Status() == 200 {
		out.Ended(t)
	} else if m.Status() != 480 {
		t.Errorf("in the end %s, want 480", m.Start)
	}
	// The call ends with the ad, and perhaps a packet earlier.
	sound := ims.Sound(t, ad)
	if _, like := ims.Find(out.Said(), sound[:len(sound)*98/100]); like < 0.95 {
		t.Errorf("the ad was heard alike to %.2f, want 1", like)
	}
	h.wantStatus(t, "GRANTED")
	h.wantOneReward(t)
	h.wantNotRung(t, h.rich)
}
