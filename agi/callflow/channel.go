package callflow

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"adcredit/agi"
)

// AGI is a Channel on an AGI session.
type AGI struct {
	Session   *agi.Session
	Progress  bool   // early media in place of an answer
	SoundsDir string // prompts are below it by language, ads by their name
	// PacketTime is how much sound an RTP packet to the caller holds; 0: it is not
	// asked how many were sent.
	PacketTime time.Duration

	language string
	spoken   string // the channel's language, once it was set
}

// errSilent is a channel that would play to nobody: before answer or Progress
// Asterisk "plays" with the same replies, and the caller hears nothing.
var errSilent = errors.New("the channel carries no sound to the caller")

// Open implements Channel.
func (a *AGI) Open() error {
	if a.Progress {
		reply, err := a.Session.Exec("Progress", "")
		return failed("Progress", reply, err)
	}
	reply, err := a.Session.Answer()
	if err := failed("ANSWER", reply, err); err != nil {
		return err
	}
	const up = 6
	if reply, err = a.Session.ChannelStatus(); err != nil {
		return err
	} else if reply.Res != up {
		return fmt.Errorf("after ANSWER the channel's state is %d: %w", reply.Res, errSilent)
	}
	return nil
}

func failed(command string, reply agi.Reply, err error) error {
	if err == nil && reply.Res < 0 {
		return fmt.Errorf("%s failed: %w", command, errSilent)
	}
	return err
}

// Alive implements Channel: a dead channel answers CHANNEL STATUS with 511,
// while other commands may still succeed.
func (a *AGI) Alive() error {
	if a.Session.HungUp() {
		return agi.ErrHangup
	}
	_, err := a.Session.ChannelStatus()
	return err
}

// Speak implements Channel.
func (a *AGI) Speak(language string) { a.language = language }

// Prompt implements Channel.
func (a *AGI) Prompt(name, digits string) (byte, error) {
	if name == "" {
		return 0, nil
	}
	reply, err := a.Session.StreamFile(path.Join(a.SoundsDir, a.language, name), digits)
	if err != nil {
		return 0, err
	}
	if reply.Res < 0 {
		// Asterisk answers a missing file and a hangup alike. Who is still
		// there lost a prompt only.
		err := a.Alive()
		if err == nil {
			slog.Error("a prompt could not be played: see adcredit -check", "prompt", name, "language", a.language)
		}
		return 0, err
	}
	return key(reply), nil
}

// Key implements Channel.
func (a *AGI) Key(within time.Duration) (byte, error) {
	reply, err := a.Session.WaitForDigit(int(within.Milliseconds()))
	if err == nil && reply.Res < 0 {
		err = agi.ErrHangup
	}
	return key(reply), err
}

func key(r agi.Reply) byte {
	if r.Res > 0 && r.Res < 128 {
		return byte(r.Res)
	}
	return 0
}

// Play implements Channel. The path is absolute, so that Asterisk can't fall
// back to the file of another language.
func (a *AGI) Play(sound, digits string, from int64, until time.Duration) (Played, error) {
	var offset []int
	if from > 0 {
		offset = []int{int(from)}
	}
	before, counted, err := a.packets()
	if err != nil {
		return Played{}, err
	}
	file, start := path.Join(a.SoundsDir, sound), time.Now()
	reply, stopped, err := a.stream(file, digits, offset, until)
	played := Played{Finished: err == nil && reply.Res == 0 && !stopped, Stopped: stopped, Took: time.Since(start)}
	played.Endpos, _ = reply.Endpos()
	switch {
	case err == nil && reply.Res < 0:
		err = a.Alive()
	case err == nil && counted && (played.Finished || stopped):
		length := played.Took
		if played.Finished { // an ad has 8 kHz; the clock also saw how busy Asterisk was
			length = time.Duration(played.Endpos-from) * time.Second / 8000
		}
		played.Held, err = a.withheld(before, length)
	}
	return played, err
}

func (a *AGI) stream(file, digits string, offset []int, until time.Duration) (reply agi.Reply, stopped bool, err error) {
	if until > 0 {
		return a.Session.StreamFileFor(until, file, digits, offset...)
	}
	reply, err = a.Session.StreamFile(file, digits, offset...)
	return reply, false, err
}

// Number implements Channel. The language of Asterisk's own digits is the
// channel's.
func (a *AGI) Number(n int64) error {
	err := a.countIn()
	if err == nil {
		_, err = a.Session.SayNumber(int(n), "")
	}
	return err
}

// Digit implements Channel.
func (a *AGI) Digit(figure byte, digits string) (byte, error) {
	if err := a.countIn(); err != nil {
		return 0, err
	}
	reply, err := a.Session.SayDigits(int(figure-'0'), digits)
	if err == nil && reply.Res < 0 {
		err = a.Alive()
	}
	return key(reply), err
}

// countIn gives the channel the caller's language, if it has not got it yet.
func (a *AGI) countIn() error {
	if a.spoken == a.language {
		return nil
	}
	_, err := a.Session.SetVariable("CHANNEL(language)", a.language)
	if err == nil {
		a.spoken = a.language
	}
	return err
}
