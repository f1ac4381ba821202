//go:build lab

package ims_test

import (
	"slices"
	"strings"
	"testing"

	"adcredit/tests/ims"
	"adcredit/tests/lab"
)

// The same for both ways of playing an ad.
var (
	answered = ims.Options{}
	early    = ims.Options{Early: true}
)

// TestCalls: who pays, who hears an ad, and who is put through.
func TestCalls(t *testing.T) {
	play(t, ims.Options{},
		scene{"credit", answered, withCredit},
		scene{"ad, answered", answered, adAnswered},
		scene{"ad, early", early, adEarly},
	)
}

// withCredit: nobody is kept waiting who can pay.
func withCredit(t *testing.T, h *house) {
	out := h.rich.Invite(t, "1001", ims.Invitation{})
	in := h.poor.Incoming(t)
	if last := lastOf(out.Answers()); last.Status() > 100 {
		t.Errorf("before the callee was called the caller got %s", last.Start)
	}
	in.Ring(t)
	out.Await(t, 180)
	in.Answer(t)
	out.Answered(t)
	wantTalk(t, out, in)
	in.Bye(t)
	out.Ended(t)
	wantNoAd(t, out)
	wantNoAd(t, in) // nor is the called one asked, who has no credit
	h.wantStatus(t, "SUFFICIENT")
	h.wantNothingEarned(t)
	h.invite(t, ims.SCSCFAt, ims.ASAt)
}

func lastOf(all []lab.SIP) (last lab.SIP) {
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	return last
}

func adAnswered(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	ok := out.Answered(t)
	in := h.rich.Incoming(t)
	in.Ring(t)
	in.Answer(t)
	wantTalk(t, out, in)
	if n := len(out.Answers()); lastOf(out.Answers()).Text != ok.Text {
		t.Errorf("after the answer came %d more", n)
	}
	h.wantPaidCall(t, out, in)
}

func adEarly(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	progress := out.Await(t, 183)
	in := h.rich.Incoming(t)
	in.Ring(t)
	if last := lastOf(out.Answers()); last.Status() >= 200 {
		t.Errorf("before the callee answered the caller got %s", last.Start)
	}
	in.Answer(t)
	ok := out.Answered(t)
	if progress.Header("To") != ok.Header("To") {
		t.Errorf("the ad was in the dialog of %s, the call in that of %s", progress.Header("To"), ok.Header("To"))
	}
	// The first 200 of all is the callee's.
	answers := slices.DeleteFunc(h.sipOf("INVITE", 200), func(m lab.SIP) bool { return m.From.String() == h.rich.At() })
	if first := h.sip(h.rich.At(), ims.PCSCFAt); len(answers) == 0 || len(first) == 0 || !lastOf(first).Time.Before(answers[0].Time) {
		t.Errorf("a 200 came before the callee's")
	}
	wantTalk(t, out, in)
	h.wantPaidCall(t, out, in)
}

// wantPaidCall ends a call that an ad has paid for, and looks at all that it left.
func (h *house) wantPaidCall(t *testing.T, out, in *ims.Call) {
	t.Helper()
	in.Bye(t)
	out.Ended(t)
	wantAd(t, out)
	wantNoAd(t, in)
	h.wantStatus(t, "GRANTED")
	h.wantOneReward(t)

	// The callee is called with the very mark that the S-CSCF gave, so that the
	// caller's criteria go on where they were.
	given := markOf(h.invite(t, ims.SCSCFAt, ims.ASAt))
	kept := markOf(h.invite(t, ims.ASAt, ims.SCSCFAt))
	if given == "" || kept != given {
		t.Errorf("the AS was given the mark %q and came back with %q", given, kept)
	}
	h.invite(t, ims.SCSCFAt, ims.ICSCFAt)
	h.invite(t, ims.PCSCFAt, h.rich.At())
	for _, m := range h.sip(ims.ASAt, ims.SCSCFAt) {
		if m.Status() == 0 && m.Method() == "INVITE" && strings.Contains(m.Header("To"), "tag=") {
			t.Errorf("the AS disturbed the call with %s", m.Start)
		}
	}
}

// markOf is the S-CSCF's mark in the Route of a request, or "".
func markOf(m lab.SIP) string {
	for _, route := range strings.Split(strings.Join(m.Headers("Route"), ","), ",") {
		if strings.Contains(route, "iscmark@") {
			return strings.TrimSpace(route)
		}
	}
	return ""
}

// sipOf are the answers of a kind in this scene, wherever they were.
func (h *house) sipOf(method string, status int) (all []lab.SIP) {
	for _, m := range h.Rec.SIP() {
		if m.Time.After(h.from) && m.Method() == method && m.Status() == status {
			all = append(all, m)
		}
	}
	return all
}
