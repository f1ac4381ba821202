package hss

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"adcredit/tests/ims/diameter"
)

const (
	file  = "../../../etc/ims/subscribers.toml"
	scscf = "sip:127.0.0.2:6060"
	other = "sip:127.0.0.22:6060"
)

// patience is for what takes no time on a machine that is not busy.
const patience = 20 * time.Second

func load(t testing.TB) *Subscribers {
	t.Helper()
	s, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// running is a HSS that runs until the test ends.
type running struct {
	*Server
	address string
	stop    func() // and waits
}

func start(t testing.TB, subscribers *Subscribers) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Subscribers: subscribers, Host: "127.0.0.5"})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, l) }()
	ended := false
	stop := func() {
		if ended {
			return
		}
		ended = true
		cancel()
		select {
		case err := <-served:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("the server does not end")
		}
	}
	t.Cleanup(stop)
	return &running{Server: s, address: l.Addr().String(), stop: stop}
}

// cscf is the other end of a connection.
type cscf struct {
	testing.TB
	net.Conn
	host string
}

// dial connects without a word.
func (l *running) dial(t testing.TB) *cscf {
	t.Helper()
	c, err := net.Dial("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &cscf{t, c, "127.0.0.2"}
}

// connect connects and exchanges capabilities.
func (l *running) connect(t testing.TB) *cscf {
	t.Helper()
	c := l.dial(t)
	a := c.ask(diameter.Message{Command: diameter.CapabilitiesExchange}, c.cer()...)
	if code, _, _ := a.AVPs.Result(); code != diameter.Success {
		t.Fatalf("%s", a.Summary())
	}
	return c
}

func (c *cscf) cer() []diameter.AVP {
	return []diameter.AVP{diameter.Text(diameter.OriginHost, c.host), diameter.Text(diameter.OriginRealm, "ims.test"), cx()}
}

func (c *cscf) send(m diameter.Message) {
	c.Helper()
	b, err := m.Encode()
	if err == nil {
		_, err = c.Write(b)
	}
	if err != nil {
		c.Fatal(err)
	}
}

func (c *cscf) receive() diameter.Message {
	c.Helper()
	b, err := diameter.Read(c)
	if err != nil {
		c.Fatal(err)
	}
	m, err := diameter.Parse(b)
	if err != nil {
		c.Fatal(err)
	}
	return m
}

// ask sends a request and returns its answer.
func (c *cscf) ask(m diameter.Message, avps ...diameter.AVP) diameter.Message {
	c.Helper()
	m.Flags |= diameter.Request
	m.HopByHop, m.EndToEnd, m.AVPs = 4, 5, avps
	c.send(m)
	a := c.receive()
	if a.IsRequest() || a.Command != m.Command || a.HopByHop != 4 || a.EndToEnd != 5 {
		c.Fatalf("%+v answers %+v", a, m)
	}
	return a
}

// cx asks something of Cx about a user.
func (c *cscf) cx(command uint32, impi, impu string, more ...diameter.AVP) diameter.Message {
	c.Helper()
	avps := []diameter.AVP{diameter.Text(diameter.SessionID, "s;1;2"), diameter.Text(diameter.DestinationRealm, "ims.test")}
	if impi != "" {
		avps = append(avps, diameter.Text(diameter.UserName, impi))
	}
	if impu != "" {
		avps = append(avps, diameter.Text(diameter.PublicIdentity, impu))
	}
	a := c.ask(diameter.Message{Flags: diameter.Proxiable, Command: command, Application: diameter.ApplicationCx}, append(avps, more...)...)
	if a.AVPs.Text(diameter.SessionID) != "s;1;2" || a.AVPs.Text(diameter.OriginHost) != "127.0.0.5" {
		c.Fatalf("the head of %v", a.AVPs)
	}
	return a
}

// The base protocol: greeting, watchdog, leave from either end.
func TestPeer(t *testing.T) {
	l := start(t, load(t))
	c := l.connect(t)
	if a := c.ask(diameter.Message{Command: diameter.DeviceWatchdog}); a.Summary() != "DWA SUCCESS" {
		t.Error(a.Summary())
	}
	if a := c.ask(diameter.Message{Command: diameter.DisconnectPeer}); a.Summary() != "DPA SUCCESS" {
		t.Error(a.Summary())
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after DPA: %v", err)
	}

	c = l.connect(t)
	go l.stop()
	m := c.receive()
	if m.Summary() != "DPR" {
		t.Fatalf("at the end came %s", m.Summary())
	}
	c.send(m.Answer(result(diameter.Success)...))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after DPR: %v", err)
	}
}

// Who does not begin with a good CER is told, and sent away.
func TestNoPeer(t *testing.T) {
	l := start(t, load(t))
	for _, c := range []struct {
		name, want string
		m          diameter.Message
	}{
		{"DWR first", "", diameter.Message{Command: diameter.DeviceWatchdog}},
		{"no realm", "CEA MISSING_AVP", diameter.Message{Command: diameter.CapabilitiesExchange, AVPs: diameter.AVPs{diameter.Text(diameter.OriginHost, "x"), cx()}}},
		{"another application", "CEA NO_COMMON_APPLICATION", diameter.Message{Command: diameter.CapabilitiesExchange, AVPs: diameter.AVPs{
			diameter.Text(diameter.OriginHost, "x"), diameter.Text(diameter.OriginRealm, "y"), diameter.Number(diameter.AuthApplicationID, 4)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := l.dial(t)
			c.m.Flags = diameter.Request
			p.send(c.m)
			b, err := io.ReadAll(p)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, m := range diameter.Messages(b) {
				got += m.Summary()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	l.connect(t)
}

// What is malformed is answered as far as it can be read.
func TestMalformed(t *testing.T) {
	l := start(t, load(t))
	c := l.connect(t)
	bad := diameter.Message{Flags: diameter.Request, Command: diameter.MultimediaAuth, Application: diameter.ApplicationCx,
		AVPs: diameter.AVPs{diameter.Text(diameter.AuthDataItem, "abcd")}}
	c.send(bad)
	if a := c.receive(); a.Summary() != "MAA INVALID_AVP_LENGTH" {
		t.Error(a.Summary())
	}
	for _, row := range []struct {
		m    diameter.Message
		want string
		e    bool
	}{
		{diameter.Message{Command: 777, Application: diameter.ApplicationCx}, "777A COMMAND_UNSUPPORTED", true},
		{diameter.Message{Command: diameter.MultimediaAuth, Application: 4}, "MAA APPLICATION_UNSUPPORTED", true},
		{diameter.Message{Command: diameter.MultimediaAuth, Application: diameter.ApplicationCx}, "MAA MISSING_AVP", false},
	} {
		if a := c.ask(row.m); a.Summary() != row.want || row.e != (a.Flags&diameter.ErrorBit != 0) {
			t.Errorf("%s, flags %x", a.Summary(), a.Flags)
		}
	}
	a := c.ask(diameter.Message{Command: diameter.LocationInfo, Application: diameter.ApplicationCx}, diameter.Text(diameter.DestinationRealm, "elsewhere"))
	if a.Summary() != "LIA REALM_NOT_SERVED" {
		t.Error(a.Summary())
	}

	if _, err := c.Write([]byte{2, 0, 0, 20}); err != nil { // no version of ours: where the next message begins is unknown
		t.Fatal(err)
	}
	c.Write(make([]byte, 16)) // it may be gone already
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a stream that cannot be read on is kept")
	}
	l.connect(t)
}

// FuzzConnection: whatever a peer sends, before its CER or after, the server
// answers with messages or ends the connection, within its time, and serves the
// next peer.
func FuzzConnection(f *testing.F) {
	l := start(f, load(f))
	mar, _ := diameter.Message{Flags: diameter.Request, Command: diameter.MultimediaAuth, Application: diameter.ApplicationCx, AVPs: diameter.AVPs{
		diameter.Text(diameter.UserName, "1000@ims.test"), diameter.Text(diameter.PublicIdentity, "sip:1000@ims.test"), diameter.Text(diameter.ServerName, scscf),
		diameter.Number(diameter.NumberAuthItems, 0xffffffff), diameter.Group(diameter.AuthDataItem,
			diameter.Text(diameter.AuthenticationScheme, "Digest-AKAv1-MD5"), diameter.Text(diameter.Authorization, "short"))}}.Encode()
	sar, _ := diameter.Message{Flags: diameter.Request, Command: diameter.ServerAssignment, Application: diameter.ApplicationCx, AVPs: diameter.AVPs{
		diameter.Text(diameter.UserName, "1000@ims.test"), diameter.Text(diameter.ServerName, scscf), diameter.Number(diameter.ServerAssignmentType, 1)}}.Encode()
	uar, _ := diameter.Message{Flags: diameter.Request, Command: diameter.UserAuthorization, Application: diameter.ApplicationCx, AVPs: diameter.AVPs{
		diameter.Text(diameter.UserName, "1000@ims.test"), diameter.Text(diameter.PublicIdentity, "sip:1000@ims.test;x")}}.Encode()
	lir, _ := diameter.Message{Flags: diameter.Request, Command: diameter.LocationInfo, Application: diameter.ApplicationCx, AVPs: diameter.AVPs{
		diameter.Text(diameter.PublicIdentity, "sip:1000@ims.test")}}.Encode()
	late, _ := diameter.Message{Command: diameter.PushProfile, HopByHop: 9}.Encode()
	for _, greeted := range []bool{true, false} {
		for _, seed := range [][]byte{nil, mar, sar, uar, lir, late, append(bytes.Clone(uar), sar...), mar[:30], {1, 0, 0, 21}, {1, 0xff, 0xff, 0xfc}, bytes.Repeat([]byte{0xff}, 100)} {
			f.Add(greeted, seed)
		}
	}
	f.Fuzz(func(t *testing.T, greeted bool, octets []byte) {
		var c *cscf
		if greeted {
			c = l.connect(t)
		} else {
			c = l.dial(t)
		}
		_, err := c.Write(octets)
		if err == nil {
			err = c.Conn.(*net.TCPConn).CloseWrite()
		}
		if err == nil {
			var b []byte
			b, err = io.ReadAll(c)
			for len(b) > 0 && err == nil {
				messages := diameter.Messages(b)
				if len(messages) == 0 {
					t.Fatalf("answered %x", b)
				}
				whole, _ := messages[0].Encode()
				b = b[len(whole):]
			}
		}
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			t.Fatal("neither an answer nor an end")
		} // else it closed while octets were on their way: a reset
		c.Close()
		if a := l.connect(t).ask(diameter.Message{Command: diameter.DeviceWatchdog}); a.Summary() != "DWA SUCCESS" {
			t.Fatal(a.Summary())
		}
	})
}
