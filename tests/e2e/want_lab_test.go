//go:build lab

package e2e_test

import (
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// eventually waits for what comes soon after a call's end, or during it.
func (h *house) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come within 20 s; AGI said:\n%s", what, strings.Join(linesWith(h.log(t), "AGI "), "\n"))
		}
	}
}

var statusSet = regexp.MustCompile(`AGI Rx << .*ADCREDIT_STATUS(?:"? "?|=)([A-Z]+)`)

// status is the outcome as it was last told to the dialplan.
func (h *house) status(t *testing.T) string {
	t.Helper()
	all := statusSet.FindAllStringSubmatch(h.log(t), -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

func (h *house) wantStatus(t *testing.T, want string) {
	t.Helper()
	if got := h.status(t); got != want {
		t.Errorf("adcredit set ADCREDIT_STATUS to %q, want %q; it said:\n%s", got, want, strings.Join(linesWith(h.log(t), "AGI Rx"), "\n"))
	}
}

// wantNoAGI: Asterisk never ran the program.
func (h *house) wantNoAGI(t *testing.T, name string) {
	t.Helper()
	if ran := linesWith(h.log(t), "Launched AGI Script "+agiBin+name); len(ran) > 0 {
		t.Errorf("Asterisk ran %s:\n%s", name, strings.Join(ran, "\n"))
	}
}

// wantNoListen: no ad was ever started.
func (h *house) wantNoListen(t *testing.T) {
	t.Helper()
	if n := h.value(t, `SELECT COUNT(*) FROM adcredit_listen`); n != "0" {
		t.Errorf("%s listens were started, want none", n)
	}
}

// recorded is one of the sounds of this house.
func (h *house) recorded(t *testing.T, name string) recording {
	t.Helper()
	return recorded(t, h.pbx.Path(filepath.Join(soundsDir, name)))
}

// quoted is a sound as adcredit names it to Asterisk.
func quoted(name string) string { return `"` + path.Join(soundsDir, name) + `"` }

// wantSilence: the phone was sent no sound at all.
func wantSilence(t *testing.T, rec *lab.Recording, at string) {
	t.Helper()
	if heard := sentTo(t, rec, at); len(heard.samples) > 0 {
		t.Errorf("%s heard %s of something", at, lengthOf(len(heard.samples)))
	}
}

// wantNoAnswerBeforeTheCallees: nothing was answered or played before.
func wantNoAnswerBeforeTheCallees(t *testing.T, rec *lab.Recording, caller string) {
	t.Helper()
	answers := answer(t, rec, calleeAt)
	if told := answer(t, rec, pbxAt); told.Time.Before(answers.Time) {
		t.Errorf("the caller was answered %s before the callee answered", answers.Time.Sub(told.Time))
	}
	ear := mediaOf(t, rec, caller)
	for _, s := range rec.RTP() {
		if s.To == ear && s.Packets[0].Time.Before(answers.Time) {
			t.Errorf("the caller heard something %s before the callee answered", answers.Time.Sub(s.Packets[0].Time))
		}
	}
}
