package fakeasterisk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"adcredit/sounds"
)

const (
	frame       = 20 * time.Millisecond // Asterisk plays frames of this length
	frameSample = sounds.Rate / 50
	digitWait   = 6 * time.Second // between two digits of GET DATA, when it names no timeout
	optionWait  = 5 * time.Second // of GET OPTION, when it names no timeout
)

// file is a sound that Asterisk plays.
type file struct {
	path    string
	samples int64
}

// open finds a sound and measures it; nil means that Asterisk would not play it.
func (s *session) open(name string) *file {
	for _, path := range s.paths(name) {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		wav, err := sounds.Measure(f)
		err = errors.Join(err, f.Close())
		var cut *sounds.TruncatedError
		switch {
		case errors.As(err, &cut):
			// Plays what is there and calls it complete.
		case errors.Is(err, sounds.ErrEmpty):
			// "Plays" it to its end in no time.
		case err != nil:
			s.rec.note(fmt.Sprintf("%s can't be played: %v", path, err))
			return nil
		}
		if !strings.HasPrefix(s.language(), "en") && path == filepath.Join(s.call.Sounds, "en", name+".wav") {
			s.rec.note(fmt.Sprintf("%s is not there in %s: %s is played instead", name, s.language(), path))
		}
		// It plays from byte 44 to the end, whatever else the file holds.
		return &file{path, wav.Samples + wav.Extra/2}
	}
	return nil
}

// paths are where Asterisk looks for a sound, in order: the channel's language,
// English, no language.
func (s *session) paths(name string) []string {
	file := name + ".wav"
	if filepath.IsAbs(name) {
		return []string{file}
	}
	if s.call.Sounds == "" {
		return nil
	}
	var paths []string
	short, _, _ := strings.Cut(s.language(), "_")
	for _, folder := range []string{s.language(), short, "en", ""} {
		path := filepath.Join(s.call.Sounds, folder, file)
		if len(paths) == 0 || paths[len(paths)-1] != path {
			paths = append(paths, path)
		}
	}
	return paths
}

// playing is what came of a sound.
type playing struct {
	pos int64 // samples played, counted as endpos
	why why
	key string
}

// play plays a sound from an offset in samples and records who heard it.
func (s *session) play(ctx context.Context, name string, f *file, stop string, offset int64) playing {
	total := max(f.samples-offset, 0)
	length := duration(total)
	h := s.startSound(name, f.path, f.samples)
	s.reach(soundStart, name, duration(f.samples))
	passed, w, key := s.pause(ctx, length, stop)
	done := total
	if w != timeUp {
		// In whole frames, and one ahead of what the caller has heard.
		done = min(total, (int64(passed/frame)+1)*frameSample)
	}
	h.MS = duration(done).Milliseconds()
	s.rec.heard(h)
	if h.Audible && !s.call.Held {
		s.packets += done / frameSample
	}
	return playing{offset + done, w, key}
}

// startSound begins the record of a sound of so many samples.
func (s *session) startSound(name, path string, samples int64) Heard {
	h := Heard{
		Sound: name, File: path, At: s.rec.since(),
		Length: duration(samples).Milliseconds(),
		Up:     s.up && !s.hung, Audible: (s.up || s.progress) && !s.hung,
	}
	text := name
	if !h.Audible {
		text += " (nobody hears it: the call is neither answered nor in progress)"
	}
	s.rec.event(Playing, text)
	return h
}

// duration of samples; math.Round keeps 5.4 s what it is.
func duration(samples int64) time.Duration {
	return time.Duration(math.Round(float64(samples) * float64(time.Second) / sounds.Rate))
}

func (s *session) streamFile(ctx context.Context, args []string) (string, bool) {
	var offset int64
	if len(args) == 3 {
		n, ok := number(args[2])
		if !ok {
			return "", false
		}
		offset = n
	}
	f := s.open(args[0])
	if f == nil {
		s.failed = s.failed || !s.hung
		return endpos(-1, offset), true
	}
	p := s.play(ctx, args[0], f, args[1], offset)
	s.played = args[0]
	switch p.why {
	case timeUp:
		// At its end it says the length, also when the offset was beyond.
		s.vars["PLAYBACKSTATUS"] = "SUCCESS"
		return endpos(0, f.samples), true
	case keyPressed:
		return endpos(int(p.key[0]), p.pos), true
	case callerGone:
		return endpos(-1, p.pos), true
	}
	return "", true // another command has come: this one is stopped without a reply
}

func endpos(res int, pos int64) string {
	return result(res) + " endpos=" + strconv.FormatInt(pos, 10)
}

// controlStreamFile has no control: only what ends it is played. Its endpos is
// -1, and milliseconds after a key.
func (s *session) controlStreamFile(ctx context.Context, args []string) (string, bool) {
	f := s.open(args[0])
	if f == nil {
		s.failed = s.failed || !s.hung
		return endpos(-1, -1), true
	}
	p := s.play(ctx, args[0], f, args[1], 0)
	s.played = args[0]
	switch p.why {
	case timeUp:
		return endpos(0, -1), true
	case keyPressed:
		return endpos(int(p.key[0]), duration(p.pos).Milliseconds()), true
	case callerGone:
		return endpos(-1, -1), true
	}
	return "", true
}

func (s *session) getOption(ctx context.Context, args []string) (string, bool) {
	wait := optionWait
	if len(args) == 3 {
		n, _ := number(args[2]) // atoi: what is no number is 0
		wait = millis(n)
	}
	f := s.open(args[0])
	if f == nil {
		s.failed = s.failed || !s.hung
		return endpos(-1, 0), true
	}
	p := s.play(ctx, args[0], f, args[1], 0)
	if p.why == timeUp {
		s.reach(soundEnd, args[0], 0)
		_, p.why, p.key = s.pause(ctx, wait, allKeys)
		if p.why == keyPressed && !strings.Contains(args[1], p.key) {
			p.why = timeUp // a wrong key ends the waiting, too
		}
	} else {
		s.played = args[0]
	}
	switch p.why {
	case timeUp:
		return endpos(0, p.pos), true
	case keyPressed:
		return endpos(int(p.key[0]), p.pos), true
	case callerGone:
		return endpos(-1, p.pos), true
	}
	return "", true
}

func (s *session) getData(ctx context.Context, args []string) (string, bool) {
	wait, most := digitWait, int64(1024)
	if len(args) > 1 {
		if n, _ := number(args[1]); n > 0 {
			wait = millis(n)
		}
	}
	if len(args) > 2 {
		most, _ = number(args[2])
	}
	f := s.open(args[0])
	if f == nil {
		return result(-1), true
	}
	p := s.play(ctx, args[0], f, allKeys, 0)
	s.reach(soundEnd, args[0], 0)
	w, key := p.why, p.key
	if w == timeUp {
		_, w, key = s.pause(ctx, wait, allKeys)
	}
	for digits := ""; ; _, w, key = s.pause(ctx, wait, allKeys) {
		switch {
		case w == callerGone:
			return result(-1), true
		case w == timeUp:
			return "200 result=" + digits + " (timeout)", true
		case w != keyPressed:
			return "", true
		case key == "#":
			return "200 result=" + digits, true
		}
		if digits += key; int64(len(digits)) >= most {
			return "200 result=" + digits, true
		}
	}
}

// sayNumber says a number, a date or digits, in a time that does not depend on
// what they are.
func (s *session) sayNumber(ctx context.Context, args []string) (string, bool) {
	if _, ok := number(args[0]); !ok {
		return "", false
	}
	s.said = args[0][len(args[0])-1:]
	return s.say(ctx, "number "+args[0], args[1])
}

func (s *session) sayText(ctx context.Context, args []string) (string, bool) {
	return s.say(ctx, "text "+args[0], args[1])
}

// say takes one NumberTime; recorded like a sound without a file.
func (s *session) say(ctx context.Context, what, stop string) (string, bool) {
	d := s.call.NumberTime
	samples := int64(d) * sounds.Rate / int64(time.Second)
	h := s.startSound(what, "", samples)
	s.reach(soundStart, what, d)
	passed, w, key := s.pause(ctx, d, stop)
	h.MS = min(passed, d).Milliseconds()
	s.rec.heard(h)
	s.played = what
	switch w {
	case timeUp:
		return result(0), true
	case keyPressed:
		return result(int(key[0])), true
	case callerGone:
		return result(-1), true
	}
	return "", true
}

// number reads an integer as sscanf("%d") does: what follows it does not matter.
func number(s string) (int64, bool) {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || end == 0 && (s[0] == '-' || s[0] == '+')) {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	return n, err == nil
}

// millis of a command's argument: less than 0 is without end.
func millis(n int64) time.Duration {
	if n < 0 {
		return -1
	}
	return time.Duration(n) * time.Millisecond
}
