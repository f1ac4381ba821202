//go:build lab

package ims_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"adcredit/tests/ims"
	"adcredit/tests/lab"
)

// mark is what the S-CSCF would write for a call of user's that has been to its
// service: skip the first criterion.
func mark(user string) string {
	return fmt.Sprintf("<sip:iscmark@%s;lr;s=1;h=0;d=0;a=%X>", ims.SCSCFAt, "sip:"+user+"@"+ims.Domain)
}

// invite is an INVITE made by hand, for [ims.UE.Request].
func invite(u *ims.UE, uri string, headers ...string) string {
	id := strings.Map(func(r rune) rune {
		if r == ':' || r == '.' {
			return '-'
		}
		return r
	}, u.At()) + fmt.Sprint(time.Now().UnixNano())
	return fmt.Sprintf("INVITE %s SIP/2.0\r\nFrom: <%s>;tag=%s\r\nTo: <%[1]s>\r\nCall-ID: %[3]s\r\nCSeq: 1 INVITE\r\nContact: <sip:%[4]s>\r\nMax-Forwards: 70\r\n",
		uri, u.URI(), id, u.At()) + strings.Join(append(headers, ""), "\r\n") + "Content-Type: application/sdp\r\n\r\n" +
		"v=0\r\no=ue 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
}

// icid is the charging identity of a message, with all the rest of its vector away.
func icid(m lab.SIP) string {
	v := regexp.MustCompile(`icid-value="?([^";]+)"?(?:;|$)`).FindStringSubmatch(m.Header("P-Charging-Vector"))
	if v == nil || len(m.Headers("P-Charging-Vector")) != 1 {
		return ""
	}
	return v[1]
}

// TestTrust: who is believed what, in the core and at the service.
func TestTrust(t *testing.T) {
	play(t, ims.Options{},
		scene{"forged headers", early, forgedHeaders},
		scene{"numbers written otherwise", early, otherNumbers},
		scene{"strangers", early, strangers},
		scene{"asserted identities", early, assertedIdentities},
		scene{"charging", answered, charging},
	)
}

// forgedHeaders: whatever a phone without credit says of itself, it is 1001 for the
// core and for the service, which judges the call.
func forgedHeaders(t *testing.T, h *house) {
	const asserted, served, route = "P-Asserted-Identity: ", "P-Served-User: ", "Route: "
	const rival = "<sip:1000@ims.test>"
	for _, row := range []struct {
		name, from string
		headers    []string
	}{
		{name: "nothing"},
		{name: "From", from: rival},
		{name: "asserted", headers: []string{asserted + rival}},
		{name: "asserted twice", headers: []string{asserted + rival, asserted + "<tel:+221770001000>"}},
		{name: "asserted on one line", headers: []string{asserted + rival + ", <tel:+221770001000>"}},
		{name: "asserted in small letters", headers: []string{"p-asserted-identity:" + rival}},
		{name: "asserted, space and tab", headers: []string{"P-Asserted-Identity \t: " + rival}},
		{name: "asserted in the next line", headers: []string{"P-Asserted-Identity:\r\n " + rival}},
		{name: "preferred", headers: []string{"P-Preferred-Identity: " + rival}},
		{name: "served", headers: []string{served + rival + ";sescase=orig;regstate=reg"}},
		{name: "served as the callee", headers: []string{served + "<sip:1001@ims.test>;sescase=term;regstate=reg"}},
		{name: "served in small letters", headers: []string{"p-served-user: " + rival + ";sescase=orig"}},
		{name: "a mark of 1001", headers: []string{route + mark("1001")}},
		{name: "a mark of 1000", headers: []string{route + mark("1000"), asserted + rival}},
		{name: "a mark in small letters", headers: []string{"route: " + mark("1001")}},
		{name: "a mark behind the S-CSCF", headers: []string{route + "<sip:" + ims.SCSCFAt + ";lr>, " + mark("1001")}},
		{name: "past the S-CSCF", headers: []string{route + "<sip:" + ims.ICSCFAt + ";lr>"}},
		{name: "back to the P-CSCF", headers: []string{route + "<sip:term@" + ims.PCSCFAt + ";lr>"}},
		{name: "charged to another", headers: []string{`P-Charging-Vector: icid-value="forged";orig-ioi=ims.test`, "P-Charging-Function-Addresses: ccf=127.0.0.66"}},
		{name: "associated", headers: []string{"P-Associated-URI: " + rival}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h.from = time.Now()
			out := h.poor.Invite(t, "1000", ims.Invitation{Mute: true, From: row.from, Headers: row.headers})
			out.Await(t, 183)
			out.Cancel(t)
			if m := out.Final(t); m.Status() != 487 {
				t.Errorf("in the end %s", m.Start)
			}
			h.wantNotRung(t, h.rich)
			at := h.invite(t, ims.SCSCFAt, ims.ASAt)
			for name, want := range map[string]string{"P-Asserted-Identity": "<sip:1001@ims.test>", "P-Served-User": "<sip:1001@ims.test>;sescase=orig;regstate=reg"} {
				if got := at.Headers(name); !slices.Equal(got, []string{want}) {
					t.Errorf("at the service %s is %q, want %s", name, got, want)
				}
				if n := strings.Count(strings.ToLower(at.Text), strings.ToLower(name)); n != 1 {
					t.Errorf("at the service %s comes %d times", name, n)
				}
			}
			routes := strings.Join(at.Headers("Route"), ",")
			if hexed := fmt.Sprintf("%x", "sip:1001@ims.test"); strings.Count(routes, "sip:") != 2 || !strings.Contains(strings.ToLower(routes), ";a="+hexed) {
				t.Errorf("at the service Route is %s", routes)
			}
			if !strings.HasPrefix(icid(at), "127.0.0.4-") || len(at.Headers("P-Charging-Function-Addresses")) > 0 {
				t.Errorf("at the service the charging vector is %q", at.Headers("P-Charging-Vector"))
			}
		})
	}
	if strings.Contains(h.log(t), "SUFFICIENT") {
		t.Error("somebody was taken for 1000, who has credit")
	}
	if n := h.Value(t, `SELECT COUNT(*) FROM adcredit_listen WHERE card <> '9700203963'`); n != "0" {
		t.Errorf("%s listens are not 1001's", n)
	}
	if n := h.Value(t, `SELECT COUNT(*) FROM adcredit_ledger`); n != "0" {
		t.Errorf("%s entries in the ledger", n)
	}
}

// otherNumbers: by no spelling of a number does a call get past the criterion that
// sends it to the service.
func otherNumbers(t *testing.T, h *house) {
	for _, uri := range []string{
		"sip:1000@ims.test;user=phone", "sip:1000@IMS.test", "SIP:1000@ims.test", "sip:%31000@ims.test", "sip:100%30@ims.test",
		"sip:1000@ims.test:5060", "sip:1000@ims.test:6060", "sip:1000@ims.test;transport=udp", "sip:1000;phone-context=ims.test@ims.test",
		"sip:1000:secret@ims.test", "sip:1000:@ims.test", "sips:1000@ims.test", "tel:1000", "tel:1000;phone-context=ims.test", "sip:+1000@ims.test",
		"sip:1000@127.0.0.2:6060", "sip:1000@127.0.0.11:5060", "sip:1000@127.0.0.3", "sip:1000@ims.test?Route=%3Csip:127.0.0.3;lr%3E",
		"sip:1000@ims.test;maddr=127.0.0.11", "sip:1000@ims.test;lr", "sip:1000%40ims.test@127.0.0.2:6060", "sip:01000@ims.test",
	} {
		t.Run(uri, func(t *testing.T) {
			h.from = time.Now()
			out := h.poor.Invite(t, uri, ims.Invitation{Mute: true})
			var last lab.SIP
			eventually(t, "the service or a refusal", func() bool {
				last = lastOf(out.Answers())
				return last.Status() > 100
			})
			if last.Status() < 200 {
				out.Cancel(t)
				out.Final(t)
			}
			h.wantNotRung(t, h.rich)
			if served := len(h.invites(ims.SCSCFAt, ims.ASAt)) == 1; last.Status() < 300 && !(served && last.Status() == 183) || last.Status() == 408 || last.Status()/100 == 5 {
				t.Errorf("%s, and the service was asked: %v", last.Start, served)
			}
		})
	}
}

// strangers: nobody but its neighbours may say anything to a part of the core, and
// only the service may say that a call has been there.
func strangers(t *testing.T, h *house) {
	const to = "sip:1000@ims.test"
	asserted := "P-Asserted-Identity: <sip:1000@ims.test>"
	served := "P-Served-User: <sip:1000@ims.test>;sescase=orig;regstate=reg"
	marked := "Route: " + mark("1001")
	for _, row := range []struct {
		name, from, at string
		headers        []string
	}{
		{"asserted to the S-CSCF", "127.0.0.66:5060", ims.SCSCFAt, []string{"Route: <sip:orig@" + ims.SCSCFAt + ";lr>", asserted}},
		{"asserted to the S-CSCF, terminating", "127.0.0.66:5060", ims.SCSCFAt, []string{asserted}},
		{"asserted to the I-CSCF", "127.0.0.66:5060", ims.ICSCFAt, []string{asserted}},
		{"asserted to the P-CSCF", "127.0.0.66:5060", ims.PCSCFAt, []string{asserted}},
		{"asserted to the service", "127.0.0.66:5060", ims.ASAt, []string{"Route: <sip:" + ims.ASAt + ";lr>", marked, asserted, served}},
		{"from another port of a phone", "127.0.0.12:5099", ims.PCSCFAt, []string{asserted}},
		{"from a phone to the S-CSCF", "127.0.0.12:5098", ims.SCSCFAt, []string{marked, asserted}},
		{"from a phone to the service", "127.0.0.12:5097", ims.ASAt, []string{"Route: <sip:" + ims.ASAt + ";lr>", marked, asserted, served}},
		{"a mark from nowhere", "127.0.0.66:5060", ims.SCSCFAt, []string{marked}},
		{"a mark from the P-CSCF", "127.0.0.4:5099", ims.SCSCFAt, []string{marked, asserted}},
		{"a mark from the I-CSCF", "127.0.0.3:5099", ims.SCSCFAt, []string{marked, asserted}},
		{"a mark from the P-CSCF, behind", "127.0.0.4:5098", ims.SCSCFAt, []string{"Route: <sip:" + ims.SCSCFAt + ";lr>", marked, asserted}},
		{"originating from the I-CSCF", "127.0.0.3:5098", ims.SCSCFAt, []string{"Route: <sip:orig@" + ims.SCSCFAt + ";lr>", asserted}},
		{"no mark from the service", "127.0.0.9:5099", ims.SCSCFAt, []string{asserted}},
		{"no mark from the service, originating", "127.0.0.9:5098", ims.SCSCFAt, []string{"Route: <sip:orig@" + ims.SCSCFAt + ";lr>", asserted}},
	} {
		t.Run(row.name, func(t *testing.T) {
			u := ims.NewUE(t, "1001", row.from, 440)
			u.Proxy = row.at
			// Asterisk challenges strangers whom nobody could answer for.
			if m := u.Request(t, invite(u, to, row.headers...)); m.Status() != 403 && !(m.Status() == 401 && row.at == ims.ASAt) {
				t.Errorf("%s, want 403", m.Start)
			}
			h.wantNotRung(t, h.rich)
		})
	}
	h.wantStatus(t, "") // nor was adcredit asked
	// What was refused is what the service itself may do.
	u := ims.NewUE(t, "1001", "127.0.0.9:5097", 440)
	u.Proxy = ims.SCSCFAt
	go func() { h.rich.Incoming(t).Refuse(t, 486) }()
	if m := u.Request(t, invite(u, to, marked, asserted)); m.Status() != 486 {
		t.Errorf("from the service itself: %s, want 486", m.Start)
	}
}

// assertedIdentities: whom the service takes for the caller when the S-CSCF says
// so in P-Asserted-Identity alone, and that the callee's side is told the same.
func assertedIdentities(t *testing.T, h *house) {
	const name = "P-Asserted-Identity: "
	for i, row := range []struct {
		name    string
		headers []string
		want    string // status
	}{
		{"sip", []string{name + "<sip:1000@ims.test>"}, "SUFFICIENT"},
		{"two lines", []string{name + "<sip:1000@ims.test>", name + "<tel:+221770001000>"}, "SUFFICIENT"},
		{"two lines, tel first", []string{name + "<tel:+221770001000>", name + `"Diop, Moussa" <sip:1000@ims.test>`}, "SUFFICIENT"},
		{"one line", []string{name + `"Diop, Moussa" <sip:1000@ims.test>, <tel:+221770001000>`}, "SUFFICIENT"},
		{"tel", []string{name + "<tel:+221770001000>"}, "SUFFICIENT"},
		{"tel, a name", []string{name + `"1001" <tel:+221770001000>`}, "SUFFICIENT"},
		{"tel, without brackets", []string{name + "tel:+221770001000"}, "SUFFICIENT"},
		{"tel of one without credit", []string{name + "<tel:+221770001001>"}, "ERROR"}, // as it stands while the ad plays
		{"two accounts", []string{name + "<sip:1000@ims.test>, <tel:+221770001001>"}, "NOACCOUNT"},
		{"two accounts, two lines", []string{name + "<sip:1000@ims.test>", name + "<tel:+221770001001>"}, "NOACCOUNT"},
		{"three", []string{name + "<sip:1000@ims.test>, <tel:+221770001000>", name + "<sip:1000@ims.test>"}, "NOACCOUNT"},
		{"another domain", []string{name + "<sip:1000@evil.test>"}, "NOACCOUNT"},
		{"a tel of nobody's", []string{name + "<tel:+33612345678>"}, "NOACCOUNT"},
		{"nothing", nil, "NOACCOUNT"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h.from, h.said = time.Now(), len(h.Log(t))
			u := ims.NewUE(t, "1000", fmt.Sprintf("127.0.0.2:%d", 5100+i), 300) // as the S-CSCF, which the service knows by its address
			u.Proxy = ims.ASAt
			out := u.Invite(t, "1001", ims.Invitation{Headers: append([]string{"Route: " + mark("1000")}, row.headers...)})
			switch row.want {
			case "SUFFICIENT":
				in := h.poor.Incoming(t)
				in.Answer(t)
				out.Answered(t)
				wantTalk(t, out, in)
				wantNoAd(t, out)
				in.Bye(t)
				out.Ended(t)
				for _, leg := range []lab.SIP{h.invite(t, ims.ASAt, ims.SCSCFAt), in.INVITE()} {
					if got := leg.Headers("P-Asserted-Identity"); !slices.Equal(got, asserted(row.headers)) {
						t.Errorf("to %s went %q", leg.To, got)
					}
				}
				h.wantStatus(t, row.want)
			case "ERROR":
				hearAd(t, out)
				h.wantStatus(t, row.want)
				out.Cancel(t)
				out.Final(t)
				h.wantNotRung(t, h.poor)
				h.wantBooks(t, "0.00000", "abandoned", "")
				if card := h.Value(t, `SELECT card FROM adcredit_listen`); card != "9700203963" {
					t.Errorf("the listen is %s's", card)
				}
			default:
				if m := out.Final(t); m.Status() != 403 {
					t.Errorf("%s, want 403", m.Start)
				}
				h.wantStatus(t, row.want)
				h.wantNotRung(t, h.poor)
			}
		})
	}
}

// asserted are the values of headers that all have the same name.
func asserted(headers []string) (values []string) {
	for _, line := range headers {
		_, value, _ := strings.Cut(line, ": ")
		values = append(values, value)
	}
	return values
}

// charging: the ICID and the identity of a call are the same on all its way, through
// the service too; the ad's listen has that ICID, another call has another, and no
// phone sees it.
func charging(t *testing.T, h *house) {
	out := h.poor.Invite(t, "1000", ims.Invitation{})
	out.Answered(t)
	in := h.rich.Incoming(t)
	in.Answer(t)
	wantTalk(t, out, in)
	in.Bye(t)
	out.Ended(t)
	h.wantOneReward(t)
	first := h.invite(t, ims.PCSCFAt, ims.SCSCFAt)
	id := icid(first)
	if id == "" {
		t.Errorf("the P-CSCF gave the call the vector %q", first.Headers("P-Charging-Vector"))
	}
	for _, leg := range [][2]string{{ims.SCSCFAt, ims.ASAt}, {ims.ASAt, ims.SCSCFAt}, {ims.SCSCFAt, ims.ICSCFAt}, {ims.ICSCFAt, ims.SCSCFAt}, {ims.SCSCFAt, ims.PCSCFAt}} {
		m := h.invite(t, leg[0], leg[1])
		if got := m.Headers("P-Charging-Vector"); !slices.Equal(got, first.Headers("P-Charging-Vector")) {
			t.Errorf("from %s to %s the vector is %q, and was %q", leg[0], leg[1], got, first.Headers("P-Charging-Vector"))
		}
		if got := m.Headers("P-Asserted-Identity"); !slices.Equal(got, []string{"<sip:1001@ims.test>"}) {
			t.Errorf("from %s to %s P-Asserted-Identity is %q", leg[0], leg[1], got)
		}
	}
	if got := h.Value(t, `SELECT icid FROM adcredit_listen JOIN adcredit_icid ON listen_id = id`); got != id {
		t.Errorf("the listen has the ICID %q, the call %q", got, id)
	}
	for _, phone := range []string{h.rich.At(), h.poor.At()} {
		for _, m := range h.sip(ims.PCSCFAt, phone) {
			if strings.Contains(m.Text, "P-Charging") || strings.Contains(m.Text, "P-Served-User") {
				t.Errorf("a phone was told:\n%s", m.Text)
			}
		}
	}

	h.from = time.Now()
	next := h.rich.Invite(t, "1001", ims.Invitation{})
	h.poor.Incoming(t).Refuse(t, 486)
	if m := next.Final(t); m.Status() != 486 {
		t.Errorf("%s, want 486", m.Start)
	}
	if other := icid(h.invite(t, ims.PCSCFAt, ims.SCSCFAt)); other == "" || other == id {
		t.Errorf("the next call has the ICID %q, this one had %q", other, id)
	}
}
