package ims

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// An Invitation is what a phone says in its INVITE beyond what it must; all may
// be left alone.
type Invitation struct {
	From    string   // instead of the phone's own, e.g. "Anonymous <sip:anonymous@anonymous.invalid>"
	Headers []string // further lines, e.g. "Privacy: id", or what a phone must not say
	Mute    bool     // it has no media, for many calls at once
}

// A Call is one call of a phone, made or taken, from its INVITE to its end. The
// phone says its tone as soon as it knows where, and keeps what it hears.
type Call struct {
	ue     *UE
	id     string
	local  string // From or To of ours, with tag
	remote string // theirs
	target string // where requests within the call are for
	routes []string
	sdp    string
	seq    int
	invite string  // ours, as sent
	first  lab.SIP // theirs
	media  *media

	mu       sync.Mutex
	news     chan struct{} // closed and replaced when anything comes
	answers  []lab.SIP     // to our INVITE
	requests []lab.SIP     // of theirs within the call
	ack      string        // ours for the last 2xx
	over     bool          // BYE went or came, or it was refused
	lost     bool          // nothing final came
}

// Invite calls a number, or a whole URI, and returns at once.
func (u *UE) Invite(tb testing.TB, to string, how Invitation) *Call {
	tb.Helper()
	c := &Call{}
	u.begin(tb, c, how.Mute)
	if !strings.Contains(to, ":") {
		to = "sip:" + to + "@" + Domain
	}
	c.id = random() + "@" + u.at.Addr().String()
	if how.From == "" {
		how.From = "<" + u.URI() + ">"
	}
	c.local, c.remote, c.target = how.From+";tag="+random(), "<"+to+">", to
	c.seq = 1
	// The preloaded route that a phone learns when it registers: P-CSCF, then the
	// S-CSCF as Service-Route. A P-CSCF believes none of it.
	lines := fmt.Sprintf("Route: <sip:%s;lr>\r\n", PCSCFAt)
	for _, h := range how.Headers {
		lines += h + "\r\n"
	}
	c.invite = c.message("INVITE", c.seq, lines+"Allow: INVITE, ACK, BYE, CANCEL, UPDATE, INFO, REFER\r\n"+c.offer())
	u.mu.Lock()
	u.calls[c.id] = c
	u.mu.Unlock()
	go c.run()
	return c
}

// begin gives a call its media.
func (u *UE) begin(tb testing.TB, c *Call, mute bool) {
	tb.Helper()
	c.ue, c.news = u, make(chan struct{})
	if mute {
		c.sdp = sdp(netip.AddrPortFrom(u.at.Addr(), 9))
		return
	}
	m, err := newMedia(u.at.Addr(), u.hz)
	if err != nil {
		tb.Fatalf("ims: UE %s: %v", u.User, err)
	}
	c.media, c.sdp = m, sdp(m.at)
	tb.Cleanup(m.close)
}

func sdp(at netip.AddrPort) string {
	return fmt.Sprintf("v=0\r\no=ue 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP 0 101\r\n"+
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n", at.Addr(), at.Port())
}

func (c *Call) offer() string {
	return "Contact: " + c.ue.contact() + "\r\nContent-Type: application/sdp\r\n\r\n" + c.sdp
}

// message is a request of this call.
func (c *Call) message(method string, seq int, more string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n",
		method, c.target, c.ue.at, random(), c.local, c.remote, c.id, seq, method)
	for _, r := range c.routes {
		fmt.Fprintf(&b, "Route: %s\r\n", r)
	}
	finish(&b, more)
	return b.String()
}

// run takes what comes for our INVITE.
func (c *Call) run() {
	done := c.ue.transact(c.invite, c.ue.Proxy, func(m lab.SIP) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.answers = append(c.answers, m)
		if m.Status() > 100 && m.Status() < 300 {
			c.media.speakTo(m.MediaAddress())
		}
		switch {
		case m.Status() >= 300:
			c.over = true
			c.ue.send(ackFor(c.invite, m), netip.MustParseAddrPort(c.ue.Proxy))
		case m.Status() >= 200:
			c.established(m)
			c.ack = c.message("ACK", c.seq, "")
			c.ue.send(c.ack, c.hop())
		}
		c.tell()
		return m.Status() >= 200
	})
	if !done {
		c.mu.Lock()
		c.lost = true
		c.tell()
		c.mu.Unlock()
	}
}

// ackFor acknowledges a refusal, in the transaction of the request (RFC 3261,
// 17.1.1.3).
func ackFor(request string, answer lab.SIP) string {
	sent := lab.SIP{Text: request}
	uri := strings.Fields(request)[1]
	seq, _, _ := strings.Cut(sent.Header("CSeq"), " ")
	var b strings.Builder
	fmt.Fprintf(&b, "ACK %s SIP/2.0\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s ACK\r\nMax-Forwards: 70\r\n",
		uri, sent.Header("Via"), sent.Header("From"), answer.Header("To"), sent.CallID(), seq)
	for _, r := range sent.Headers("Route") {
		fmt.Fprintf(&b, "Route: %s\r\n", r)
	}
	finish(&b, "")
	return b.String()
}

var inBrackets = regexp.MustCompile(`<([^>]+)>`)

// established takes the dialog from a 2xx (RFC 3261, 12.1.2).
func (c *Call) established(m lab.SIP) {
	c.remote = m.Header("To")
	if uri := inBrackets.FindStringSubmatch(m.Header("Contact")); uri != nil {
		c.target = uri[1]
	}
	c.routes = split(m.Headers("Record-Route"))
	slices.Reverse(c.routes)
}

// split takes lists of addresses in headers apart.
func split(values []string) (all []string) {
	for _, v := range values {
		for _, one := range strings.Split(v, ",") {
			all = append(all, strings.TrimSpace(one))
		}
	}
	return all
}

// hop is where requests within the call are sent: to the first Route.
func (c *Call) hop() netip.AddrPort {
	if len(c.routes) > 0 {
		if m := regexp.MustCompile(`sip:(?:[^@>]*@)?([0-9.]+(?::[0-9]+)?)`).FindStringSubmatch(c.routes[0]); m != nil {
			if at, err := netip.ParseAddrPort(m[1]); err == nil {
				return at
			}
			if ip, err := netip.ParseAddr(m[1]); err == nil {
				return netip.AddrPortFrom(ip, 5060)
			}
		}
	}
	return netip.MustParseAddrPort(c.ue.Proxy)
}

// tell wakes whoever waits; c.mu is held.
func (c *Call) tell() {
	close(c.news)
	c.news = make(chan struct{})
}

// await waits until f finds what it looks for; f holds c.mu.
func (c *Call) await(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	timeout := time.After(patience)
	for {
		c.mu.Lock()
		found, news := f(), c.news
		c.mu.Unlock()
		if found {
			return
		}
		select {
		case <-news:
		case <-timeout:
			tb.Fatalf("ims: UE %s: no %s within %s; %s", c.ue.User, what, patience, c.story())
		}
	}
}

// story is what has come so far, for messages.
func (c *Call) story() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := []string{}
	for _, m := range slices.Concat(c.answers, c.requests) {
		said = append(said, m.Start)
	}
	return "there came: " + strings.Join(said, ", ")
}

// Await waits for an answer with this status, past ones included. A final answer
// of another status fails the test.
func (c *Call) Await(tb testing.TB, status int) (m lab.SIP) {
	tb.Helper()
	wrong := false
	c.await(tb, strconv.Itoa(status), func() bool {
		for _, m = range c.answers {
			if m.Status() == status {
				return true
			}
		}
		wrong = c.over || c.lost || status < 200 && m.Status() >= 200
		return wrong
	})
	if wrong {
		tb.Fatalf("ims: UE %s: no %d; %s", c.ue.User, status, c.story())
	}
	return m
}

// Answered waits for the other side to answer.
func (c *Call) Answered(tb testing.TB) lab.SIP {
	tb.Helper()
	return c.Await(tb, 200)
}

// Final waits for the final answer, whatever it is.
func (c *Call) Final(tb testing.TB) (m lab.SIP) {
	tb.Helper()
	c.await(tb, "final answer", func() bool {
		if len(c.answers) > 0 {
			m = c.answers[len(c.answers)-1]
		}
		return m.Status() >= 200 || c.lost
	})
	return m
}

// Answers are those to our INVITE that have come so far.
func (c *Call) Answers() []lab.SIP {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.answers)
}

// Cancel takes our INVITE back (RFC 3261, 9.1), of which something must have been
// heard, and returns the answer to the CANCEL; 487 follows for the INVITE.
func (c *Call) Cancel(tb testing.TB) lab.SIP {
	tb.Helper()
	var b strings.Builder
	sent := lab.SIP{Text: c.invite}
	fmt.Fprintf(&b, "CANCEL %s SIP/2.0\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d CANCEL\r\nMax-Forwards: 70\r\n",
		strings.Fields(c.invite)[1], sent.Header("Via"), sent.Header("From"), sent.Header("To"), c.id, 1)
	for _, r := range sent.Headers("Route") {
		fmt.Fprintf(&b, "Route: %s\r\n", r)
	}
	finish(&b, "")
	return c.transact(tb, b.String(), netip.MustParseAddrPort(c.ue.Proxy))
}

func (c *Call) transact(tb testing.TB, text string, to netip.AddrPort) (answer lab.SIP) {
	tb.Helper()
	if !c.ue.transact(text, to.String(), func(m lab.SIP) bool { answer = m; return m.Status() >= 200 }) {
		start, _, _ := strings.Cut(text, "\r\n")
		tb.Fatalf("ims: UE %s: nothing final came for %s", c.ue.User, start)
	}
	return answer
}

// Request sends a request within the call, such as UPDATE, INFO or REFER, and
// returns the final answer. More are header lines with CRLF, and after an empty
// line the body.
func (c *Call) Request(tb testing.TB, method, more string) lab.SIP {
	tb.Helper()
	c.mu.Lock()
	c.seq++
	text := c.message(method, c.seq, more)
	to := c.hop()
	c.mu.Unlock()
	answer := c.transact(tb, text, to)
	if method == "INVITE" {
		ack := c.message("ACK", c.seq, "")
		if answer.Status() >= 300 {
			ack = ackFor(text, answer)
		}
		c.mu.Lock()
		c.ack = ack
		c.mu.Unlock()
		c.ue.send(ack, to)
	}
	return answer
}

// RequestBy sends a request within the call by another route than the call's.
func (c *Call) RequestBy(tb testing.TB, method string, routes []string) lab.SIP {
	tb.Helper()
	c.mu.Lock()
	c.seq++
	own := c.routes
	c.routes = routes
	text := c.message(method, c.seq, "")
	c.routes = own
	c.mu.Unlock()
	return c.transact(tb, text, netip.MustParseAddrPort(c.ue.Proxy))
}

// Reinvite offers the same session again, with another direction, e.g. sendonly
// to hold the call and sendrecv to take it up.
func (c *Call) Reinvite(tb testing.TB, direction string) lab.SIP {
	tb.Helper()
	return c.Request(tb, "INVITE", strings.Replace(c.offer(), "a=sendrecv", "a="+direction, 1))
}

// Update offers the same session by UPDATE (RFC 3311).
func (c *Call) Update(tb testing.TB) lab.SIP {
	tb.Helper()
	return c.Request(tb, "UPDATE", c.offer())
}

// Refer asks the other side to call somebody else (RFC 3515).
func (c *Call) Refer(tb testing.TB, to string) lab.SIP {
	tb.Helper()
	return c.Request(tb, "REFER", "Contact: "+c.ue.contact()+"\r\nRefer-To: <"+to+">\r\n")
}

// Bye hangs up.
func (c *Call) Bye(tb testing.TB) {
	tb.Helper()
	answer := c.Request(tb, "BYE", "")
	c.mu.Lock()
	c.over = true
	c.tell()
	c.mu.Unlock()
	if answer.Status() != 200 {
		tb.Errorf("ims: UE %s: BYE was answered %s", c.ue.User, answer.Start)
	}
}

// Ended waits for the end of the call: a BYE of theirs, a CANCEL, a refusal.
func (c *Call) Ended(tb testing.TB) {
	tb.Helper()
	c.await(tb, "end of the call", func() bool { return c.over })
}

// AwaitRequest waits for a request of theirs within the call, past ones included.
func (c *Call) AwaitRequest(tb testing.TB, method string) (m lab.SIP) {
	tb.Helper()
	c.await(tb, method, func() bool {
		i := slices.IndexFunc(c.requests, func(m lab.SIP) bool { return m.Method() == method })
		if i >= 0 {
			m = c.requests[i]
		}
		return i >= 0
	})
	return m
}

// ---- calls that come in ---------------------------------------------------------

// Incoming waits for the next call to this phone.
func (u *UE) Incoming(tb testing.TB) *Call {
	tb.Helper()
	return u.IncomingWithin(tb, patience)
}

// IncomingWithin is [UE.Incoming] for a call that may take longer.
func (u *UE) IncomingWithin(tb testing.TB, within time.Duration) *Call {
	tb.Helper()
	select {
	case c := <-u.incoming:
		u.begin(tb, c, false)
		c.media.speakTo(c.first.MediaAddress())
		return c
	case <-time.After(within):
		tb.Fatalf("ims: UE %s: nobody has called within %s", u.User, within)
		return nil
	}
}

// IncomingOf waits for the call that another phone makes to come in here, and
// returns nil when it has been refused before.
func (u *UE) IncomingOf(tb testing.TB, c *Call) *Call {
	tb.Helper()
	for {
		c.mu.Lock()
		over, news := c.over || c.lost, c.news
		c.mu.Unlock()
		if over {
			return nil
		}
		select {
		case in := <-u.incoming:
			u.begin(tb, in, false)
			in.media.speakTo(in.first.MediaAddress())
			return in
		case <-news:
		}
	}
}

// NoneIncoming fails the test when somebody has called.
func (u *UE) NoneIncoming(tb testing.TB) {
	tb.Helper()
	select {
	case c := <-u.incoming:
		tb.Errorf("ims: UE %s was called, and should not have been:\n%s", u.User, c.first.Text)
	default:
	}
}

func (u *UE) newIncoming(m lab.SIP) *Call {
	c := &Call{
		ue: u, id: m.CallID(), first: m, news: make(chan struct{}),
		local: m.Header("To") + ";tag=" + tagOf(m), remote: m.Header("From"),
		routes: split(m.Headers("Record-Route")),
	}
	if uri := inBrackets.FindStringSubmatch(m.Header("Contact")); uri != nil {
		c.target = uri[1]
	}
	u.reply(m, 100, "Trying", "")
	return c
}

// INVITE is the one that came in.
func (c *Call) INVITE() lab.SIP { return c.first }

// Ring says 180.
func (c *Call) Ring(tb testing.TB) {
	tb.Helper()
	c.ue.reply(c.first, 180, "Ringing", "Contact: "+c.ue.contact()+"\r\n")
}

// Answer says 200 and waits for the ACK.
func (c *Call) Answer(tb testing.TB) {
	tb.Helper()
	c.ue.reply(c.first, 200, "OK", c.offer())
	deadline := time.Now().Add(patience)
	for !c.got("ACK") {
		if time.Now().After(deadline) {
			tb.Fatalf("ims: UE %s: no ACK for the answer; %s", c.ue.User, c.story())
		}
		c.mu.Lock()
		news := c.news
		c.mu.Unlock()
		select {
		case <-news:
		case <-time.After(t1): // as RFC 3261, 13.3.1.4 has it
			c.ue.reply(c.first, 200, "OK", c.offer())
		}
	}
}

func (c *Call) got(method string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.requests, func(m lab.SIP) bool { return m.Method() == method })
}

// Refuse answers with 300 and above, e.g. 486.
func (c *Call) Refuse(tb testing.TB, status int) {
	tb.Helper()
	c.ue.reply(c.first, status, "Refused", "")
}

// received takes a request of theirs that belongs to this call, and answers it.
func (c *Call) received(m lab.SIP) {
	switch m.Method() {
	case "ACK":
	case "CANCEL":
		c.ue.reply(m, 200, "OK", "")
		c.ue.reply(c.first, 487, "Request Terminated", "")
	case "INVITE", "UPDATE":
		c.media.speakTo(m.MediaAddress())
		c.ue.reply(m, 200, "OK", c.offer())
	default:
		c.ue.reply(m, 200, "OK", "")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, m)
	c.over = c.over || m.Method() == "BYE" || m.Method() == "CANCEL"
	c.tell()
}

// ackAgain answers a 2xx that came once more.
func (c *Call) ackAgain(lab.SIP) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ack != "" {
		c.ue.send(c.ack, c.hop())
	}
}

// ---- what is said and heard -----------------------------------------------------

// Heard is what the phone has been sent so far.
func (c *Call) Heard() lab.Audio { return c.media.heard() }

// Said is the same without its times: one packet after the other; see [Find].
func (c *Call) Said() []int16 { return c.media.samples() }

// Hz is the tone that the other side should hear.
func (c *Call) Hz() float64 { return c.ue.hz }

// Press sends a key as RFC 4733 has it, for 100 ms.
func (c *Call) Press(tb testing.TB, digit string) {
	tb.Helper()
	if err := c.media.press(digit); err != nil {
		tb.Fatalf("ims: UE %s: %v", c.ue.User, err)
	}
}
