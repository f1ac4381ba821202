package sounds

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What Asterisk plays from a file named .wav; anything else is answered with
// result=-1 and silence (format_wav.c, check_header_fmt).
const (
	Rate     = 8000 // samples per second
	Channels = 1
	Bits     = 16
)

const (
	headerSize = 44             // a WAV file with nothing but fmt and data
	maxSamples = 60 * 60 * Rate // an hour: no ad, and a bound on what is read
	maxExtra   = 1 << 20        // bytes of other chunks that are read past, each side
	convert    = "convert it with: sox in.wav -r 8000 -c 1 -b 16 out.wav"
)

// Why Measure refuses a file; a cut one is a [TruncatedError].
var (
	ErrNotWAV  = errors.New("not a WAV file")
	ErrFormat  = errors.New("not 8 kHz mono 16-bit PCM")
	ErrEmpty   = errors.New("no sample in the file")
	ErrTooLong = errors.New("longer than an hour")
)

// TruncatedError is a file that ends before its header says: Asterisk plays what
// is there and calls it complete, so the length in the header must not be believed.
type TruncatedError struct {
	Said, There int64 // samples, by the header and in truth
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("the file is cut: its header says %d samples, %d are there; copy it again, "+
		"or keep what is there with: sox --ignore-length in.wav -r 8000 -c 1 -b 16 out.wav", e.Said, e.There)
}

// WAV is what a file's header says, checked against the file.
type WAV struct {
	Rate     int   // samples per second
	Channels int   // 1 is mono
	Bits     int   // of one sample
	Samples  int64 // that are really there

	// Extra counts the bytes beside a plain header and the samples (counted up to
	// 1 MiB after the samples). STREAM FILE in Asterisk starts at byte 44 whatever
	// stands there, so what precedes the samples is heard as a crackle and as much
	// of the end is lost; and at the end of the file it reports endpos as
	// (file size - 44) / 2. Asterisk 22.10.1: format_wav.c, wav_seek and wav_tell.
	Extra int64
}

// DurationMS is the playing time in milliseconds, rounded down.
func (w WAV) DurationMS() int64 {
	if w.Rate <= 0 {
		return 0
	}
	return w.Samples * 1000 / int64(w.Rate)
}

// Measure reads a WAV file to its end and says how long it is. With a nil error
// Asterisk plays it: 8 kHz, mono, 16-bit PCM, at least one sample, every sample of
// its header there. Other chunks are read past. With [ErrFormat] or a
// [TruncatedError] the WAV holds what was read. It stops after an hour of sound,
// uses little memory whatever the header claims, and says how to mend the file.
func Measure(r io.Reader) (WAV, error) {
	m := &measure{r: r}
	if err := m.riff(); err != nil {
		return WAV{}, err
	}
	size, err := m.header()
	if err != nil {
		return m.wav, err
	}
	return m.wav, m.samples(size)
}

// measure is one reading; at is the number of bytes read so far.
type measure struct {
	r   io.Reader
	at  int64
	wav WAV
}

// riff reads the twelve bytes that make the file a WAV file. The size in them is
// not looked at: Asterisk does not either, and programs that write to a pipe lie there.
func (m *measure) riff() error {
	var b [12]byte
	if err := m.read(b[:]); err != nil {
		return err
	}
	if string(b[:4]) != "RIFF" || string(b[8:]) != "WAVE" {
		return fmt.Errorf("%w: it does not begin with RIFF and WAVE; %s", ErrNotWAV, convert)
	}
	return nil
}

// header reads chunks up to the first sample and gives the size of the data chunk
// in bytes.
func (m *measure) header() (uint32, error) {
	for seen := false; ; {
		var b [8]byte
		err := m.read(b[:])
		if err != nil {
			return 0, err
		}
		id, size := string(b[:4]), binary.LittleEndian.Uint32(b[4:])
		switch {
		case id == "data" && !seen:
			return 0, fmt.Errorf("%w: its samples come before their format; %s", ErrNotWAV, convert)
		case id == "data":
			return size, nil
		case id == "fmt " && seen:
			return 0, fmt.Errorf("%w: it has two formats; %s", ErrNotWAV, convert)
		case m.at+int64(size) > maxExtra:
			return 0, fmt.Errorf("%w: over 1 MiB stands before its samples; %s", ErrNotWAV, convert)
		case size%2 != 0:
			// RIFF pads such a chunk with one byte, which Asterisk does not skip.
			return 0, fmt.Errorf("%w: a chunk of odd size stands before its samples; %s", ErrNotWAV, convert)
		case id == "fmt ":
			seen, err = true, m.format(size)
		default:
			err = m.skip(int64(size))
		}
		if err != nil {
			return 0, err
		}
	}
}

// format reads the fmt chunk. The extensible form of PCM (0xFFFE) is refused as
// Asterisk refuses it.
func (m *measure) format(size uint32) error {
	var b [16]byte
	if size < uint32(len(b)) {
		return fmt.Errorf("%w: its format has %d bytes instead of 16; %s", ErrNotWAV, size, convert)
	}
	if err := m.read(b[:]); err != nil {
		return err
	}
	le := binary.LittleEndian
	code, align := le.Uint16(b[0:]), le.Uint16(b[12:])
	m.wav.Channels, m.wav.Rate, m.wav.Bits = int(le.Uint16(b[2:])), int(le.Uint32(b[4:])), int(le.Uint16(b[14:]))
	if code != 1 {
		return fmt.Errorf("%w: its encoding is %#x, PCM is 1; %s", ErrFormat, code, convert)
	}
	if m.wav.Rate != Rate || m.wav.Channels != Channels || m.wav.Bits != Bits || align != Channels*Bits/8 {
		return fmt.Errorf("%w: it has %d Hz, %d channel(s), %d bits in %d bytes; %s",
			ErrFormat, m.wav.Rate, m.wav.Channels, m.wav.Bits, align, convert)
	}
	return m.skip(int64(size) - int64(len(b)))
}

// samples reads the data chunk and what follows it.
func (m *measure) samples(size uint32) error {
	m.wav.Extra = m.at - headerSize
	const limit = maxSamples * Bits / 8
	there, err := io.CopyN(io.Discard, m.r, min(int64(size), limit+2))
	m.wav.Samples = there * 8 / Bits
	switch {
	case err != nil && err != io.EOF:
		return fmt.Errorf("read WAV: %w", err)
	case there > limit:
		return fmt.Errorf("%w; cut it with: sox in.wav out.wav trim 0 60", ErrTooLong)
	case there < int64(size):
		return &TruncatedError{Said: int64(size) * 8 / Bits, There: m.wav.Samples}
	case size%2 != 0:
		return fmt.Errorf("%w: it ends with half a sample; %s", ErrNotWAV, convert)
	case size == 0:
		// Asterisk "plays" it to its end in no time: result=0 endpos=0.
		return fmt.Errorf("%w; record or convert it again", ErrEmpty)
	}
	after, err := io.CopyN(io.Discard, m.r, maxExtra)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read WAV: %w", err)
	}
	m.wav.Extra += after
	return nil
}

// read fills b; a file that ends first has no complete header.
func (m *measure) read(b []byte) error {
	n, err := io.ReadFull(m.r, b)
	m.at += int64(n)
	return headerError(err)
}

// skip reads past n bytes.
func (m *measure) skip(n int64) error {
	n, err := io.CopyN(io.Discard, m.r, n)
	m.at += n
	return headerError(err)
}

func headerError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends before its first sample; %s", ErrNotWAV, convert)
	}
	if err != nil {
		return fmt.Errorf("read WAV: %w", err)
	}
	return nil
}
