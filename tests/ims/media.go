package ims

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// A media is the audio of one call: it says a tone, 20 ms a packet, and keeps
// all that comes. A nil one does neither.
type media struct {
	at   netip.AddrPort
	conn *net.UDPConn
	done chan struct{}
	once sync.Once

	mu      sync.Mutex
	to      netip.AddrPort
	packets []lab.Packet
	keys    []byte // events that wait to be said
}

func newMedia(ip netip.Addr, hz float64) (*media, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		return nil, err
	}
	m := &media{at: conn.LocalAddr().(*net.UDPAddr).AddrPort(), conn: conn, done: make(chan struct{})}
	go m.listen()
	go m.say(lab.EncodeULaw(lab.Tone(hz, -20, time.Second)))
	return m, nil
}

func (m *media) close() {
	m.once.Do(func() {
		close(m.done)
		_ = m.conn.Close()
	})
}

func (m *media) listen() {
	buf := make([]byte, 2048)
	for {
		n, from, err := m.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		m.mu.Lock()
		m.packets = append(m.packets, lab.Packet{Time: time.Now(), From: from, To: m.at, Payload: append([]byte(nil), buf[:n]...)})
		m.mu.Unlock()
	}
}

// speakTo says where to; a zero address, of a message without a session
// description, changes nothing.
func (m *media) speakTo(to netip.AddrPort) {
	if m == nil || !to.IsValid() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.to = to
}

const (
	frame     = lab.SampleRate / 50 // samples of a packet
	keyFrames = 5                   // 100 ms of a key
	keyEnds   = 3                   // how often its end is said
)

// say sends until the call is closed: a key while one is down, else the tone.
func (m *media) say(tone []byte) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var stamp, pressed uint32
	said := 0 // packets of the key that is down
	for seq := uint16(0); ; seq++ {
		select {
		case <-m.done:
			return
		case <-tick.C:
		}
		stamp += frame
		m.mu.Lock()
		to, keys := m.to, m.keys
		m.mu.Unlock()
		if !to.IsValid() {
			continue
		}
		if len(keys) == 0 {
			from := int(stamp) % len(tone)
			m.packet(to, 0, false, seq, stamp, tone[from:from+frame])
			continue
		}
		// RFC 4733, 2.3: event, end and volume, duration since it went down.
		if said == 0 {
			pressed = stamp
		}
		event := []byte{keys[0], 10, 0, 0}
		if said >= keyFrames {
			event[1] |= 0x80
		}
		binary.BigEndian.PutUint16(event[2:], uint16(min(said+1, keyFrames)*frame))
		m.packet(to, 101, said == 0, seq, pressed, event)
		if said++; said == keyFrames+keyEnds {
			said = 0
			m.mu.Lock()
			m.keys = m.keys[1:]
			m.mu.Unlock()
		}
	}
}

func (m *media) press(digit string) error {
	event := strings.Index("0123456789*#", digit)
	if m == nil || event < 0 || len(digit) != 1 {
		return fmt.Errorf("no key %q to press", digit)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = append(m.keys, byte(event))
	return nil
}

func (m *media) heard() lab.Audio {
	if m == nil {
		return lab.Audio{}
	}
	m.mu.Lock()
	packets := m.packets[:len(m.packets):len(m.packets)]
	m.mu.Unlock()
	return lab.Heard(lab.RTPStreams(packets), m.at)
}

// samples are all that came, one packet after the other, whenever they came: what
// was said, even where this machine was too busy to say it in time.
func (m *media) samples() (all []int16) {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	packets := m.packets[:len(m.packets):len(m.packets)]
	m.mu.Unlock()
	for _, s := range lab.RTPStreams(packets) {
		for _, p := range s.Packets {
			if p.Type == 0 {
				all = append(all, lab.DecodeULaw(p.Payload)...)
			}
		}
	}
	return all
}

// Sound is one of sounds/ as a µ-law call carries it, e.g. "ads/mangalou-en".
func Sound(tb testing.TB, name string) []int16 {
	tb.Helper()
	const header = 44 // that of every WAV there is bare: see package sounds
	wav := text(tb, "sounds/"+name+".wav")
	samples := make([]int16, (len(wav)-header)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16([]byte(wav[header+2*i:])))
	}
	return lab.DecodeULaw(lab.EncodeULaw(samples))
}

// Find looks for a sound in what was said, and returns where it is most alike,
// from which sample on, and how much of all of it, from 0 to 1.
func Find(said, sound []int16) (at int, likeness float64) {
	// A tenth of a second that is loud, of which each 9th sample tells most places
	// apart already.
	const probe = lab.SampleRate / 10
	loud := 0
	for i := 0; i+probe <= min(len(sound), lab.SampleRate); i += probe {
		if lab.Level(sound[i:i+probe]) > lab.Level(sound[loud:loud+probe]) {
			loud = i
		}
	}
	for i := 0; i+len(sound) <= len(said); i++ {
		if alike(said[i+loud:], sound[loud:loud+probe], 9) < 0.8 {
			continue
		}
		if like := alike(said[i:], sound, 1); like > likeness {
			at, likeness = i, like
		}
	}
	return at, likeness
}

// alike is the correlation of b, each so many samples, with the beginning of a.
func alike(a, b []int16, step int) float64 {
	var ab, aa, bb float64
	for i := 0; i < len(b); i += step {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / (math.Sqrt(aa*bb) + 1)
}

func (m *media) packet(to netip.AddrPort, kind byte, marker bool, seq uint16, stamp uint32, payload []byte) {
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, kind
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], stamp)
	binary.BigEndian.PutUint32(b[8:], uint32(m.at.Port()))
	_, _ = m.conn.WriteToUDPAddrPort(append(b, payload...), to) // audio that is lost is lost
}
