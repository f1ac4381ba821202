//go:build lab

package ims_test

import (
	"strings"
	"testing"

	"adcredit/tests/ims"
	"adcredit/tests/ims/hss"
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
		scene{"BYE in the ad", answered, byeInAd},
		scene{"CANCEL in the ad", early, cancelInAd},
		scene{"BYE while it rings", answered, byeWhileItRings},
		scene{"CANCEL while it rings", early, cancelWhileItRings},
		scene{"another number", answered, anotherNumber},
		scene{"called service", answered, calledService},
		scene{"privacy, credit", answered, func(t *testing.T, h *house) { private(t, h, h.rich, h.poor) }},
		scene{"privacy, ad", answered, func(t *testing.T, h *house) { private(t, h, h.poor, h.rich) }},
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
	if first := h.answers("INVITE", 200)[0]; first.From.String() != h.rich.At() {
		t.Errorf("the first 200 of all came from %s, want the callee", first.From)
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

func byeInAd(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	out.Answered(t)
	hearAd(t, out)
	out.Bye(t)
	h.wantGivenUp(t)
}

func cancelInAd(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	out.Await(t, 183)
	hearAd(t, out)
	if m := out.Cancel(t); m.Status() != 200 {
		t.Errorf("CANCEL was answered %s", m.Start)
	}
	if m := out.Final(t); m.Status() != 487 {
		t.Errorf("after CANCEL came %s", m.Start)
	}
	h.wantGivenUp(t)
}

// wantGivenUp: whoever leaves in mid-ad has earned nothing, and nobody is rung.
func (h *house) wantGivenUp(t *testing.T) {
	t.Helper()
	h.wantStatus(t, "ABANDONED")
	h.wantBooks(t, "0.00000", "abandoned", "")
	h.wantNotRung(t, h.rich)
}

func byeWhileItRings(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	out.Answered(t)
	in := h.rich.Incoming(t)
	in.Ring(t)
	out.Bye(t)
	in.AwaitRequest(t, "CANCEL")
	h.wantOneReward(t) // the ad was heard, whatever came of the call
}

func cancelWhileItRings(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	in := h.rich.Incoming(t)
	in.Ring(t)
	eventually(t, "the caller hears that it rings", func() bool {
		said := out.Said()
		last := said[max(0, len(said)-lab.SampleRate/2):]
		return lab.ToneLevel(last, 440) > -30 && lab.ToneLevel(last, 480) > -30
	})
	out.Cancel(t)
	if m := out.Final(t); m.Status() != 487 {
		t.Errorf("after CANCEL came %s", m.Start)
	}
	in.AwaitRequest(t, "CANCEL")
	h.wantOneReward(t)
}

// anotherNumber: one of those that the paper's trigger point is about.
func anotherNumber(t *testing.T, h *house) {
	s := subscribers(t)
	subscribe(s, "2001", func(*hss.IMPI, *hss.IMPU) {})
	if err := h.HSS.Provision(s); err != nil {
		t.Fatal(err)
	}
	callee := ims.NewUE(t, "2001", "127.0.0.31:5060", 580)
	callee.Register(t)
	for _, caller := range []*ims.UE{h.rich, h.poor} {
		out := caller.Invite(t, "2001", ims.Invitation{})
		talked(t, out, callee)
		if caller == h.rich {
			wantNoAd(t, out)
			h.wantNothingEarned(t)
		} else {
			wantAd(t, out)
			h.wantOneReward(t)
		}
	}
}

// calledService: where criteria send calls to a user through the AS as well, the
// one who is called is not asked to pay.
func calledService(t *testing.T, h *house) {
	called := h.customer(t, "1003", func(s *hss.Subscribers) (profile string) {
		s.TriggerPoints["called"] = hss.TriggerPoint{ConditionType: hss.CNF, SPT: []hss.ServicePointTrigger{
			{Group: 0, Method: "INVITE"}, {Group: 1, SessionCase: hss.TerminatingRegistered},
		}}
		s.FilterCriteria["called"] = hss.InitialFilterCriteria{TriggerPoint: "called", ApplicationServer: "adcredit"}
		s.ServiceProfiles["called"] = hss.ServiceProfile{FilterCriteria: []hss.Attached{{Name: "called"}}}
		return "called"
	})
	out := h.rich.Invite(t, "1003", ims.Invitation{})
	in := talked(t, out, called)
	wantNoAd(t, out)
	wantNoAd(t, in)
	h.wantNothingEarned(t)
	if n := len(h.invites(ims.SCSCFAt, ims.ASAt)); n != 2 {
		t.Errorf("the AS had %d calls, want the caller's side and the callee's", n)
	}
}

// private: who withholds the number is known to the core and to adcredit, and to
// nobody else.
func private(t *testing.T, h *house, caller, callee *ims.UE) {
	out := caller.Invite(t, callee.User, ims.Invitation{
		From: `"Anonymous" <sip:anonymous@anonymous.invalid>`, Headers: []string{"Privacy: id"},
	})
	talked(t, out, callee)
	if caller == h.poor {
		wantAd(t, out)
		h.wantOneReward(t)
	} else {
		wantNoAd(t, out)
		h.wantNothingEarned(t)
	}
	for _, hop := range [][2]string{{ims.SCSCFAt, ims.ASAt}, {ims.ASAt, ims.SCSCFAt}, {ims.SCSCFAt, ims.PCSCFAt}} {
		m := h.invite(t, hop[0], hop[1])
		if pai := strings.Join(m.Headers("P-Asserted-Identity"), ", "); pai != "<"+caller.URI()+">" || m.Header("Privacy") != "id" {
			t.Errorf("%s to %s: P-Asserted-Identity %q and Privacy %q, want %s and id", hop[0], hop[1], pai, m.Header("Privacy"), caller.URI())
		}
	}
	for _, m := range h.sip(ims.PCSCFAt, callee.At()) {
		if strings.Contains(m.Text, caller.User) {
			t.Errorf("the callee could read the number of a caller who withholds it:\n%s", m.Text)
		}
	}
}
