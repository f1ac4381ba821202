package diameter

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// sample is a MAR as a Kamailio S-CSCF sends it, in all that matters.
func sample() Message {
	return Message{Flags: Request | Proxiable, Command: MultimediaAuth, Application: ApplicationCx, HopByHop: 7, EndToEnd: 8, AVPs: AVPs{
		Text(SessionID, "127.0.0.2;1;2"),
		Text(PublicIdentity, "sip:1000@ims.test"),
		Number(NumberAuthItems, 1),
		Group(AuthDataItem, Text(AuthenticationScheme, "SIP Digest")),
		{ID: ID{494, 50}, Flags: VendorBit, Data: []byte("call")}, // one that we don't know
	}}
}

func encode(t *testing.T, m Message) []byte {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The octets of RFC 6733, section 3 and 4, written by hand.
func TestOnTheWire(t *testing.T) {
	m := Message{Flags: Request, Command: DeviceWatchdog, HopByHop: 0x01020304, EndToEnd: 0x05060708,
		AVPs: AVPs{Text(OriginHost, "a.b"), Number(ServerAssignmentType, 1)}}
	want := "01000030" + "80000118" + "00000000" + "01020304" + "05060708" +
		"00000108" + "4000000b" + "612e6200" +
		"00000266" + "c0000010" + "000028af" + "00000001"
	if got := hex.EncodeToString(encode(t, m)); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestGetters(t *testing.T) {
	m, err := Parse(encode(t, sample()))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := m.AVPs.Number(NumberAuthItems); n != 1 || !ok {
		t.Errorf("number of items %d, %v", n, ok)
	}
	if _, ok := m.AVPs.Number(SessionID); ok {
		t.Error("a text is a number")
	}
	if got := m.AVPs.Group(AuthDataItem).Text(AuthenticationScheme); got != "SIP Digest" {
		t.Errorf("scheme %q", got)
	}
	if got := m.AVPs.Group(UserData); got != nil {
		t.Errorf("an absent group holds %v", got)
	}
	if got := m.AVPs.Texts(PublicIdentity); len(got) != 1 || got[0] != "sip:1000@ims.test" {
		t.Errorf("identities %q", got)
	}
	a := m.Answer(Number(ResultCode, Success))
	if a.IsRequest() || a.Flags != Proxiable || a.HopByHop != 7 || a.EndToEnd != 8 || a.Command != m.Command || a.Application != m.Application {
		t.Errorf("the answer is %+v", a)
	}
}

func TestWords(t *testing.T) {
	failed := Group(ExperimentalResult, Number(VendorID, Vendor3GPP), Number(ExperimentalResultCode, IdentityNotRegistered))
	for _, c := range []struct {
		m    Message
		want string
	}{
		{sample(), "MAR sip:1000@ims.test SIP Digest"},
		{Message{Command: MultimediaAuth, AVPs: AVPs{Number(ResultCode, Success)}}, "MAA SUCCESS"},
		{Message{Command: LocationInfo, AVPs: AVPs{failed}}, "LIA IDENTITY_NOT_REGISTERED"},
		{Message{Command: ServerAssignment, Flags: Request, AVPs: AVPs{Text(PublicIdentity, "tel:+221"), Number(ServerAssignmentType, UserDeregistration)}},
			"SAR tel:+221 USER_DEREGISTRATION"},
		{Message{Command: RegistrationTermination, Flags: Request, AVPs: AVPs{Text(UserName, "a\nb\xff")}}, "RTR a?b?"},
		{Message{Command: 999, AVPs: AVPs{Number(ResultCode, 4242), Number(ServerAssignmentType, 99)}}, "999A 99 4242"},
	} {
		if got := c.m.Summary(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := sample().AVPs[3].String(); got != "SIP-Auth-Data-Item{SIP-Authentication-Scheme=SIP Digest}" {
		t.Errorf("got %q", got)
	}
	if got := (AVP{ID: ID{494, 50}, Data: []byte{0, 1}}).String(); got != "494/50=(2 octets)" {
		t.Errorf("got %q", got)
	}
}

// Each rule of the format, broken, and what its breaker is told.
func TestRefused(t *testing.T) {
	whole := encode(t, sample())
	with := func(change func(b []byte)) []byte {
		b := bytes.Clone(whole)
		change(b)
		return b
	}
	deep := Text(UserName, "x")
	for range MaxDepth + 1 {
		deep = Group(VendorSpecificApplicationID, deep)
	}
	for _, c := range []struct {
		name string
		b    []byte
		code uint32
	}{
		{"nothing", nil, InvalidMessageLength},
		{"half a header", whole[:19], InvalidMessageLength},
		{"version 2", with(func(b []byte) { b[0] = 2 }), UnsupportedVersion},
		{"less than it says", whole[:len(whole)-4], InvalidMessageLength},
		{"more than it says", append(bytes.Clone(whole), 0, 0, 0, 0), InvalidMessageLength},
		{"length not a multiple of 4", with(func(b []byte) { b[3]-- })[:len(whole)-1], InvalidMessageLength},
		{"AVP longer than the message", with(func(b []byte) { b[26] = 0xff }), InvalidAVPLength},
		{"AVP shorter than its header", with(func(b []byte) { b[27] = 7 }), InvalidAVPLength},
		{"vendor AVP shorter than its header", with(func(b []byte) { b[20+24+7] = 11 }), InvalidAVPLength},
		{"padding", with(func(b []byte) { b[20+8+13] = 1 }), InvalidAVPLength},
		{"number of 3 octets", encode(t, Message{AVPs: AVPs{Text(ResultCode, "abc")}}), InvalidAVPLength},
		{"rest of 4 octets", encode(t, Message{AVPs: AVPs{Text(AuthDataItem, "abcd")}}), InvalidAVPLength},
		{"too deep", encode(t, Message{AVPs: AVPs{deep}}), InvalidAVPLength},
	} {
		_, err := Parse(c.b)
		bad, ok := errors.AsType[*Error](err)
		if !ok || bad.Code != c.code {
			t.Errorf("%s: %v, want code %d", c.name, err, c.code)
		}
	}
	if _, err := (Message{AVPs: AVPs{Text(UserData, strings.Repeat("x", MaxMessage))}}).Encode(); err == nil {
		t.Error("a message that is too long is written")
	}
}

func TestRead(t *testing.T) {
	whole := encode(t, sample())
	stream := iotest.OneByteReader(bytes.NewReader(append(bytes.Clone(whole), whole...)))
	for range 2 {
		if b, err := Read(stream); err != nil || !bytes.Equal(b, whole) {
			t.Fatalf("%x, %v", b, err)
		}
	}
	if _, err := Read(stream); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for n := 1; n < len(whole); n++ {
		if _, err := Read(bytes.NewReader(whole[:n])); err != io.ErrUnexpectedEOF {
			t.Fatalf("after %d octets: %v", n, err)
		}
	}
}

func TestMessages(t *testing.T) {
	whole := encode(t, sample())
	two := append(bytes.Clone(whole), whole...)
	for n, want := range map[int]int{0: 0, 10: 0, len(whole): 1, len(whole) + 30: 1, len(two): 2} {
		if got := Messages(two[:n]); len(got) != want {
			t.Errorf("%d octets hold %d messages, want %d", n, len(got), want)
		}
	}
}

func seeds(f *testing.F) {
	b, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:21])
	nested, _ := Message{AVPs: AVPs{Group(SIPDigestAuthenticate, Group(AuthDataItem, Number(ResultCode, 2001)))}}.Encode()
	f.Add(nested)
	long := bytes.Clone(b)
	long[1] = 0xff // promises 16 MiB
	f.Add(long)
	zero := bytes.Clone(b)
	zero[27] = 0 // an AVP without length: reading it would not end
	f.Add(zero)
}

// FuzzParse: what is accepted is written again as the same octets, and none of
// the getters fails on it.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("%v has no code", err)
			}
			return
		}
		again, err := m.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
		if strings.ContainsAny(m.Summary(), "\n\x1b\x00") {
			t.Fatalf("%q is not one line", m.Summary())
		}
		for _, a := range m.AVPs {
			if a.kind() == grouped && len(a.Data) > 0 && len(AVPs{a}.Group(a.ID)) == 0 {
				t.Fatalf("%s was accepted and is no group", a)
			}
		}
	})
}

// FuzzRead: a stream of whatever octets gives messages that Parse takes or
// refuses, and an end; no message is longer than what came, nor its memory much
// longer.
func FuzzRead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		for {
			left := r.Len()
			b, err := Read(r)
			if err != nil {
				return
			}
			if len(b) != left-r.Len() || cap(b) > 4*len(b)+8192 {
				t.Fatalf("a message of %d octets, %d in memory, out of %d", len(b), cap(b), left-r.Len())
			}
			_, _ = Parse(b) // may refuse it
		}
	})
}
