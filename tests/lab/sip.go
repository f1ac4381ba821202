package lab

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A SIP is one SIP message on the wire.
type SIP struct {
	Time     time.Time
	From, To netip.AddrPort
	Start    string // its first line
	Text     string // all of it
}

// sipStart is how a message begins: a request line or a status line.
var sipStart = regexp.MustCompile(`^([A-Z]+ \S.* SIP/2\.0|SIP/2\.0 [1-6][0-9][0-9] .*)\r?\n`)

// SIPMessages picks the SIP messages out of the packets.
func SIPMessages(packets []Packet) []SIP {
	var messages []SIP
	for _, p := range packets {
		if start := sipStart.Find(p.Payload); start != nil {
			messages = append(messages, SIP{
				Time: p.Time, From: p.From, To: p.To,
				Start: strings.TrimRight(string(start), "\r\n"), Text: string(p.Payload),
			})
		}
	}
	return messages
}

// Method is the method of a request, or for a response that of its request.
func (m SIP) Method() string {
	if method, _, ok := strings.Cut(m.Start, " "); ok && method != "SIP/2.0" {
		return method
	}
	_, method, _ := strings.Cut(m.Header("CSeq"), " ")
	return method
}

// Status is the code of a response, 0 for a request.
func (m SIP) Status() int {
	if rest, ok := strings.CutPrefix(m.Start, "SIP/2.0 "); ok {
		code, _ := strconv.Atoi(rest[:3]) // three digits, by sipStart
		return code
	}
	return 0
}

// Header is the first value of a header by its long name, "" when absent.
func (m SIP) Header(name string) string {
	if values := m.Headers(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Headers are all values of a header by its long name, one for each line.
func (m SIP) Headers(name string) (values []string) {
	head, _, _ := strings.Cut(m.Text, "\r\n\r\n")
	for line := range strings.Lines(head) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// CallID tells the calls apart: the two legs of a bridged call have one each.
func (m SIP) CallID() string { return m.Header("Call-ID") }

// MediaAddress is where the sender of this message wants its audio, from its
// session description; the zero address when it has none.
func (m SIP) MediaAddress() netip.AddrPort {
	var ip netip.Addr
	var port uint64
	for line := range strings.Lines(m.Text) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "c=IN IP4 "); ok {
			ip, _ = netip.ParseAddr(rest)
		}
		if rest, ok := strings.CutPrefix(line, "m=audio "); ok {
			number, _, _ := strings.Cut(rest, " ")
			port, _ = strconv.ParseUint(number, 10, 16)
		}
	}
	if !ip.IsValid() || port == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, uint16(port))
}

// Ladder prints the messages one a line with their milliseconds, for people.
func Ladder(messages []SIP) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "%8.1f ms  %s -> %s  %s  (%s)\n", float64(m.Time.Sub(messages[0].Time).Microseconds())/1000,
			m.From, m.To, m.Start, m.Header("CSeq"))
	}
	return b.String()
}
