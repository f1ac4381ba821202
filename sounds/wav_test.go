package sounds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// chunk is one RIFF chunk whose header claims size bytes.
func chunk(id string, size uint32, body string) string {
	return id + string(binary.LittleEndian.AppendUint32(nil, size)) + body
}

// pcm is the body of a fmt chunk.
func pcm(code, channels uint16, rate uint32, align, bits uint16) string {
	var b bytes.Buffer
	for _, v := range []any{code, channels, rate, rate * uint32(align), align, bits} {
		_ = binary.Write(&b, binary.LittleEndian, v) // a Buffer takes everything
	}
	return b.String()
}

func riff(chunks ...string) string {
	body := "WAVE" + strings.Join(chunks, "")
	return chunk("RIFF", uint32(len(body)), body)
}

var (
	phone   = chunk("fmt ", 16, pcm(1, 1, 8000, 2, 16))
	second  = chunk("data", 16000, strings.Repeat("\x01\x02", 8000))
	plain   = riff(phone, second)
	comment = chunk("LIST", 26, "INFOISFT\x0e\x00\x00\x00Lavf59.27.100\x00")
)

func TestMeasure(t *testing.T) {
	for _, c := range []struct {
		name, file string
		extra      int64
	}{
		{"one second", plain, 0},
		{"size of RIFF is a lie", "RIFF\xff\xff\xff\xff" + plain[8:], 0},
		{"format of 18 bytes", riff(chunk("fmt ", 18, pcm(1, 1, 8000, 2, 16)+"\x00\x00"), second), 2},
		{"comment before the format", riff(comment, phone, second), 34},
		{"comment before the samples", riff(phone, comment, second), 34},
		{"comment after the samples", riff(phone, second, comment), 34},
		{"garbage after the samples", plain + "no chunk", 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			// One byte at a time: a reader may give as little as it likes.
			got, err := Measure(iotest.OneByteReader(strings.NewReader(c.file)))
			want := WAV{Rate: 8000, Channels: 1, Bits: 16, Samples: 8000, Extra: c.extra}
			if err != nil || got != want || got.DurationMS() != 1000 {
				t.Errorf("Measure = %+v, %d ms, %v; want %+v, 1000 ms", got, got.DurationMS(), err, want)
			}
		})
	}
}

func TestMeasureRefuses(t *testing.T) {
	withFormat := func(size uint32, body string) string { return riff(chunk("fmt ", size, body), second) }
	for _, c := range []struct {
		name, file string
		want       error
		says       string
	}{
		{"nothing", "", ErrNotWAV, "ends before its first sample"},
		{"cut in RIFF", plain[:9], ErrNotWAV, "sox in.wav -r 8000"},
		{"cut in the format", plain[:30], ErrNotWAV, "ends before"},
		{"header alone", plain[:36], ErrNotWAV, "ends before"},
		{"an MP3", "ID3\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ErrNotWAV, "sox in.wav"},
		{"big-endian RIFX", "RIFX" + plain[4:], ErrNotWAV, "RIFF"},
		{"an AVI", "RIFF\x00\x00\x00\x00AVI " + plain[12:], ErrNotWAV, "WAVE"},
		{"no format", riff(second), ErrNotWAV, "before their format"},
		{"two formats", riff(phone, phone, second), ErrNotWAV, "two formats"},
		{"format of 14 bytes", withFormat(14, pcm(1, 1, 8000, 2, 16)[:14]), ErrNotWAV, "14 bytes"},
		{"format of 4 GiB", withFormat(0xfffffffe, pcm(1, 1, 8000, 2, 16)), ErrNotWAV, "1 MiB"},
		{"comment of 4 GiB", riff(phone, chunk("LIST", 0xfffffffe, "x")), ErrNotWAV, "1 MiB"},
		{"comment of odd size", riff(phone, chunk("LIST", 5, "hello\x00"), second), ErrNotWAV, "odd size"},
		{"chunks of no size without end", riff(phone, strings.Repeat(chunk("LIST", 0, ""), 200_000)), ErrNotWAV, "1 MiB"},
		{"44.1 kHz stereo", withFormat(16, pcm(1, 2, 44100, 4, 16)), ErrFormat, "44100 Hz, 2 channel(s)"},
		{"16 kHz", withFormat(16, pcm(1, 1, 16000, 2, 16)), ErrFormat, "16000 Hz"},
		{"0 Hz", withFormat(16, pcm(1, 1, 0, 2, 16)), ErrFormat, "0 Hz"},
		{"no channel", withFormat(16, pcm(1, 0, 8000, 2, 16)), ErrFormat, "0 channel(s)"},
		{"8 bits", withFormat(16, pcm(1, 1, 8000, 1, 8)), ErrFormat, "8 bits"},
		{"16 bits in 4 bytes", withFormat(16, pcm(1, 1, 8000, 4, 16)), ErrFormat, "16 bits in 4 bytes"},
		{"u-law in WAV", withFormat(16, pcm(7, 1, 8000, 1, 8)), ErrFormat, "encoding is 0x7"},
		{"extensible", withFormat(16, pcm(0xfffe, 1, 8000, 2, 16)), ErrFormat, "0xfffe"},
		{"no sample", riff(phone, chunk("data", 0, "")), ErrEmpty, "again"},
		{"half a sample", riff(phone, chunk("data", 3, "abc")), ErrNotWAV, "half a sample"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Measure(strings.NewReader(c.file))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Measure says %v; want %v with %q", err, c.want, c.says)
			}
		})
	}
}

// A header that promises more than the file holds is told with what is there.
func TestMeasureTruncated(t *testing.T) {
	for _, c := range []struct {
		name string
		file string
		want TruncatedError
	}{
		{"upload broke off", plain[:44+5000], TruncatedError{8000, 2500}},
		{"in the middle of a sample", plain[:44+5001], TruncatedError{8000, 2500}},
		{"no sample came", plain[:44], TruncatedError{8000, 0}},
		{"written to a pipe", riff(phone, chunk("data", 0xffffffff, "1234")), TruncatedError{0x7fffffff, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := Measure(strings.NewReader(c.file))
			var got *TruncatedError
			if !errors.As(err, &got) || *got != c.want || w.Samples != c.want.There {
				t.Errorf("Measure = %+v, %v; want %+v", w, err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), "sox --ignore-length") {
				t.Errorf("%q does not say how to mend it", err)
			}
		})
	}
}

// endless gives zeros for ever and counts them.
type endless struct{ read int64 }

func (e *endless) Read(b []byte) (int, error) {
	clear(b)
	e.read += int64(len(b))
	return len(b), nil
}

// A file that never ends is left after an hour of sound, in little memory.
func TestMeasureIsBounded(t *testing.T) {
	tail := &endless{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Measure(io.MultiReader(strings.NewReader(riff(phone, chunk("data", 0xfffffffe, ""))), tail))
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTooLong) {
		t.Errorf("Measure says %v; want %v", err, ErrTooLong)
	}
	if hour := int64(60 * 60 * 16000); tail.read > hour+1<<20 {
		t.Errorf("read %d bytes, an hour has %d", tail.read, hour)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("took %d bytes of memory", used)
	}
	tail.read = 0
	if _, err := Measure(io.MultiReader(strings.NewReader(plain), tail)); err != nil || tail.read > 2<<20 {
		t.Errorf("after the samples %d bytes were read, %v", tail.read, err)
	}
}

// A disk that fails is not a bad file.
func TestMeasureReadError(t *testing.T) {
	broken := errors.New("input/output error")
	for _, at := range []int{0, 20, 44, 100, len(plain)} {
		_, err := Measure(io.MultiReader(strings.NewReader(plain[:at]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || errors.Is(err, ErrNotWAV) {
			t.Errorf("failing at byte %d: Measure says %v", at, err)
		}
	}
}

// Whatever the bytes, Measure accounts for each of them: an accepted file is a
// plain header, its samples and Extra, and it is what Asterisk plays; a cut file
// holds less than it says. Every refusal is one of the documented ones.
func FuzzMeasure(f *testing.F) {
	for _, file := range []string{
		plain[:200], riff(phone, chunk("data", 4, "abcd")), riff(comment, phone, comment, chunk("data", 4, "abcd"), comment),
		riff(chunk("fmt ", 18, pcm(1, 1, 8000, 2, 16)+"\x00\x00"), chunk("data", 2, "ab")),
		riff(phone, chunk("data", 0xffffffff, "ab")), riff(phone, chunk("LIST", 0xffffffff, "ab")), riff(second), "RIFF",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > maxExtra {
			return // above it Extra is no longer counted to the end
		}
		w, err := Measure(bytes.NewReader(file))
		var cut *TruncatedError
		switch {
		case err == nil:
			if w.Rate != 8000 || w.Channels != 1 || w.Bits != 16 || w.Samples < 1 || w.Extra < 0 {
				t.Errorf("accepted %+v", w)
			}
			if total := headerSize + 2*w.Samples + w.Extra; total != int64(len(file)) {
				t.Errorf("accepted %+v, %d bytes in all; the file has %d", w, total, len(file))
			}
		case errors.As(err, &cut):
			if cut.There >= cut.Said+1 || cut.There < 0 || 2*cut.There > int64(len(file)) || w.Samples != cut.There {
				t.Errorf("%+v of a file of %d bytes, %+v", cut, len(file), w)
			}
		case !errors.Is(err, ErrNotWAV) && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrEmpty):
			t.Errorf("undocumented error %v", err)
		}
	})
}
