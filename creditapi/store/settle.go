package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// Decision is how a person settles an entry in doubt.
type Decision string

// Pay credits the account, as if nothing had been; Drop never does, and gives a
// reward back to its budget.
const (
	Pay  Decision = "pay"
	Drop Decision = "drop"
)

// A Settlement is a decision about an entry in doubt, and who took it why.
type Settlement struct {
	EntryID  int64
	Decision Decision
	By       string // at most 60 characters
	Reason   string // at most 200
}

// A Doubt is what is known of an entry, for a person to decide.
type Doubt struct {
	credit.Entry
	Card    string // that was to be credited
	Now     string // card of the account now; "": it was deleted
	Credit  wire.Money
	Refills []Refill
}

// A Refill is a row of cc_logrefill.
type Refill struct {
	ID     int64      `json:"id"`
	Date   time.Time  `json:"date"`
	Credit wire.Money `json:"credit"`
}

// errNotInDoubt says what an entry is instead.
func errNotInDoubt(e entry) error {
	return refuse(wire.InvalidRequest, fmt.Sprintf("Entry %d is %s and not in doubt: there is nothing to settle.", e.ID, e.State))
}

// InDoubt reads an entry in doubt, with what A2Billing knows of it. Codes
// NotFound, and InvalidRequest for one that is not in doubt.
func (s *Store) InDoubt(ctx context.Context, id int64) (Doubt, error) {
	d, err := s.pool().inDoubt(ctx, id)
	return d, s.fail("read an entry in doubt", err)
}

func (q session) inDoubt(ctx context.Context, id int64) (d Doubt, err error) {
	e, err := q.entry(ctx, id)
	if err != nil {
		return d, absent(err, wire.NotFound, "There is no such entry in the ledger.")
	}
	if e.State != credit.InDoubt {
		return d, errNotInDoubt(e)
	}
	d.Entry = e.Entry
	var after int64
	err = q.row(ctx, `SELECT l.card, l.logrefill_after, COALESCE(c.username, ''), COALESCE(c.credit, 0)
		FROM adcredit_ledger l LEFT JOIN cc_card c ON c.id = l.account_id WHERE l.id = ?`, id).Scan(
		&d.Card, &after, &d.Now, q.dialect.money(&d.Credit))
	if err != nil {
		return d, err
	}
	err = q.each(ctx, func(scan func(...any) error) error {
		var r Refill
		var date int64
		err := scan(&r.ID, &date, q.dialect.money(&r.Credit))
		r.Date = time.Unix(date, 0).UTC()
		d.Refills = append(d.Refills, r)
		return err
	}, `SELECT id, {unix date}, credit FROM cc_logrefill WHERE id > ? AND card_id = ? AND description LIKE ? ORDER BY id`,
		after, int64(d.AccountID), fmt.Sprintf("adcredit %d:%%", id))
	return d, err
}

// Settle carries out what a person decided about an entry in doubt, once: of
// two decisions at the same time one is carried out and the other is told that
// the entry is not in doubt any more. A payment goes the way of every grant
// from its second step on; it may end in doubt again, so look at the state.
// Codes NotFound and InvalidRequest as InDoubt; InvalidRequest also for a
// payment to an account that has another card now.
func (s *Store) Settle(ctx context.Context, d Settlement) (credit.Entry, error) {
	id, err := uuid.NewV7() // by it a repetition after a lost answer knows its own work
	if err != nil {
		return credit.Entry{}, err
	}
	if d.Decision != Pay && d.Decision != Drop {
		return credit.Entry{}, refuse(wire.InvalidRequest, "An entry in doubt is settled by pay or drop.")
	}
	e, err := s.book(ctx, booking{record: func(q session, way credit.Way) (entry, error) {
		if err := q.settle(ctx, way, d, id.String()); err != nil {
			return entry{}, err
		}
		return q.entry(ctx, d.EntryID)
	}})
	return e, s.fail("settle an entry in doubt", err)
}

func (q session) settle(ctx context.Context, way credit.Way, d Settlement, id string) error {
	e, err := q.entry(ctx, d.EntryID)
	if err != nil {
		return absent(err, wire.NotFound, "There is no such entry in the ledger.")
	}
	var changed int64
	if d.Decision == Pay {
		changed, err = q.reopen(ctx, way, e)
	} else {
		changed, err = q.drop(ctx, e)
	}
	if err != nil {
		return err
	}
	if changed == 0 {
		return q.settledAs(ctx, e.ID, id)
	}
	_, err = q.exec(ctx, `INSERT INTO adcredit_settlement (id, entry_id, decision, cause, settled_by, reason, settled_at)
		VALUES (?, ?, ?, ?, ?, ?, {now})`, id, e.ID, string(d.Decision), e.Cause, d.By, d.Reason)
	return err
}

// settledAs is no error if the settlement was recorded already.
func (q session) settledAs(ctx context.Context, entryID int64, id string) error {
	var found int
	err := q.row(ctx, `SELECT COUNT(*) FROM adcredit_settlement WHERE id = ?`, id).Scan(&found)
	if err != nil || found > 0 {
		return err
	}
	e, err := q.entry(ctx, entryID)
	if err == nil {
		err = errNotInDoubt(e)
	}
	return err
}

// reopen lets the steps of a grant go on, in this life of the server. Where
// cc_logrefill has lost rows, the next one may get an id that was used before.
func (q session) reopen(ctx context.Context, way credit.Way, e entry) (int64, error) {
	var before, now string
	err := q.row(ctx, `SELECT l.card, COALESCE(c.username, '') FROM adcredit_ledger l LEFT JOIN cc_card c ON c.id = l.account_id
		WHERE l.id = ?`, e.ID).Scan(&before, &now)
	if err != nil {
		return 0, err
	}
	if e.State == credit.InDoubt && before != now {
		return 0, refuse(wire.InvalidRequest, fmt.Sprintf("Account %d is not the one that earned entry %d: it was deleted, or has another card now. "+
			"Drop the entry, and credit the right account by hand.", e.AccountID, e.ID))
	}
	epoch, err := q.epoch(ctx, way)
	if err != nil {
		return 0, err
	}
	const last = `(SELECT COALESCE(MAX(id), 0) FROM cc_logrefill)`
	return q.exec(ctx, `UPDATE adcredit_ledger SET state = 'pending', cause = NULL, epoch = ?,
			logrefill_after = CASE WHEN `+last+` < logrefill_after THEN `+last+` ELSE logrefill_after END
		WHERE id = ? AND state = 'in_doubt'`, epoch, e.ID)
}

// drop ends an entry without credit. Only who ended it gives its reward back.
func (q session) drop(ctx context.Context, e entry) (int64, error) {
	n, err := q.exec(ctx, `UPDATE adcredit_ledger SET state = 'dropped' WHERE id = ? AND state = 'in_doubt'`, e.ID)
	if err != nil || n == 0 || e.ListenID == "" {
		return n, err
	}
	l, err := q.listen(ctx, e.ListenID)
	if err != nil {
		return n, err
	}
	if l.dailyShard.Valid {
		if err := q.unspend(ctx, budget{l.campaign, l.day}, int(l.dailyShard.Int64), e.Amount); err != nil {
			return n, err
		}
	}
	return n, q.unspend(ctx, budget{l.campaign, wholeBudget}, l.shard, e.Amount)
}
