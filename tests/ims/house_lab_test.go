//go:build lab

package ims_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"adcredit/tests/ims"
	"adcredit/tests/ims/hss"
	"adcredit/tests/lab"
)

// patience is how long something may take that comes by itself on a busy machine.
const patience = 20 * time.Second

// The ad that everybody hears who has no credit.
const ad = "ads/mangalou-en"

// A scene is one call of a table, with its own adcredit.toml. Its phones are
// registered, 1000 has credit, 1001 has none, and the books are empty.
type scene struct {
	name string
	o    ims.Options // Early and Adcredit
	run  func(t *testing.T, h *house)
}

// A house is the lab that a table of calls shares.
type house struct {
	*ims.Lab
	rich, poor *ims.UE // 1000, 1001

	table *testing.T // that of the lab, for what outlives a scene
	from  time.Time  // when the scene began
	said  int        // how much Asterisk had logged by then
}

// play starts a lab and plays scenes on it, one after the other.
func play(t *testing.T, o ims.Options, scenes ...scene) {
	h := &house{Lab: ims.Start(t, o), table: t}
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			h.begin(t, s.o)
			s.run(t, h)
			h.wantIdle(t)
		})
	}
}

// begin makes the house as it was at first: nothing of a scene stays for the next.
func (h *house) begin(t *testing.T, o ims.Options) {
	t.Helper()
	if !h.idle(t) { // one has failed
		h.PBX.CLI(t, "channel request hangup all")
		h.wantIdle(t)
	}
	for _, query := range []string{
		`DELETE FROM adcredit_listen`, `DELETE FROM adcredit_ledger`, `DELETE FROM adcredit_cap`, `DELETE FROM adcredit_caller`,
		`DELETE FROM adcredit_node`, `UPDATE adcredit_budget SET held = 0, spent = 0`, `DELETE FROM cc_logrefill`,
		`UPDATE cc_card SET credit = IF(useralias = '1001', 0, 2000)`,
	} {
		h.Exec(t, query)
	}
	o.Brief = true
	h.Configure(t, o)
	if err := h.HSS.Provision(subscribers(t)); err != nil {
		t.Fatal(err)
	}
	h.from, h.said = time.Now(), len(h.Log(t))
	h.rich, h.poor = h.UE(t, "1000"), h.UE(t, "1001")
	h.rich.Register(t)
	h.poor.Register(t)
}

// subscribers are those of the lab, for a test to change.
func subscribers(t *testing.T) *hss.Subscribers {
	t.Helper()
	s, err := hss.Load("../../etc/ims/subscribers.toml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// customer makes the phone of one more user, registered, with the
// profile that f makes and names. It is for a user whom the S-CSCF does
// not know yet: Kamailio's keeps the first profile of a registration.
func (h *house) customer(t *testing.T, user string, f func(*hss.Subscribers) (profile string)) *ims.UE {
	t.Helper()
	s := subscribers(t)
	profile := f(s)
	subscribe(s, user, func(_ *hss.IMPI, u *hss.IMPU) { u.ServiceProfile = profile })
	if err := h.HSS.Provision(s); err != nil {
		t.Fatal(err)
	}
	u := h.UE(t, user)
	u.Register(t)
	return u
}

// global sets a global variable of the dialplan until the scene is over.
func (h *house) global(t *testing.T, name, value string) {
	t.Helper()
	was := regexp.MustCompile(`(?m)^\s*` + name + `=(.+)$`).FindStringSubmatch(h.PBX.CLI(t, "dialplan show globals"))
	if was == nil {
		t.Fatalf("the dialplan has no %s", name)
	}
	h.PBX.CLI(t, "dialplan set global "+name+" "+value)
	t.Cleanup(func() { h.PBX.CLI(h.table, "dialplan set global "+name+" "+was[1]) })
}

// eventually waits for what must come true by itself.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// wantIdle: Asterisk has no call any more, so that nobody can be rung by it.
func (h *house) wantIdle(t *testing.T) {
	t.Helper()
	eventually(t, "Asterisk has no call any more", func() bool { return h.idle(t) })
}

func (h *house) idle(t *testing.T) bool {
	t.Helper()
	return strings.Contains(h.PBX.CLI(t, "core show channels count"), "0 active channels")
}

// wantNotRung: a phone was never called, and won't be, since Asterisk is done.
func (h *house) wantNotRung(t *testing.T, u *ims.UE) {
	t.Helper()
	h.wantIdle(t)
	u.NoneIncoming(t)
	for _, m := range h.invites(ims.PCSCFAt, u.At()) {
		t.Errorf("UE %s was called:\n%s", u.User, m.Text)
	}
}

// ---- money ----------------------------------------------------------------------

// wantBooks: what 1001 has, and in which states the listens and the entries of the
// ledger are, oldest first, with spaces between. For an entry that is logged
// A2Billing's own screens show a refill too. 1000 never earns anything.
func (h *house) wantBooks(t *testing.T, credit, listens, entries string) {
	t.Helper()
	refills := fmt.Sprint(strings.Count(entries, "logged"))
	want := fmt.Sprintf("1000: 2000.00000, 1001: %s, listens: %s, entries: %s, refills: %s", credit, listens, entries, refills)
	got := func() string {
		return fmt.Sprintf("1000: %s, 1001: %s, listens: %s, entries: %s, refills: %s", h.Credit(t, "1000"), h.Credit(t, "1001"),
			h.Value(t, `SELECT COALESCE(GROUP_CONCAT(state ORDER BY started_at SEPARATOR ' '), '') FROM adcredit_listen`),
			h.Value(t, `SELECT COALESCE(GROUP_CONCAT(state ORDER BY id SEPARATOR ' '), '') FROM adcredit_ledger`),
			h.Value(t, `SELECT COUNT(*) FROM cc_logrefill`))
	}
	deadline := time.Now().Add(patience)
	for got() != want && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if got := got(); got != want {
		t.Errorf("the books say\n%s, want\n%s", got, want)
	}
}

// The outcomes of most calls, for wantBooks.
func (h *house) wantNothingEarned(t *testing.T) { t.Helper(); h.wantBooks(t, "0.00000", "", "") }
func (h *house) wantOneReward(t *testing.T) {
	t.Helper()
	h.wantBooks(t, ims.Reward, "completed", "logged")
}

var statusSet = regexp.MustCompile(`AGI Rx << .*ADCREDIT_STATUS(?:"? "?|=)([A-Z]+)`)

// wantStatus: what adcredit told the dialplan in this scene, at last; "" when it
// was not asked.
func (h *house) wantStatus(t *testing.T, want string) {
	t.Helper()
	status := ""
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		all := statusSet.FindAllStringSubmatch(h.log(t), -1)
		if len(all) > 0 {
			status = all[len(all)-1][1]
		}
		if status == want || time.Now().After(deadline) {
			break
		}
	}
	if status != want {
		t.Errorf("adcredit said %q, want %q", status, want)
	}
}

// log is what Asterisk has logged in this scene.
func (h *house) log(t *testing.T) string {
	t.Helper()
	return h.Log(t)[h.said:]
}

// ---- what is heard --------------------------------------------------------------

// wantTalk: both sides of a call hear each other, from now on.
func wantTalk(t *testing.T, a, b *ims.Call) {
	t.Helper()
	fromA, fromB := len(a.Said()), len(b.Said())
	deadline := time.Now().Add(patience)
	for !(hears(a, b.Hz(), fromA) && hears(b, a.Hz(), fromB)) {
		if time.Now().After(deadline) {
			t.Errorf("they do not hear each other: the caller %v, the callee %v", hears(a, b.Hz(), fromA), hears(b, a.Hz(), fromB))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// hears: half a second of the other's tone, at its own level, after a sample.
func hears(c *ims.Call, hz float64, from int) bool {
	said := c.Said()
	if len(said) < from+lab.SampleRate/2 {
		return false
	}
	level := lab.ToneLevel(said[len(said)-lab.SampleRate/2:], hz)
	return level > -24 && level < -16
}

// wantAd: the whole ad was heard.
func wantAd(t *testing.T, c *ims.Call) {
	t.Helper()
	if _, like := ims.Find(c.Said(), ims.Sound(t, ad)); like < 0.95 {
		t.Errorf("the ad was heard alike to %.2f, want 1", like)
	}
}

// wantNoAd: not even its beginning was heard.
func wantNoAd(t *testing.T, c *ims.Call) {
	t.Helper()
	if _, like := ims.Find(c.Said(), ims.Sound(t, ad)[:lab.SampleRate]); like > 0.5 {
		t.Errorf("the ad was heard alike to %.2f", like)
	}
}

// hearAd waits until the ad plays: half a second of it was heard.
func hearAd(t *testing.T, c *ims.Call) {
	t.Helper()
	begin := ims.Sound(t, ad)[:lab.SampleRate/2]
	eventually(t, "the ad plays", func() bool {
		_, like := ims.Find(c.Said(), begin)
		return like > 0.9
	})
}

// ---- what is on the wire --------------------------------------------------------

// sip are the messages of this scene from one part to another, in order.
func (h *house) sip(from, to string) (all []lab.SIP) {
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	for _, m := range h.Rec.SIP() {
		if m.Time.After(h.from) && m.From == a && m.To == b {
			all = append(all, m)
		}
	}
	return all
}

// invites are the INVITEs that begin a call, each once.
func (h *house) invites(from, to string) (all []lab.SIP) {
	seen := map[string]bool{}
	for _, m := range h.sip(from, to) {
		if key := m.Header("Via"); m.Status() == 0 && m.Method() == "INVITE" && !strings.Contains(m.Header("To"), "tag=") && !seen[key] {
			seen[key] = true
			all = append(all, m)
		}
	}
	return all
}

// invite is the one INVITE from one part to another.
func (h *house) invite(t *testing.T, from, to string) lab.SIP {
	t.Helper()
	all := h.invites(from, to)
	if len(all) != 1 {
		t.Fatalf("%d calls went from %s to %s, want 1", len(all), from, to)
	}
	return all[0]
}

// answers are those of a kind, wherever they went.
func (h *house) answers(method string, status int) (all []lab.SIP) {
	for _, m := range h.Rec.SIP() {
		if m.Time.After(h.from) && m.Method() == method && m.Status() == status {
			all = append(all, m)
		}
	}
	return all
}

// talked is a call to its end: the callee answers, both hear each other, and the
// caller hangs up.
func talked(t *testing.T, out *ims.Call, callee *ims.UE) (in *ims.Call) {
	t.Helper()
	in = callee.Incoming(t)
	in.Answer(t)
	out.Answered(t)
	wantTalk(t, out, in)
	out.Bye(t)
	in.Ended(t)
	return in
}
