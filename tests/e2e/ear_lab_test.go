//go:build lab

package e2e_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// probe is the length of the pieces by which a recording is recognised.
const probe = 100 * time.Millisecond

// A recording is a WAV file as a µ-law call carries it.
type recording struct {
	name    string
	samples []int16
}

// recorded reads one of the sounds that the house plays.
func recorded(t *testing.T, path string) recording {
	t.Helper()
	file, err := os.ReadFile(path + ".wav")
	if err != nil {
		t.Fatal(err)
	}
	_, data, ok := bytes.Cut(file, []byte("data"))
	if !ok || len(data) < 4 {
		t.Fatalf("%s.wav has no samples", path)
	}
	data = data[4:]
	samples := make([]int16, len(data)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
	}
	return recording{filepath.Base(path), lab.DecodeULaw(lab.EncodeULaw(samples))}
}

func (r recording) length() time.Duration {
	return lengthOf(len(r.samples))
}

// A track is what a phone was sent, packet after packet. Its samples say what
// was heard and how long it lasts, even where this machine was too busy to send
// or to record in time; when says at what moment.
type track struct {
	samples []int16
	first   []int       // of each packet, its first sample
	came    []time.Time // and when it came
}

// sentTo is the track of the phone at that SIP address.
func sentTo(t *testing.T, rec *lab.Recording, at string) (all track) {
	t.Helper()
	ear := mediaOf(t, rec, at)
	var packets []lab.Media
	for _, s := range rec.RTP() {
		if s.To == ear {
			packets = append(packets, s.Packets...)
		}
	}
	slices.SortStableFunc(packets, func(a, b lab.Media) int { return a.Time.Compare(b.Time) })
	for _, p := range packets {
		if p.Type == 0 { // not a key
			all.first, all.came = append(all.first, len(all.samples)), append(all.came, p.Time)
			all.samples = append(all.samples, lab.DecodeULaw(p.Payload)...)
		}
	}
	return all
}

// when is the moment at which a sample came, or would have come next.
func (a track) when(sample int) time.Time {
	i, exact := slices.BinarySearch(a.first, sample)
	if !exact {
		i--
	}
	return a.came[i].Add(lengthOf(sample - a.first[i]))
}

func lengthOf(samples int) time.Duration {
	return time.Duration(samples) * time.Second / lab.SampleRate
}

// A piece is where in a track a recording was heard, in samples; those that are
// silent at its ends are part of it.
type piece struct {
	name       string
	begin, end int
	lost       int     // of the recording's first samples
	likeness   float64 // of all of it, 0 to 1: a whole and undisturbed recording has 1
}

func (p piece) length() time.Duration { return lengthOf(p.end - p.begin) }

// find looks for a recording. Begin and end are found each by itself, by the
// loudest piece in the recording's first and last second, so that its length is
// measured and not assumed. ok is false when the first second is not there; an
// end that is not there leaves end at the last sample that was alike.
func (a track) find(r recording) (p piece, ok bool) {
	n := samplesOf(probe)
	first := loudest(r.samples[:min(len(r.samples), lab.SampleRate)], n)
	at, like := search(a.samples, r.samples[first:first+n])
	if like < 0.95 {
		return piece{name: r.name}, false
	}
	lost := max(0, first-at) // samples that went by before the track began
	r.samples, first = r.samples[lost:], first-lost
	p = piece{name: r.name, begin: at - first, lost: lost}
	tail := max(0, len(r.samples)-lab.SampleRate)
	last := tail + loudest(r.samples[tail:], n)
	// The end is looked for where it is due, give or take a second.
	from := min(max(0, p.begin+last-lab.SampleRate), len(a.samples))
	to := min(p.begin+last+lab.SampleRate+n, len(a.samples))
	if at, like := search(a.samples[from:to], r.samples[last:last+n]); like >= 0.95 {
		p.end = min(from+at-last+len(r.samples), len(a.samples))
	} else {
		p.end = p.begin + alike(a.samples[p.begin:], r.samples)
	}
	whole := a.samples[p.begin:min(len(a.samples), p.begin+len(r.samples))]
	p.likeness = likeness(whole, r.samples[:len(whole)])
	return p, true
}

func samplesOf(d time.Duration) int { return int(d * lab.SampleRate / time.Second) }

// loudest is where the loudest n samples begin.
func loudest(samples []int16, n int) (at int) {
	best := math.Inf(-1)
	for i := 0; i+n <= len(samples); i += n / 4 {
		if l := lab.Level(samples[i : i+n]); l > best {
			best, at = l, i
		}
	}
	return at
}

// search finds where piece is most alike.
func search(in, piece []int16) (at int, like float64) {
	for i := 0; i+len(piece) <= len(in); i++ {
		// A tenth of the samples tells most places apart already.
		if i+len(piece) <= len(in) && sparse(in[i:], piece) < 0.8 {
			continue
		}
		if l := likeness(in[i:i+len(piece)], piece); l > like {
			at, like = i, l
		}
	}
	return at, like
}

func sparse(a, b []int16) float64 {
	var ab, aa, bb float64
	for i := 0; i < len(b); i += 9 {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / (math.Sqrt(aa*bb) + 1)
}

// likeness is the correlation of two pieces of the same length.
func likeness(a, b []int16) float64 {
	var ab, aa, bb float64
	for i := range b {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / (math.Sqrt(aa*bb) + 1)
}

// alike is how many samples of b are in a before they part.
func alike(a, b []int16) int {
	const step = lab.SampleRate / 50
	for i := 0; i+step <= min(len(a), len(b)); i += step {
		if likeness(a[i:i+step], b[i:i+step]) < 0.5 && lab.Level(b[i:i+step]) > -50 {
			return i
		}
	}
	return min(len(a), len(b))
}

// mediaOf is where the phone at that SIP address listens.
func mediaOf(t *testing.T, rec *lab.Recording, at string) netip.AddrPort {
	t.Helper()
	return rec.AwaitSIP(t, 5*time.Second, "session description from "+at, func(m lab.SIP) bool {
		return m.From.String() == at && m.MediaAddress().IsValid()
	}).MediaAddress()
}
