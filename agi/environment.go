package agi

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	maxEnvironment   = 64 << 10 // bytes, line ends included
	leastEnvironment = 300      // the standard keys alone, without values, are longer
)

// environment reads the channel's variables up to the empty line and decides
// whether the session is strict.
func (s *Session) environment() (map[string]string, error) {
	if !s.Lax {
		s.src.gather(leastEnvironment)
	}
	lines, err := s.environmentLines()
	if err != nil {
		return nil, err
	}
	s.strict = !s.Lax || isNetwork(lines)
	if s.strict {
		return strictEnvironment(lines)
	}
	return laxEnvironment(lines)
}

// environmentLines reads up to the empty line, at most 64 KiB.
func (s *Session) environmentLines() ([]string, error) {
	lines := make([]string, 0, 32)
	for left := maxEnvironment; ; {
		line, err := s.readLine(left)
		if errors.Is(err, errLong) {
			return nil, ErrEnvironmentSize
		} else if err != nil {
			return nil, err
		}
		left -= len(line) + 1
		if s.Lax {
			line = strings.TrimSuffix(line, "\r")
		}
		if line == "" {
			return lines, nil
		}
		lines = append(lines, line)
	}
}

// isNetwork reports whether Asterisk came by FastAGI.
func isNetwork(lines []string) bool {
	for _, line := range lines {
		if strings.HasPrefix(line, "agi_network:") {
			return true
		}
	}
	return false
}

// laxEnvironment takes what a person types: any "agi_key: value" lines, the last
// of a key counting. Other lines are not AGI even so.
func laxEnvironment(lines []string) (map[string]string, error) {
	env := make(map[string]string, len(lines))
	for i, line := range lines {
		name, value, found := strings.Cut(line, ":")
		key, isAGI := strings.CutPrefix(name, "agi_")
		if !found || !isAGI || key == "" {
			return nil, fmt.Errorf("%w: line %d of the environment is %s, not agi_NAME: VALUE", ErrNotAGI, i+1, shown(line))
		}
		env[key] = strings.TrimPrefix(value, " ")
	}
	if len(env) == 0 {
		return nil, fmt.Errorf("%w: the environment is empty; it begins with agi_request: NAME", ErrNotAGI)
	}
	return env, nil
}

// beginOpening starts the time for the environment, where in can keep it.
func (s *Session) beginOpening() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = s.src
	if s.Lax && s.src.terminal {
		return
	}
	limit := s.limit
	if limit == 0 { // a Session not made by New
		limit = environmentTime
	}
	s.own = time.Now().Add(limit)
	_ = s.applyDeadline() // no deadlines: then only the size is bounded, as Attach says
}

// setOwnDeadline bounds the next waits on top of the program's own deadline; the
// zero time ends that.
func (s *Session) setOwnDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own = t
	_ = s.applyDeadline() // no deadlines: beginOpening says what then
}

// timeOfOpening names the limit of the environment where that is what was
// reached, not the program's own deadline.
func (s *Session) timeOfOpening(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, ErrDeadline) && (s.user.IsZero() || time.Now().Before(s.user)) {
		return ErrEnvironmentTime
	}
	return err
}

// applyDeadline hands the earlier of the two deadlines to the source. The
// caller holds mu.
func (s *Session) applyDeadline() error {
	if s.ready == nil || s.ready.setDeadline == nil {
		return fmt.Errorf("agi: set the read deadline: %w", os.ErrNoDeadline)
	}
	t := s.user
	if !s.own.IsZero() && (t.IsZero() || s.own.Before(t)) {
		t = s.own
	}
	return s.ready.setDeadline(t)
}

// shown is a hostile line made fit for a log: quoted and short.
func shown(line string) string {
	const most = 80
	if len(line) > most {
		return fmt.Sprintf("%q...", line[:most])
	}
	return fmt.Sprintf("%q", line)
}
