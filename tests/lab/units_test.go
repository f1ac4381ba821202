package lab

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestULawIsG711(t *testing.T) {
	for code, want := range map[byte]int16{ // ITU-T G.711, table 2a and 2b, scaled to 16 bits
		0x00: -32124, 0x80: 32124, 0x7f: 0, 0xff: 0, 0xf0: 120, 0x70: -120, 0x8f: 16764, 0xef: 132,
	} {
		if got := DecodeULaw([]byte{code})[0]; got != want {
			t.Errorf("code %#02x is %d, want %d", code, got, want)
		}
	}
	for code := range 256 {
		sample := DecodeULaw([]byte{byte(code)})
		if back := DecodeULaw(EncodeULaw(sample)); back[0] != sample[0] {
			t.Errorf("code %#02x: %d comes back as %d", code, sample[0], back[0])
		}
	}
}

func TestLevels(t *testing.T) {
	tone := DecodeULaw(EncodeULaw(Tone(440, -20, time.Second)))
	for name, c := range map[string]struct{ got, want, within float64 }{
		"level of a tone":      {Level(tone), -20, 0.1},
		"tone at its pitch":    {ToneLevel(tone, 440), -20, 0.1},
		"level of half silent": {Level(append(make([]int16, len(tone)), tone...)), -23, 0.1},
	} {
		if math.Abs(c.got-c.want) > c.within {
			t.Errorf("%s: %.2f dB, want %.0f within %.1f", name, c.got, c.want, c.within)
		}
	}
	if l := ToneLevel(tone, 300); l > -60 {
		t.Errorf("a tone of 440 Hz is heard at 300 Hz with %.1f dB", l)
	}
	if l := Level(make([]int16, 10)); !math.IsInf(l, -1) {
		t.Errorf("digital silence is at %f dB", l)
	}
}

func TestLoudnessIsBS1770s(t *testing.T) {
	sine := Tone(997, -20, 5*time.Second)
	pause := make([]int16, 5*SampleRate)
	for name, samples := range map[string][]int16{"a sine": sine, "a sine and a pause": append(slices.Clone(sine), pause...)} {
		if l := Loudness(samples); math.Abs(l+20) > 0.3 {
			t.Errorf("%s has %.2f LUFS, want -20", name, l)
		}
	}
	if low, high := Loudness(Tone(100, -20, time.Second)), Loudness(Tone(3000, -20, time.Second)); high-low < 3.5 || high-low > 6 {
		t.Errorf("100 Hz has %.1f LUFS, 3000 Hz %.1f; the ear hears the latter 4 to 5 dB louder", low, high)
	}
	if l := Loudness(pause); !math.IsInf(l, -1) {
		t.Errorf("silence has %f LUFS", l)
	}
}

var (
	phone = netip.MustParseAddrPort("127.0.0.11:20000")
	pbx   = netip.MustParseAddrPort("127.0.0.1:10000")
	start = time.Unix(1_800_000_000, 123_456_789)
)

// datagram makes a packet with its frame.
func datagram(at time.Duration, from, to netip.AddrPort, payload []byte) Packet {
	frame := make([]byte, 14+20+8, 14+20+8+len(payload))
	frame[12] = 0x08
	ip := frame[14:]
	ip[0], ip[9] = 0x45, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(payload)))
	copy(ip[12:], from.Addr().AsSlice())
	copy(ip[16:], to.Addr().AsSlice())
	binary.BigEndian.PutUint16(ip[20:], from.Port())
	binary.BigEndian.PutUint16(ip[22:], to.Port())
	p, _ := parseFrame(append(frame, payload...))
	p.Time = start.Add(at)
	return p
}

// media makes an RTP packet of 20 ms.
func media(seq int, samples []int16) []byte {
	b := make([]byte, 12, 172)
	b[0] = 0x80
	binary.BigEndian.PutUint16(b[2:], uint16(seq))
	binary.BigEndian.PutUint32(b[4:], uint32(seq*160))
	binary.BigEndian.PutUint32(b[8:], 42)
	return append(b, EncodeULaw(samples)...)
}

func TestPcapComesBack(t *testing.T) {
	sent := []Packet{datagram(0, phone, pbx, []byte("one")), datagram(time.Second, pbx, phone, nil)}
	var file bytes.Buffer
	if err := WritePcap(&file, sent); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	got, err := ReadPcap(bytes.NewReader(whole))
	if err != nil || len(got) != 2 {
		t.Fatalf("%d packets, %v", len(got), err)
	}
	for i := range sent {
		if !got[i].Time.Equal(sent[i].Time) || got[i].From != sent[i].From || got[i].To != sent[i].To || !bytes.Equal(got[i].Payload, sent[i].Payload) {
			t.Errorf("packet %d: %+v, want %+v", i, got[i], sent[i])
		}
	}
	if _, err := ReadPcap(bytes.NewReader(whole[:len(whole)-1])); err == nil {
		t.Error("a file that lacks its last byte is read without complaint")
	}
}

func TestFramesThatAreNotUDP(t *testing.T) {
	for name, spoil := range map[string]func(f []byte){
		"IPv6":     func(f []byte) { f[12], f[13] = 0x86, 0xdd },
		"TCP":      func(f []byte) { f[14+9] = 6 },
		"fragment": func(f []byte) { f[14+6] = 0x20 },
		"cut":      func(f []byte) { f[14+2] = 0xff },
	} {
		frame := slices.Clone(datagram(0, phone, pbx, []byte("x")).frame)
		spoil(frame)
		if p, ok := parseFrame(frame); ok {
			t.Errorf("%s is taken for %+v", name, p)
		}
	}
}

func TestSIPOnTheWire(t *testing.T) {
	invite := "INVITE sip:2000@127.0.0.1 SIP/2.0\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nc=IN IP4 127.0.0.11\r\nm=audio 20000 RTP/AVP 0\r\n"
	ringing := "SIP/2.0 180 Ringing\r\ncall-id : c1\r\nCSeq: 1 INVITE\r\n\r\n"
	messages := SIPMessages([]Packet{
		datagram(0, phone, pbx, []byte(invite)),
		datagram(30*time.Millisecond, pbx, phone, []byte(ringing)),
		datagram(0, pbx, phone, media(1, nil)),
		datagram(0, pbx, phone, []byte("SIP/2.0 9 what\r\n")),
	})
	if len(messages) != 2 {
		t.Fatalf("%d messages, want 2", len(messages))
	}
	i, r := messages[0], messages[1]
	if i.Method() != "INVITE" || i.Status() != 0 || i.MediaAddress() != phone {
		t.Errorf("INVITE is read as %s, %d, %s", i.Method(), i.Status(), i.MediaAddress())
	}
	if r.Method() != "INVITE" || r.Status() != 180 || r.CallID() != "c1" || r.MediaAddress().IsValid() {
		t.Errorf("180 is read as %s, %d, %q, %s", r.Method(), r.Status(), r.CallID(), r.MediaAddress())
	}
	if l := Ladder(messages); !strings.Contains(l, "30.0 ms  127.0.0.1:10000 -> 127.0.0.11:20000  SIP/2.0 180 Ringing") {
		t.Errorf("ladder:\n%s", l)
	}
}

func TestHeardHasTheHoles(t *testing.T) {
	tone, hush := Tone(440, -20, 20*time.Millisecond), make([]int16, 160)
	var packets []Packet
	send := func(from, n int, samples []int16) { // n packets from that slot of 20 ms on
		for i := from; i < from+n; i++ {
			packets = append(packets, datagram(time.Duration(i)*20*time.Millisecond, pbx, phone, media(i, samples)))
		}
	}
	send(0, 50, tone)  // 1 s of tone
	send(50, 10, hush) // 0.2 s of sent silence
	send(80, 20, tone) // a hole of 0.4 s, then 0.4 s of tone
	packets = append(packets, datagram(0, phone, pbx, media(1, tone)),
		datagram(0, pbx, phone, []byte{0x80, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) // the other way, and RTCP
	streams := RTPStreams(packets)
	if len(streams) != 2 {
		t.Fatalf("%d streams, want 2", len(streams))
	}
	heard := Heard(streams, phone)
	if heard.Length() != 2*time.Second || !heard.Start.Equal(start) {
		t.Errorf("heard %s from %s, want 2 s from %s", heard.Length(), heard.Start, start)
	}
	if quiet := heard.Quiet(-50, 100*time.Millisecond); !slices.Equal(quiet, []Span{{time.Second, 600 * time.Millisecond}}) {
		t.Errorf("quiet at %v, want 600 ms at 1 s", quiet)
	}
	want := []Span{{0, time.Second}, {1600 * time.Millisecond, 400 * time.Millisecond}}
	if sounds := heard.Sounds(-50, 100*time.Millisecond); !slices.Equal(sounds, want) {
		t.Errorf("sounds at %v, want %v", sounds, want)
	}
	part := heard.Slice(start.Add(1600*time.Millisecond), start.Add(time.Hour))
	if part.Length() != 400*time.Millisecond || math.Abs(part.Level()+20) > 0.5 {
		t.Errorf("the last part has %s at %.1f dB, want 400 ms at -20", part.Length(), part.Level())
	}
}

// The fixture is only worth its name with every column of the real table.
func TestCardHasA2BillingsColumns(t *testing.T) {
	_, table, _ := strings.Cut(a2billingTables, "CREATE TABLE cc_card (")
	table, _, _ = strings.Cut(table, "ENGINE=")
	columns := regexp.MustCompile(`(?m)^  [a-z_]+ +(bigint|int|smallint|tinyint|varchar|char|decimal|float|timestamp).*$`).FindAllString(table, -1)
	given := slices.DeleteFunc(slices.Clone(columns), func(c string) bool {
		return !strings.Contains(c, "NOT NULL") || strings.Contains(c, "DEFAULT") || strings.Contains(c, "AUTO_INCREMENT")
	})
	if len(columns) != 69 || len(given) != 20 {
		t.Errorf("cc_card has %d columns, %d of which must be given; want 69 and 20", len(columns), len(given))
	}
	if tables := strings.Count(a2billingTables, "CREATE TABLE "); tables != len(A2BillingTables) {
		t.Errorf("%d tables are made, %d are named in A2BillingTables", tables, len(A2BillingTables))
	}
}
