package callflow

import (
	"time"

	"adcredit/creditapi/wire"
)

// rewind is how much of the ad is heard again after a question: nobody follows
// from the middle of a word, and an ad that began late on a busy Asterisk is
// still heard without a gap.
const rewind = time.Second

// phoneKeys are all that a caller can press.
const phoneKeys = "0123456789*#"

// playAndAsk interrupts the ad at the moment of the listen's attention and asks
// for its digit; after the right one the ad goes on. creditapi drew both and
// judges the answer again; here it spares who does not listen the rest.
func (f *flow) playAndAsk(l wire.Listen) (Played, error) {
	at := time.Duration(l.Attention.AtMS) * time.Millisecond
	first, err := f.ch.Play(l.Sound, f.rules.Stop, 0, at)
	if err != nil || !first.Stopped || first.Held {
		return first, err // it ended before the question, by a key, a hangup, a file too short, or went to nobody
	}
	first.Asked, first.Endpos = true, samples(l, at) // by the clock: Asterisk does not say where it was stopped
	first.Pressed, err = f.ask(l.Attention.Digit[0])
	if err != nil || !attentive(first, l) {
		return first, err
	}
	again := min(at, rewind)
	rest, err := f.ch.Play(l.Sound, f.rules.Stop, samples(l, at-again), 0)
	rest.Asked, rest.Pressed = true, first.Pressed
	rest.Took += first.Took - again // what is heard twice counts once
	return rest, err
}

// ask asks for the digit, and once more when nothing is pressed. A wrong key is
// not asked about again: each try would be a guess more for a program. Nor does
// a key count that is pressed before the digit was said.
func (f *flow) ask(digit byte) (pressed string, err error) {
	keys := ""
	for range 2 {
		key, err := f.ch.Prompt(f.rules.Prompts.Attention, keys)
		keys = phoneKeys
		if err == nil && key == 0 {
			key, err = f.ch.Digit(digit, keys)
		}
		if err == nil && key == 0 {
			key, err = f.ch.Key(f.keyTimeout())
		}
		if err != nil {
			return "", err
		}
		if key != 0 {
			return string(key), nil
		}
	}
	return "", nil
}

// attentive reports whether the digit was pressed that the listen asks for, if
// it asks for one.
func attentive(p Played, l wire.Listen) bool {
	return l.Attention == nil || p.Pressed == l.Attention.Digit
}

func samples(l wire.Listen, d time.Duration) int64 { return d.Milliseconds() * l.RateHz / 1000 }
