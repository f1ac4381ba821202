//go:build lab

package e2e_test

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"adcredit/tests/lab"
)

// agiHosts are those of the SRV record of hagi://agi.test, the first to be tried
// first.
var agiHosts = []struct {
	name     string
	priority uint16
	at       [4]byte
}{
	{"first.agi.test.", 10, [4]byte{127, 0, 0, 1}},
	{"second.agi.test.", 20, [4]byte{127, 0, 0, 2}},
}

// TestFastAGIFailover: two hosts behind one name. While the first drains, the call
// that it has goes on to its grant, and new ones are served by the second.
func TestFastAGIFailover(t *testing.T) {
	h := newHouse(t, options{plan: openPlan, fast: "hagi://agi.test/adcredit"})
	serveNames(t, h.pbx)
	second := &switchboard{house: h, at: "127.0.0.2:4573"}
	second.start(t)
	t.Cleanup(second.kill)
	failed := func() int { return len(linesWith(h.log(t), "AGI request failed for host 'agi.test'")) }

	rec := lab.Record(t)
	callee := lab.Callee{At: calleeAt, Calls: 2, HangUp: 2 * time.Second}.Start(t)
	poor := lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys: []lab.Key{{After: time.Second, Digit: "1"}}}.Start(t)
	h.eventually(t, "the ad", func() bool { return strings.Contains(h.log(t), "AGI Rx << STREAM FILE "+quoted("ads/mangalou-en")) })
	if n := failed(); n != 0 {
		t.Fatalf("the first host was not reached, %d times", n)
	}
	h.fast.drain(t)
	h.eventually(t, "the drain", func() bool { return !answersAt(h.fast.at) })
	rich := lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt}
	rich.Start(t).Wait(t)
	h.wantStatus(t, "SUFFICIENT")
	if n := failed(); n != 1 {
		t.Errorf("a host was given up %d times, want once, the first", n)
	}
	h.fast.wait(t)
	poor.Wait(t)
	callee.Wait(t)
	rec.Stop()
	h.wantStatus(t, "GRANTED")
	h.wantBooks(t, credited("50.00000"))
	h.wantAdHeard(t, rec)
	wantTalk(t, rec, poorAt)
	wantTalk(t, rec, richAt)

	second.drain(t) // nobody is left: the plan refuses, as without the program
	second.wait(t)
	rich.Status = 403
	rich.Start(t).Wait(t)
}

// serveNames answers Asterisk's questions for agiHosts.
func serveNames(t *testing.T, pbx *lab.PBX) {
	t.Helper()
	if err := os.WriteFile(pbx.Path("/etc/resolv.conf"), []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		query := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return // closed
			}
			answer, err := answerName(query[:n])
			if err == nil {
				_, err = conn.WriteTo(answer, from)
			}
			if err != nil {
				t.Errorf("answer a question for a name: %v", err)
			}
		}
	}()
}

// answerName answers one question: the hosts of _agi._tcp.agi.test, the address of
// each, and for all else that there is no record (RFC 2782, RFC 1035).
func answerName(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, true, true, nil
	for _, q := range m.Questions {
		add := func(body dnsmessage.ResourceBody) {
			header := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: body})
		}
		for _, host := range agiHosts {
			switch {
			case q.Type == dnsmessage.TypeSRV && q.Name.String() == "_agi._tcp.agi.test.":
				add(&dnsmessage.SRVResource{Priority: host.priority, Port: 4573, Target: dnsmessage.MustNewName(host.name)})
			case q.Type == dnsmessage.TypeA && q.Name.String() == host.name:
				add(&dnsmessage.AResource{A: host.at})
			}
		}
	}
	return m.Pack()
}
