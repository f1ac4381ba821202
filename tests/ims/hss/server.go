// Package hss is the home subscriber server of the IMS lab: it tells CSCFs who
// is a subscriber, how to authenticate them, who is registered where, and which
// calls go to an application server. It is for tests only: secrets lie in the
// clear in one file, states live in memory, and there is neither TLS nor SCTP.
//
// It is a Diameter peer (RFC 6733) over TCP that waits for others to connect and
// answers CER, DWR and DPR, and on each connection the Cx application (3GPP TS
// 29.228, TS 29.229): UAR, LIR, MAR and SAR. It sends RTR by [Server.Deregister]
// and PPR by [Server.PushProfile].
//
// What it knows comes from a file that names FHoSS's objects, see [Load], and may
// be changed while it runs, by [Server.Provision].
//
// Each connection has a goroutine of its own: whatever one peer sends or does not
// send, the others are served. What is malformed is answered or ends that
// connection.
package hss

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"adcredit/tests/ims/diameter"
)

// How long is waited for a peer: for its CER and for the rest of a message, for
// room to write, and for its DPA when we go.
const (
	readTime  = 10 * time.Second
	writeTime = 5 * time.Second
	partTime  = time.Second
)

// Options are what a Server begins with.
type Options struct {
	Subscribers *Subscribers
	Realm       string       // of this peer; empty: the subscribers'
	Host        string       // its Origin-Host, an address or a name; empty: hss.REALM
	Log         *slog.Logger // nil: none
}

// Server is a HSS. Its methods may be called by several goroutines.
type Server struct {
	realm, host string
	log         *slog.Logger
	number      atomic.Uint32 // of the last request of ours
	store       store

	mu    sync.Mutex
	peers map[string]*peer // by Origin-Host; the last that connected
}

// New makes a Server. It panics when there are no subscribers, or such as Load
// would have refused.
func New(o Options) *Server {
	s := &Server{realm: o.Realm, host: o.Host, log: o.Log, peers: map[string]*peer{}}
	if err := s.Provision(o.Subscribers); err != nil {
		panic(err)
	}
	if s.realm == "" {
		s.realm = o.Subscribers.Realm
	}
	if s.host == "" {
		s.host = "hss." + s.realm
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.number.Store(uint32(time.Now().Unix()) << 20) // RFC 6733, section 3: not those of the last run
	return s
}

// Serve serves the peers that connect to l, until ctx ends: then it takes leave
// of each by DPR, closes everything and returns nil, when nothing of it runs any
// more. Other errors are the listener's.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var peers sync.WaitGroup
	defer peers.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		} else if err != nil {
			return fmt.Errorf("hss: wait for peers: %w", err)
		}
		peers.Go(func() { s.servePeer(ctx, conn) })
	}
}

// peer is one connection, after its CER.
type peer struct {
	conn        net.Conn
	host, realm string

	write   sync.Mutex
	mu      sync.Mutex
	waiting map[uint32]chan<- diameter.Message // for the answer to a request of ours, by its hop-by-hop number
}

var errLeft = errors.New("the peer took its leave")

func (s *Server) servePeer(ctx context.Context, conn net.Conn) {
	p := &peer{conn: conn, waiting: map[uint32]chan<- diameter.Message{}}
	log := s.log.With("peer", conn.RemoteAddr())
	defer conn.Close()
	leave := context.AfterFunc(ctx, func() { s.leave(p) })
	defer leave()
	defer s.part(p)
	err := s.greet(p)
	if err == nil {
		log.Info("connected", "host", p.host, "realm", p.realm)
	}
	for err == nil {
		err = s.next(p)
	}
	if ctx.Err() == nil && err != io.EOF && err != errLeft {
		log.Warn("connection closed", "host", p.host, "err", err)
	} else {
		log.Info("gone", "host", p.host)
	}
}

// join makes p the connection to its host.
func (s *Server) join(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers[p.host] = p
}

// part forgets p, and whoever waits for an answer of it is told.
func (s *Server) part(p *peer) {
	s.mu.Lock()
	if s.peers[p.host] == p {
		delete(s.peers, p.host)
	}
	s.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.waiting {
		close(c)
	}
	p.waiting = nil
}

// leave ends a connection from our side. A peer that has not said who it is, or
// does not answer, is left alone.
func (s *Server) leave(p *peer) {
	s.mu.Lock()
	known := s.peers[p.host] == p
	s.mu.Unlock()
	if known {
		ctx, cancel := context.WithTimeout(context.Background(), partTime)
		defer cancel()
		_, _ = s.ask(ctx, p, diameter.Message{Command: diameter.DisconnectPeer},
			append(s.origin(), diameter.Number(diameter.DisconnectCause, 0))) // 0: REBOOTING
	}
	p.conn.Close()
}

// greet reads a peer's CER and answers it (RFC 6733, section 5.3). An error says
// why there is no connection.
func (s *Server) greet(p *peer) error {
	if err := p.conn.SetReadDeadline(time.Now().Add(readTime)); err != nil {
		return err
	}
	m, err := s.read(p)
	if err != nil {
		return err
	}
	if !m.IsRequest() || m.Command != diameter.CapabilitiesExchange {
		return fmt.Errorf("the first message is %s, not CER", m.Name())
	}
	p.host, p.realm = m.AVPs.Text(diameter.OriginHost), m.AVPs.Text(diameter.OriginRealm)
	result := s.capabilities(m)
	code, _, _ := diameter.AVPs(result).Result()
	if code == diameter.Success {
		s.join(p) // before it knows, so that what it learns is true
	}
	if err := s.send(p, m.Answer(append(s.capabilitiesOf(p), result...)...)); err != nil {
		return err
	}
	if code != diameter.Success {
		return fmt.Errorf("CER refused: %s", diameter.ResultName(code, 0))
	}
	return nil
}

// capabilities judges a CER.
func (s *Server) capabilities(m diameter.Message) []diameter.AVP {
	for _, id := range []diameter.ID{diameter.OriginHost, diameter.OriginRealm} {
		if m.AVPs.Text(id) == "" {
			return missing(id)
		}
	}
	for _, a := range m.AVPs {
		in := diameter.AVPs{a}
		if a.ID == diameter.VendorSpecificApplicationID {
			in = in.Group(a.ID)
		}
		if id, ok := in.Number(diameter.AuthApplicationID); ok && (id == diameter.ApplicationCx || id == diameter.ApplicationRelay) {
			return result(diameter.Success)
		}
	}
	return result(diameter.NoCommonApplication)
}

func (s *Server) capabilitiesOf(p *peer) []diameter.AVP {
	address := []byte{0, 1, 127, 0, 0, 1} // family 1: IPv4 (RFC 6733, section 4.3.1)
	if here, ok := p.conn.LocalAddr().(*net.TCPAddr); ok {
		if ip4 := here.IP.To4(); ip4 != nil {
			address = append([]byte{0, 1}, ip4...)
		} else {
			address = append([]byte{0, 2}, here.IP.To16()...)
		}
	}
	return append(s.origin(),
		diameter.Text(diameter.HostIPAddress, address),
		diameter.Number(diameter.VendorID, 0),
		diameter.Text(diameter.ProductName, "adcredit test HSS"),
		diameter.Number(diameter.SupportedVendorID, diameter.Vendor3GPP),
		cx())
}

// next reads a peer's next message, and does what it says.
func (s *Server) next(p *peer) error {
	m, err := s.read(p)
	if bad, ok := errors.AsType[*diameter.Error](err); ok && m.IsRequest() {
		return s.send(p, s.header(m, result(bad.Code))) // only its AVPs are bad: the stream goes on
	} else if err != nil {
		return err
	}
	if !m.IsRequest() {
		p.answered(m)
		return nil
	}
	switch m.Command {
	case diameter.CapabilitiesExchange: // again: RFC 6733 has no use for it
		return s.send(p, m.Answer(append(s.capabilitiesOf(p), s.capabilities(m)...)...))
	case diameter.DeviceWatchdog:
		return s.send(p, m.Answer(append(s.origin(), result(diameter.Success)...)...))
	case diameter.DisconnectPeer:
		_ = s.send(p, m.Answer(append(s.origin(), result(diameter.Success)...)...)) // it goes anyway
		return errLeft
	}
	return s.send(p, s.header(m, s.cx(m, p)))
}

// header begins the answer to a Cx request (TS 29.229, section 6.1). A code of
// 3xxx is a protocol error, and has the flag E.
func (s *Server) header(m diameter.Message, result []diameter.AVP) diameter.Message {
	var avps []diameter.AVP
	if session := m.AVPs.Text(diameter.SessionID); session != "" {
		avps = append(avps, diameter.Text(diameter.SessionID, session))
	}
	avps = append(avps, cx(), diameter.Number(diameter.AuthSessionState, 1)) // 1: NO_STATE_MAINTAINED
	a := m.Answer(append(append(avps, s.origin()...), result...)...)
	if code, vendor, _ := diameter.AVPs(result).Result(); vendor == 0 && code/1000 == 3 {
		a.Flags |= diameter.ErrorBit
	}
	return a
}

// read reads a message. A peer may be silent for as long as it likes, but not in
// the middle of one.
func (s *Server) read(p *peer) (diameter.Message, error) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(p.conn, first); err != nil {
		return diameter.Message{}, err
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(readTime)); err != nil {
		return diameter.Message{}, err
	}
	b, err := diameter.Read(io.MultiReader(bytes.NewReader(first), p.conn))
	if err != nil {
		return diameter.Message{}, err
	}
	if err := p.conn.SetReadDeadline(time.Time{}); err != nil {
		return diameter.Message{}, err
	}
	return diameter.Parse(b)
}

func (s *Server) send(p *peer, m diameter.Message) error {
	b, err := m.Encode()
	if err != nil {
		return err
	}
	p.write.Lock()
	defer p.write.Unlock()
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err = p.conn.Write(b)
	return err
}

// ask sends a request of ours, and waits for its answer.
func (s *Server) ask(ctx context.Context, p *peer, m diameter.Message, avps []diameter.AVP) (diameter.Message, error) {
	m.Flags |= diameter.Request
	m.HopByHop = s.number.Add(1)
	m.EndToEnd, m.AVPs = m.HopByHop, avps
	answer := make(chan diameter.Message, 1)
	p.mu.Lock()
	if p.waiting != nil {
		p.waiting[m.HopByHop] = answer
	} else {
		close(answer)
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, m.HopByHop)
		p.mu.Unlock()
	}()
	if err := s.send(p, m); err != nil {
		return diameter.Message{}, fmt.Errorf("send %s to %s: %w", m.Name(), p.host, err)
	}
	select {
	case a, ok := <-answer:
		if !ok {
			return a, fmt.Errorf("%s to %s: the peer went before it answered", m.Name(), p.host)
		}
		return a, nil
	case <-ctx.Done():
		return diameter.Message{}, fmt.Errorf("%s to %s: no answer: %w", m.Name(), p.host, context.Cause(ctx))
	}
}

// answered gives an answer to whoever waits for it. One that nobody waits for is
// late, or made up.
func (p *peer) answered(m diameter.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.waiting[m.HopByHop]; ok {
		c <- m // has room for the one
		delete(p.waiting, m.HopByHop)
	}
}

func (s *Server) origin() []diameter.AVP {
	return []diameter.AVP{diameter.Text(diameter.OriginHost, s.host), diameter.Text(diameter.OriginRealm, s.realm)}
}

// cx names the application.
func cx() diameter.AVP {
	return diameter.Group(diameter.VendorSpecificApplicationID,
		diameter.Number(diameter.VendorID, diameter.Vendor3GPP), diameter.Number(diameter.AuthApplicationID, diameter.ApplicationCx))
}

// result is a result of the base protocol, with what belongs to it.
func result(code uint32, more ...diameter.AVP) []diameter.AVP {
	return append([]diameter.AVP{diameter.Number(diameter.ResultCode, code)}, more...)
}

// experimental is a result of Cx, with what belongs to it.
func experimental(code uint32, more ...diameter.AVP) []diameter.AVP {
	return append([]diameter.AVP{diameter.Group(diameter.ExperimentalResult,
		diameter.Number(diameter.VendorID, diameter.Vendor3GPP), diameter.Number(diameter.ExperimentalResultCode, code))}, more...)
}

// missing refuses a request that lacks something (RFC 6733, section 7.5).
func missing(id diameter.ID) []diameter.AVP {
	return result(diameter.MissingAVP, diameter.Group(diameter.FailedAVP, diameter.Text(id, "")))
}
