package store

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"math/bits"
	"slices"
	"time"

	"github.com/google/uuid"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A candidate is a campaign that could play to the account now, and the ad
// that it would play.
type candidate struct {
	id          int64
	name        string
	reward      wire.Money
	budget      wire.Money
	used        wire.Money // of the budget: held or spent
	dailyBudget wire.Money
	dayFunded   bool // the rows of today's budget exist
	perDay      int
	today       int // listens of this account
	ads         []credit.Ad
}

func (c candidate) capped() bool { return c.perDay > 0 && c.today >= c.perDay }

// before orders campaigns by the share of the budget that is used, so that
// they share calls evenly: a.used/a.budget < b.used/b.budget, in 128 bits.
func before(a, b candidate) int {
	ahi, alo := bits.Mul64(uint64(a.used), uint64(b.budget))
	bhi, blo := bits.Mul64(uint64(b.used), uint64(a.budget))
	return cmp.Or(cmp.Compare(ahi, bhi), cmp.Compare(alo, blo), cmp.Compare(a.id, b.id))
}

// candidates reads the campaigns that fit in an order, and the ads of each in
// the caller's language, or if there are none in no language.
func (q session) candidates(ctx context.Context, n credit.NewListen) ([]candidate, error) {
	var all []candidate
	err := q.each(ctx, func(scan func(...any) error) error {
		var c candidate
		var ad credit.Ad
		err := scan(&c.id, &c.name, q.dialect.money(&c.reward), q.dialect.money(&c.budget), q.dialect.money(&c.used),
			q.dialect.money(&c.dailyBudget), &c.dayFunded, &c.perDay, &c.today,
			&ad.ID, &ad.Language, &ad.Sound, &ad.RateHz, &ad.Samples)
		if last := len(all) - 1; last >= 0 && all[last].id == c.id {
			if all[last].ads[0].Language == ad.Language { // those in the language come first
				all[last].ads = append(all[last].ads, ad)
			}
			return err
		}
		c.ads = []credit.Ad{ad}
		all = append(all, c)
		return err
	}, `SELECT c.id, c.name, c.reward, c.budget, c.used, c.daily_budget,
			CASE WHEN c.day_room IS NULL THEN 0 ELSE 1 END, c.per_day, c.today, a.id, a.language, a.sound, a.rate_hz, a.samples
		FROM (
			SELECT c.id, c.name, c.reward, c.budget, c.daily_budget, c.per_day,
				(SELECT SUM(held + spent) FROM adcredit_budget WHERE campaign_id = c.id AND day = 0) AS used,
				(SELECT MAX(amount - held - spent) FROM adcredit_budget WHERE campaign_id = c.id AND day = 0) AS room,
				(SELECT MAX(amount - held - spent) FROM adcredit_budget WHERE campaign_id = c.id AND day = ?) AS day_room,
				COALESCE((SELECT n FROM adcredit_cap WHERE account_id = ? AND day = ? AND campaign_id = c.id AND kind = 'listen'), 0) AS today
			FROM adcredit_campaign c
			WHERE c.state = 'active' AND (c.starts_at IS NULL OR c.starts_at <= {now}) AND (c.ends_at IS NULL OR c.ends_at > {now})
				AND c.from_minute <= ? AND c.to_minute > ?
		) c JOIN adcredit_ad a ON a.campaign_id = c.id AND a.language IN (?, '')
		WHERE c.room >= c.reward AND (c.daily_budget = 0 OR c.day_room IS NULL OR c.day_room >= c.reward)
		ORDER BY c.id, a.language DESC, a.id`,
		n.Day, int64(n.AccountID), n.Day, n.Minute, n.Minute, n.Language)
	slices.SortFunc(all, before)
	return all, err
}

// A situation is what a listen would meet now.
type situation struct {
	playing int // of this account or call
	stale   int // that have left their playing key behind
	tooSoon bool
	capped  bool
	fitting []candidate // caps of the campaigns not looked at
}

func (q session) situation(ctx context.Context, n credit.NewListen) (s situation, err error) {
	var started, called, listened, paid int
	err = q.row(ctx, `SELECT
			(SELECT COUNT(*) FROM adcredit_listen WHERE playing_account = ? AND busy_until > {now})
				+ (SELECT COUNT(*) FROM adcredit_listen WHERE playing_call = ? AND busy_until > {now}),
			(SELECT COUNT(*) FROM adcredit_listen WHERE playing_account = ? AND busy_until <= {now})
				+ (SELECT COUNT(*) FROM adcredit_listen WHERE playing_call = ? AND busy_until <= {now}),
			COALESCE((SELECT n FROM adcredit_cap WHERE account_id = ? AND day = ? AND campaign_id = 0 AND kind = 'start'), 0),
			COALESCE((SELECT n FROM adcredit_caller WHERE caller_id = ? AND day = ? AND account_id = 0), 0),
			COALESCE((SELECT n FROM adcredit_cap WHERE account_id = ? AND day = ? AND campaign_id = 0 AND kind = 'listen'), 0),
			(`+lastPaid+`)`,
		int64(n.AccountID), call(n), int64(n.AccountID), call(n),
		int64(n.AccountID), n.Day, n.CallerID, n.Day, int64(n.AccountID), n.Day,
		int64(n.AccountID), n.Spacing+longestListen, n.Spacing, n.Node, n.CallID,
	).Scan(&s.playing, &s.stale, &started, &called, &listened, &paid)
	if err != nil {
		return s, err
	}
	s.tooSoon = n.Spacing > 0 && paid > 0
	s.capped = n.StartsPer > 0 && max(started, called) >= n.StartsPer || n.ListensPer > 0 && listened >= n.ListensPer
	if s.playing == 0 && !s.tooSoon && !s.capped {
		s.fitting, err = q.candidates(ctx, n)
	}
	return s, err
}

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

// choose is the first campaign whose cap the account has not reached. capped
// says that there are some, and it has reached all of their caps.
func (s situation) choose() (chosen []candidate, capped bool) {
	for _, c := range s.fitting {
		if !c.capped() {
			chosen = append(chosen, c)
		}
	}
	return chosen, len(chosen) == 0 && len(s.fitting) > 0
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
	fitting, capped := meets.choose()
	o := credit.Outlook{Playing: meets.playing > 0, TooSoon: meets.tooSoon, Capped: meets.capped || capped}
	if len(fitting) > 0 {
		o.Ad, o.Reward = &fitting[0].ads[0], fitting[0].reward
		if n.Limits != (credit.NodeLimits{}) {
			o.Limit, err = q.nodeLimit(ctx, n, o.Reward)
		}
	}
	return o, s.fail("look at a node's limits", err)
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
		if meets.playing > 0 {
			return errPlaying
		}
		if meets.tooSoon {
			return errTooSoon
		}
		if meets.stale > 0 {
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
		if started, err = q.startOneOf(ctx, n, id.String(), meets); err != nil {
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
	fitting, capped := meets.choose()
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
			l.ID, l.Ad = id, c.ads[hint%len(c.ads)]
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
