//go:build lab

package e2e_test

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"adcredit/sounds"
	"adcredit/tests/lab"
)

// figure prints a measured figure, and adds it, behind the test's name, to the file
// that ADCREDIT_FIGURES names.
func figure(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	t.Log("figure: " + line)
	name := os.Getenv("ADCREDIT_FIGURES")
	if name == "" {
		return
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := fmt.Fprintln(file, t.Name()+": "+line); err != nil {
		t.Fatal(err)
	}
}

const (
	quiet   = -50.0                  // dB below full scale: silence on a telephone
	longest = 300 * time.Millisecond // that a caller should wait between two sounds
	busy    = 300 * time.Millisecond // that a machine with other work may add
)

// figures measures a call with an ad, in the caller's ear from the answer to
// the ringback tone.
func (h *house) figures(t *testing.T, rec *lab.Recording) {
	t.Helper()
	answered := answer(t, rec, pbxAt).Time
	heard := sentTo(t, rec, poorAt)
	lead := (lab.Audio{Samples: heard.samples}).Sounds(quiet, 20*time.Millisecond)
	figure(t, "first packet %.0f ms and first sound %.0f ms after the caller's 200 OK",
		ms(heard.came[0].Sub(answered)), ms(heard.when(samplesOf(lead[0].From)).Sub(answered)))
	pieces := h.pieces(t, heard)
	for i, p := range pieces {
		t.Logf("%6.0f to %6.0f ms  %-12s %.1f LUFS", ms(heard.when(p.begin).Sub(answered)), ms(heard.when(p.end-1).Sub(answered)),
			p.name, lab.Loudness(heard.samples[p.begin:p.end]))
		for _, q := range (lab.Audio{Samples: heard.samples[p.begin:p.end]}).Quiet(quiet, longest) {
			figure(t, "silence of %.0f ms inside %s, %.0f ms after its begin", ms(q.Length), p.name, ms(q.From))
		}
		if i > 0 {
			heard.gap(t, pieces[i-1], p)
		}
	}
	heard.ringback(t, pieces[len(pieces)-1])
}

// pieces are our sounds in the order in which the caller heard them.
func (h *house) pieces(t *testing.T, heard track) (pieces []piece) {
	t.Helper()
	for _, name := range []string{"en/offer", "en/accepted", "ads/mangalou-en", "en/thanks", "en/balance"} {
		p, ok := heard.find(h.recorded(t, name))
		if !ok {
			t.Fatalf("the caller did not hear %s", name)
		}
		// The last frame of a sound is not always a whole one.
		if len(pieces) > 0 && p.begin < pieces[len(pieces)-1].end-samplesOf(20*time.Millisecond) {
			t.Errorf("%s began before %s was over", name, pieces[len(pieces)-1].name)
		}
		pieces = append(pieces, p)
	}
	return pieces
}

// gap measures the silence between two sounds, and whose it is: the recordings'
// own at their ends, or a time in which nothing was sent.
func (a track) gap(t *testing.T, p, next piece) {
	t.Helper()
	from, to := min(p.end, next.begin), next.begin // Asterisk leaves out a last frame that is not whole
	for from > p.begin && lab.Level(a.samples[max(p.begin, from-160):from]) < quiet {
		from -= 160
	}
	for to < next.end && lab.Level(a.samples[to:to+160]) < quiet {
		to += 160
	}
	recorded := max(0, lengthOf(to-from))
	idle := max(0, a.when(to).Sub(a.when(from-1))-recorded)
	figure(t, "between %s and %s: silent for %.0f ms in the recordings and %.0f ms between them", p.name, next.name, ms(recorded), ms(idle))
	if recorded > longest || recorded+idle > longest+busy {
		t.Errorf("between %s and %s the caller heard nothing for %s, more than %s", p.name, next.name, recorded+idle, longest)
	}
}

// ringback measures the silence from the last thing said, the number after
// "your new balance is", until the caller hears the callee's phone ring: 440
// and 480 Hz (indications.conf).
func (a track) ringback(t *testing.T, balance piece) {
	t.Helper()
	const window = 160
	said := balance.end
	for i := balance.end; i+4*window <= len(a.samples); i += window {
		tone := a.samples[i : i+4*window]
		if lab.ToneLevel(tone, 440) > -20 && lab.ToneLevel(tone, 480) > -20 {
			silent := a.when(i).Sub(a.when(said - 1))
			figure(t, "between the number and the ringback tone: silent for %.0f ms", ms(silent))
			if silent > longest+busy {
				t.Errorf("before the ringback tone the caller heard nothing for %s, more than %s", silent, longest)
			}
			return
		}
		if lab.Level(tone[:window]) >= quiet {
			said = i + window
		}
	}
	t.Error("the caller heard no ringback tone")
}

func TestLoudnessOfTheSounds(t *testing.T) {
	dir := t.TempDir()
	if err := sounds.CopyTo(dir); err != nil {
		t.Fatal(err)
	}
	names := append([]string(nil), sounds.Ads...)
	for _, language := range sounds.Languages {
		for _, prompt := range sounds.Prompts {
			names = append(names, path.Join(language, prompt))
		}
	}
	var text strings.Builder
	low, high := 0.0, -100.0
	for _, name := range names {
		l := lab.Loudness(recorded(t, path.Join(dir, name)).samples)
		low, high = min(low, l), max(high, l)
		fmt.Fprintf(&text, " %s %.1f", name, l)
	}
	figure(t, "loudness of %d prompts and ads: %.1f to %.1f LUFS:%s", len(names), low, high, text.String())
	if high-low > 3 {
		t.Errorf("the loudest and the softest are %.1f LU apart", high-low)
	}
}
