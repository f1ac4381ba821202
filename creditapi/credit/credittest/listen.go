package credittest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// listen is a credit.Listen with what the store alone needs to know.
type listen struct {
	credit.Listen
	key, digest string
	callID      string
	callerID    string
	ended       time.Time
	day         int
	started     time.Time
	busy, until time.Time
	late        bool // completed late
}

// ids are the listens of all stores of this process: no two are named alike.
var ids atomic.Int64

// Outlook implements credit.Store.
func (m *Memory) Outlook(ctx context.Context, n credit.NewListen) (credit.Outlook, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Outlook{}, err
	}
	campaign, ad, err := m.choose(n)
	switch err {
	case wire.Playing:
		return credit.Outlook{Playing: true}, nil
	case wire.TooSoon:
		return credit.Outlook{TooSoon: true}, nil
	case wire.Capped:
		return credit.Outlook{Capped: true}, nil
	case wire.NoAd:
		return credit.Outlook{}, nil
	}
	return credit.Outlook{Ad: &ad, Reward: campaign.Reward, Limit: m.limit(n, campaign.Reward)}, nil
}

// limit is the limit of the node that a start would meet now.
func (m *Memory) limit(n credit.NewListen, reward wire.Money) credit.Suspicion {
	open, minute, day := 0, reward, reward
	for _, l := range m.listens {
		if l.Node != n.Node {
			continue
		}
		if l.State == credit.Started {
			open++
		}
		if l.State == credit.Started || l.State == credit.Completed {
			if l.day == n.Day {
				day += l.Reward
			}
			if l.started.Unix()/60 == n.UnixMinute {
				minute += l.Reward
			}
		}
	}
	switch {
	case n.Limits.Open > 0 && open >= n.Limits.Open:
		return credit.NodeOpen
	case n.Limits.PerDay > 0 && day > n.Limits.PerDay:
		return credit.NodePerDay
	case n.Limits.PerMinute > 0 && minute > n.Limits.PerMinute:
		return credit.NodePerMinute
	}
	return ""
}

// Started implements credit.Store.
func (m *Memory) Started(ctx context.Context, node, key, digest string) (*credit.Listen, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return nil, err
	}
	return m.started(node, key, digest)
}

func (m *Memory) started(node, key, digest string) (*credit.Listen, error) {
	for _, l := range m.listens {
		if l.Node == node && l.key == key {
			if l.digest != digest {
				return nil, refuse(wire.KeyReused, "This Idempotency-Key came with another request before.")
			}
			found := m.read(l)
			return &found, nil
		}
	}
	return nil, nil
}

// Start implements credit.Store.
func (m *Memory) Start(ctx context.Context, n credit.NewListen) (credit.Listen, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Listen{}, err
	}
	if again, err := m.started(n.Node, n.Key, n.Digest); again != nil || err != nil {
		if err != nil {
			return credit.Listen{}, err
		}
		return *again, nil
	}
	campaign, ad, err := m.choose(n)
	if err != nil {
		return credit.Listen{}, refuse(err.(wire.Code), "No ad is offered for this call.")
	}
	if limit := m.limit(n, campaign.Reward); limit != "" {
		return credit.Listen{}, &wire.Error{Code: wire.NodeLimit, Detail: "This node plays or earns as much as it may now.", Err: limit}
	}
	campaign.Held += campaign.Reward
	now := m.now()
	l := &listen{
		Listen: credit.Listen{
			ID: fmt.Sprintf("listen-%d", ids.Add(1)), State: credit.Started, AccountID: n.AccountID,
			Node: n.Node, Campaign: campaign.Name, Ad: ad, Reward: campaign.Reward,
			Attention: n.Question.In(ad),
		},
		key: n.Key, digest: n.Digest, callID: n.CallID, callerID: n.CallerID, day: n.Day, started: now, until: now.Add(n.Window),
		busy: now.Add(time.Duration(ad.DurationMS())*time.Millisecond + n.Busy),
	}
	m.listens = append(m.listens, l)
	return m.read(l), nil
}

// choose finds the first campaign by order of creation that fits, or the code
// that says why there is none.
func (m *Memory) choose(n credit.NewListen) (*credit.Campaign, credit.Ad, error) {
	starts, called, listens := 0, 0, 0
	perCampaign := map[string]int{}
	for _, l := range m.listens {
		if n.CallerID != "" && l.callerID == n.CallerID && l.day == n.Day {
			called++
		}
		if l.AccountID != n.AccountID {
			continue
		}
		if l.State == credit.Started && m.now().Before(l.busy) {
			return nil, credit.Ad{}, wire.Playing
		}
		if l.State == credit.Completed && !l.late && l.callID != n.CallID && m.now().Sub(l.ended) < n.Spacing {
			return nil, credit.Ad{}, wire.TooSoon
		}
		if l.day != n.Day {
			continue
		}
		starts++
		if l.State != credit.Abandoned {
			listens++
			perCampaign[l.Campaign]++
		}
	}
	if n.StartsPer > 0 && max(starts, called) >= n.StartsPer || n.ListensPer > 0 && listens >= n.ListensPer {
		return nil, credit.Ad{}, wire.Capped
	}
	why := wire.NoAd
	for i := range m.campaigns {
		c := &m.campaigns[i]
		ad, fits := m.fits(c, n)
		switch {
		case !fits:
		case c.PerDay > 0 && perCampaign[c.Name] >= c.PerDay:
			why = wire.Capped
		default:
			return c, ad, nil
		}
	}
	return nil, credit.Ad{}, why
}

// fits finds the campaign's ad for the language, if it may be played now and
// its budget has room.
func (m *Memory) fits(c *credit.Campaign, n credit.NewListen) (credit.Ad, bool) {
	now := m.now()
	if c.State != credit.CampaignActive || c.Held+c.Spent+c.Reward > c.Budget ||
		c.StartsAt != nil && now.Before(*c.StartsAt) || c.EndsAt != nil && !now.Before(*c.EndsAt) ||
		n.Minute < c.FromMinute || n.Minute >= c.ToMinute {
		return credit.Ad{}, false
	}
	if c.DailyBudget > 0 {
		used := c.Reward
		for _, l := range m.listens {
			if l.Campaign == c.Name && l.day == n.Day && (l.State == credit.Started || l.State == credit.Completed) {
				used += l.Reward
			}
		}
		if used > c.DailyBudget {
			return credit.Ad{}, false
		}
	}
	for _, want := range []string{n.Language, ""} {
		for _, ad := range c.Ads {
			if ad.Language == want {
				return ad, true
			}
		}
	}
	return credit.Ad{}, false
}

// Listen implements credit.Store.
func (m *Memory) Listen(ctx context.Context, id string) (credit.Listen, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Listen{}, err
	}
	l, err := m.find(id)
	if err != nil {
		return credit.Listen{}, err
	}
	return m.read(l), nil
}

func (m *Memory) find(id string) (*listen, error) {
	for _, l := range m.listens {
		if l.ID == id {
			return l, nil
		}
	}
	return nil, refuse(wire.ListenNotFound, "There is no such listen.")
}

// read is the listen as it is now.
func (m *Memory) read(l *listen) credit.Listen {
	answer := l.Listen
	answer.Elapsed = m.now().Sub(l.started)
	answer.Over = m.now().After(l.until)
	return answer
}

// Complete implements credit.Store.
func (m *Memory) Complete(ctx context.Context, c credit.Completion) (credit.Entry, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Entry{}, err
	}
	l, err := m.find(c.ListenID)
	if err != nil {
		return credit.Entry{}, err
	}
	late, err := c.Judged(m.read(l))
	if err != nil {
		return credit.Entry{}, err
	}
	if l.State == credit.Started && m.now().After(l.until) {
		m.close(l, credit.Lapsed)
	}
	switch l.State {
	case credit.Abandoned:
		return credit.Entry{}, refuse(wire.ListenAbandoned, "This listen was abandoned.")
	case credit.Lapsed:
		return credit.Entry{}, refuse(wire.ListenExpired, "This listen's completion came too late.")
	case credit.Completed:
		for _, e := range m.ledger {
			if e.ListenID == l.ID {
				return e, nil
			}
		}
	}
	if late && c.LatePer > 0 {
		before := 0
		for _, other := range m.listens {
			if other.late && other.AccountID == l.AccountID && other.day == l.day {
				before++
			}
		}
		if before >= c.LatePer {
			return credit.Entry{}, refuse(wire.LateCapped, "Too many listens of this account came late that day.")
		}
	}
	m.close(l, credit.Completed)
	l.late, l.Heard = late, c.Heard
	return m.pay(credit.Entry{ListenID: l.ID, AccountID: l.AccountID, Amount: l.Reward, Node: l.Node, Reason: "ad " + l.Campaign})
}

// pay writes the entry and credits its account.
func (m *Memory) pay(e credit.Entry) (credit.Entry, error) {
	e.ID, e.CreatedAt, e.State, e.Cause = int64(len(m.ledger)+1), m.now(), credit.Logged, m.doubt
	if m.doubt != "" {
		e.State = credit.InDoubt
	}
	for i := range m.accounts {
		if m.accounts[i].ID == e.AccountID && e.State == credit.Logged {
			sum, err := m.accounts[i].Credit.Add(e.Amount)
			if err != nil { // as a database does, whose column can't hold it
				e.State, e.Cause = credit.InDoubt, "credit_out_of_range"
				break
			}
			m.accounts[i].Credit = sum
		}
	}
	m.ledger = append(m.ledger, e)
	return e, nil
}

// close ends a started listen and gives its held reward to where it belongs.
func (m *Memory) close(l *listen, state credit.ListenState) {
	l.State, l.ended = state, m.now()
	for i := range m.campaigns {
		if m.campaigns[i].Name == l.Campaign {
			m.campaigns[i].Held -= l.Reward
			if state == credit.Completed {
				m.campaigns[i].Spent += l.Reward
			}
		}
	}
}

// Refused implements credit.Store.
func (m *Memory) Refused(ctx context.Context, r credit.Refusal) error {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return err
	}
	m.refusals = append(m.refusals, r)
	return nil
}

// Refusals returns a copy of what was refused, the oldest first.
func (m *Memory) Refusals() []credit.Refusal {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.refusals)
}

// Abandon implements credit.Store.
func (m *Memory) Abandon(ctx context.Context, a credit.Abandonment) error {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return err
	}
	l, err := m.find(a.ListenID)
	if err != nil {
		return err
	}
	switch l.State {
	case credit.Completed:
		return refuse(wire.ListenCompleted, "This listen was completed.")
	case credit.Lapsed:
		return refuse(wire.ListenExpired, "This listen's time is over.")
	case credit.Started:
		m.close(l, credit.Abandoned)
	}
	return nil
}

// Refill implements credit.Store.
func (m *Memory) Refill(ctx context.Context, e credit.ManualEntry) (credit.Entry, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Entry{}, err
	}
	if before, again := m.manual[e.Key]; again {
		if before.digest != e.Digest {
			return credit.Entry{}, refuse(wire.KeyReused, "This Idempotency-Key came with another request before.")
		}
		return m.ledger[before.entry], nil
	}
	m.manual[e.Key] = refill{digest: e.Digest, entry: len(m.ledger)}
	return m.pay(credit.Entry{AccountID: e.AccountID, Amount: e.Amount, Reason: e.Reason, Node: e.By})
}

// refill is what was answered to an idempotency key.
type refill struct {
	digest string
	entry  int // in the ledger
}
