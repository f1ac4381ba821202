package credit

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"time"

	"adcredit/creditapi/wire"
)

// Attention is a digit that is asked for in the middle of an ad; the zero value
// asks for none. It shows that somebody listens: to let ads play to an empty
// room, or to a program that presses the key that accepts them, then earns
// nothing. A program that understands speech passes it.
type Attention struct {
	AtMS  int64 // from the ad's start
	Digit string
}

// asking is how long the question may last, in addition to the ad: the prompt,
// the digit and the wait for a key, and all of it once more.
const asking = 30 * time.Second

// edge is kept free of questions at both ends of an ad: who was asked that early
// could hang up in thought, and who was asked that late has not listened since.
const edge = time.Second

// Question is an attention check that was drawn before the ad was chosen; the
// zero value is none.
type Question struct {
	Digit  string
	Moment float64 // from 0, as early as may be, to 1
}

// In places the question in an ad. One too short to have a middle has none.
func (q Question) In(ad Ad) Attention {
	room := ad.DurationMS() - 2*edge.Milliseconds()
	if q.Digit == "" || room < 0 {
		return Attention{}
	}
	return Attention{AtMS: edge.Milliseconds() + int64(q.Moment*float64(room)), Digit: q.Digit}
}

// question draws whether a listen is checked, by which digit and when. Whoever
// could foresee it would have no need to listen, so chance comes from the
// system's generator.
func (p Policy) question() Question {
	if chance() >= p.AttentionShare {
		return Question{}
	}
	return Question{Digit: strconv.Itoa(int(10 * chance())), Moment: chance()}
}

// chance is a random number from 0 to just below 1.
func chance() float64 {
	var b [8]byte
	rand.Read(b[:])
	return float64(binary.LittleEndian.Uint64(b[:])>>11) / (1 << 53)
}

// shown reports whether the caller has shown attention, where it was asked for.
func (a Attention) shown(h wire.Heard) bool { return a.Digit == "" || a.Digit == h.AttentionDigit }

func (a Attention) onWire() *wire.Attention {
	if a.Digit == "" {
		return nil
	}
	return &wire.Attention{AtMS: a.AtMS, Digit: a.Digit}
}
