//go:build lab

package bench

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"adcredit/tests/lab"
)

// tightLoop is what the database can do: the statements that a listen and a grant
// need, prepared, one connection per worker, with no policy, no HTTP and nobody
// to answer. It keeps to creditapi's tables and rules, so that the books balance.
type tightLoop struct {
	db   *sql.DB
	mu   sync.Mutex
	text map[string]*sql.Stmt
}

const (
	loopCampaign = 1
	loopReward   = "50"
	loopDay      = 20260101
	loopShards   = 16
)

func newTightLoop(b *testing.B, d *lab.Database) *tightLoop {
	b.Helper()
	db, err := sql.Open("mysql", d.Owner().DSN("tx_isolation='READ-COMMITTED'"))
	must(b, err)
	b.Cleanup(func() { db.Close() })
	db.SetMaxIdleConns(64)
	db.SetMaxOpenConns(64)
	return &tightLoop{db: db, text: map[string]*sql.Stmt{}}
}

// prepare makes a statement ready, once.
func (l *tightLoop) prepare(text string) (*sql.Stmt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.text[text]
	if s == nil {
		var err error
		if s, err = l.db.Prepare(text); err != nil {
			return nil, err
		}
		l.text[text] = s
	}
	return s, nil
}

// step is a statement with its parameters.
type step struct {
	text string
	args []any
}

// read runs a step and throws away what it finds, but for the first column.
func (l *tightLoop) read(tx *sql.Tx, s step) error {
	stmt, err := l.prepare(s.text)
	if err != nil {
		return err
	}
	if tx != nil {
		stmt = tx.Stmt(stmt)
	}
	rows, err := stmt.Query(s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(fmt.Errorf("nothing found: %s", s.text), rows.Err())
	}
	return nil
}

// write runs a step that must change rows.
func (l *tightLoop) write(tx *sql.Tx, s step) (id int64, err error) {
	stmt, err := l.prepare(s.text)
	if err != nil {
		return 0, err
	}
	result, err := tx.Stmt(stmt).Exec(s.args...)
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return 0, errors.Join(fmt.Errorf("nothing changed: %s", s.text), err)
	}
	return result.LastInsertId()
}

// transaction runs f again while it loses a race, as all that use InnoDB must.
func (l *tightLoop) transaction(f func(*sql.Tx) error) error {
	for {
		tx, err := l.db.Begin()
		if err != nil {
			return err
		}
		if err = f(tx); err == nil {
			return tx.Commit()
		}
		_ = tx.Rollback()
		var server *mysql.MySQLError
		if !errors.As(err, &server) || server.Number != 1213 {
			return err
		}
	}
}

const (
	readAccount   = `SELECT credit, status, typepaid, creditlimit, inuse, simultaccess, language, currency FROM cc_card WHERE id = ?`
	readSituation = `SELECT
		(SELECT COUNT(*) FROM adcredit_listen WHERE playing_account = ?) + (SELECT COUNT(*) FROM adcredit_listen WHERE playing_call = ?),
		COALESCE((SELECT n FROM adcredit_cap WHERE account_id = ? AND day = ? AND campaign_id = 0 AND kind = 'start'), 0),
		COALESCE((SELECT n FROM adcredit_cap WHERE account_id = ? AND day = ? AND campaign_id = 0 AND kind = 'listen'), 0)`
	readCampaigns = `SELECT id, reward, budget, daily_budget FROM adcredit_campaign
		WHERE state = 'active' AND (starts_at IS NULL OR starts_at <= NOW(6)) AND (ends_at IS NULL OR ends_at > NOW(6))`
	countCap     = `INSERT INTO adcredit_cap (account_id, day, campaign_id, kind, n) VALUES (?, ?, ?, ?, 1) ON DUPLICATE KEY UPDATE n = n + (n < ?)`
	holdReward   = `UPDATE adcredit_budget SET held = held + ? WHERE campaign_id = ? AND day = 0 AND shard = ? AND held + spent + ? <= amount`
	insertListen = `INSERT INTO adcredit_listen (id, node, idempotency_key, digest, account_id, card, call_id, destination, campaign_id, ad_id, language,
			reward, day, budget_shard, state, playing_account, playing_call, started_at, busy_until, expires_at)
		VALUES (?, 'loop', ?, ?, ?, ?, ?, '2000', ?, ?, 'fr', ?, ?, ?, 'started', ?, ?, NOW(6), NOW(6) + INTERVAL 30 SECOND, NOW(6) + INTERVAL 1 DAY)`
	readListen = `SELECT l.id, l.state, l.account_id, l.reward, l.budget_shard, l.started_at, c.name, a.samples
		FROM adcredit_listen l JOIN adcredit_campaign c ON c.id = l.campaign_id JOIN adcredit_ad a ON a.id = l.ad_id WHERE l.id = ?`
	endListen = `UPDATE adcredit_listen SET state = 'completed', ended_at = NOW(6), playing_account = NULL, playing_call = NULL, endpos = ?, played_ms = ?
		WHERE id = ? AND state = 'started' AND expires_at > NOW(6)`
	spendReward  = `UPDATE adcredit_budget SET held = held - ?, spent = spent + ? WHERE campaign_id = ? AND day = 0 AND shard = ? AND held >= ?`
	payCard      = `UPDATE cc_card SET credit = credit + ? WHERE id = ?`
	insertLedger = `INSERT INTO adcredit_ledger (listen_id, account_id, card, amount, state, logrefill_after, node, reason, campaign_id, created_at, applied_at, logged_at)
		SELECT ?, ?, ?, ?, 'logged', COALESCE(MAX(id), 0), 'loop', ?, ?, NOW(6), NOW(6), NOW(6) FROM cc_logrefill`
	logRefill = `INSERT INTO cc_logrefill (date, credit, card_id, description, refill_type) VALUES (NOW(6), ?, ?, ?, 0)`
)

// account and shard of a loop's listen are in its name, behind the id.
type loopListen struct {
	id             string
	account, shard int
}

// card is the number of the account's card.
func (n loopListen) card() int { return firstCard + n.account - beforeCards }

// beforeCards is how many accounts there are before the cards of this benchmark:
// the paper's three.
const beforeCards = 3

func (l *tightLoop) start(_ *testing.B, caller int) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	n := loopListen{id.String(), beforeCards + 1 + caller, rand.N(loopShards)}
	if err := l.read(nil, step{readAccount, []any{n.account}}); err != nil {
		return "", err
	}
	call := "loop/" + n.id
	err = l.transaction(func(tx *sql.Tx) error {
		for _, s := range []step{
			{readSituation, []any{n.account, call, n.account, loopDay, n.account, loopDay}},
			{readCampaigns, nil},
		} {
			if err := l.read(tx, s); err != nil {
				return err
			}
		}
		for _, s := range []step{
			{countCap, []any{n.account, loopDay, 0, "start", 100_000}},
			{countCap, []any{n.account, loopDay, 0, "listen", 100_000}},
			{countCap, []any{n.account, loopDay, loopCampaign, "listen", 100_000}},
			{holdReward, []any{loopReward, loopCampaign, n.shard, loopReward}},
			{insertListen, []any{n.id, n.id, n.id, n.account, n.card(), call, loopCampaign, loopCampaign, loopReward, loopDay, n.shard, n.account, call}},
		} {
			if _, err := l.write(tx, s); err != nil {
				return err
			}
		}
		return nil
	})
	return fmt.Sprintf("%s %d %d", n.id, n.account, n.shard), err
}

func (l *tightLoop) complete(_ *testing.B, listen string) error {
	var n loopListen
	if _, err := fmt.Sscan(listen, &n.id, &n.account, &n.shard); err != nil {
		return err
	}
	if err := l.read(nil, step{readListen, []any{n.id}}); err != nil {
		return err
	}
	err := l.transaction(func(tx *sql.Tx) error {
		if _, err := l.write(tx, step{endListen, []any{800, 100, n.id}}); err != nil {
			return err
		}
		if _, err := l.write(tx, step{payCard, []any{loopReward, n.account}}); err != nil {
			return err
		}
		entry, err := l.write(tx, step{insertLedger, []any{n.id, n.account, n.card(), loopReward, "loop " + n.id, loopCampaign}})
		if err != nil {
			return err
		}
		if _, err = l.write(tx, step{logRefill, []any{loopReward, n.account, fmt.Sprintf("adcredit %d: loop", entry)}}); err != nil {
			return err
		}
		_, err = l.write(tx, step{spendReward, []any{loopReward, loopReward, loopCampaign, n.shard, loopReward}})
		return err
	})
	if err != nil {
		return err
	}
	return l.read(nil, step{readAccount, []any{n.account}})
}
