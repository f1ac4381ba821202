package credit

import (
	"fmt"
	"testing"
	"time"
)

// The first start counts, and the oldest listens are forgotten first.
func TestTimers(t *testing.T) {
	var started timers
	now := time.Now()
	started.start("first", now)
	started.start("first", now.Add(time.Second))
	if elapsed, known := started.since("first", now.Add(10*time.Second)); !known || elapsed != 10*time.Second {
		t.Errorf("timed %v, known %v", elapsed, known)
	}
	for i := range maxTimed {
		started.start(fmt.Sprint(i), now)
	}
	if _, known := started.since("first", now); known {
		t.Error("the oldest is not forgotten")
	}
	if _, known := started.since("0", now); !known || len(started.at) != maxTimed {
		t.Errorf("%d are timed, the first of the rest known: %v", len(started.at), known)
	}
}
