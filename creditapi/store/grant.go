package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A grant is three steps, and the same code runs them the first time, again
// after a lost answer, after a crash, and from the sweeper:
//
//	record  the ledger's row, pending: all that belongs to it in our own tables
//	apply   the account's credit, and pending -> applied, in one statement
//	log     the row of cc_logrefill, and applied -> logged
//
// Where the tables of A2Billing are transactional all three are one
// transaction, and the row of a listen is written once, as they leave it. Else
// each is atomic by itself, and what a crash of ours leaves open is finished later.

// An entry is a row of the ledger with what the steps need.
type entry struct {
	credit.Entry
	digest sql.NullString
}

const entryColumns = `SELECT id, COALESCE(listen_id, ''), account_id, amount, state, COALESCE(cause, ''), node, reason,
	created_at, digest FROM adcredit_ledger WHERE `

func (s *Store) scanEntry(row *sql.Row) (e entry, err error) {
	err = row.Scan(&e.ID, &e.ListenID, &e.AccountID, s.dialect.money(&e.Amount), &e.State, &e.Cause, &e.Node, &e.Reason,
		instant(&e.CreatedAt), &e.digest)
	return e, err
}

func (q session) entry(ctx context.Context, id int64) (entry, error) {
	return q.scanEntry(q.row(ctx, entryColumns+`id = ?`, id))
}

// Complete grants the reward of a listen, once.
func (s *Store) Complete(ctx context.Context, c credit.Completion) (credit.Entry, error) {
	if err := plausible(c.ListenID); err != nil {
		return credit.Entry{}, err
	}
	l, err := s.pool().listen(ctx, c.ListenID)
	var late bool
	if err == nil {
		late, err = c.Judged(l.Listen)
	}
	if err != nil {
		return credit.Entry{}, s.fail("complete a listen", err)
	}
	var ended bool // now, and not by an earlier request
	e, err := s.book(ctx, booking{
		record: func(q session, way credit.Way) (e entry, err error) {
			if ended, err = q.end(ctx, l, c.Heard); err != nil {
				return e, err
			} else if !ended {
				return q.endedBefore(ctx, l.ID)
			}
			if late {
				if err := q.countLate(ctx, l, c.LatePer); err != nil {
					return e, err
				}
			}
			return q.grant(ctx, way, l)
		},
		last: func(q session) error {
			if !ended {
				return nil
			}
			if err := q.spendHeld(ctx, l); err != nil {
				return err
			}
			return q.leaveNode(ctx, l, 0)
		},
	})
	return e, s.fail("complete a listen", err)
}

// end completes the listen, unless it has ended or its time is over.
func (q session) end(ctx context.Context, l listen, heard wire.Heard) (ended bool, err error) {
	n, err := q.exec(ctx, `
		UPDATE adcredit_listen SET state = 'completed', ended_at = {now}, playing_account = NULL, playing_call = NULL,
			endpos = ?, played_ms = ?, heard_at = ?
		WHERE id = ? AND state = 'started' AND expires_at > {now}`,
		heard.Endpos, heard.PlayedMS, sane(heard.HeardAt), l.ID)
	return n == 1, err
}

// spendHeld turns what a completed listen held into spent. That never changes while
// the listen lives, so that it is as it was read.
func (q session) spendHeld(ctx context.Context, l listen) error {
	if l.dailyShard.Valid {
		if err := q.spend(ctx, budget{l.campaign, l.day}, int(l.dailyShard.Int64), l.Reward); err != nil {
			return err
		}
	}
	return q.spend(ctx, budget{l.campaign, wholeBudget}, l.shard, l.Reward)
}

// endedBefore is the entry of a listen that was completed, and an error for one
// that ended otherwise.
func (q session) endedBefore(ctx context.Context, id string) (entry, error) {
	l, err := q.listen(ctx, id)
	if err == nil && l.State != credit.Completed {
		err = gone(l)
	}
	if err != nil {
		return entry{}, err
	}
	return q.scanEntry(q.row(ctx, entryColumns+`listen_id = ?`, id))
}

// countLate counts a listen among those of its account and day that came late.
func (q session) countLate(ctx context.Context, l listen, limit int) error {
	ok, err := q.count(ctx, tally{int64(l.AccountID), l.day, 0, lates}, limit)
	if err == nil && !ok {
		err = errLateCapped
	}
	return err
}

// grant is the first step of a grant, of a listen that ended now. In the
// transaction way nobody sees what comes between the steps, so all three are made
// here, and the ledger's row is written once, as they leave it. Where the account
// can't take the credit nothing is made but the first step, and the second one
// will find out why.
func (q session) grant(ctx context.Context, way credit.Way, l listen) (entry, error) {
	e := grantOf(l)
	if way == credit.Stock {
		return q.recordGrant(ctx, way, l, e)
	}
	credited, err := q.pay(ctx, e)
	if err != nil {
		return e, err
	}
	if !credited {
		return q.recordGrant(ctx, way, l, e)
	}
	e.State = credit.Logged
	e, err = q.recordGrant(ctx, way, l, e)
	if err == nil {
		_, err = q.exec(ctx, `INSERT INTO cc_logrefill (date, credit, card_id, description, refill_type) VALUES ({now}, {money}, ?, ?, 0)`,
			e.Amount, int64(e.AccountID), e.description())
	}
	return e, err
}

// pay adds the entry's amount to the account, where there is one that can take it.
func (q session) pay(ctx context.Context, e entry) (bool, error) {
	n, err := q.exec(ctx, `UPDATE cc_card SET credit = credit + {money} WHERE id = ?`, e.Amount, int64(e.AccountID))
	if err != nil && q.dialect.meaning(err) == outOfRange {
		return false, nil
	}
	return n == 1, err
}

// grantOf is what the ledger will say of a listen that ended now.
func grantOf(l listen) entry {
	return entry{Entry: credit.Entry{
		ListenID: l.ID, AccountID: l.AccountID, Amount: l.Reward, State: credit.Pending, Node: l.Node,
		Reason: "ad " + l.Campaign + ", listen " + l.ID, CreatedAt: l.read,
	}}
}

// recordGrant adds the ledger's row of a listen, pending or logged.
func (q session) recordGrant(ctx context.Context, way credit.Way, l listen, e entry) (entry, error) {
	epoch, err := q.epoch(ctx, way)
	if err != nil {
		return e, err
	}
	var done *time.Time
	if e.State == credit.Logged {
		done = &e.CreatedAt
	}
	// The last refill is read by INSERT … SELECT, which locks nothing of it. In a
	// subquery of VALUES InnoDB locks the row that it reads, READ COMMITTED or not:
	// each grant would wait until the one before it is committed.
	e.ID, err = q.insert(ctx, `
		INSERT INTO adcredit_ledger (listen_id, account_id, card, amount, state, epoch, logrefill_after, node, reason, campaign_id,
			created_at, applied_at, logged_at)
		SELECT ?, ?, ?, {money}, ?, ?, COALESCE(MAX(id), 0), ?, ?, ?, ?, ?, ? FROM cc_logrefill`,
		e.ListenID, int64(e.AccountID), l.card, e.Amount, string(e.State), epoch, e.Node, e.Reason, l.campaign,
		e.CreatedAt, done, done)
	return e, err
}

// errLateCapped: as many listens of that day have come late as are believed.
// Trying again tomorrow changes nothing: the day is that of the listen's start.
var errLateCapped = refuse(wire.LateCapped, "Too many listens of this account came late that day; a person must look at them.")

// sane drops an instant that no column could hold: it comes from a host whose
// clock may never have been set.
func sane(t time.Time) any {
	if t.Year() < 2000 || t.Year() > 2200 {
		return nil
	}
	return t
}

// Refill credits an account by hand, once per key.
func (s *Store) Refill(ctx context.Context, m credit.ManualEntry) (credit.Entry, error) {
	e, err := s.book(ctx, booking{record: func(q session, way credit.Way) (entry, error) { return q.refill(ctx, way, m) }})
	return e, s.fail("refill an account", err)
}

// refill is the first step of credit by hand.
func (q session) refill(ctx context.Context, way credit.Way, m credit.ManualEntry) (entry, error) {
	prior, err := q.scanEntry(q.row(ctx, entryColumns+`node = ? AND idempotency_key = ?`, m.By, m.Key))
	switch {
	case err == nil && prior.digest.String != m.Digest:
		return entry{}, refuse(wire.KeyReused, "This Idempotency-Key was used for another request.")
	case err == nil:
		return prior, nil
	case !errors.Is(err, sql.ErrNoRows):
		return entry{}, err
	}
	var card string
	if err := q.row(ctx, `SELECT username FROM cc_card WHERE id = ?`, int64(m.AccountID)).Scan(&card); err != nil {
		return entry{}, absent(err, wire.AccountNotFound, "There is no such account.")
	}
	epoch, err := q.epoch(ctx, way)
	if err != nil {
		return entry{}, err
	}
	id, err := q.insert(ctx, `
		INSERT INTO adcredit_ledger (idempotency_key, digest, account_id, card, amount, state, epoch, logrefill_after, node, reason, created_at)
		SELECT ?, ?, ?, ?, {money}, 'pending', ?, COALESCE(MAX(id), 0), ?, ?, {now} FROM cc_logrefill`,
		m.Key, m.Digest, int64(m.AccountID), card, m.Amount, epoch, m.By, m.Reason)
	if err != nil && q.dialect.meaning(err) == duplicate {
		return entry{}, errTwin
	}
	if err != nil {
		return entry{}, err
	}
	return q.entry(ctx, id)
}

var (
	// errTwin: another request with the same key was faster; look again.
	errTwin = errors.New("another request with this key is being recorded")
	// errNoEpoch: the database server restarted; give it a new epoch first.
	errNoEpoch = errors.New("the epoch of this database server is not recorded yet")
)

// epoch is what a ledger row records of the server's life: in the stock way a
// crash of the server may bring credit and ledger back one apart, so a row is
// applied only in the life that it was recorded in.
func (q session) epoch(ctx context.Context, way credit.Way) (sql.NullString, error) {
	var id sql.NullString
	if way == credit.Transaction {
		return id, nil
	}
	err := q.row(ctx, `SELECT id FROM adcredit_epoch`).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoEpoch
	}
	return id, err
}

// ensureEpoch gives the running server an epoch if it has none.
func (s *Store) ensureEpoch(ctx context.Context) error {
	id, err := uuid.NewRandom()
	if err == nil {
		_, err = s.pool().exec(ctx, `INSERT INTO adcredit_epoch (one, id) VALUES (1, ?) {keep id}`, id.String())
	}
	return err
}

// A booking is an entry to be made.
type booking struct {
	record func(session, credit.Way) (entry, error)
	last   func(session) error // the last of record's transaction, for rows that many want; may be nil
}

// book records an entry and finishes it, in the way of these tables.
func (s *Store) book(ctx context.Context, b booking) (credit.Entry, error) {
	known, err := s.a2billing(ctx)
	if err != nil {
		return credit.Entry{}, err
	}
	e, err := s.bookIn(ctx, known.way, b)
	switch {
	case errors.Is(err, errNoEpoch):
		if err = s.ensureEpoch(ctx); err == nil {
			e, err = s.bookIn(ctx, known.way, b)
		}
	case errors.Is(err, errTwin):
		e, err = s.bookIn(ctx, known.way, b)
	}
	return e.Entry, err
}

func (s *Store) bookIn(ctx context.Context, way credit.Way, b booking) (e entry, err error) {
	err = s.tx(ctx, func(q session) (err error) {
		if e, err = b.record(q, way); err == nil && way == credit.Transaction {
			e, err = q.finish(ctx, e, way)
		}
		if err == nil && b.last != nil {
			err = b.last(q)
		}
		return err
	})
	if err == nil && way == credit.Stock {
		e, err = s.pool().finish(ctx, e, way)
	}
	return e, err
}

// finish runs the steps that an entry had not had when it was read. In the
// transaction way q is a transaction; in the stock way it is the pool.
func (q session) finish(ctx context.Context, e entry, way credit.Way) (entry, error) {
	var err error
	if e.State == credit.Pending {
		e, err = q.apply(ctx, e, way)
	}
	if err != nil || e.State != credit.Applied {
		return e, err
	}
	if way == credit.Transaction {
		return q.log(ctx, e)
	}
	logged := e
	err = q.tx(ctx, func(q session) (err error) {
		logged, err = q.log(ctx, e)
		return err
	})
	return logged, err
}

// apply is the second step: credit and state change together, or neither.
// Whoever finds the entry applied already has nothing left to do; an entry
// that can't be applied is marked for a person.
func (q session) apply(ctx context.Context, e entry, way credit.Way) (entry, error) {
	var changed int64
	once := func() (err error) {
		changed, err = q.applyOnce(ctx, e.ID)
		return err
	}
	var err error
	if way == credit.Stock {
		err = q.again(ctx, once)
	} else {
		err = once() // it is the whole transaction that starts again
	}
	switch {
	case err != nil:
		err = q.applyFailed(ctx, e, way, err)
	case changed == 2:
		e.State = credit.Applied
		return e, nil
	case changed != 0:
		err = fmt.Errorf("apply entry %d: %d rows changed instead of 2", e.ID, changed)
	default:
		err = q.notApplied(ctx, e)
	}
	if err != nil {
		return e, err
	}
	return q.entry(ctx, e.ID)
}

// applyOnce runs the statements of the second step and counts changed rows.
func (q session) applyOnce(ctx context.Context, id int64) (changed int64, err error) {
	for _, statement := range q.dialect.apply() {
		n, err := q.exec(ctx, statement, id)
		if err != nil {
			return 0, err
		}
		changed += n
	}
	return changed, nil
}

// Causes of a doubt.
const (
	causeDeleted = "account_deleted"
	causeEpoch   = "database_restarted"
	causeRange   = "credit_out_of_range"
	causeFailed  = "apply_failed"
)

// applyFailed decides whether an error of the second step leaves room for
// another try. In the stock way the credit is changed for good while its
// statement runs; an error that is not known to come before that may have
// left the credit changed and the ledger not.
func (q session) applyFailed(ctx context.Context, e entry, way credit.Way, err error) error {
	switch m := q.dialect.meaning(err); {
	case m == outOfRange:
		return q.doubt(ctx, e, causeRange)
	case (m == unknown || m == full) && way == credit.Stock:
		slog.Error("a grant's statement failed half-way, perhaps; a person must settle it", "entry", e.ID, "error", err)
		return q.doubt(ctx, e, causeFailed)
	}
	return err
}

// notApplied looks why nothing changed.
func (q session) notApplied(ctx context.Context, e entry) error {
	var state credit.EntryState
	var account, alive bool
	err := q.row(ctx, `SELECT l.state,
			CASE WHEN EXISTS (SELECT 1 FROM cc_card c WHERE c.id = l.account_id) THEN 1 ELSE 0 END,
			CASE WHEN l.epoch IS NULL OR EXISTS (SELECT 1 FROM adcredit_epoch e WHERE e.id = l.epoch) THEN 1 ELSE 0 END
		FROM adcredit_ledger l WHERE l.id = ?`, e.ID).Scan(&state, &account, &alive)
	switch {
	case err != nil || state != credit.Pending:
		return err
	case !alive:
		return q.doubt(ctx, e, causeEpoch)
	case !account:
		return q.doubt(ctx, e, causeDeleted)
	}
	return fmt.Errorf("apply entry %d: nothing changed, and nothing stands in the way", e.ID)
}

// doubt leaves the entry to a person, if it is still pending.
func (q session) doubt(ctx context.Context, e entry, cause string) error {
	_, err := q.exec(ctx, `UPDATE adcredit_ledger SET state = 'in_doubt', cause = ? WHERE id = ? AND state = 'pending'`, cause, e.ID)
	return err
}

const markLogged = `UPDATE adcredit_ledger SET state = 'logged', logged_at = {now} WHERE id = ? AND state = 'applied'`

// log is the third step. The ledger's row is changed first, as its lock lets
// only one log an entry at a time. Our key in the description finds a row that
// was written before a crash; ids up to the one that was highest at the first
// step can't be it, which spares a scan of a table that has no other index.
func (q session) log(ctx context.Context, e entry) (entry, error) {
	n, err := q.exec(ctx, markLogged, e.ID)
	if err != nil {
		return e, err
	}
	if n == 0 { // somebody else did it
		return q.entry(ctx, e.ID)
	}
	e.State = credit.Logged
	return e, q.logRefill(ctx, e)
}

// logRefill writes A2Billing's own record of an entry, unless it is there.
func (q session) logRefill(ctx context.Context, e entry) error {
	err := q.insertRefill(ctx, e, 0)
	// A crash may leave a MyISAM table with keys whose rows are lost, behind what
	// its header says. Counting on from there, nobody could ever add a row again,
	// A2Billing itself neither, until an id behind them moves the counter on.
	for ahead := 1; err != nil && q.dialect.meaning(err) == duplicate && ahead <= 1<<10; ahead *= 2 {
		slog.WarnContext(ctx, "the database server damaged cc_logrefill in a crash: when calls are few, run REPAIR TABLE cc_logrefill, then creditapi reconcile")
		err = q.insertRefill(ctx, e, ahead)
	}
	return err
}

// insertRefill adds the row with the table's next id, or with one so far ahead of
// its last.
func (q session) insertRefill(ctx context.Context, e entry, ahead int) error {
	column, id := "", ""
	if ahead > 0 {
		column, id = "id, ", fmt.Sprintf("(SELECT COALESCE(MAX(id), 0) + %d FROM cc_logrefill), ", ahead)
	}
	_, err := q.exec(ctx, `
		INSERT INTO cc_logrefill (`+column+`date, credit, card_id, description, refill_type)
		SELECT `+id+`{now}, l.amount, l.account_id, ?, 0 FROM adcredit_ledger l
		WHERE l.id = ? AND NOT EXISTS (SELECT 1 FROM cc_logrefill r
			WHERE r.id > l.logrefill_after AND r.card_id = l.account_id AND r.description LIKE ?)`,
		e.description(), e.ID, e.mark()+"%")
	return err
}

// mark tells the rows of cc_logrefill that are ours.
func (e entry) mark() string { return fmt.Sprintf("adcredit %d:", e.ID) }

func (e entry) description() string { return e.mark() + " " + plain(e.Reason) }

// plain replaces what A2Billing's utf8mb3 columns can't hold.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 0xffff {
			return '\ufffd'
		}
		return r
	}, s)
}
