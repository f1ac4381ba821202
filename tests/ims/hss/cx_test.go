package hss

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"adcredit/tests/ims/aka"
	"adcredit/tests/ims/diameter"
)

const (
	impi = "1000@ims.test"
	impu = "sip:1000@ims.test"
)

// The requests, as a CSCF writes them.
func (c *cscf) uar(impi, impu string, kind uint32) diameter.Message {
	return c.cx(diameter.UserAuthorization, impi, impu, diameter.Text(diameter.VisitedNetwork, "ims.test"), diameter.Number(diameter.UserAuthorizationType, kind))
}

func (c *cscf) lir(impu string, more ...diameter.AVP) diameter.Message {
	return c.cx(diameter.LocationInfo, "", impu, more...)
}

func (c *cscf) sar(impi, impu, server string, kind uint32) diameter.Message {
	return c.cx(diameter.ServerAssignment, impi, impu, diameter.Text(diameter.ServerName, server),
		diameter.Number(diameter.ServerAssignmentType, kind), diameter.Number(diameter.UserDataAlreadyAvailable, 0))
}

func (c *cscf) mar(impi, impu, scheme string, items uint32, more ...diameter.AVP) diameter.Message {
	return c.cx(diameter.MultimediaAuth, impi, impu, diameter.Text(diameter.ServerName, scscf), diameter.Number(diameter.NumberAuthItems, items),
		diameter.Group(diameter.AuthDataItem, append(more, diameter.Text(diameter.AuthenticationScheme, scheme))...))
}

func (c *cscf) want(a diameter.Message, summary string) diameter.Message {
	c.Helper()
	if a.Summary() != summary {
		c.Errorf("got %s, want %s", a.Summary(), summary)
	}
	return a
}

func (l *running) want(t *testing.T, impu, want string) {
	t.Helper()
	state, ok := l.State(impu)
	if got := strings.TrimSpace(fmt.Sprintf("%v %s", state.Status, state.SCSCF)); got != want || !ok {
		t.Errorf("%s is %s (%v), want %s", impu, got, ok, want)
	}
}

// A registration from its first REGISTER to its end, as I-CSCF and S-CSCF ask.
func TestRegistration(t *testing.T) {
	l := start(t, load(t))
	c := l.connect(t)

	c.want(c.lir(impu), "LIA IDENTITY_NOT_REGISTERED")
	first := c.want(c.uar(impi, impu, diameter.AuthorizeRegistration), "UAA FIRST_REGISTRATION")
	if n, ok := first.AVPs.Group(diameter.ServerCapabilities).Number(diameter.MandatoryCapability); n != 1 || !ok {
		t.Errorf("capabilities %v", first.AVPs)
	}
	c.want(c.mar(impi, impu, "SIP Digest", 1), "MAA "+impu+" SIP Digest SUCCESS")
	l.want(t, impu, "not registered "+scscf)

	saa := c.want(c.sar(impi, impu, scscf, diameter.Registration), "SAA SUCCESS")
	if got := saa.AVPs.Text(diameter.UserData); !strings.Contains(got, "<Identity>"+impu+"</Identity>") || saa.AVPs.Text(diameter.UserName) != impi {
		t.Errorf("user data %q", got)
	}
	l.want(t, impu, "registered "+scscf)

	again := c.want(c.uar(impi, impu, diameter.AuthorizeRegistration), "UAA SUBSEQUENT_REGISTRATION")
	if got := again.AVPs.Text(diameter.ServerName); got != scscf {
		t.Errorf("S-CSCF %q", got)
	}
	if got := c.want(c.lir("sip:1000@IMS.test;user=phone"), "LIA SUCCESS").AVPs.Text(diameter.ServerName); got != scscf {
		t.Errorf("S-CSCF %q", got)
	}
	c.want(c.sar(impi, impu, other, diameter.ReRegistration), "SAA IDENTITY_ALREADY_REGISTERED")
	c.want(c.sar(impi, impu, other, diameter.UserDeregistration), "SAA UNABLE_TO_COMPLY")
	c.want(c.sar(impi, impu, other, diameter.NoAssignment), "SAA UNABLE_TO_COMPLY")
	c.want(c.sar(impi, impu, scscf, diameter.NoAssignment), "SAA SUCCESS")
	l.want(t, impu, "registered "+scscf)

	c.want(c.uar(impi, impu, diameter.AuthorizeDeregistration), "UAA SUCCESS")
	c.want(c.sar(impi, "", scscf, diameter.UserDeregistration), "SAA SUCCESS")
	l.want(t, impu, "not registered")
	c.want(c.uar(impi, impu, diameter.AuthorizeDeregistration), "UAA IDENTITY_NOT_REGISTERED")
	c.want(c.uar(impi, impu, diameter.AuthorizeRegistration), "UAA FIRST_REGISTRATION")
}

// What an S-CSCF does to one identity, by its Server-Assignment-Type.
func TestAssignment(t *testing.T) {
	for _, c := range []struct {
		name  string
		kinds []uint32
		state string
	}{
		{"timeout", []uint32{diameter.Registration, diameter.TimeoutDeregistration}, "not registered"},
		{"by the operator", []uint32{diameter.Registration, diameter.AdministrativeDeregistration}, "not registered"},
		{"too much data", []uint32{diameter.Registration, diameter.DeregistrationTooMuchData}, "not registered"},
		{"timeout, name kept", []uint32{diameter.Registration, diameter.TimeoutDeregistrationStoreServerName}, "unregistered " + scscf},
		{"name kept, and back", []uint32{diameter.Registration, diameter.UserDeregistrationStoreServerName, diameter.Registration}, "registered " + scscf},
		{"called while not there", []uint32{diameter.UnregisteredUser}, "unregistered " + scscf},
		{"called while there", []uint32{diameter.Registration, diameter.UnregisteredUser}, "registered " + scscf},
		{"wrong password", []uint32{diameter.AuthenticationFailure}, "not registered"},
		{"wrong password when registered", []uint32{diameter.Registration, diameter.AuthenticationFailure}, "registered " + scscf},
		{"no answer to the challenge", []uint32{diameter.AuthenticationTimeout}, "not registered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := start(t, load(t))
			p := l.connect(t)
			p.mar(impi, impu, "SIP Digest", 1)
			for _, kind := range c.kinds {
				p.want(p.sar(impi, impu, scscf, kind), "SAA SUCCESS")
			}
			l.want(t, impu, c.state)
			p.want(p.sar(impi, impu, scscf, 77), "SAA IN_ASSIGNMENT_TYPE")
		})
	}
}

// family adds to user 1000 a second and a barred identity in one set, one that
// may not register, and one alone.
func family(t *testing.T) *Subscribers {
	s := load(t)
	add := func(name string, u IMPU) {
		u.IMPIs, u.ServiceProfile = []string{impi}, "prepaid"
		s.IMPUs[name] = u
	}
	add("tel:+221770001000", IMPU{CanRegister: true, ImplicitSet: 1})
	add("sip:secret@ims.test", IMPU{CanRegister: true, ImplicitSet: 1, Barring: true})
	add("sip:barred@ims.test", IMPU{CanRegister: true, Barring: true})
	add("sip:never@ims.test", IMPU{})
	u := s.IMPUs[impu]
	u.ImplicitSet = 1
	s.IMPUs[impu] = u
	return s
}

// Who may not register, or is not whom they say.
func TestRefusedUsers(t *testing.T) {
	s := family(t)
	u := s.IMPUs["sip:1001@ims.test"]
	u.VisitedNetworks = []string{"elsewhere.test"}
	s.IMPUs["sip:1001@ims.test"] = u
	l := start(t, s)
	c := l.connect(t)
	for _, row := range []struct{ impi, impu, want string }{
		{"9999@ims.test", impu, "USER_UNKNOWN"},
		{impi, "sip:9999@ims.test", "USER_UNKNOWN"},
		{"1001@ims.test", impu, "IDENTITIES_DONT_MATCH"},
		{"1001@ims.test", "sip:1001@ims.test", "ROAMING_NOT_ALLOWED"},
		{impi, "sip:barred@ims.test", "AUTHORIZATION_REJECTED"},
		{impi, "sip:never@ims.test", "AUTHORIZATION_REJECTED"},
		{impi, "sip:secret@ims.test", "FIRST_REGISTRATION"}, // barred, but one of its set is not
		{impi, "", "MISSING_AVP"},
		{"", impu, "MISSING_AVP"},
	} {
		c.want(c.uar(row.impi, row.impu, diameter.AuthorizeRegistration), "UAA "+row.want)
	}
	// Kamailio finds out whom a refusal concerns by these two.
	a := c.want(c.mar("1001@ims.test", impu, "SIP Digest", 1), "MAA "+impu+" IDENTITIES_DONT_MATCH")
	if got := a.AVPs.Text(diameter.UserName); got != "1001@ims.test" {
		t.Errorf("user %q", got)
	}
	c.want(c.mar(impi, impu, "NASS-Bundled", 1), "MAA "+impu+" AUTH_SCHEME_NOT_SUPPORTED")
	c.want(c.lir("sip:9999@ims.test"), "LIA USER_UNKNOWN")
}

// Identities of one set come and go together.
func TestImplicitSet(t *testing.T) {
	l := start(t, family(t))
	c := l.connect(t)
	a := c.want(c.sar(impi, impu, scscf, diameter.Registration), "SAA SUCCESS")
	var profile struct {
		Identities []struct{ BarringIndication, Identity string } `xml:"ServiceProfile>PublicIdentity"`
	}
	if err := xml.Unmarshal([]byte(a.AVPs.Text(diameter.UserData)), &profile); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(profile.Identities); got != "[{0 sip:1000@ims.test} {1 sip:secret@ims.test} {0 tel:+221770001000}]" {
		t.Errorf("identities %s", got)
	}
	l.want(t, "tel:+221770001000", "registered "+scscf)
	l.want(t, "sip:barred@ims.test", "not registered "+scscf)
	c.want(c.lir("tel:+221770001000"), "LIA SUCCESS")
	c.want(c.lir("sip:never@ims.test"), "LIA IDENTITY_NOT_REGISTERED")
	c.want(c.lir("sip:never@ims.test", diameter.Number(diameter.OriginatingRequest, 0)), "LIA IDENTITY_NOT_REGISTERED")
	c.want(c.lir("sip:never@ims.test", diameter.Number(diameter.OriginatingRequest, 1)), "LIA SUCCESS")
	c.want(c.sar(impi, "tel:+221770001000", scscf, diameter.UserDeregistration), "SAA SUCCESS")
	l.want(t, impu, "not registered")
}

// Calls to somebody who is not there go to an S-CSCF when a criterion waits for them.
func TestUnregisteredService(t *testing.T) {
	s := load(t)
	tp := s.TriggerPoints["calls"]
	tp.SPT = []ServicePointTrigger{{SessionCase: TerminatingUnregistered}}
	s.TriggerPoints["calls"] = tp
	l := start(t, s)
	c := l.connect(t)
	a := c.want(c.lir(impu), "LIA UNREGISTERED_SERVICE")
	if n, _ := a.AVPs.Group(diameter.ServerCapabilities).Number(diameter.MandatoryCapability); n != 1 {
		t.Errorf("capabilities %v", a.AVPs)
	}
	c.want(c.sar("", impu, scscf, diameter.UnregisteredUser), "SAA SUCCESS")
	c.want(c.lir(impu), "LIA SUCCESS")
}

// SIP Digest: the S-CSCF gets a hash, never the password.
func TestDigest(t *testing.T) {
	l := start(t, load(t))
	c := l.connect(t)
	for _, scheme := range []string{"SIP Digest", "Unknown"} {
		a := c.want(c.mar(impi, impu, scheme, 3), "MAA "+impu+" SIP Digest SUCCESS")
		digest := a.AVPs.Group(diameter.AuthDataItem).Group(diameter.SIPDigestAuthenticate)
		want := fmt.Sprintf("%x", md5.Sum([]byte("1000@ims.test:ims.test:secret1000")))
		if got := digest.Text(diameter.DigestHA1); got != want {
			t.Errorf("HA1 %s, want %s", got, want)
		}
		if n, _ := a.AVPs.Number(diameter.NumberAuthItems); n != 1 {
			t.Errorf("%d items", n)
		}
		b, _ := a.Encode()
		if bytes.Contains(b, []byte("secret1000")) {
			t.Error("the password left the house")
		}
	}
}

// AKA: challenges that the card of the user answers, and one more when the card
// has seen a greater number.
func TestAKA(t *testing.T) {
	s := load(t)
	l := start(t, s)
	c := l.connect(t)
	card := aka.Card{Key: s.IMPIs[impi].key()}
	const scheme = "Digest-AKAv1-MD5"

	a := c.want(c.mar(impi, impu, scheme, 2), "MAA "+impu+" Digest-AKAv1-MD5 SUCCESS")
	items := 0
	for _, item := range a.AVPs {
		if item.ID != diameter.AuthDataItem {
			continue
		}
		items++
		v := diameter.AVPs{item}.Group(item.ID)
		challenge := []byte(v.Text(diameter.Authenticate))
		res, ck, ik, err := card.Answer([16]byte(challenge), [16]byte(challenge[16:]))
		if err != nil || v.Text(diameter.Authorization) != string(res[:]) || v.Text(diameter.ConfidentialityKey) != string(ck[:]) || v.Text(diameter.IntegrityKey) != string(ik[:]) {
			t.Errorf("%v: %v", item, err)
		}
	}
	if items != 2 || card.SQN != 64 {
		t.Errorf("%d items, number %d", items, card.SQN)
	}
	if a := c.mar(impi, impu, scheme, 0xffffffff); len(a.AVPs.Texts(diameter.AuthDataItem)) != maxItems {
		t.Errorf("%d items", len(a.AVPs.Texts(diameter.AuthDataItem)))
	}

	card.SQN = 1 << 20 // it has been elsewhere
	challenge := c.mar(impi, impu, scheme, 1).AVPs.Group(diameter.AuthDataItem).Text(diameter.Authenticate)
	_, auts, err := card.Password(base64.StdEncoding.EncodeToString([]byte(challenge)))
	if err != nil || auts == "" {
		t.Fatalf("auts %q, %v", auts, err)
	}
	token, _ := base64.StdEncoding.DecodeString(auts)
	a = c.mar(impi, impu, scheme, 1, diameter.Text(diameter.Authorization, challenge[:16]+string(token)))
	again := a.AVPs.Group(diameter.AuthDataItem).Text(diameter.Authenticate)
	if _, _, _, err := card.Answer([16]byte([]byte(again)), [16]byte([]byte(again)[16:])); err != nil || card.SQN != 1<<20+32 {
		t.Errorf("after resynchronisation: %v, number %d", err, card.SQN)
	}

	for name, forged := range map[string]string{"another RAND": "0123456789abcdef" + string(token), "too short": challenge[:16], "of zeros": challenge[:16] + string(make([]byte, 14))} {
		c.want(c.mar(impi, impu, scheme, 1, diameter.Text(diameter.Authorization, forged)), "MAA "+impu+" UNABLE_TO_COMPLY")
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// An operator ends a registration, and changes a profile, while calls go on.
func TestPushed(t *testing.T) {
	s := load(t)
	l := start(t, s)
	c := l.connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for name, err := range map[string]error{"PPR": l.PushProfile(ctx, impu), "RTR": l.Deregister(ctx, impi), "unknown": l.Deregister(ctx, "9999@ims.test")} {
		if err == nil {
			t.Errorf("%s to nobody", name)
		}
	}
	c.want(c.sar(impi, impu, scscf, diameter.Registration), "SAA SUCCESS")

	changed := load(t)
	as := changed.ApplicationServers["adcredit"]
	as.DefaultHandling = SessionTerminated
	changed.ApplicationServers["adcredit"] = as
	if err := l.Provision(changed); err != nil {
		t.Fatal(err)
	}
	l.want(t, impu, "registered "+scscf)

	said := make(chan error, 1)
	go func() { said <- l.PushProfile(ctx, impu) }()
	m := c.receive()
	if m.Summary() != "PPR "+impi || m.AVPs.Text(diameter.DestinationHost) != "127.0.0.2" || m.AVPs.Text(diameter.SessionID) == "" ||
		!strings.Contains(m.AVPs.Text(diameter.UserData), "<DefaultHandling>1</DefaultHandling>") {
		t.Errorf("%v", m.AVPs)
	}
	c.send(diameter.Message{Command: m.Command, HopByHop: m.HopByHop + 9, AVPs: result(diameter.UnableToComply)}) // not the answer to ours
	c.send(m.Answer(result(diameter.Success)...))
	if err := <-said; err != nil {
		t.Error(err)
	}

	go func() { said <- l.Deregister(ctx, impi) }()
	m = c.receive()
	if reason, ok := m.AVPs.Group(diameter.DeregistrationReason).Number(diameter.ReasonCode); m.Summary() != "RTR "+impu || !ok || reason != 0 {
		t.Errorf("%v", m.AVPs)
	}
	c.send(m.Answer(experimental(diameter.UserUnknown)...))
	if err := <-said; err == nil || !strings.Contains(err.Error(), "127.0.0.2 answered USER_UNKNOWN") {
		t.Error(err)
	}
	l.want(t, impu, "registered "+scscf)

	go func() { said <- l.Deregister(ctx, impi) }()
	m = c.receive()
	c.send(m.Answer(result(diameter.Success)...))
	if err := <-said; err != nil {
		t.Error(err)
	}
	l.want(t, impu, "not registered")

	c.want(c.sar(impi, impu, scscf, diameter.Registration), "SAA SUCCESS")
	go func() { said <- l.PushProfile(ctx, impu) }()
	c.receive()
	c.Close()
	if err := <-said; err == nil || !strings.Contains(err.Error(), "the peer went before it answered") {
		t.Error(err)
	}
}

// Other subscribers take the place of those there are, or are refused as a whole.
func TestProvision(t *testing.T) {
	l := start(t, load(t))
	c := l.connect(t)
	c.want(c.sar(impi, impu, scscf, diameter.Registration), "SAA SUCCESS")
	bad := load(t)
	delete(bad.ServiceProfiles, "prepaid")
	if err := l.Provision(bad); err == nil || l.Provision(nil) == nil {
		t.Errorf("taken: %v", err)
	}
	l.want(t, impu, "registered "+scscf)
	fewer := load(t)
	delete(fewer.IMPUs, impu)
	if err := l.Provision(fewer); err != nil {
		t.Fatal(err)
	}
	if state, ok := l.State(impu); ok {
		t.Errorf("%v", state)
	}
	c.want(c.lir(impu), "LIA USER_UNKNOWN")
	if err := l.Provision(load(t)); err != nil {
		t.Fatal(err)
	}
	l.want(t, impu, "not registered")
}
