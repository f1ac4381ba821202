// Package diameter reads and writes messages of the Diameter base protocol
// (RFC 6733) and of its Cx application (3GPP TS 29.228, TS 29.229), for the IMS
// lab: its HSS speaks with it, and its ladder names captured packets by it. It
// is for tests only: there is no routing, no TLS and no SCTP.
//
// What comes in is hostile. A message is at most [MaxMessage] long, groups are
// nested at most [MaxDepth] deep, and every length and every octet of padding is
// checked before anything is handed out, so that the getters of [AVPs] cannot
// fail on a message that [Parse] accepted. Parsing allocates in proportion to
// what was received, never to what a length field promises.
package diameter

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// MaxMessage is how long a message may be, in octets, its header included. The
// length field could say 16 MiB; a Cx message with a user profile needs a few KiB.
const MaxMessage = 64 << 10

// MaxDepth is how deep groups may be nested. Cx needs two.
const MaxDepth = 8

const (
	headerLen = 20
	version   = 1
)

// Flags of a message (RFC 6733, section 3). The four bits below them are reserved.
const (
	Request       = 0x80
	Proxiable     = 0x40
	ErrorBit      = 0x20 // of an answer: a protocol error, Result-Code 3xxx
	Retransmitted = 0x10
)

// Flags of an AVP (RFC 6733, section 4.1). The rest are reserved.
const (
	VendorBit    = 0x80 // a vendor's number follows the length
	MandatoryBit = 0x40
)

// Message is one Diameter message.
type Message struct {
	Flags       byte
	Command     uint32 // 24 bits
	Application uint32
	HopByHop    uint32
	EndToEnd    uint32
	AVPs        AVPs
}

// AVP is one attribute and its value. Data is without padding; that of a group
// is a sequence of AVPs.
type AVP struct {
	ID
	Flags byte
	Data  []byte
}

// ID names an attribute: the numbers are told apart by vendor, 0 being the
// base protocol's own.
type ID struct {
	Code, Vendor uint32
}

// Error is a message that was refused. Code is the Result-Code that says so to
// its sender (RFC 6733, section 7.1).
type Error struct {
	Code uint32
	What string
}

func (e *Error) Error() string { return "diameter: " + e.What }

func refuse(code uint32, format string, args ...any) *Error {
	return &Error{Code: code, What: fmt.Sprintf(format, args...)}
}

// IsRequest says whether the message asks, or answers.
func (m Message) IsRequest() bool { return m.Flags&Request != 0 }

// Answer begins the answer to a request: the same command and identifiers, and
// the flag P as it came (RFC 6733, section 6.2).
func (m Message) Answer(avps ...AVP) Message {
	m.Flags &= Proxiable
	m.AVPs = avps
	return m
}

// Read reads one message's octets from a stream. At the end of the stream,
// between two messages, it returns io.EOF; in the middle of one,
// io.ErrUnexpectedEOF. After an *Error the stream cannot be read on, as nobody
// knows where the next message begins.
func Read(r io.Reader) ([]byte, error) {
	b := make([]byte, headerLen)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	n, err := length(b)
	if err != nil {
		return nil, err
	}
	// A step at a time, so that a length is believed only as far as octets come.
	for len(b) < n {
		step := min(n-len(b), 4096)
		b = slices.Grow(b, step)
		if _, err := io.ReadFull(r, b[len(b):len(b)+step]); err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
		b = b[:len(b)+step]
	}
	return b, nil
}

// length checks version and length of a header, and returns the latter.
func length(header []byte) (int, error) {
	n := uint24(header[1:])
	switch {
	case header[0] != version:
		return 0, refuse(UnsupportedVersion, "version %d is not 1", header[0])
	case n < headerLen || n > MaxMessage || n%4 != 0:
		return 0, refuse(InvalidMessageLength, "a message of %d octets: want a multiple of 4 from %d to %d", n, headerLen, MaxMessage)
	}
	return n, nil
}

// Parse reads a message that fills b. The AVPs share b's memory. When only the
// AVPs are to blame, the message holds what the header says, so that its sender
// can be told.
func Parse(b []byte) (Message, error) {
	if len(b) < headerLen {
		return Message{}, refuse(InvalidMessageLength, "%d octets are no header", len(b))
	}
	n, err := length(b)
	if err != nil {
		return Message{}, err
	}
	if n != len(b) {
		return Message{}, refuse(InvalidMessageLength, "%d octets, though the header says %d", len(b), n)
	}
	m := Message{
		Flags:       b[4],
		Command:     uint32(uint24(b[5:])),
		Application: binary.BigEndian.Uint32(b[8:]),
		HopByHop:    binary.BigEndian.Uint32(b[12:]),
		EndToEnd:    binary.BigEndian.Uint32(b[16:]),
	}
	avps, err := parseAVPs(b[headerLen:], 0)
	if err != nil {
		return m, err
	}
	m.AVPs = avps
	return m, nil
}

// Messages are the messages that a captured segment of a TCP stream begins with.
// What follows the first that is incomplete or refused is left out.
func Messages(segment []byte) []Message {
	var all []Message
	for len(segment) >= headerLen {
		n, err := length(segment)
		if err != nil || n > len(segment) {
			break
		}
		m, err := Parse(segment[:n])
		if err != nil {
			break
		}
		all, segment = append(all, m), segment[n:]
	}
	return all
}

// parseAVPs reads AVPs that fill b, and checks those in groups, too.
func parseAVPs(b []byte, depth int) (AVPs, error) {
	if depth > MaxDepth {
		return nil, refuse(InvalidAVPLength, "groups are nested more than %d deep", MaxDepth)
	}
	var all AVPs
	for len(b) > 0 {
		a, rest, err := parseAVP(b)
		if err != nil {
			return nil, err
		}
		if a.kind() == grouped {
			if _, err := parseAVPs(a.Data, depth+1); err != nil {
				return nil, err
			}
		}
		all, b = append(all, a), rest
	}
	return all, nil
}

// parseAVP reads the first AVP of b, and checks the octets that pad it.
func parseAVP(b []byte) (a AVP, rest []byte, err error) {
	if len(b) < 8 {
		return a, nil, refuse(InvalidAVPLength, "%d octets are no AVP", len(b))
	}
	a.Code, a.Flags = binary.BigEndian.Uint32(b), b[4]
	n, from := uint24(b[5:]), 8
	if a.Flags&VendorBit != 0 {
		from = 12
	}
	padded := (n + 3) &^ 3
	if n < from || padded > len(b) {
		return a, nil, refuse(InvalidAVPLength, "AVP %d of %d octets, where %d remain", a.Code, n, len(b))
	}
	if a.Flags&VendorBit != 0 {
		a.Vendor = binary.BigEndian.Uint32(b[8:])
	}
	a.Data = b[from:n:n]
	for _, octet := range b[n:padded] {
		if octet != 0 {
			return a, nil, refuse(InvalidAVPLength, "AVP %s is padded with something", a.ID)
		}
	}
	if want := a.size(); want >= 0 && len(a.Data) != want {
		return a, nil, refuse(InvalidAVPLength, "AVP %s has %d octets, not %d", a.ID, len(a.Data), want)
	}
	return a, b[padded:], nil
}

// Encode writes the message as it travels; one longer than MaxMessage is refused.
func (m Message) Encode() ([]byte, error) {
	b := make([]byte, headerLen, 512)
	for _, a := range m.AVPs {
		b = a.append(b)
	}
	if len(b) > MaxMessage {
		return nil, refuse(InvalidMessageLength, "a message of %d octets, more than %d", len(b), MaxMessage)
	}
	binary.BigEndian.PutUint32(b, version<<24|uint32(len(b)))
	binary.BigEndian.PutUint32(b[4:], uint32(m.Flags)<<24|m.Command&0xffffff)
	binary.BigEndian.PutUint32(b[8:], m.Application)
	binary.BigEndian.PutUint32(b[12:], m.HopByHop)
	binary.BigEndian.PutUint32(b[16:], m.EndToEnd)
	return b, nil
}

func (a AVP) append(b []byte) []byte {
	n := 8 + len(a.Data)
	if a.Flags&VendorBit != 0 {
		n += 4
	}
	b = binary.BigEndian.AppendUint32(b, a.Code)
	b = binary.BigEndian.AppendUint32(b, uint32(a.Flags)<<24|uint32(n)&0xffffff)
	if a.Flags&VendorBit != 0 {
		b = binary.BigEndian.AppendUint32(b, a.Vendor)
	}
	b = append(b, a.Data...)
	return append(b, make([]byte, -n&3)...)
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
