package credit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"adcredit/creditapi/wire"
)

// Service answers what the interface asks. Run as many as you like on one
// database: what a Service remembers itself it may forget.
type Service struct {
	Store   Store
	Policy  Policy
	Now     func() time.Time                    // nil: time.Now, whose monotonic clock times listens
	Noticed func(node string, reason Suspicion) // called for each suspicion, for figures; may be nil

	timers timers
	mu     sync.Mutex
	lates  map[string]*lates // by node
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// A Call is what a node tells of a call when it asks for an account's credit.
type Call struct {
	Node        string
	Destination string
	CallerID    string // "": not told
}

// Credit says whether the account may make the call, and if not, whether an ad
// may be offered.
func (s *Service) Credit(ctx context.Context, ref Ref, c Call) (wire.Credit, error) {
	account, err := s.Store.Account(ctx, ref)
	if err != nil {
		return wire.Credit{}, err
	}
	answer, err := s.judgeAccount(ctx, account)
	if err != nil {
		return wire.Credit{}, err
	}
	answer.Offer, err = s.offer(ctx, account, answer, c)
	return answer, err
}

// judgeAccount is Credit without the offer.
func (s *Service) judgeAccount(ctx context.Context, a Account) (wire.Credit, error) {
	settings, err := s.Store.Settings(ctx)
	if err != nil {
		return wire.Credit{}, err
	}
	available, err := a.Available()
	if err != nil {
		return wire.Credit{}, fmt.Errorf("available credit of account %d: %w", a.ID, err)
	}
	required, blocked := s.Policy.required(settings), a.Blocked()
	return wire.Credit{
		Account:    a.Card,
		Credit:     a.Credit,
		Currency:   settings.BaseCurrency,
		Announce:   a.announce(a.Credit, settings.BaseCurrency),
		Available:  available,
		Required:   required,
		Sufficient: blocked == "" && available >= required,
		Language:   a.Language,
		Status:     a.Status.String(),
		Blocked:    blocked,
	}, nil
}

// offer says what may be offered to an account that was judged.
func (s *Service) offer(ctx context.Context, a Account, judged wire.Credit, c Call) (wire.Offer, error) {
	if reason, err := s.noOffer(ctx, a, judged, c.Destination); reason != "" || err != nil {
		return wire.Offer{Reason: reason}, err
	}
	n := s.newListen(a, "")
	n.Node, n.CallerID = c.Node, c.CallerID
	outlook, err := s.Store.Outlook(ctx, n)
	if err != nil {
		return wire.Offer{}, err
	}
	switch {
	case outlook.Playing:
		return wire.Offer{Reason: wire.Playing}, nil
	case outlook.TooSoon:
		return wire.Offer{Reason: wire.TooSoon}, nil
	case outlook.Capped:
		return wire.Offer{Reason: wire.Capped}, nil
	case outlook.Ad == nil:
		return wire.Offer{Reason: wire.NoAd}, nil
	case outlook.Limit != "":
		s.suspect(ctx, Refusal{Node: c.Node, Why: outlook.Limit})
		return wire.Offer{Reason: wire.NodeLimit}, nil
	}
	return wire.Offer{Available: true, Reward: outlook.Reward, DurationMS: outlook.Ad.DurationMS()}, nil
}

// noOffer says why the policy offers nothing to this account, or "".
func (s *Service) noOffer(ctx context.Context, a Account, judged wire.Credit, destination string) (wire.Code, error) {
	switch {
	case judged.Blocked != "":
		return judged.Blocked, nil
	case judged.Sufficient:
		return wire.NotNeeded, nil
	case s.Policy.neverOffers(destination):
		return wire.NeverOffer, nil
	case s.Policy.tooNew(a):
		return wire.NewAccount, nil
	case s.Policy.MinPaidRefills == 0:
		return "", nil
	}
	paid, err := s.Store.HasPaid(ctx, a.ID, s.Policy.MinPaidRefills)
	if err != nil || paid {
		return "", err
	}
	return wire.NeverPaid, nil
}

func (s *Service) newListen(a Account, language string) NewListen {
	language = cmp.Or(language, a.Language, s.Policy.Language)
	day, minute := s.Policy.day(a.Now)
	return NewListen{
		AccountID: a.ID, CallerCard: a.Card, Language: language,
		Day: day, Minute: minute,
		Busy: busyMargin, Window: s.Policy.CompletionWindow,
		StartsPer: s.Policy.StartsPerDay, ListensPer: s.Policy.ListensPerDay, Spacing: s.Policy.ListenSpacing,
		UnixMinute: a.Now.Unix() / 60, Limits: s.Policy.Node,
	}
}

// Start starts a listen for a call of the node. The same key with the same
// request answers the same listen, whatever has changed meanwhile.
func (s *Service) Start(ctx context.Context, node, key string, req wire.StartListen) (wire.Listen, error) {
	ref, err := ParseRef(req.Account)
	if err != nil {
		return wire.Listen{}, err
	}
	parts := []string{req.Account, req.CallID, req.Destination, req.Language}
	if req.CallerID != "" { // so that a client that does not know it repeats the same request
		parts = append(parts, req.CallerID)
	}
	if req.ICID != "" {
		parts = append(parts, "icid="+req.ICID)
	}
	digest := digestOf(parts...)
	account, err := s.listener(ctx, ref, req.Destination)
	if err != nil {
		return s.startedBefore(ctx, node, key, digest, err)
	}
	n := s.newListen(account, req.Language)
	n.Key, n.Digest, n.Node = key, digest, node
	n.CallID, n.CallerID, n.ICID, n.Destination = req.CallID, req.CallerID, req.ICID, req.Destination
	if n.Question = s.Policy.question(); n.Question.Digit != "" {
		n.Busy += asking
	}
	listen, err := s.Store.Start(ctx, n)
	if err != nil {
		return wire.Listen{}, s.refused(ctx, Refusal{Node: node}, err)
	}
	s.timers.start(listen.ID, s.now())
	return onWire(listen), nil
}

// listener is the account, if it may be offered an ad.
func (s *Service) listener(ctx context.Context, ref Ref, destination string) (Account, error) {
	account, err := s.Store.Account(ctx, ref)
	if err != nil {
		return account, err
	}
	judged, err := s.judgeAccount(ctx, account)
	if err != nil {
		return account, err
	}
	reason, err := s.noOffer(ctx, account, judged, destination)
	if err == nil && reason != "" {
		err = &wire.Error{Code: reason, Detail: "No ad is offered for this call."}
	}
	return account, err
}

// startedBefore answers a start that is refused now: what stands in the way may
// not have when its key came first. Where nothing does, the store knows the key.
func (s *Service) startedBefore(ctx context.Context, node, key, digest string, refused error) (wire.Listen, error) {
	listen, err := s.Store.Started(ctx, node, key, digest)
	switch {
	case err != nil:
		return wire.Listen{}, err
	case listen == nil:
		return wire.Listen{}, refused
	}
	return onWire(*listen), nil
}

func onWire(l Listen) wire.Listen {
	return wire.Listen{
		ID: l.ID, Campaign: l.Campaign, Sound: l.Ad.Sound,
		RateHz: l.Ad.RateHz, Samples: l.Ad.Samples, DurationMS: l.Ad.DurationMS(),
		Reward: l.Reward, Attention: l.Attention.onWire(),
	}
}

// Complete grants the reward of a listen that was heard to its end. A
// completed one answers its grant again, whatever is said of it now.
func (s *Service) Complete(ctx context.Context, node, id string, heard wire.Heard) (wire.Grant, error) {
	var listen Listen
	var late bool
	entry, err := s.Store.Complete(ctx, Completion{ListenID: id, Heard: heard, LatePer: s.Policy.LatePerDay,
		Judge: func(l Listen) (_ bool, err error) {
			listen = s.timed(l)
			late, err = s.judge(node, listen, heard)
			return late, err
		}})
	if err != nil {
		return wire.Grant{}, s.refused(ctx, refusal(node, listen, heard), err)
	}
	if listen.State == Started {
		s.completed(node, late)
	} else if listen.Heard.Endpos != heard.Endpos || listen.Heard.PlayedMS != heard.PlayedMS {
		odd := refusal(node, listen, heard)
		odd.Why = Changed
		s.suspect(ctx, odd)
	}
	judged, err := s.after(ctx, entry)
	if err != nil {
		return wire.Grant{}, err
	}
	return wire.Grant{
		ListenID: id, State: string(entry.State), Amount: entry.Amount,
		Credit: judged.Credit, Currency: judged.Currency, Announce: judged.Announce,
		Available: judged.Available, Required: judged.Required, Sufficient: judged.Sufficient,
	}, nil
}

// judge decides about a listen that has not ended; one that has is the store's to
// answer.
func (s *Service) judge(node string, l Listen, heard wire.Heard) (late bool, err error) {
	if err := l.of(node); err != nil || l.State != Started {
		return false, err
	}
	if !l.Over {
		err = s.Policy.judge(l, heard)
	}
	return l.late(), err
}

func refusal(node string, l Listen, heard wire.Heard) Refusal {
	return Refusal{Node: node, ListenID: l.ID, AccountID: l.AccountID, Heard: heard, Elapsed: l.Elapsed}
}

// after judges the account of an entry as it is now.
func (s *Service) after(ctx context.Context, e Entry) (wire.Credit, error) {
	account, err := s.Store.Account(ctx, Ref{Kind: ByID, Name: fmt.Sprint(e.AccountID)})
	if err != nil {
		return wire.Credit{}, err
	}
	return s.judgeAccount(ctx, account)
}

// Abandon closes a listen that was not heard to its end.
func (s *Service) Abandon(ctx context.Context, node, id string, a wire.Abandon) (wire.Abandoned, error) {
	listen, err := s.Store.Listen(ctx, id)
	if err == nil {
		err = listen.of(node)
	}
	if err != nil {
		return wire.Abandoned{}, err
	}
	err = s.Store.Abandon(ctx, Abandonment{ListenID: id, Abandon: a})
	return wire.Abandoned{ID: id, State: string(Abandoned)}, err
}

// of refuses a listen of another node: it is none of this one's business.
func (l Listen) of(node string) error {
	if l.Node != node {
		return &wire.Error{Code: wire.Forbidden, Detail: "This listen was started by another node."}
	}
	return nil
}

// timed is the listen by our own clock, if it started here.
func (s *Service) timed(l Listen) Listen {
	if elapsed, known := s.timers.since(l.ID, s.now()); known {
		l.Elapsed, l.Timed = elapsed, true
	}
	return l
}

// Refill adds credit by hand: the same key with the same request does it once.
func (s *Service) Refill(ctx context.Context, by, key string, ref Ref, req wire.Refill) (wire.Refilled, error) {
	if req.Amount <= 0 {
		return wire.Refilled{}, &wire.Error{Code: wire.InvalidRequest, Detail: "The amount must be more than 0."}
	}
	account, err := s.Store.Account(ctx, ref)
	if err != nil {
		return wire.Refilled{}, err
	}
	entry, err := s.Store.Refill(ctx, ManualEntry{
		Key: key, Digest: digestOf(fmt.Sprint(account.ID), req.Amount.String(), req.Reason),
		AccountID: account.ID, Amount: req.Amount, Reason: req.Reason, By: by,
	})
	if err != nil {
		return wire.Refilled{}, err
	}
	judged, err := s.after(ctx, entry)
	return wire.Refilled{
		LedgerID: entry.ID, State: string(entry.State), Amount: entry.Amount,
		Credit: judged.Credit, Currency: judged.Currency,
	}, err
}

// Sounds lists the ads that may have to be on a node.
func (s *Service) Sounds(ctx context.Context) ([]wire.Sound, error) {
	campaigns, err := s.Store.Campaigns(ctx, false)
	if err != nil {
		return nil, err
	}
	sounds := []wire.Sound{}
	for _, c := range campaigns {
		for _, ad := range c.Ads {
			sounds = append(sounds, wire.Sound{Name: ad.Sound, Campaign: c.Name, Language: ad.Language, RateHz: ad.RateHz, Samples: ad.Samples})
		}
	}
	return sounds, nil
}

// SweepEvery sweeps until the context ends, and reports each sweep.
func (s *Service) SweepEvery(ctx context.Context, interval time.Duration, report func(Swept, error)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			report(s.Store.Sweep(ctx))
		}
	}
}

// digestOf tells requests apart; the separator can't stand in any part, since
// a NUL is refused everywhere.
func digestOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}
