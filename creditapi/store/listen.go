package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A listen is a row of adcredit_listen with what belongs to it.
type listen struct {
	credit.Listen
	digest     string
	card       string
	campaign   int64
	day        int
	minute     int64 // of its start, since 1970
	shard      int
	dailyShard sql.NullInt64
	read       time.Time // when all this was read, by the database's clock
}

const listenColumns = `l.id, l.state, l.account_id, l.node, l.digest, l.card, l.reward,
	{since l.started_at}, CASE WHEN l.expires_at <= {now} THEN 1 ELSE 0 END, l.campaign_id, l.day, {minute l.started_at}, l.budget_shard, l.daily_shard,
	COALESCE(l.endpos, 0), COALESCE(l.played_ms, 0), c.name, a.id, a.language, a.sound, a.rate_hz, a.samples,
	COALESCE(t.at_ms, 0), COALESCE(t.digit, ''), {now}
	FROM adcredit_listen l JOIN adcredit_campaign c ON c.id = l.campaign_id JOIN adcredit_ad a ON a.id = l.ad_id
		LEFT JOIN adcredit_attention t ON t.listen_id = l.id`

func (s *Store) scanListen(row *sql.Row) (l listen, err error) {
	var elapsed int64
	err = row.Scan(&l.ID, &l.State, &l.AccountID, &l.Node, &l.digest, &l.card, s.dialect.money(&l.Reward),
		&elapsed, &l.Over, &l.campaign, &l.day, &l.minute, &l.shard, &l.dailyShard,
		&l.Heard.Endpos, &l.Heard.PlayedMS, &l.Campaign, &l.Ad.ID, &l.Ad.Language, &l.Ad.Sound, &l.Ad.RateHz, &l.Ad.Samples,
		&l.Attention.AtMS, &l.Attention.Digit, instant(&l.read))
	l.Elapsed = time.Duration(elapsed) * time.Microsecond
	return l, err
}

var errNoListen = refuse(wire.ListenNotFound, "There is no such listen.")

func (q session) listen(ctx context.Context, id string) (listen, error) {
	l, err := q.scanListen(q.row(ctx, `SELECT `+listenColumns+` WHERE l.id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoListen
	}
	return l, err
}

// plausible refuses what can't be the id of a listen: the column takes ASCII
// alone, and an id from outside may be anything.
func plausible(id string) error {
	for _, r := range id {
		if !('0' <= r && r <= '9' || 'a' <= r && r <= 'f' || r == '-') {
			return errNoListen
		}
	}
	if len(id) != 36 {
		return errNoListen
	}
	return nil
}

// Listen reads one listen.
func (s *Store) Listen(ctx context.Context, id string) (credit.Listen, error) {
	if err := plausible(id); err != nil {
		return credit.Listen{}, err
	}
	l, err := s.pool().listen(ctx, id)
	return l.Listen, s.fail("read a listen", err)
}

// Started finds the listen that the node started with this key.
func (s *Store) Started(ctx context.Context, node, key, digest string) (*credit.Listen, error) {
	l, err := s.scanListen(s.pool().row(ctx,
		`SELECT `+listenColumns+` WHERE l.node = ? AND l.idempotency_key = ?`, node, key))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, s.fail("look for a started listen", err)
	case l.digest != digest:
		return nil, refuse(wire.KeyReused, "This Idempotency-Key was used for another request.")
	}
	return &l.Listen, nil
}

// Abandon closes a started listen and gives back what it held.
func (s *Store) Abandon(ctx context.Context, a credit.Abandonment) error {
	if err := plausible(a.ListenID); err != nil {
		return err
	}
	return s.fail("abandon a listen", s.tx(ctx, func(q session) error {
		n, err := q.exec(ctx, `
			UPDATE adcredit_listen SET state = 'abandoned', ended_at = {now}, playing_account = NULL, playing_call = NULL,
				endpos = ?, played_ms = ?, cause = ?
			WHERE id = ? AND state = 'started' AND expires_at > {now}`,
			a.Abandon.Endpos, a.Abandon.PlayedMS, a.Abandon.Cause, a.ListenID)
		if err != nil {
			return err
		}
		l, err := q.listen(ctx, a.ListenID)
		if err != nil {
			return err
		}
		if n == 1 {
			return q.giveBack(ctx, l)
		}
		if l.State == credit.Abandoned {
			return nil
		}
		return gone(l)
	}))
}

// gone says why a listen can't be completed or abandoned any more.
func gone(l listen) error {
	switch {
	case l.State == credit.Abandoned:
		return refuse(wire.ListenAbandoned, "This listen was abandoned.")
	case l.State == credit.Completed:
		return refuse(wire.ListenCompleted, "This listen was completed.")
	case l.State == credit.Lapsed, l.Over:
		return refuse(wire.ListenExpired, "The time to complete this listen is over.")
	}
	return fmt.Errorf("listen %s is %s and did not change: the database's clock was set back", l.ID, l.State)
}

// giveBack returns the caps and the reward of a listen that ended without a
// grant, and its place on the node. Only who ended it may.
func (q session) giveBack(ctx context.Context, l listen) error {
	for _, campaign := range []int64{0, l.campaign} {
		if err := q.uncount(ctx, tally{int64(l.AccountID), l.day, campaign, listens}); err != nil {
			return err
		}
	}
	if l.dailyShard.Valid {
		if err := q.release(ctx, budget{l.campaign, l.day}, int(l.dailyShard.Int64), l.Reward); err != nil {
			return err
		}
	}
	if err := q.release(ctx, budget{l.campaign, wholeBudget}, l.shard, l.Reward); err != nil {
		return err
	}
	q.usages.add(l.campaign, -l.Reward)
	return q.leaveNode(ctx, l, l.Reward)
}
