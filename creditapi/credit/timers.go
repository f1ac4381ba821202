package credit

import (
	"sync"
	"time"
)

// timers remember when listens started in this process, by its monotonic clock,
// which no time service sets. A restart forgets them without harm: then the
// database's clock judges. The zero value is ready.
type timers struct {
	mu    sync.Mutex
	at    map[string]time.Time
	order []string // the ids as they came, then around
	next  int
}

// maxTimed bounds them: more listens than one server has open at once.
const maxTimed = 1 << 14

// start remembers that the listen started now. The first time counts: a start
// that is answered again began no other ad.
func (t *timers) start(id string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, again := t.at[id]; again {
		return
	}
	if t.at == nil {
		t.at = map[string]time.Time{}
	}
	if len(t.order) < maxTimed {
		t.order = append(t.order, id)
	} else {
		delete(t.at, t.order[t.next])
		t.order[t.next] = id
		t.next = (t.next + 1) % maxTimed
	}
	t.at[id] = now
}

// since is how long ago the listen started, if it did so here.
func (t *timers) since(id string, now time.Time) (elapsed time.Duration, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, known := t.at[id]
	return now.Sub(at), known
}
