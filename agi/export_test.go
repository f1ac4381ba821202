package agi

import "time"

// SetEnvironmentTime stands in for the 5 s of the environment, so that no test waits them.
func (s *Session) SetEnvironmentTime(d time.Duration) { s.limit = d }

// Unwatched is how long nobody looks for a hangup.
const Unwatched = unwatched
