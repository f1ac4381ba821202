package credit

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"adcredit/creditapi/wire"
)

// Suspicion names why a completion or a start was refused in a way that a person
// should see. It is an error, so that it travels as the cause of a wire.Error
// into the log; the table of refusals counts by it. The words are stable.
type Suspicion string

// Suspicions. Those of a node's limits are named like their keys in
// creditapi.toml.
const (
	FarTooEarly   Suspicion = "far_too_early"
	CutShort      Suspicion = "cut_short"
	NotAttentive  Suspicion = "inattentive"
	Absurd        Suspicion = "absurd_values"
	Changed       Suspicion = "changed_values"
	OtherNode     Suspicion = "other_node"
	UnknownListen Suspicion = "unknown_listen"
	AfterAbandon  Suspicion = "after_abandon"
	AfterWindow   Suspicion = "after_window"
	LateCap       Suspicion = "late_per_day"
	NodeOpen      Suspicion = "node_open_listens"
	NodePerMinute Suspicion = "node_rewards_per_minute"
	NodePerDay    Suspicion = "node_rewards_per_day"
)

func (s Suspicion) Error() string { return string(s) }

// Advice says to the operator what a suspicion means and what to do.
func (s Suspicion) Advice() string { return advice[s] }

var advice = map[Suspicion]string{
	FarTooEarly:   "completed more than 3 s before the ad can have ended: no adcredit does that; who has this node's key? revoke it if in doubt",
	CutShort:      "completed though not played to its end: compare the node's adcredit with ours, then as far_too_early",
	NotAttentive:  "completed without the digit that was asked for in the middle of the ad: no adcredit that knows the question does that; update the node's, then as far_too_early",
	Absurd:        "completed with values that no Asterisk reports: somebody writes requests by hand; revoke the node's key",
	Changed:       "completed again with other values: granted once and unchanged; two programs use this node's spool or key",
	OtherNode:     "asked for a listen of another node: a key is used on the wrong host, or somebody tries listens of others",
	UnknownListen: "completed a listen that does not exist: another database, or invented",
	AfterAbandon:  "completed after it was abandoned: one of the two reports is wrong",
	AfterWindow:   "completed after completion_window: the node was cut off for long; its spool/refused has the files, pay by hand what is owed",
	LateCap:       "more late completions of an account in a day than late_per_day: after an outage pay by hand what is owed, else look at the account",
	NodeOpen:      "no more ads were started: this many play at once on the node; raise the limit if that is its real load",
	NodePerMinute: "no more ads were started in that minute: raise the limit if that is the node's real load",
	NodePerDay:    "no more ads were started that day: raise the limit if that is the node's real load",
}

// Refusal is something refused, or odd, to be counted for a person.
type Refusal struct {
	Node      string
	Why       Suspicion
	ListenID  string // "": of no listen that exists
	AccountID ID     // 0: unknown
	Heard     wire.Heard
	Elapsed   time.Duration
}

// suspicionOf finds what an error makes us suspect, or "".
func suspicionOf(err error) Suspicion {
	var s Suspicion
	var code wire.Code
	switch {
	case errors.As(err, &s):
		return s
	case !errors.As(err, &code):
		return ""
	}
	return map[wire.Code]Suspicion{
		wire.Forbidden: OtherNode, wire.ListenNotFound: UnknownListen, wire.LateCapped: LateCap,
		wire.Inattentive:     NotAttentive,
		wire.ListenAbandoned: AfterAbandon, wire.ListenExpired: AfterWindow,
	}[code]
}

// refused counts what a person should see of an error, and returns the error.
// That the count can't be written is logged and changes nothing: it is
// no part of the money.
func (s *Service) refused(ctx context.Context, r Refusal, err error) error {
	if r.Why = suspicionOf(err); r.Why == "" {
		return err
	}
	s.suspect(ctx, r)
	return err
}

func (s *Service) suspect(ctx context.Context, r Refusal) {
	if s.Noticed != nil {
		s.Noticed(r.Node, r.Why)
	}
	slog.Warn("suspicious: see creditapi report suspicious", "reason", r.Why, "node", r.Node, "listen", r.ListenID,
		"account", int64(r.AccountID), "endpos", r.Heard.Endpos, "played_ms", r.Heard.PlayedMS, "elapsed", r.Elapsed)
	if err := s.Store.Refused(ctx, r); err != nil {
		slog.Warn("a refusal could not be recorded; the report of suspicious ones will lack it", "error", err)
	}
}

// Late is what is noticed of a completion that came from a spool. It is granted.
const Late Suspicion = "late"

// lateWindow is how long late completions are counted before a new count begins,
// and lateFew how many must have come before a share means anything.
const (
	lateWindow = time.Hour
	lateFew    = 5
)

// lates counts a node's completions of this process since an instant.
type lates struct {
	since     time.Time
	all, late int
	warned    bool
}

// completed counts a grant, and warns once an hour of a node whose completions
// come late too often: one that is cut off, or that claims to be.
func (s *Service) completed(node string, late bool) {
	if late && s.Noticed != nil {
		s.Noticed(node, Late)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	count := s.lates[node]
	if count == nil || s.now().Sub(count.since) >= lateWindow {
		count = &lates{since: s.now()}
		if s.lates == nil {
			s.lates = map[string]*lates{}
		}
		s.lates[node] = count
	}
	count.all++
	if late {
		count.late++
	}
	if s.Policy.LateAlarm > 0 && !count.warned && count.late >= lateFew && count.late*100 > count.all*s.Policy.LateAlarm {
		count.warned = true
		slog.Warn("many completions of this node come late, from its spool: it is cut off from creditapi, or somebody makes them up; see creditapi report suspicious",
			"node", node, "late", count.late, "of", count.all)
	}
}
