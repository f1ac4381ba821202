package agi

import (
	"strings"
	"time"
)

// SetEnvironmentTime stands in for the 5 s of the environment, so that no test waits them.
func (s *Session) SetEnvironmentTime(d time.Duration) { s.limit = d }

// Unwatched is how long nobody looks for a hangup.
const Unwatched = unwatched

// LeastEnvironment is what a connection must hold before its environment is read.
const LeastEnvironment = leastEnvironment

// LeastOfAsterisk is an environment without any value.
func LeastOfAsterisk() int { return len("agi_" + strings.Join(standardKeys[:], ": \nagi_") + ": \n\n") }
