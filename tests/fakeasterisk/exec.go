package fakeasterisk

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// exec runs a dialplan application. The ones that are not here answer -2, as an
// application that Asterisk does not know.
func (s *session) exec(ctx context.Context, args []string) (string, bool) {
	s.deaf = true // applications do not look at the program's stdout
	defer func() { s.deaf = false }()
	options := ""
	if len(args) > 1 {
		options = args[1]
	}
	switch app := strings.ToLower(args[0]); app {
	case "answer":
		if !s.dead && s.answer(ctx) == callerGone {
			return result(-1), true
		}
	case "noop", "verbose", "log", "ringing":
	case "progress":
		s.progress = s.progress || !s.hung
	case "playback":
		return s.playback(ctx, options), true
	case "set":
		if name, value, ok := strings.Cut(options, "="); ok {
			s.set(name, value)
		}
	case "mset":
		s.setAll(options)
	case "wait":
		seconds, _ := strconv.ParseFloat(options, 64)
		if _, w, _ := s.pause(ctx, time.Duration(max(seconds, 0)*float64(time.Second)), ""); w == callerGone {
			return result(-1), true
		}
	default:
		s.rec.note("the application " + args[0] + " is not known to this fake")
		return result(-2), true
	}
	return result(0), true
}

// playback plays files joined by &; unlike STREAM FILE it answers first, unless
// told not to. Whether it played is in PLAYBACKSTATUS, never in the result.
func (s *session) playback(ctx context.Context, options string) string {
	files, how, _ := strings.Cut(options, ",")
	s.vars["PLAYBACKSTATUS"] = "FAILED"
	if s.dead {
		return result(0)
	}
	if !strings.Contains(how, "noanswer") && s.answer(ctx) == callerGone {
		return result(-1)
	}
	for _, name := range strings.Split(files, "&") {
		f := s.open(name)
		if f == nil {
			continue
		}
		p := s.play(ctx, name, f, "", 0)
		s.reach(soundEnd, name, 0)
		switch p.why {
		case timeUp:
			s.vars["PLAYBACKSTATUS"] = "SUCCESS"
		case callerGone:
			return result(-1)
		}
	}
	return result(0)
}
