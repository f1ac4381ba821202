package lab

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"time"
)

// A Stream is the RTP of one source to one destination.
type Stream struct {
	From, To netip.AddrPort
	SSRC     uint32
	Packets  []Media // in the order in which they came
}

// A Media is one RTP packet.
type Media struct {
	Time      time.Time
	Seq       uint16
	Timestamp uint32
	Marker    bool
	Type      uint8 // payload type: 0 is µ-law, 8 A-law
	Payload   []byte
}

// Length is how long the packet plays; µ-law and A-law have a byte per sample.
func (m Media) Length() time.Duration {
	return time.Duration(len(m.Payload)) * time.Second / SampleRate
}

// RTPStreams picks the RTP streams out of the packets, in the order in which
// they began. RTCP and whatever isn't RTP version 2 are left out.
func RTPStreams(packets []Packet) []Stream {
	type key struct {
		from, to netip.AddrPort
		ssrc     uint32
	}
	var streams []Stream
	index := map[key]int{}
	for _, p := range packets {
		m, ssrc, ok := parseRTP(p.Payload)
		if !ok {
			continue
		}
		m.Time = p.Time
		k := key{p.From, p.To, ssrc}
		i, known := index[k]
		if !known {
			i = len(streams)
			index[k] = i
			streams = append(streams, Stream{From: p.From, To: p.To, SSRC: ssrc})
		}
		streams[i].Packets = append(streams[i].Packets, m)
	}
	return streams
}

// parseRTP reads an RTP header (RFC 3550, section 5.1).
func parseRTP(b []byte) (m Media, ssrc uint32, ok bool) {
	if len(b) < 12 || b[0]>>6 != 2 || b[1] >= 192 && b[1] <= 223 { // the last: RTCP, RFC 5761
		return m, 0, false
	}
	head := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 { // an extension: its length in words at its second half-word
		if len(b) < head+4 {
			return m, 0, false
		}
		head += 4 + 4*int(binary.BigEndian.Uint16(b[head+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 { // padding: its length in its last byte
		end -= int(b[end-1])
	}
	if end < head {
		return m, 0, false
	}
	return Media{
		Seq: binary.BigEndian.Uint16(b[2:]), Timestamp: binary.BigEndian.Uint32(b[4:]),
		Marker: b[1]&0x80 != 0, Type: b[1] & 0x7f, Payload: b[head:end],
	}, binary.BigEndian.Uint32(b[8:]), true
}

// An Audio is what a listener heard: samples without holes from a moment on.
type Audio struct {
	Start   time.Time
	Samples []int16
}

// late is how much later than due a packet may come and still be played without
// a hole, as a phone's jitter buffer would; Asterisk sends 20 ms a packet.
const late = 60 * time.Millisecond

// Heard joins all streams to one destination in the order in which their packets
// came: what a phone with that address played. Where nothing came in time there
// is digital silence. µ-law only; other payloads are left out.
func Heard(streams []Stream, to netip.AddrPort) Audio {
	var packets []Media
	for _, s := range streams {
		if s.To == to {
			packets = append(packets, s.Packets...)
		}
	}
	slices.SortStableFunc(packets, func(a, b Media) int { return a.Time.Compare(b.Time) })
	var a Audio
	for _, m := range packets {
		if m.Type != 0 {
			continue
		}
		if len(a.Samples) == 0 {
			a.Start = m.Time
		}
		if hole := m.Time.Sub(a.End()); hole > late {
			a.Samples = append(a.Samples, make([]int16, samplesIn(hole))...)
		}
		a.Samples = append(a.Samples, DecodeULaw(m.Payload)...)
	}
	return a
}

func samplesIn(d time.Duration) int { return int(math.Round(d.Seconds() * SampleRate)) }

// Length is how long the audio plays.
func (a Audio) Length() time.Duration {
	return time.Duration(len(a.Samples)) * time.Second / SampleRate
}

// End is when the audio ended.
func (a Audio) End() time.Time { return a.Start.Add(a.Length()) }

// Slice is the part between two moments, as far as there is audio.
func (a Audio) Slice(from, to time.Time) Audio {
	i := min(max(0, samplesIn(from.Sub(a.Start))), len(a.Samples))
	j := min(max(i, samplesIn(to.Sub(a.Start))), len(a.Samples))
	return Audio{Start: a.Start.Add(time.Duration(i) * time.Second / SampleRate), Samples: a.Samples[i:j]}
}

// Level is the RMS level in dB below full scale.
func (a Audio) Level() float64 { return Level(a.Samples) }

// A Span is a stretch of audio, counted from its start.
type Span struct{ From, Length time.Duration }

// Quiet finds the stretches of at least the given length in which no 20 ms
// reach the floor, in dB below full scale; -50 is quiet on a telephone.
func (a Audio) Quiet(floor float64, least time.Duration) []Span {
	const window = SampleRate / 50
	var quiet []Span
	from := 0 // where the quiet began, in samples
	note := func(to int) {
		s := Span{time.Duration(from) * time.Second / SampleRate, time.Duration(to-from) * time.Second / SampleRate}
		if s.Length >= least && s.Length > 0 {
			quiet = append(quiet, s)
		}
	}
	for i := 0; i < len(a.Samples); i += window {
		end := min(i+window, len(a.Samples))
		if Level(a.Samples[i:end]) >= floor {
			note(i)
			from = end
		}
	}
	note(len(a.Samples))
	return quiet
}

// Sounds finds the stretches of sound, each apart from the next by at least the
// given length of quiet.
func (a Audio) Sounds(floor float64, apart time.Duration) []Span {
	var sounds []Span
	var from time.Duration
	for _, q := range append(a.Quiet(floor, apart), Span{From: a.Length()}) {
		if q.From > from {
			sounds = append(sounds, Span{from, q.From - from})
		}
		from = q.From + q.Length
	}
	return sounds
}
