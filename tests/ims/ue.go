package ims

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"adcredit/tests/ims/aka"
	"adcredit/tests/lab"
)

// patience is how long a phone waits for what must come by itself; the machine
// may be busy, so it says nothing about how fast things are.
const patience = 20 * time.Second

// t1 is SIP's estimate of a round trip, by which requests are sent again over
// UDP (RFC 3261, 17.1.1.1).
const t1 = 500 * time.Millisecond

// A UE is a phone: it speaks SIP over UDP with its P-CSCF from one socket, says
// what it is told, also what no decent phone would say, and answers by itself
// only what has no interest. Its methods are for one goroutine.
type UE struct {
	User   string    // "1000"
	IMPI   string    // the private identity that it registers with, "1000@ims.test"
	Secret string    // of its digest
	Card   *aka.Card // with one it registers by AKA, and has no secret
	Proxy  string    // where it sends requests; PCSCFAt unless a test means harm

	at   netip.AddrPort
	conn *net.UDPConn
	hz   float64 // of the tone that it says

	mu       sync.Mutex
	waiting  map[string]chan lab.SIP // for responses, by transaction
	answers  map[string]string       // to requests already answered, by transaction
	calls    map[string]*Call        // by Call-ID
	incoming chan *Call
	regID    string
	regSeq   int
}

// UE gives the phone of user 1000, 1001 and so on, ready but not registered: at
// 127.0.0.11:5060, .12:5060 and so on, where its tone is 300, 440, 580… Hz.
func (l *Lab) UE(tb testing.TB, user string) *UE {
	tb.Helper()
	n, err := strconv.Atoi(user)
	if err != nil || n < 1000 || n > 1099 {
		tb.Fatalf("ims: UE %q: write 1000 to 1099", user)
	}
	return NewUE(tb, user, Address(user), 300+140*float64(n-1000))
}

// Address is where the phone of a user is: that of 1000 at 127.0.0.11:5060, and so
// on.
func Address(user string) string {
	n, _ := strconv.Atoi(user)
	return fmt.Sprintf("127.0.0.%d:5060", 11+n-1000)
}

// NewUE makes a phone at an address of its own, with the tone that it says in
// Hz. It is closed when the test ends.
func NewUE(tb testing.TB, user, at string, hz float64) *UE {
	tb.Helper()
	address := netip.MustParseAddrPort(at)
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
	if err != nil {
		tb.Fatalf("ims: UE %s: %v", user, err)
	}
	u := &UE{
		User: user, IMPI: user + "@" + Domain, Secret: "secret" + user, Proxy: PCSCFAt,
		at: conn.LocalAddr().(*net.UDPAddr).AddrPort(), conn: conn, hz: hz,
		waiting: map[string]chan lab.SIP{}, answers: map[string]string{}, calls: map[string]*Call{},
		incoming: make(chan *Call, 16), regID: random() + "@" + address.Addr().String(),
	}
	go u.listen()
	tb.Cleanup(u.Close)
	return u
}

// Close leaves without a word to anybody.
func (u *UE) Close() { _ = u.conn.Close() }

// At is its SIP address.
func (u *UE) At() string { return u.at.String() }

// URI is its public identity, e.g. sip:1000@ims.test.
func (u *UE) URI() string { return "sip:" + u.User + "@" + Domain }

func (u *UE) contact() string { return fmt.Sprintf("<sip:%s@%s>", u.User, u.at) }

func random() string { return strconv.FormatUint(rand.Uint64(), 36) }

// listen reads until the socket is closed.
func (u *UE) listen() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		packet := lab.Packet{Time: time.Now(), From: from, To: u.at, Payload: append([]byte(nil), buf[:n]...)}
		for _, m := range lab.SIPMessages([]lab.Packet{packet}) {
			if m.Status() > 0 {
				u.response(m)
			} else {
				u.request(m)
			}
		}
	}
}

var branchParam = regexp.MustCompile(`;branch=([^;,\s]+)`)

// transaction names the transaction that a message belongs to: an ACK for a
// refusal and a CANCEL have the branch of their INVITE.
func transaction(m lab.SIP, method string) string {
	branch := branchParam.FindStringSubmatch(m.Header("Via"))
	if branch == nil {
		return ""
	}
	return branch[1] + " " + method
}

func (u *UE) response(m lab.SIP) {
	u.mu.Lock()
	c, waiting := u.waiting[transaction(m, m.Method())], u.calls[m.CallID()]
	u.mu.Unlock()
	switch {
	case c != nil:
		select {
		case c <- m:
		default: // so many that nobody reads
		}
	case waiting != nil && m.Method() == "INVITE" && m.Status() >= 200 && m.Status() < 300:
		waiting.ackAgain(m)
	}
}

// request answers what was answered before, gives calls what is theirs, and says
// 200 to the rest.
func (u *UE) request(m lab.SIP) {
	method := m.Method()
	key := transaction(m, method)
	u.mu.Lock()
	said, again := u.answers[key]
	if !again && method != "ACK" {
		u.answers[key] = "" // under way
	}
	call := u.calls[m.CallID()]
	u.mu.Unlock()
	if again {
		if said != "" {
			u.send(said, m.From)
		}
		return
	}
	switch {
	case call != nil:
		call.received(m)
	case method == "INVITE" && !strings.Contains(m.Header("To"), "tag="):
		call := u.newIncoming(m)
		u.mu.Lock()
		u.calls[m.CallID()] = call
		u.mu.Unlock()
		u.incoming <- call
	case method == "ACK":
	case strings.Contains(m.Header("To"), "tag="):
		u.reply(m, 481, "Call Does Not Exist", "")
	default:
		u.reply(m, 200, "OK", "")
	}
}

// reply answers a request; more are further header lines, then an empty line and
// a body where there is one.
func (u *UE) reply(m lab.SIP, status int, reason, more string) {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, reason)
	for _, name := range []string{"Via", "Record-Route", "From", "To", "Call-ID", "CSeq"} {
		for _, value := range m.Headers(name) {
			if name == "To" && status > 100 && !strings.Contains(value, "tag=") {
				value += ";tag=" + tagOf(m)
			}
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	finish(&b, more)
	u.mu.Lock()
	u.answers[transaction(m, m.Method())] = b.String()
	u.mu.Unlock()
	u.send(b.String(), m.From)
}

// tagOf is the tag that a phone answers a request with.
func tagOf(m lab.SIP) string {
	sum := md5.Sum([]byte(m.CallID() + m.To.String()))
	return hex.EncodeToString(sum[:6])
}

// finish adds header lines, Content-Length and the body to a message.
func finish(b *strings.Builder, more string) {
	head, body, _ := strings.Cut(more, "\r\n\r\n")
	if head = strings.TrimRight(head, "\r\n"); head != "" {
		b.WriteString(head + "\r\n")
	}
	fmt.Fprintf(b, "Content-Length: %d\r\n\r\n%s", len(body), body)
}

func (u *UE) send(text string, to netip.AddrPort) {
	_, _ = u.conn.WriteToUDPAddrPort([]byte(text), to) // a lost datagram is sent again
}

// transact sends a request until something comes back, and gives what came to
// each, which says whether that was all. It returns false when nothing final came
// in time.
func (u *UE) transact(text string, to string, each func(lab.SIP) (done bool)) bool {
	proxy := netip.MustParseAddrPort(to)
	sent := lab.SIP{Text: text}
	method, _, _ := strings.Cut(text, " ")
	key := transaction(sent, method)
	responses := make(chan lab.SIP, 64)
	u.mu.Lock()
	u.waiting[key] = responses
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		delete(u.waiting, key)
		u.mu.Unlock()
	}()
	u.send(text, proxy)
	wait := t1
	again := time.NewTimer(wait)
	defer again.Stop()
	limit := patience
	if method == "INVITE" {
		limit = 3 * time.Minute // an ad and a ringing phone are in between
	}
	end := time.NewTimer(limit)
	defer end.Stop()
	heard := false
	for {
		select {
		case m := <-responses:
			heard = true
			if each(m) {
				return true
			}
		case <-again.C:
			if !heard || method != "INVITE" {
				u.send(text, proxy)
			}
			wait = min(2*wait, 4*time.Second)
			again.Reset(wait)
		case <-end.C:
			return false
		}
	}
}

// Request sends one request outside of a call and awaits its final answer: lines
// is all of it but Via and Content-Length, with CRLF; what it says is the test's.
func (u *UE) Request(tb testing.TB, lines string) lab.SIP {
	tb.Helper()
	start, rest, _ := strings.Cut(lines, "\r\n")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\n", start, u.at, random())
	finish(&b, rest)
	var answer lab.SIP
	if !u.transact(b.String(), u.Proxy, func(m lab.SIP) bool { answer = m; return m.Status() >= 200 }) {
		tb.Fatalf("ims: UE %s: nothing final came for %s", u.User, start)
	}
	if answer.Method() == "INVITE" && answer.Status() >= 300 {
		u.send(ackFor(b.String(), answer), netip.MustParseAddrPort(u.Proxy))
	}
	return answer
}

// Register registers for an hour and fails the test unless that is granted. A core
// that has not yet read what its HSS just answered says 480: it is asked again, as
// phones do.
func (u *UE) Register(tb testing.TB) {
	tb.Helper()
	m := u.RegisterFor(tb, 3600)
	for n := 0; m.Status() == 480 && n < 20; n++ {
		time.Sleep(50 * time.Millisecond)
		m = u.RegisterFor(tb, 3600)
	}
	if m.Status() != 200 {
		tb.Fatalf("ims: UE %s is not registered: %s", u.User, m.Start)
	}
}

// Deregister takes the registration back.
func (u *UE) Deregister(tb testing.TB) {
	tb.Helper()
	if m := u.RegisterFor(tb, 0); m.Status() != 200 {
		tb.Fatalf("ims: UE %s is not de-registered: %s", u.User, m.Start)
	}
}

// challenges is how often a phone lets itself be challenged: by AKA it may have to
// ask for another one, and Kamailio 5.6.3 sends a challenge before it has noted it,
// so that an answer can be too early.
const challenges = 10

// RegisterFor registers for some seconds, answers the challenge, and returns the
// final answer.
func (u *UE) RegisterFor(tb testing.TB, seconds int) lab.SIP {
	tb.Helper()
	// The first says who comes, so that the HSS can choose how to challenge.
	m := u.register(tb, seconds, fmt.Sprintf(`Digest username="%s", realm="%s", nonce="", uri="sip:%s", response=""`, u.IMPI, Domain, Domain))
	for n := 0; m.Status() == 401 && n < challenges; n++ {
		credentials, err := u.credentials(m.Header("WWW-Authenticate"))
		if err != nil {
			tb.Fatalf("ims: UE %s: %v", u.User, err)
		}
		m = u.register(tb, seconds, credentials)
	}
	return m
}

func (u *UE) register(tb testing.TB, seconds int, credentials string) lab.SIP {
	tb.Helper()
	u.regSeq++
	return u.Request(tb, fmt.Sprintf("REGISTER sip:%s SIP/2.0\r\nFrom: <%s>;tag=%s\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: %d REGISTER\r\n"+
		"Contact: %s\r\nExpires: %d\r\nAuthorization: %s\r\nSupported: path\r\nMax-Forwards: 70\r\n",
		Domain, u.URI(), random(), u.URI(), u.regID, u.regSeq, u.contact(), seconds, credentials))
}

// credentials answers the challenge of a REGISTER, by the secret or by the card.
func (u *UE) credentials(challenge string) (string, error) {
	secret, auts := u.Secret, ""
	if u.Card != nil {
		var err error
		if secret, auts, err = u.Card.Password(aka.Parameters(challenge)["nonce"]); err != nil {
			return "", err
		}
	}
	return aka.Authorization(challenge, "REGISTER", "sip:"+Domain, u.IMPI, secret, auts)
}
