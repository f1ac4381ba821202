//go:build lab

package ims_test

import (
	"strings"
	"testing"

	"adcredit/tests/ims"
	"adcredit/tests/ims/aka"
	"adcredit/tests/ims/hss"
)

// subscribe makes one more customer, as 1000 is one.
func subscribe(s *hss.Subscribers, user string, change func(*hss.IMPI, *hss.IMPU)) {
	private, public := s.IMPIs["1000@ims.test"], s.IMPUs["sip:1000@ims.test"]
	private.IMSU, private.Secret = user, "secret"+user
	public.IMPIs = []string{user + "@ims.test"}
	change(&private, &public)
	s.IMSUs[user], s.IMPIs[user+"@ims.test"], s.IMPUs["sip:"+user+"@ims.test"] = s.IMSUs["1000"], private, public
}

// TestRegistration: who may register, by a password and by a card.
func TestRegistration(t *testing.T) {
	l := ims.Start(t, ims.Options{NoAS: true})
	s := subscribers(t)
	subscribe(s, "1002", func(i *hss.IMPI, _ *hss.IMPU) { i.Scheme, i.Secret = hss.AKA, "" })
	subscribe(s, "1003", func(_ *hss.IMPI, u *hss.IMPU) { u.Barring = true })
	subscribe(s, "1004", func(_ *hss.IMPI, u *hss.IMPU) { u.CanRegister = false })
	subscribe(s, "1005", func(_ *hss.IMPI, u *hss.IMPU) { u.VisitedNetworks = []string{"elsewhere.test"} })
	if err := l.HSS.Provision(s); err != nil {
		t.Fatal(err)
	}
	card := func(user string) *aka.Card {
		i := s.IMPIs[user+"@ims.test"]
		return &aka.Card{Key: aka.Key{K: [16]byte(i.K), OPc: [16]byte(i.OPc)}}
	}
	for _, row := range []struct {
		name, user string
		change     func(*ims.UE)
		want       int
	}{
		{"digest", "1000", func(*ims.UE) {}, 200},
		{"digest, wrong password", "1001", func(u *ims.UE) { u.Secret = "secret1000" }, 403},
		{"AKA", "1002", func(u *ims.UE) { u.Card = card("1002") }, 200},
		{"AKA, the card was used elsewhere", "1002", func(u *ims.UE) { u.Card = card("1002"); u.Card.SQN = 1 << 30 }, 200},
		{"AKA, a password and no card", "1002", func(u *ims.UE) { u.Secret = "" }, 403},
		{"another's private identity", "1000", func(u *ims.UE) { u.IMPI, u.Secret = "1001@ims.test", "secret1001" }, 403},
		{"unknown", "1099", func(*ims.UE) {}, 403},
		{"barred", "1003", func(*ims.UE) {}, 403},
		{"may not register", "1004", func(*ims.UE) {}, 403},
		{"may not roam here", "1005", func(*ims.UE) {}, 403},
	} {
		t.Run(row.name, func(t *testing.T) {
			u := l.UE(t, row.user)
			row.change(u)
			m := u.RegisterFor(t, 3600)
			if m.Status() != row.want {
				t.Errorf("REGISTER: %s, want %d", m.Start, row.want)
			}
			state, known := l.HSS.State(u.URI())
			if registered := state.Status == hss.Registered; registered != (row.want == 200) {
				t.Errorf("the HSS has %s: %s (%v)", u.URI(), state.Status, known)
			}
			// Nobody has this number, and no criterion sends it to the service.
			invite := func() string { return u.Invite(t, "5000", ims.Invitation{Mute: true}).Final(t).Start }
			if row.want == 200 {
				if got := invite(); !strings.Contains(got, " 604 ") {
					t.Errorf("INVITE after it: %s", got)
				}
				u.Deregister(t)
			}
			if got := invite(); !strings.Contains(got, "403 Register First") {
				t.Errorf("INVITE of somebody who is not registered: %s", got)
			}
		})
	}
}

// TestForgedRegistration: what a phone claims instead of an answer to a challenge
// is worth nothing, and the keys of AKA stay in the core.
func TestForgedRegistration(t *testing.T) {
	l := ims.Start(t, ims.Options{NoAS: true})
	s := subscribers(t)
	subscribe(s, "1002", func(i *hss.IMPI, _ *hss.IMPU) { i.Scheme, i.Secret = hss.AKA, "" })
	if err := l.HSS.Provision(s); err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string]string{
		"no credentials": "",
		"integrity":      `Authorization: Digest username="1002@ims.test", realm="ims.test", nonce="", uri="sip:ims.test", response="", integrity-protected="yes"` + "\r\n",
		"integrity, tls": `Authorization: Digest Integrity-Protected = "tls-yes",username="1002@ims.test",realm="ims.test",nonce="",uri="sip:ims.test",response=""` + "\r\n",
		"identity":       "P-Asserted-Identity: <sip:1002@ims.test>\r\nP-Associated-URI: <sip:1002@ims.test>\r\n",
		"path":           "Path: <sip:term@127.0.0.13;lr>\r\nRoute: <sip:127.0.0.2:6060;lr>\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			u := l.UE(t, "1002")
			m := u.Request(t, "REGISTER sip:ims.test SIP/2.0\r\nFrom: <sip:1002@ims.test>;tag=1\r\nTo: <sip:1002@ims.test>\r\nCall-ID: "+t.Name()+"\r\n"+
				"CSeq: 1 REGISTER\r\nContact: <sip:1002@"+u.At()+">\r\nExpires: 600\r\nMax-Forwards: 70\r\n"+more)
			if m.Status() != 401 && m.Status() != 403 {
				t.Errorf("%s, want 401 or 403", m.Start)
			}
			if p := aka.Parameters(m.Header("WWW-Authenticate")); m.Status() == 401 && p["algorithm"] != "AKAv1-MD5" || p["ck"]+p["ik"] != "" {
				t.Errorf("the challenge is %s", m.Header("WWW-Authenticate"))
			}
			if state, _ := l.HSS.State("sip:1002@ims.test"); state.Status == hss.Registered {
				t.Error("registered")
			}
		})
	}
	for _, m := range l.Rec.SIP() {
		if m.From.String() == ims.PCSCFAt && strings.Contains(strings.ToLower(m.Text), "integrity-protected") {
			t.Errorf("the P-CSCF passed on:\n%s", m.Text)
		}
	}
}
