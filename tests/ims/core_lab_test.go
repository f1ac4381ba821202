//go:build lab

package ims_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"adcredit/tests/ims"
	"adcredit/tests/lab"
)

// between finds the INVITE from one address to another that was sent last.
func between(t *testing.T, l *ims.Lab, from, to string) lab.SIP {
	t.Helper()
	all := l.Rec.SIP()
	for i := len(all) - 1; i >= 0; i-- {
		if m := all[i]; m.Status() == 0 && m.Method() == "INVITE" && m.From.String() == from && m.To.String() == to {
			return m
		}
	}
	t.Fatalf("no INVITE went from %s to %s:\n%s", from, to, lab.Ladder(all))
	return lab.SIP{}
}

// want compares headers, all lines of each; "" is one that must not be there.
func want(t *testing.T, m lab.SIP, headers map[string]string) {
	t.Helper()
	for name, value := range headers {
		if got := strings.Join(m.Headers(name), " | "); got != value {
			t.Errorf("%s > %s: %s is %q, want %q", m.From, m.To, name, got, value)
		}
	}
}

// connect makes a call and ends it, without a pause.
func connect(t *testing.T, from *ims.UE, number string, to *ims.UE, how ims.Invitation) lab.SIP {
	t.Helper()
	out := from.Invite(t, number, how)
	in := to.Incoming(t)
	in.Answer(t)
	out.Answered(t)
	in.Bye(t)
	out.Ended(t)
	return in.INVITE()
}

// What the core vouches for: all of it by what a phone has registered, none of it
// by what a phone says.
func TestCore(t *testing.T) {
	l := ims.Start(t, ims.Options{Credit: "100"})
	alice, bob := l.UE(t, "1000"), l.UE(t, "1001")

	t.Run("who has not registered calls nobody", func(t *testing.T) {
		if m := alice.Invite(t, "1001", ims.Invitation{}).Final(t); m.Status() != 403 {
			t.Errorf("answered %s, want 403", m.Start)
		}
	})
	t.Run("a wrong password registers nobody", func(t *testing.T) {
		alice.Secret = "guess"
		if m := alice.RegisterFor(t, 3600); m.Status() != 403 {
			t.Errorf("answered %s, want 403", m.Start)
		}
		alice.Secret = "secret1000"
	})
	alice.Register(t)
	bob.Register(t)

	t.Run("identity, charging and route survive the AS", func(t *testing.T) {
		got := connect(t, alice, "1001", bob, ims.Invitation{})
		to, back := between(t, l, ims.SCSCFAt, ims.ASAt), between(t, l, ims.ASAt, ims.SCSCFAt)
		charging := to.Header("P-Charging-Vector")
		if !strings.Contains(charging, `icid-value="127.0.0.4-`) || !strings.Contains(charging, "orig-ioi=ims.test") {
			t.Errorf("the AS got P-Charging-Vector %q", charging)
		}
		want(t, to, map[string]string{
			"P-Asserted-Identity": "<sip:1000@ims.test>", "P-Served-User": "<sip:1000@ims.test>;sescase=orig;regstate=reg",
		})
		want(t, back, map[string]string{"P-Asserted-Identity": "<sip:1000@ims.test>", "P-Charging-Vector": charging, "Privacy": ""})
		_, mark, _ := strings.Cut(strings.Join(to.Headers("Route"), ", "), ", ")
		if !strings.Contains(mark, "iscmark@") || !strings.Contains(strings.Join(back.Headers("Route"), ", "), mark) {
			t.Errorf("the AS was given Route %q, and gives back %q", mark, back.Headers("Route"))
		}
		want(t, got, map[string]string{
			"P-Asserted-Identity": "<sip:1000@ims.test>", "P-Charging-Vector": "", "P-Served-User": "", "Route": "",
		})
	})
	t.Run("no two calls have one ICID", func(t *testing.T) {
		first := between(t, l, ims.SCSCFAt, ims.ASAt).Header("P-Charging-Vector")
		connect(t, alice, "1001", bob, ims.Invitation{})
		if second := between(t, l, ims.SCSCFAt, ims.ASAt).Header("P-Charging-Vector"); first == second {
			t.Errorf("both have %s", first)
		}
	})
	t.Run("a withheld number is known to the AS and not to the callee", func(t *testing.T) {
		got := connect(t, alice, "1001", bob, ims.Invitation{
			From: `"Anonymous" <sip:anonymous@anonymous.invalid>`, Headers: []string{"Privacy: id"}})
		want(t, between(t, l, ims.SCSCFAt, ims.ASAt), map[string]string{"P-Asserted-Identity": "<sip:1000@ims.test>", "Privacy": "id"})
		want(t, between(t, l, ims.ASAt, ims.SCSCFAt), map[string]string{"P-Asserted-Identity": "<sip:1000@ims.test>", "Privacy": "id"})
		want(t, got, map[string]string{"P-Asserted-Identity": ""})
		if head, _, _ := strings.Cut(got.Text, "\r\n\r\n"); strings.Contains(head, "1000") {
			t.Errorf("the callee can read the number:\n%s", got.Text)
		}
	})
	t.Run("what a phone says of itself is thrown away", func(t *testing.T) {
		connect(t, alice, "1001", bob, ims.Invitation{From: "<sip:1777@ims.test>", Headers: []string{
			"P-Asserted-Identity: <sip:1001@ims.test>", "P-Asserted-Identity: <tel:1001>",
			"P-Served-User: <sip:1001@ims.test>;sescase=term;regstate=reg",
			"P-Charging-Vector: icid-value=forged", "P-Charging-Function-Addresses: ccf=evil.test",
			"Route: <sip:iscmark@127.0.0.2:6060;lr;s=1;h=0;d=0;a=7369703a3130303140696d732e74657374>",
		}})
		to := between(t, l, ims.SCSCFAt, ims.ASAt)
		want(t, to, map[string]string{
			"P-Asserted-Identity": "<sip:1000@ims.test>", "P-Served-User": "<sip:1000@ims.test>;sescase=orig;regstate=reg",
			"P-Charging-Function-Addresses": "",
		})
		if c := to.Headers("P-Charging-Vector"); len(c) != 1 || strings.Contains(c[0], "forged") {
			t.Errorf("the AS got P-Charging-Vector %q", c)
		}
	})

	t.Run("an identity that the AS loses is the one of the mark", func(t *testing.T) {
		for _, step := range []string{
			"2505,1,Set(__ISC_ROUTE=${PJSIP_HEADER(read,Route,2)})", "2505,2,Dial(PJSIP/core/sip:1001@ims.test,20,b(isc-out^s^1))",
		} {
			l.PBX.CLI(t, "dialplan add extension "+step+" into isc")
		}
		got := connect(t, alice, "2505", bob, ims.Invitation{From: "<sip:1777@ims.test>"})
		want(t, between(t, l, ims.ASAt, ims.SCSCFAt), map[string]string{"P-Asserted-Identity": ""})
		want(t, got, map[string]string{"P-Asserted-Identity": "<sip:1000@ims.test>"})
	})

	// From here on nobody may be called.
	mallory := ims.NewUE(t, "1000", "127.0.0.66:5060", 700)
	const mark = "Route: <sip:iscmark@127.0.0.2:6060;lr;s=1;h=0;d=0;a=7369703a3130303040696d732e74657374>"
	const identity = "P-Asserted-Identity: <sip:1000@ims.test>"
	for name, c := range map[string]struct {
		from   *ims.UE
		proxy  string
		to     string // the To header
		lines  string
		status int
	}{
		"a mark from another address":       {mallory, ims.SCSCFAt, "", mark, 403},
		"an identity from another address":  {mallory, ims.SCSCFAt, "", identity, 403},
		"a route from another address":      {mallory, ims.SCSCFAt, "", "Route: <sip:orig@127.0.0.2:6060;lr>\r\n" + identity, 403},
		"the I-CSCF from another address":   {mallory, ims.ICSCFAt, "", identity, 403},
		"an address that hasn't registered": {mallory, ims.PCSCFAt, "", identity, 403},
		"a call that there isn't, within it": {alice, ims.PCSCFAt, ";tag=x",
			"Route: <sip:127.0.0.4;lr>\r\nRoute: <sip:orig@127.0.0.2:6060;lr>\r\n" + identity, 481},
		"the same, to the callee directly": {alice, ims.PCSCFAt, ";tag=x", "Route: <sip:127.0.0.4;lr>\r\nRoute: <sip:127.0.0.12:5060;lr>", 481},
		"the AS from another address":      {mallory, ims.ASAt, "", mark + "\r\n" + identity, 401},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			c.from.Proxy = c.proxy
			m := c.from.Request(t, fmt.Sprintf("INVITE sip:1001@ims.test SIP/2.0\r\nFrom: <sip:1000@ims.test>;tag=%[1]d\r\n"+
				"To: <sip:1001@ims.test>%[2]s\r\nCall-ID: %[1]d@forged\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"+
				"Contact: <sip:1000@%[3]s>\r\n%[4]s\r\n", time.Now().UnixNano(), c.to, c.from.At(), c.lines))
			c.from.Proxy = ims.PCSCFAt
			if m.Status() != c.status {
				t.Errorf("answered %s, want %d", m.Start, c.status)
			}
		})
	}
	bob.NoneIncoming(t)

	t.Run("within a call no other way can be taken", func(t *testing.T) {
		out := alice.Invite(t, "1001", ims.Invitation{})
		in := bob.Incoming(t)
		in.Answer(t)
		out.Answered(t)
		for name, route := range map[string]string{
			"to the callee": "<sip:127.0.0.12:5060;lr>", "to the I-CSCF": "<sip:127.0.0.3:5060;lr>",
		} {
			if m := out.RequestBy(t, "UPDATE", []string{"<sip:127.0.0.4;lr>", route}); m.Status() != 403 {
				t.Errorf("%s: answered %s, want 403", name, m.Start)
			}
		}
		in.Bye(t)
		out.Ended(t)
	})
	t.Run("whom the HSS takes back calls nobody", func(t *testing.T) {
		if err := l.HSS.Deregister(t.Context(), "1000@ims.test"); err != nil {
			t.Fatal(err)
		}
		// The S-CSCF has answered, and acts upon it within its timer's second.
		for deadline := time.Now().Add(20 * time.Second); ; {
			m := alice.Request(t, fmt.Sprintf("OPTIONS sip:1001@ims.test SIP/2.0\r\nFrom: <sip:1000@ims.test>;tag=%[1]d\r\n"+
				"To: <sip:1001@ims.test>\r\nCall-ID: %[1]d@options\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n", time.Now().UnixNano()))
			if m.Status() == 403 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("answered %s, want 403", m.Start)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if m := alice.Invite(t, "1001", ims.Invitation{}).Final(t); m.Status() != 403 {
			t.Errorf("answered %s, want 403", m.Start)
		}
		bob.NoneIncoming(t)
	})
	t.Run("who has left is not reached", func(t *testing.T) {
		alice.Register(t)
		time.Sleep(3 * time.Second) // Kamailio 5.6.3 loses a registration that comes while the old one goes
		alice.Register(t)
		bob.Deregister(t)
		if m := alice.Invite(t, "1001", ims.Invitation{}).Final(t); m.Status() != 480 {
			t.Errorf("answered %s, want 480", m.Start)
		}
	})
}

// A refusal of the service stands; only a service that is not there is passed by,
// and then as the user's profile says.
func TestServiceThatRefusesOrIsDown(t *testing.T) {
	l := ims.Start(t, ims.Options{})
	alice, bob := l.UE(t, "1000"), l.UE(t, "1001")
	alice.Register(t)
	bob.Register(t)
	for _, step := range []string{"2503,1,Progress()", "2503,2,Wait(0.2)", "2503,3,Hangup(38)", "2504,1,Hangup(38)"} {
		l.PBX.CLI(t, "dialplan add extension "+step+" into isc")
	}
	for number, want := range map[string]struct {
		status int
		why    string
	}{
		"2503": {500, "after a 183 it is alive, and its 503 the call's, which a proxy passes on as 500"},
		"2504": {604, "503 is the word for down: the call goes on, to a number that the HSS doesn't know"},
	} {
		if m := alice.Invite(t, number, ims.Invitation{}).Final(t); m.Status() != want.status {
			t.Errorf("%s was answered %s, want %d: %s", number, m.Start, want.status, want.why)
		}
	}
	l.Exec(t, `UPDATE cc_card SET status = 0 WHERE useralias = '1001'`)
	if m := bob.Invite(t, "1000", ims.Invitation{}).Final(t); m.Status() != 403 {
		t.Errorf("a blocked account was answered %s, want 403", m.Start)
	}
	alice.NoneIncoming(t)

	l.PBX.Stop()
	start := time.Now()
	connect(t, bob, "1000", alice, ims.Invitation{})
	t.Logf("SESSION_CONTINUED: without its AS, the call was through and over after %.1f s", time.Since(start).Seconds())
}

// With SESSION_TERMINATED nobody calls unpaid.
func TestServiceDownEndsTheCall(t *testing.T) {
	l := ims.Start(t, ims.Options{NoAS: true,
		Subscribers: ims.Subscribers(t, `default_handling = "SESSION_CONTINUED"`, `default_handling = "SESSION_TERMINATED"`)})
	alice, bob := l.UE(t, "1000"), l.UE(t, "1001")
	alice.Register(t)
	bob.Register(t)
	if m := bob.Invite(t, "1000", ims.Invitation{}).Final(t); m.Status() != 504 {
		t.Errorf("answered %s, want 504", m.Start)
	}
	alice.NoneIncoming(t)
}
