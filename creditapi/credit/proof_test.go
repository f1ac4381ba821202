package credit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/credit/credittest"
	"adcredit/creditapi/wire"
)

// A house is a service over a store in memory; the clocks of the database and of
// this host can be set apart. Account 1001 has no credit, an ad lasts 10 s.
type house struct {
	*testing.T
	*credit.Service
	store    *credittest.Memory
	database time.Time
	host     time.Time
	noticed  []credit.Suspicion
}

func newHouse(t *testing.T) *house {
	t.Helper()
	start := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	h := &house{T: t, database: start, host: start}
	h.store = credittest.New(func() time.Time { return h.database })
	h.Service = h.restarted()
	for alias := 1001; alias < 1010; alias++ {
		if _, err := h.store.AddAccount(t.Context(), credit.NewAccount{Card: fmt.Sprint("card", alias), Alias: fmt.Sprint(alias)}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.store.AddCampaign(t.Context(), credit.Campaign{Name: "teranga", Reward: wire.Units(50), Budget: wire.Units(10_000),
		Ads: []credit.Ad{{Sound: "ads/teranga", RateHz: 8000, Samples: 80000}}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// restarted is another creditapi on the same store: it has timed nothing.
func (h *house) restarted() *credit.Service {
	return &credit.Service{Store: h.store, Now: func() time.Time { return h.host },
		Noticed: func(_ string, s credit.Suspicion) { h.noticed = append(h.noticed, s) },
		Policy: credit.Policy{Required: wire.Units(1000), CompletionWindow: 24 * time.Hour, ClockTolerance: time.Second,
			LatePerDay: 2, LateAlarm: 10, Location: time.UTC}}
}

// pass lets time go by on both hosts.
func (h *house) pass(d time.Duration) {
	h.database, h.host = h.database.Add(d), h.host.Add(d)
}

func (h *house) started(key string) wire.Listen {
	h.Helper()
	return h.startedBy("alias:1001", key)
}

func (h *house) startedBy(account, key string) wire.Listen {
	h.Helper()
	l, err := h.Start(h.Context(), "ast1", key, wire.StartListen{Account: account, CallID: "ast1/" + key})
	if err != nil {
		h.Fatalf("start %s: %v", key, err)
	}
	return l
}

var whole = wire.Heard{Endpos: 80000, PlayedMS: 10000}

func (h *house) want(err, want error) {
	h.Helper()
	if !errors.Is(err, want) {
		h.Errorf("%v; want %v", err, want)
	}
}

// What the database's clock does meanwhile is nothing to a listener whom this
// process timed; a process that did not has nothing but that clock.
func TestElapsed(t *testing.T) {
	for _, row := range []struct {
		name    string
		takes   time.Duration
		step    time.Duration // of the database's clock
		timed   error         // where it was timed
		untimed error         // after a restart
	}{
		{"heard to its end", 10 * time.Second, 0, nil, nil},
		{"a second early", 9 * time.Second, 0, wire.TooEarly, nil}, // two hosts' clocks may differ by that
		{"much too early", 5 * time.Second, 0, credit.FarTooEarly, credit.FarTooEarly},
		{"the database's clock is set back", 10 * time.Second, -time.Hour, nil, nil},
		{"the database's clock is set back a little", 10 * time.Second, -5 * time.Second, nil, credit.FarTooEarly},
		{"the database's clock is set ahead", 5 * time.Second, time.Minute, credit.FarTooEarly, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			for want, timed := range map[bool]error{true: row.timed, false: row.untimed} {
				h := newHouse(t)
				l := h.started("k1")
				if !want {
					h.Service = h.restarted()
				}
				h.pass(row.takes)
				h.database = h.database.Add(row.step)
				_, err := h.Complete(t.Context(), "ast1", l.ID, whole)
				h.want(err, timed)
			}
		})
	}
}

// A listen is timed from its first start: one that is answered again to a client
// that lost the answer is not started again.
func TestElapsedReplay(t *testing.T) {
	h := newHouse(t)
	l := h.started("k1")
	h.pass(9500 * time.Millisecond)
	if again := h.started("k1"); again != l {
		t.Fatalf("again: %+v", again)
	}
	h.pass(500 * time.Millisecond)
	_, err := h.Complete(t.Context(), "ast1", l.ID, whole)
	h.want(err, nil)
}

// As many late completions as the cap allows are taken; then they are refused
// for good, and a person sees them.
func TestLateCap(t *testing.T) {
	h := newHouse(t)
	var ids []string
	for i := range 4 {
		ids = append(ids, h.started(fmt.Sprint("k", i)).ID)
		h.pass(40 * time.Second) // the ad, and 30 s more: only a spool comes then
	}
	for i, id := range ids {
		_, err := h.Complete(t.Context(), "ast1", id, whole)
		if i < 2 {
			h.want(err, nil)
			continue
		}
		h.want(err, wire.LateCapped)
	}
	if n := len(h.store.Ledger()); n != 2 {
		t.Errorf("%d grants", n)
	}
	refusals := h.store.Refusals()
	if len(refusals) != 2 || refusals[1].Why != credit.LateCap || refusals[1].ListenID != ids[3] || refusals[1].Heard != whole {
		t.Errorf("refusals: %+v", refusals)
	}
	if fmt.Sprint(h.noticed) != "[late late late_per_day late_per_day]" {
		t.Errorf("noticed: %v", h.noticed)
	}
	l := h.started("in time")
	h.pass(10 * time.Second)
	_, err := h.Complete(t.Context(), "ast1", l.ID, whole)
	h.want(err, nil) // the cap is of late ones
}

// A digit that is asked for takes its time, too: who presses it after a repeat is
// not late.
func TestLateWithAQuestion(t *testing.T) {
	h := newHouse(t)
	h.Policy.AttentionShare = 1
	l := h.started("k1")
	h.pass(50 * time.Second)
	_, err := h.Complete(t.Context(), "ast1", l.ID, whole)
	h.want(err, wire.Inattentive)
	if r := h.store.Refusals(); len(r) != 1 || r[0].Why != credit.NotAttentive {
		t.Errorf("refusals: %+v", r)
	}
	pressed := whole
	pressed.AttentionDigit = l.Attention.Digit
	_, err = h.Complete(t.Context(), "ast1", l.ID, pressed)
	h.want(err, nil)
	if fmt.Sprint(h.noticed) != "[inattentive]" {
		t.Errorf("noticed: %v", h.noticed)
	}
}

// A node whose completions come late too often is warned of, once an hour.
func TestLateAlarm(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	h := newHouse(t)
	complete := func(i int, after time.Duration) {
		l := h.startedBy(fmt.Sprint("alias:", 1001+i%9), fmt.Sprint("k", h.host.UnixNano()))
		h.pass(after)
		_, err := h.Complete(t.Context(), "ast1", l.ID, whole)
		h.want(err, nil)
	}
	warnings := func(want int) {
		t.Helper()
		if n := strings.Count(log.String(), "completions of this node come late"); n != want {
			t.Errorf("%d warnings, want %d:\n%s", n, want, log.String())
		}
	}
	for i := range 4 {
		complete(i, 40*time.Second)
	}
	warnings(0) // too few to say
	for i := range 4 {
		complete(4+i, 40*time.Second)
	}
	warnings(1)
	h.pass(time.Hour)
	for i := range 9 {
		complete(i, 10*time.Second)
	}
	warnings(1)
}

// Cards made by the dozen: an account hears no ad before it is old enough and has
// paid often enough, and learns that before anything is played.
func TestNewcomers(t *testing.T) {
	for _, row := range []struct {
		name    string
		age     time.Duration // 0: unknown
		paid    int
		refills int // wanted
		want    error
	}{
		{"a day old", 24 * time.Hour, 0, 0, nil},
		{"not yet a day old", 24*time.Hour - time.Second, 0, 0, wire.NewAccount},
		{"made tomorrow, by its clock", -time.Hour, 5, 0, wire.NewAccount},
		{"of unknown age", 0, 0, 0, nil},
		{"paid twice", 48 * time.Hour, 2, 2, nil},
		{"paid once of two", 48 * time.Hour, 1, 2, wire.NeverPaid},
		{"paid and new", time.Hour, 2, 2, wire.NewAccount},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHouse(t)
			h.Policy.MinAccountAge, h.Policy.MinPaidRefills = 24*time.Hour, row.refills
			ref := credit.Ref{Kind: credit.ByAlias, Name: "1001"}
			account, err := h.store.Account(t.Context(), ref)
			h.want(err, nil)
			if row.age != 0 {
				account.Created = h.database.Add(-row.age)
			}
			h.store.Set(account)
			h.store.SetPaid(account.ID, row.paid)
			answer, err := h.Credit(t.Context(), ref, credit.Call{})
			h.want(err, nil)
			if reason, _ := row.want.(wire.Code); answer.Offer.Reason != reason || answer.Offer.Available != (reason == "") {
				t.Errorf("offer: %+v", answer.Offer)
			}
			_, err = h.Start(t.Context(), "ast1", "k1", wire.StartListen{Account: "alias:1001", CallID: "ast1/1"})
			h.want(err, row.want)
		})
	}
}

// What caps a caller is known before anything is played.
func TestOfferKnowsCaps(t *testing.T) {
	h := newHouse(t)
	h.Policy.StartsPerDay, h.Policy.ListenSpacing = 2, time.Minute
	offer := func(account, caller string, want wire.Code) {
		t.Helper()
		answer, err := h.Credit(t.Context(), credit.Ref{Kind: credit.ByAlias, Name: account}, credit.Call{CallerID: caller})
		if err != nil || answer.Offer.Reason != want {
			t.Errorf("%s from %s: %+v, %v; want %q", account, caller, answer.Offer, err, want)
		}
	}
	const phone = "221770000000"
	start := func(account, key string) {
		t.Helper()
		l, err := h.Start(t.Context(), "ast1", key, wire.StartListen{Account: "alias:" + account, CallID: key, CallerID: phone})
		h.want(err, nil)
		h.pass(10 * time.Second)
		_, err = h.Complete(t.Context(), "ast1", l.ID, whole)
		h.want(err, nil)
	}
	start("1001", "k1")
	offer("1001", "", wire.TooSoon)
	offer("1002", phone, "")
	start("1002", "k2")
	offer("1003", phone, wire.Capped)
	offer("1003", "", "")
}

// A node at a limit offers nothing, and is in the report: also when no call goes
// as far as to start a listen.
func TestNodeLimit(t *testing.T) {
	h := newHouse(t)
	h.Policy.Node.PerDay = wire.Units(50)
	first := h.started("k1")
	answer, err := h.Credit(t.Context(), credit.Ref{Kind: credit.ByAlias, Name: "1002"}, credit.Call{Node: "ast1"})
	h.want(err, nil)
	if answer.Offer.Available || answer.Offer.Reason != wire.NodeLimit {
		t.Errorf("offer: %+v", answer.Offer)
	}
	_, err = h.Start(t.Context(), "ast1", "k2", wire.StartListen{Account: "alias:1002", CallID: "ast1/2"})
	h.want(err, wire.NodeLimit)
	for _, r := range h.store.Refusals() {
		if r.Node != "ast1" || r.Why != credit.NodePerDay || r.ListenID != "" || r.AccountID != 0 {
			t.Errorf("refusal: %+v", r)
		}
	}
	if fmt.Sprint(h.noticed) != "[node_rewards_per_day node_rewards_per_day]" {
		t.Errorf("noticed: %v", h.noticed)
	}
	h.pass(10 * time.Second)
	_, err = h.Complete(t.Context(), "ast1", first.ID, whole)
	h.want(err, nil)
	answer, err = h.Credit(t.Context(), credit.Ref{Kind: credit.ByAlias, Name: "1002"}, credit.Call{Node: "ast2"})
	h.want(err, nil)
	if !answer.Offer.Available {
		t.Errorf("offer on another node: %+v", answer.Offer)
	}
}

// suspected answers what the store would count.
type suspected struct {
	credit.Store
	all credit.Suspects
	day int
}

func (s *suspected) Suspects(_ context.Context, _ time.Duration, day int) (credit.Suspects, error) {
	s.day = day
	return s.all, nil
}

// The worst come first, and who only did what everybody does is left out.
func TestSuspects(t *testing.T) {
	h := newHouse(t)
	s := &suspected{all: credit.Suspects{
		Nodes: []credit.SuspectNode{{Node: "quiet", Completed: 9}, {Node: "late", Completed: 10, Late: 9},
			{Node: "forges", Refusals: credit.Refusals{credit.Absurd: 1}}},
		Accounts: []credit.SuspectAccount{{ID: 1, Unfinished: credit.ManyUnfinished - 1, CallerIDs: []string{"1", "2"}, Late: 1},
			{ID: 2, CallerIDs: []string{"1", "2", "3"}}, {ID: 3, Unfinished: credit.ManyUnfinished},
			{ID: 4, Refusals: credit.Refusals{credit.CutShort: 1}}, {ID: 5, Late: credit.ManyLate}},
		Callers: []credit.SuspectCaller{{CallerID: "1", Accounts: 2, Starts: 9}, {CallerID: "2", Accounts: 3}, {CallerID: "3", Accounts: 4}},
	}}
	h.Service.Store = s
	found, err := h.Suspects(t.Context(), 7)
	h.want(err, nil)
	var order []any
	for _, n := range found.Nodes {
		order = append(order, n.Node)
	}
	for _, a := range found.Accounts {
		order = append(order, a.ID)
	}
	for _, c := range found.Callers {
		order = append(order, c.CallerID)
	}
	if got := fmt.Sprint(order); got != "[forges late quiet 4 3 2 5 3 2]" || found.Days != 7 || s.day != 20261117 {
		t.Errorf("order %s, days %d, from %d", got, found.Days, s.day)
	}
}
