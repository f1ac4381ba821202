package store

import (
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/wire"
)

var checkParts = []part{
	{"check/all well", testCheck},
	{"check/clock", testCheckClock},
}

// finding is one of Check's by its name.
func (w *world) finding(t *testing.T, name string) Finding {
	t.Helper()
	for _, f := range w.Check(t.Context()) {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("check says nothing about %q", name)
	return Finding{}
}

func testCheck(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	for _, f := range w.Check(t.Context()) {
		if !f.OK || f.Detail == "" {
			t.Errorf("%s: %s", f.Name, f.Detail)
		}
	}
	if f := w.finding(t, "way"); !strings.HasPrefix(f.Detail, string(w.Way())+": ") {
		t.Errorf("way %s is shown as %q", w.Way(), f.Detail)
	}
	wantEqual(t, "ready", w.Ready(t.Context()), nil)
	wantEqual(t, "balance after the proof", w.balance(t, 1).String(), "2000.00000")
	wantEqual(t, "rows logged", w.one(t, `SELECT COUNT(*) FROM cc_logrefill`), "0")
}

func testCheckClock(t *testing.T, w *world) {
	w.Store.now = func() time.Time { return w.clock.Now().Add(3 * time.Second) } // this host's alone
	if f := w.finding(t, "clock"); f.OK || !strings.Contains(f.Detail, "-3s") {
		t.Errorf("a clock 3 s ahead: %+v", f)
	}
}
