//go:build lab

package e2e_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// A promise is one row of README's table of what fails: what is said there is
// what the test holds the system to.
type promise struct {
	name   string
	heard  []string // names of sounds, in order
	status string
	cause  string
	logged []string // by adcredit or creditapi, or said by adcredit -check
	kept   string   // "": the money is untouched
}

var code = regexp.MustCompile("`([^`]+)`")

func coded(cell string) (texts []string) {
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		texts = append(texts, m[1])
	}
	return texts
}

// promises reads README's section "When something fails".
func promises(t *testing.T) (all []promise) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## When something fails\n")
	if !found {
		t.Fatal("README.md has no section When something fails")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 5 || strings.Contains(line, "what fails") {
			continue
		}
		p := promise{name: strings.TrimSpace(cells[0]), heard: coded(cells[1]), logged: coded(cells[3]), kept: strings.TrimSpace(cells[4])}
		outcome := append(coded(cells[2]), "")
		p.status, p.cause = outcome[0], outcome[1]
		all = append(all, p)
	}
	return all
}

// A failure is how a row's fault comes about, and who calls meanwhile.
type failure struct {
	at     string // who calls: richAt, or poorAt, who accepts the offer
	midAd  bool   // it happens once the ad plays, not before the call
	all    bool   // A2Billing can't do without it either
	breaks func(*testing.T, *house) (mend func())
}

// TestDegraded breaks one thing after the other, as README's table has them,
// and makes a call each time.
func TestDegraded(t *testing.T) {
	rows, done := promises(t), map[string]bool{}
	for _, p := range []plan{openPlan, guardedPlan} {
		t.Run(string(p), func(t *testing.T) {
			h := newHouse(t, options{plan: p, engine: lab.InnoDB, server: smallServer(t)})
			lab.Callee{At: calleeAt, Calls: 100, HangUp: time.Second, Limit: 10 * time.Minute}.Start(t)
			for _, row := range rows {
				f, known := failures[row.name]
				if done[row.name] = true; !known {
					t.Errorf("README.md promises something for %q, and no failure here is named so", row.name)
					continue
				}
				// What the plans do with each status is tried with etc. Here the
				// guarded one has callers whom A2Billing lets through.
				if p == openPlan || f.at == richAt {
					t.Run(row.name, func(t *testing.T) { h.degrade(t, p, row, f) })
				}
			}
		})
	}
	for name := range failures {
		if !done[name] {
			t.Errorf("README.md says nothing of %q", name)
		}
	}
}

// degrade breaks one thing, makes the call, and compares.
func (h *house) degrade(t *testing.T, p plan, want promise, f failure) {
	h.reset(t)
	mark := h.marks(t)
	answered := len(want.heard) == 0 || want.heard[0] == "offer"
	var mend func()
	if !f.midAd {
		mend = f.breaks(t, h)
	}
	rec := lab.Record(t)
	caller := lab.Caller{User: "whoever", Dial: "2000", At: f.at, PBX: pbxAt, Keys: []lab.Key{{After: time.Second, Digit: "1"}}}
	if !answered {
		caller.Keys = nil
		if p == openPlan || f.all {
			caller.Status = 403
		}
	}
	phone := caller.Start(t)
	if f.midAd {
		h.eventually(t, "the ad", func() bool {
			return strings.Contains(h.log(t)[mark.asterisk:], "AGI Rx << STREAM FILE "+quoted("ads/mangalou-en"))
		})
		mend = f.breaks(t, h)
	}
	phone.Wait(t)
	rec.Stop()
	h.wantTold(t, mark, want)
	if p == openPlan {
		h.wantHeard(t, rec, f.at, want.heard)
	} else if !strings.Contains(h.log(t)[mark.asterisk:], "Launched AGI Script "+agiBin+"a2billing.php") {
		t.Error("the guarded plan did not go on to A2Billing")
	}
	logs := ""
	if slices.Contains(want.logged, "adcredit -check") {
		logs, _ = h.adcredit(t, "-check")
		logs = "adcredit -check\n" + logs
	}
	mend()
	h.wantKept(t, want)
	h.wantLogged(t, logs+h.adcreditLog()[mark.adcredit:]+h.apiLog(t)[mark.creditapi:], want.logged)
}

// marks are the ends of the logs before a call.
type marks struct{ asterisk, adcredit, creditapi int }

func (h *house) marks(t *testing.T) marks {
	t.Helper()
	return marks{len(h.log(t)), len(h.adcreditLog()), len(h.apiLog(t))}
}

// adcreditLog is empty as long as nothing was logged.
func (h *house) adcreditLog() string {
	text, _ := os.ReadFile(h.pbx.Path("/var/log/asterisk/adcredit"))
	return string(text)
}

func (h *house) apiLog(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(h.api.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantTold compares status and cause as the dialplan has got them.
func (h *house) wantTold(t *testing.T, m marks, want promise) {
	t.Helper()
	log := h.log(t)[m.asterisk:]
	last := func(name string) string {
		all := regexp.MustCompile(`AGI Rx << .*"?ADCREDIT_`+name+`(?:" "|=)([^",]*)`).FindAllStringSubmatch(log, -1)
		if len(all) == 0 {
			return "never set"
		}
		return all[len(all)-1][1]
	}
	if status, cause := last("STATUS"), last("CAUSE"); status != want.status || cause != want.cause {
		t.Errorf("the dialplan got %s, cause %q; want %s, %q\nadcredit's log:\n%s", status, cause, want.status, want.cause, h.adcreditLog()[m.adcredit:])
	}
}

// wantHeard: the sounds were heard in this order, each in the account's language
// or, where the dialplan played it, in the channel's.
func (h *house) wantHeard(t *testing.T, rec *lab.Recording, at string, names []string) {
	t.Helper()
	heard, from := sentTo(t, rec, at), 0
	for _, name := range names {
		var p piece
		ok := false
		for _, path := range h.recordings(name) {
			if p, ok = heard.find(recorded(t, path)); ok {
				break
			}
		}
		if !ok || p.begin < from {
			t.Errorf("the caller did not hear %s (found: %v, at %s) after what came before", name, ok, lengthOf(p.begin))
		}
		from = max(from, p.begin)
	}
}

// recordings are the files that may be meant.
func (h *house) recordings(name string) []string {
	if strings.HasPrefix(name, "digits/") { // Asterisk's own, in English
		return []string{h.pbx.Path("/usr/share/asterisk/sounds/en_US_f_Allison/" + name)}
	}
	ours := h.pbx.Path(soundsDir)
	if name == "ad" {
		return []string{ours + "/ads/mangalou-en", ours + "/ads/mangalou-fr"}
	}
	return []string{ours + "/en/" + name, ours + "/fr/" + name}
}

func (h *house) wantLogged(t *testing.T, logs string, texts []string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(logs, text) {
			t.Errorf("no log says %q:\n%s", text, logs)
		}
	}
}

// wantKept compares the money, after what waits was delivered.
func (h *house) wantKept(t *testing.T, want promise) {
	t.Helper()
	switch want.status {
	case "PENDING":
		if out, code := h.adcredit(t, "-flush"); code != 0 {
			t.Errorf("adcredit -flush: exit code %d\n%s", code, out)
		}
		h.wantBooks(t, credited("50.00000"))
	case "GRANTED":
		h.wantBooks(t, credited("50.00000"))
	default:
		h.wantBooks(t, untouched("0.00000"))
	}
}

// reset makes the books what they were at the beginning, and creditapi as well
// as it can be.
func (h *house) reset(t *testing.T) {
	t.Helper()
	for _, statement := range []string{
		`DELETE FROM adcredit_listen`, `DELETE FROM adcredit_ledger`, `DELETE FROM adcredit_cap`,
		`UPDATE adcredit_budget SET held = 0, spent = 0`, `DELETE FROM cc_logrefill`, `DELETE FROM cc_call`,
		`UPDATE cc_card SET credit = IF(useralias = '1001', 0, 2000), language = 'en', inuse = 0`,
	} {
		h.exec(t, statement)
	}
}
