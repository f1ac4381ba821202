package agi

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// StreamFileFor plays a file as StreamFile does, and stops it when it still
// plays after limit: STREAM FILE knows where to begin, but not where to end.
// stopped says that it was; then there is no Reply, and the clock alone knows
// how far it came. What stops it is the next command: Asterisk ends a playing
// that a command comes upon, and sends no reply to it (res_agi.c,
// handle_streamfile; 22.10.1 was seen to do so within 4 ms). Where in cannot
// wait with a limit the error is os.ErrNoDeadline, and nothing is played.
func (s *Session) StreamFileFor(limit time.Duration, file, escape string, offset ...int) (r Reply, stopped bool, err error) {
	const words = "STREAM FILE"
	line, err := commandLine(words, []any{file, escape, offset})
	if err == nil && s.src != nil && s.src.setDeadline == nil {
		err = os.ErrNoDeadline
	}
	if err != nil {
		return Reply{}, false, fmt.Errorf("agi: %s: %w", words, err)
	}
	r, err = s.perform(words, func() (r Reply, err error) {
		r, stopped, err = s.playFor(limit, line)
		return r, err
	})
	return r, stopped, err
}

// playFor is one command and its reply, or two and the second one's reply.
func (s *Session) playFor(limit time.Duration, line string) (r Reply, stopped bool, err error) {
	if err := s.nothingWaits(); err != nil {
		return Reply{}, false, err
	}
	if err := s.write(line); err != nil {
		return Reply{}, false, err
	}
	if replied, err := s.repliedWithin(limit); err != nil {
		return Reply{}, false, err
	} else if !replied {
		return s.interrupt()
	}
	r, err = s.onlyReply()
	return r, false, err
}

// interrupt stops what is playing by a NOOP. A reply to the playing itself may
// have crossed it on the way, since the caller hung up at that moment. That one
// has a position or is a refusal, which no reply to NOOP is, and NOOP's follows.
func (s *Session) interrupt() (r Reply, stopped bool, err error) {
	if err := s.write("NOOP"); err != nil {
		return Reply{}, false, err
	}
	first, err := s.readReply()
	if err != nil && !inStep(err) {
		return Reply{}, false, err
	}
	if _, played := first.Endpos(); err == nil && !played {
		err := s.nothingWaits()
		return Reply{}, err == nil, err
	}
	if _, ofNoop := s.onlyReply(); ofNoop != nil {
		return Reply{}, false, ofNoop
	}
	return first, false, err
}

// repliedWithin waits until a reply begins; false when none does in time.
func (s *Session) repliedWithin(limit time.Duration) (bool, error) {
	s.setOwnDeadline(time.Now().Add(limit))
	_, err := s.r.Peek(1)
	s.setOwnDeadline(time.Time{})
	if err == nil {
		return true, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, os.ErrDeadlineExceeded) && (s.user.IsZero() || time.Now().Before(s.user)) {
		return false, nil
	}
	return false, readError(err)
}
