//go:build lab

package ims_test

import (
	"slices"
	"testing"
	"time"

	"adcredit/tests/ims"
	"adcredit/tests/lab"
)

// postDial are the times from the caller's INVITE to the callee's, of so many
// calls one after the other, in order of length.
func postDial(t *testing.T, o ims.Options, calls int) []time.Duration {
	t.Helper()
	l := ims.Start(t, o)
	alice, bob := l.UE(t, "1000"), l.UE(t, "1001")
	alice.Register(t)
	bob.Register(t)
	var all []time.Duration
	for range calls {
		out := alice.Invite(t, "1001", ims.Invitation{Mute: true})
		in := bob.Incoming(t)
		in.Refuse(t, 486)
		if m := out.Final(t); m.Status() != 486 {
			t.Fatalf("answered %s, want 486", m.Start)
		}
		all = append(all, between(t, l, ims.PCSCFAt, bob.At()).Time.Sub(between(t, l, alice.At(), ims.PCSCFAt).Time))
	}
	slices.Sort(all)
	return all
}

// What the AS costs a caller with credit: nothing is played, and the ratio says
// how much longer it takes until the callee's phone is called.
func TestFigurePostDialDelay(t *testing.T) {
	const calls = 60
	var with, without []time.Duration
	t.Run("with the AS", func(t *testing.T) { with = postDial(t, ims.Options{}, calls) })
	t.Run("without", func(t *testing.T) {
		without = postDial(t, ims.Options{Subscribers: ims.Subscribers(t,
			`initial_filter_criteria = [{ name = "adcredit", priority = 0 }]`, `initial_filter_criteria = []`)}, calls)
	})
	if t.Failed() {
		return
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for name, i := range map[string]int{"p50": calls / 2, "p95": calls * 95 / 100} {
		t.Logf("FIGURE post-dial delay %s: %.1f ms with the AS, %.1f ms without, %.1f ms more, ratio %.1f", name,
			ms(with[i]), ms(without[i]), ms(with[i]-without[i]), float64(with[i])/float64(without[i]))
	}
	// Nothing was played to them: the shortest prompt is longer.
	if limit := time.Second; with[calls/2] > limit {
		t.Errorf("half of the callers waited longer than %s", limit)
	}
}

func TestFigureMemory(t *testing.T) {
	l := ims.Start(t, ims.Options{})
	t.Logf("FIGURE start-up: %.1f s until the first call can be made", l.StartUp.Seconds())
	var all int64
	for _, p := range l.Parts {
		bytes, processes := p.Memory()
		all += bytes
		t.Logf("FIGURE memory: %-9s %4d MB in %d processes", p.Name, bytes>>20, processes)
		if processes == 0 {
			t.Errorf("%s does not run", p.Name)
		}
	}
	t.Logf("FIGURE memory: together  %4d MB", all>>20)
}

// Calls of a caller with credit, so many at a time, each with all that belongs to
// it: criteria, AGI, balance, two legs, BYE. Every one must succeed.
func TestFigureCallsPerSecond(t *testing.T) {
	const calls, together = "300", "10"
	l := ims.Start(t, ims.Options{})
	for _, user := range []string{"1000", "1001"} {
		ue := l.UE(t, user)
		ue.Register(t)
		ue.Close() // SIPp takes its place
	}
	callee := lab.StartSIPp(t, lab.Scenario{Name: "callee", XML: calleeXML, At: ims.Address("1001"), Calls: 300, Limit: 3 * time.Minute})
	caller := lab.StartSIPp(t, lab.Scenario{Name: "caller", XML: callerXML, At: ims.Address("1000"), PBX: ims.PCSCFAt, Calls: 300,
		Limit: 3 * time.Minute, Args: []string{"-r", "1000", "-l", together}})
	start := time.Now()
	caller.Wait(t)
	took := time.Since(start)
	callee.Wait(t)
	t.Logf("FIGURE calls: %s calls, %s at a time, in %.1f s: %.0f calls per second", calls, together, took.Seconds(), 300/took.Seconds())
}

const callerXML = `<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="1000 calls 1001 and hangs up">
  <send retrans="500"><![CDATA[

INVITE sip:1001@ims.test SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:1000@ims.test>;tag=[pid]c[call_number]
To: <sip:1001@ims.test>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:1000@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=ue 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 40000 RTP/AVP 0
a=rtpmap:0 PCMU/8000

]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[

ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:1000@ims.test>;tag=[pid]c[call_number]
To: <sip:1001@ims.test>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
[routes]
Max-Forwards: 70
Content-Length: 0

]]></send>
  <send retrans="500"><![CDATA[

BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:1000@ims.test>;tag=[pid]c[call_number]
To: <sip:1001@ims.test>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
[routes]
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
`

const calleeXML = `<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="1001 answers">
  <recv request="INVITE" rrs="true"/>
  <send retrans="500"><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]e[call_number]
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
Contact: <sip:1001@[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=ue 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 40002 RTP/AVP 0
a=rtpmap:0 PCMU/8000

]]></send>
  <recv request="ACK"/>
  <recv request="BYE"/>
  <send><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
`
