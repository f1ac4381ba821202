package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/bits"
	"time"

	"github.com/google/uuid"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A candidate is a campaign that could play to the account now.
type candidate struct {
	id          int64
	name        string
	reward      wire.Money
	budget      wire.Money
	used        wire.Money // of the budget: held or spent
	dailyBudget wire.Money
	dayFunded   bool // the rows of today's budget exist
	perDay      int
	today       int // listens of this account, where that matters
}

func (c candidate) capped() bool { return c.perDay > 0 && c.today >= c.perDay }

// before orders campaigns by the share of the budget that is used, so that
// they share calls evenly: a.used/a.budget < b.used/b.budget, in 128 bits.
func before(a, b candidate) int {
	ahi, alo := bits.Mul64(uint64(a.used), uint64(b.budget))
	bhi, blo := bits.Mul64(uint64(b.used), uint64(a.budget))
	return cmp.Or(cmp.Compare(ahi, bhi), cmp.Compare(alo, blo), cmp.Compare(a.id, b.id))
}

// candidates reads the campaigns that may play now and have an ad for the caller,
// whether or not their budgets have room.
func (q session) candidates(ctx context.Context, n credit.NewListen) (all []candidate, err error) {
	err = q.each(ctx, func(scan func(...any) error) error {
		var c candidate
		err := scan(&c.id, &c.name, q.dialect.money(&c.reward), q.dialect.money(&c.budget), q.dialect.money(&c.dailyBudget), &c.perDay, &c.today)
		all = append(all, c)
		return err
	}, `SELECT c.id, c.name, c.reward, c.budget, c.daily_budget, c.per_day, CASE WHEN c.per_day > 0 THEN COALESCE(
			(SELECT n FROM adcredit_cap WHERE account_id = ? AND day = ? AND campaign_id = c.id AND kind = 'listen'), 0) ELSE 0 END
		FROM adcredit_campaign c
		WHERE c.state = 'active' AND (c.starts_at IS NULL OR c.starts_at <= {now}) AND (c.ends_at IS NULL OR c.ends_at > {now})
			AND c.from_minute <= ? AND c.to_minute > ?
			AND EXISTS (SELECT 1 FROM adcredit_ad WHERE campaign_id = c.id AND language IN (?, ''))`,
		int64(n.AccountID), n.Day, n.Minute, n.Minute, n.Language)
	return all, err
}

// choose looks for campaigns that fit, by usages that are remembered if one of them
// could play.
func (q session) choose(ctx context.Context, n credit.NewListen, s *situation) (err error) {
	if s.all, err = q.candidates(ctx, n); err != nil || len(s.all) == 0 {
		return err
	}
	if of := q.usages.remembered(n.Day); of != nil {
		s.fitting, s.remembered = fitting(s.all, of)
		if open, _ := s.uncapped(); s.remembered && len(open) > 0 {
			return nil
		}
	}
	return q.chooseAnew(ctx, n, s)
}

// chooseAnew looks for campaigns that fit by usages as they are now.
func (q session) chooseAnew(ctx context.Context, n credit.NewListen, s *situation) error {
	of, err := q.readUsages(ctx, n.Day)
	if err == nil {
		s.fitting, _ = fitting(s.all, of)
		s.remembered = false
	}
	return err
}

// ads are a campaign's in the caller's language, or if there are none those in no
// language. What ads a campaign has never changes; it is remembered as long as what
// A2Billing says, for somebody who changes it by hand.
func (q session) ads(ctx context.Context, campaign int64, language string) (ads []credit.Ad, err error) {
	known, _ := q.adsOf.Load(campaign)
	all, ok := known.(campaignAds)
	if !ok || q.now().Sub(all.at).Abs() >= fresh {
		if all, err = q.readAds(ctx, campaign); err != nil {
			return nil, err
		}
		q.adsOf.Store(campaign, all)
	}
	for _, want := range []string{language, ""} {
		for _, ad := range all.ads {
			if ad.Language == want {
				ads = append(ads, ad)
			}
		}
		if len(ads) > 0 {
			return ads, nil
		}
	}
	return nil, fmt.Errorf("campaign %d has no ad in %q or no language: its rows were changed by hand", campaign, language)
}

// campaignAds are all ads of one campaign as they were read.
type campaignAds struct {
	ads []credit.Ad
	at  time.Time
}

func (q session) readAds(ctx context.Context, campaign int64) (campaignAds, error) {
	all := campaignAds{at: q.now()}
	err := q.each(ctx, func(scan func(...any) error) error {
		var ad credit.Ad
		err := scan(&ad.ID, &ad.Language, &ad.Sound, &ad.RateHz, &ad.Samples)
		all.ads = append(all.ads, ad)
		return err
	}, `SELECT id, language, sound, rate_hz, samples FROM adcredit_ad WHERE campaign_id = ? ORDER BY id`, campaign)
	return all, err
}

// A situation is what a listen would meet now.
type situation struct {
	playing    bool // a listen of this account or call
	stale      bool // one has left its playing key behind
	tooSoon    bool
	capped     bool
	all        []candidate
	fitting    []candidate // of all; caps of the campaigns not looked at
	remembered bool        // fitting is by usages that were remembered
}

func (q session) situation(ctx context.Context, n credit.NewListen) (s situation, err error) {
	var account, ofCall, started, called, listened, paid int
	statement, args := withoutSpacing, []any{int64(n.AccountID), call(n), int64(n.AccountID), n.Day, n.CallerID, n.Day, int64(n.AccountID), n.Day}
	if n.Spacing > 0 {
		statement = withSpacing
		args = append(args, int64(n.AccountID), n.Spacing+longestListen, n.Spacing, n.Node, n.CallID)
	}
	err = q.row(ctx, statement, args...).Scan(&account, &ofCall, &started, &called, &listened, &paid)
	if err != nil {
		return s, err
	}
	s.playing = account == keyPlays || ofCall == keyPlays
	s.stale = account == keyStale || ofCall == keyStale
	s.tooSoon = paid > 0
	s.capped = n.StartsPer > 0 && max(started, called) >= n.StartsPer || n.ListensPer > 0 && listened >= n.ListensPer
	if !s.playing && !s.tooSoon && !s.capped {
		err = q.choose(ctx, n, &s)
	}
	return s, err
}

// Where the playing key of an account or a call stands, if it is not free: left
// behind by a listen that is not busy any more, or playing.
const (
	keyStale = 1
	keyPlays = 2
)

// What a listen would meet, but for campaigns. Without a spacing nothing is too soon.
var (
	withoutSpacing = fmt.Sprintf(situations, "0")
	withSpacing    = fmt.Sprintf(situations, "("+lastPaid+")")
)

const situations = `SELECT
	COALESCE((SELECT CASE WHEN busy_until > {now} THEN 2 ELSE 1 END FROM adcredit_listen WHERE playing_account = ?), 0),
	COALESCE((SELECT CASE WHEN busy_until > {now} THEN 2 ELSE 1 END FROM adcredit_listen WHERE playing_call = ?), 0),
	COALESCE((SELECT n FROM adcredit_cap WHERE account_id = ? AND day = ? AND campaign_id = 0 AND kind = 'start'), 0),
	COALESCE((SELECT n FROM adcredit_caller WHERE caller_id = ? AND day = ? AND account_id = 0), 0),
	COALESCE((SELECT n FROM adcredit_cap WHERE account_id = ? AND day = ? AND campaign_id = 0 AND kind = 'listen'), 0),
	%s`

// lastPaid counts the account's listens that were completed, in time, within the
// spacing; several ads of one call need none. It only reads, which is no race:
// a listen that may still be completed in time is playing, and while it is the
// unique key lets no other one start. A late one was heard long before.
const lastPaid = `SELECT COUNT(*) FROM adcredit_listen
	WHERE account_id = ? AND started_at > {before} AND state = 'completed'
	AND ended_at > {before} AND ended_at <= {now} AND ended_at < busy_until AND NOT (node = ? AND call_id = ?)`

// longestListen is more than any listen plays: it bounds a search by start.
const longestListen = time.Hour

// call is the value of playing_call.
func call(n credit.NewListen) string { return n.Node + "/" + n.CallID }

// uncapped are the campaigns whose caps the account has not reached. capped says
// that there are some that fit, and it has reached all of their caps.
func (s situation) uncapped() (open []candidate, capped bool) {
	for _, c := range s.fitting {
		if !c.capped() {
			open = append(open, c)
		}
	}
	return open, len(open) == 0 && len(s.fitting) > 0
}

// Outlook says what Start would meet.
func (s *Store) Outlook(ctx context.Context, n credit.NewListen) (credit.Outlook, error) {
	if known, err := s.a2billing(ctx); err != nil || known.unfit != nil {
		return credit.Outlook{}, s.fail("look for an ad", err)
	}
	q := s.pool()
	meets, err := q.situation(ctx, n)
	if err != nil {
		return credit.Outlook{}, s.fail("look for an ad", err)
	}
	fitting, capped := meets.uncapped()
	o := credit.Outlook{Playing: meets.playing, TooSoon: meets.tooSoon, Capped: meets.capped || capped}
	if len(fitting) > 0 {
		ads, err := q.ads(ctx, fitting[0].id, n.Language)
		if err != nil {
			return o, s.fail("look for an ad", err)
		}
		o.Ad, o.Reward = &ads[0], fitting[0].reward
		if n.Limits != (credit.NodeLimits{}) {
			o.Limit, err = q.nodeLimit(ctx, n, o.Reward)
			return o, s.fail("look at a node's limits", err)
		}
	}
	return o, nil
}

// Start starts a listen. The same key with the same digest answers the same
// listen, also when both come at once.
func (s *Store) Start(ctx context.Context, n credit.NewListen) (credit.Listen, error) {
	started, err := s.start(ctx, n)
	var no *wire.Error
	if errors.As(err, &no) {
		// The first request with this key may be what stands in the way.
		if prior, priorErr := s.Started(ctx, n.Node, n.Key, n.Digest); priorErr != nil {
			return credit.Listen{}, priorErr
		} else if prior != nil {
			return *prior, nil
		}
	}
	return started, s.fail("start a listen", err)
}

func (s *Store) start(ctx context.Context, n credit.NewListen) (started credit.Listen, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return started, err
	}
	if known, err := s.a2billing(ctx); err != nil {
		return started, err
	} else if known.unfit != nil {
		return started, errNoAd
	}
	err = s.tx(ctx, func(q session) error {
		meets, err := q.situation(ctx, n)
		if err != nil {
			return err
		}
		if meets.playing {
			return errPlaying
		}
		if meets.tooSoon {
			return errTooSoon
		}
		if meets.stale {
			if err := q.clearStale(ctx, n); err != nil {
				return err
			}
		}
		if !meets.capped {
			meets.capped, err = q.countAccount(ctx, n)
		}
		if err != nil {
			return err
		}
		if meets.capped {
			return errCapped
		}
		started, err = q.startOneOf(ctx, n, id.String(), meets)
		if meets.remembered && (errors.Is(err, errNoAd) || errors.Is(err, errCapped)) {
			if err = q.chooseAnew(ctx, n, &meets); err == nil {
				started, err = q.startOneOf(ctx, n, id.String(), meets)
			}
		}
		if err != nil {
			return err
		}
		return q.enterNode(ctx, n, started.Reward)
	})
	return started, err
}

var (
	errPlaying = refuse(wire.Playing, "An ad is playing to this account or in this call already.")
	errTooSoon = refuse(wire.TooSoon, "This account was paid for an ad a moment ago.")
	errCapped  = refuse(wire.Capped, "This account or caller has had its ads for today.")
	errNoAd    = refuse(wire.NoAd, "No campaign fits now.")
)

// clearStale frees the playing keys of listens whose busy time is over. They
// stay started: they may still complete, late.
func (q session) clearStale(ctx context.Context, n credit.NewListen) error {
	const stale = `UPDATE adcredit_listen SET playing_account = NULL, playing_call = NULL WHERE busy_until <= {now} AND `
	if _, err := q.exec(ctx, stale+`playing_account = ?`, int64(n.AccountID)); err != nil {
		return err
	}
	_, err := q.exec(ctx, stale+`playing_call = ?`, call(n))
	return err
}

// countAccount counts the account's own caps and the caller's, and says whether
// one is reached.
func (q session) countAccount(ctx context.Context, n credit.NewListen) (capped bool, err error) {
	ok, err := q.count(ctx, tally{int64(n.AccountID), n.Day, 0, starts}, n.StartsPer)
	if err == nil && ok {
		ok, err = q.count(ctx, tally{int64(n.AccountID), n.Day, 0, listens}, n.ListensPer)
	}
	if err == nil && ok && n.CallerID != "" {
		ok, err = q.countCaller(ctx, n)
	}
	return !ok, err
}

// startOneOf starts a listen of the first campaign that still lets it.
func (q session) startOneOf(ctx context.Context, n credit.NewListen, id string, meets situation) (credit.Listen, error) {
	fitting, capped := meets.uncapped()
	hash := fnv.New32a()
	hash.Write([]byte(id))
	hint := int(hash.Sum32() >> 1)
	for _, c := range fitting {
		mine := tally{int64(n.AccountID), n.Day, c.id, listens}
		ok, err := q.count(ctx, mine, c.perDay)
		if err != nil {
			return credit.Listen{}, err
		}
		if !ok {
			capped = true
			continue
		}
		l, ok, err := q.reserve(ctx, n, c, hint)
		if err != nil {
			return credit.Listen{}, err
		}
		if ok {
			ads, err := q.ads(ctx, c.id, n.Language)
			if err != nil {
				return credit.Listen{}, err
			}
			l.ID, l.Ad = id, ads[hint%len(ads)]
			l.Attention = n.Question.In(l.Ad)
			if err := q.insertListen(ctx, n, l); err != nil {
				return credit.Listen{}, err
			}
			if err := q.insertICID(ctx, l.ID, n.ICID); err != nil {
				return credit.Listen{}, err
			}
			return l.Listen, q.insertAttention(ctx, l)
		}
		capped = false // it was the budget
		if err := q.uncount(ctx, mine); err != nil {
			return credit.Listen{}, err
		}
	}
	if capped {
		return credit.Listen{}, errCapped
	}
	return credit.Listen{}, errNoAd
}

// reserve holds the reward on the day's budget, if there is one, and on the
// whole one, which everybody wants and so comes last.
func (q session) reserve(ctx context.Context, n credit.NewListen, c candidate, hint int) (l listen, ok bool, err error) {
	l = listen{campaign: c.id, day: n.Day, Listen: credit.Listen{
		State: credit.Started, AccountID: n.AccountID, Node: n.Node, Campaign: c.name, Reward: c.reward}}
	today, whole := budget{c.id, n.Day}, budget{c.id, wholeBudget}
	if c.dailyBudget > 0 {
		if !c.dayFunded {
			if err := q.fund(ctx, today, c.dailyBudget, c.reward); err != nil {
				return l, false, err
			}
		}
		shard, ok, err := q.hold(ctx, today, c.reward, hint, len(shards(c.dailyBudget, c.reward)))
		if !ok || err != nil {
			return l, false, err
		}
		l.dailyShard.Int64, l.dailyShard.Valid = int64(shard), true
	}
	l.shard, ok, err = q.hold(ctx, whole, c.reward, hint, len(shards(c.budget, c.reward)))
	if ok {
		q.usages.add(c.id, c.reward)
	}
	if err == nil && !ok && l.dailyShard.Valid {
		err = q.release(ctx, today, int(l.dailyShard.Int64), c.reward)
	}
	return l, ok, err
}

// insertListen records the listen. Its unique keys decide who plays.
func (q session) insertListen(ctx context.Context, n credit.NewListen, l listen) error {
	_, err := q.exec(ctx, `
		INSERT INTO adcredit_listen (id, node, idempotency_key, digest, account_id, card, call_id, destination,
			campaign_id, ad_id, language, reward, day, budget_shard, daily_shard, state,
			playing_account, playing_call, started_at, busy_until, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {money}, ?, ?, ?, 'started', ?, ?, {now}, {after}, {after})`,
		l.ID, n.Node, n.Key, n.Digest, int64(n.AccountID), n.CallerCard, n.CallID, n.Destination,
		l.campaign, l.Ad.ID, n.Language, l.Reward, l.day, l.shard, l.dailyShard,
		int64(n.AccountID), call(n), time.Duration(l.Ad.DurationMS())*time.Millisecond+n.Busy, n.Window)
	if err != nil && q.dialect.meaning(err) == duplicate {
		return errPlaying // or the same key, which Start looks at
	}
	return err
}
