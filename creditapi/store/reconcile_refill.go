package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A refillRow is a row of cc_logrefill with our key in its description.
type refillRow struct {
	id      int64
	entry   int64
	account credit.ID
	amount  wire.Money
}

// entryOf reads the ledger's id out of a description, as log writes it.
func entryOf(description string) (id int64, ok bool) {
	rest, ours := strings.CutPrefix(description, "adcredit ")
	number, _, ended := strings.Cut(rest, ":")
	id, err := strconv.ParseInt(number, 10, 64)
	return id, ours && ended && err == nil && id > 0 && number == strconv.FormatInt(id, 10)
}

// compareRefills counts our rows of cc_logrefill by their entries and reports
// those that fit none. It has no index but its primary key, and so is read
// once, from where the first of the entries can have a row. Whoever wrote a
// row had committed its entry before, or commits both at once: an entry that
// is looked for after its row was read must be there.
func (r *reconciler) compareRefills(ctx context.Context) error {
	var first sql.NullInt64
	err := r.row(ctx, `SELECT MIN(logrefill_after) FROM adcredit_ledger WHERE created_at >= ?`, r.scope.Since).Scan(&first)
	if err != nil || !first.Valid {
		return err
	}
	return r.eachRefill(ctx, first.Int64, func(rows []refillRow) error {
		entries, err := r.entriesOf(ctx, rows)
		if err != nil {
			return err
		}
		for _, row := range rows {
			r.Refills.add(row.amount)
			if err := r.compareRefill(row, entries); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *reconciler) compareRefill(row refillRow, entries map[int64]ledgerRow) error {
	e, ok := entries[row.entry]
	d := Difference{EntryID: row.entry, RefillID: row.id, AccountID: row.account}
	switch {
	case !ok:
		d.Check = RefillStray
		d.Detail = fmt.Sprintf("row %d gives %s to account %d", row.id, row.amount, row.account)
	case row.id <= e.after: // of another adcredit, before ours: it counted from 1 too
		return nil
	case row.account != e.account:
		d.Check = RefillDiffers
		d.Detail = fmt.Sprintf("row %d is of account %d, the entry of account %d", row.id, row.account, e.account)
	default:
		r.seen.add(e.id)
		if row.amount == e.amount {
			return nil
		}
		d.Check = RefillDiffers
		d.Detail = fmt.Sprintf("row %d says %s, the entry %s", row.id, row.amount, e.amount)
	}
	return r.differ(d)
}

// eachRefill calls f with our rows of cc_logrefill after an id, in batches of
// so many rows of the table: where it is MyISAM, who changes a row waits
// meanwhile.
func (r *reconciler) eachRefill(ctx context.Context, after int64, f func([]refillRow) error) error {
	for read := int64(0); ; {
		var last, n int64
		err := r.row(ctx, `SELECT COALESCE(MAX(id), 0), COUNT(*) FROM (SELECT id FROM cc_logrefill WHERE id > ? ORDER BY id LIMIT ?) b`,
			after, compareBatch).Scan(&last, &n)
		if err != nil || n == 0 {
			return err
		}
		var rows []refillRow
		err = r.each(ctx, func(scan func(...any) error) error {
			var row refillRow
			var description string
			err := scan(&row.id, &row.account, r.dialect.money(&row.amount), &description)
			var ours bool
			if row.entry, ours = entryOf(description); ours {
				rows = append(rows, row)
			}
			return err
		}, `SELECT id, card_id, credit, description FROM cc_logrefill WHERE id > ? AND id <= ? AND description LIKE 'adcredit %' ORDER BY id`,
			after, last)
		if err == nil && len(rows) > 0 {
			err = f(rows)
		}
		if err != nil {
			return err
		}
		read += n
		r.progress("rows of cc_logrefill", read)
		after = last
	}
}

// entriesOf reads the entries that the rows name.
func (r *reconciler) entriesOf(ctx context.Context, rows []refillRow) (map[int64]ledgerRow, error) {
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.entry
	}
	entries := make(map[int64]ledgerRow, len(rows))
	return entries, r.eachEntryOf(ctx, ids, func(e ledgerRow) error {
		entries[e.id] = e
		return nil
	})
}

// confirmRefills counts once more the rows of entries that seemed to have none
// or several: a row may have been written since cc_logrefill was read, and one
// that was not committed then may have an id below others that were read. No
// entry that is logged gets its row later.
func (r *reconciler) confirmRefills(ctx context.Context) error {
	if r.again < 0 {
		return nil
	}
	err := r.eachRefill(ctx, r.again, func(rows []refillRow) error {
		entries, err := r.entriesOf(ctx, rows)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if e := entries[row.entry]; r.seen.confirming(row.entry) && row.account == e.account && row.id > e.after {
				r.seen.add(row.entry)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.seen.inBatches(compareBatch, func(ids []int64) error {
		return r.eachEntryOf(ctx, ids, r.confirmEntry)
	})
}

// confirmEntry reports an entry whose rows are still not as its state wants.
func (r *reconciler) confirmEntry(e ledgerRow) error {
	n := r.seen.count(e.id)
	d := Difference{EntryID: e.id, ListenID: e.listen, AccountID: e.account}
	switch {
	case e.state == credit.Logged && n == 0:
		d.Check = RefillMissing
		d.Detail = fmt.Sprintf("%s for account %d is logged, and there is no row", e.amount, e.account)
	case n > 1:
		d.Check = RefillTwice
		d.Detail = fmt.Sprintf("%s for account %d has %d rows", e.amount, e.account, n)
	case (e.state == credit.Dropped || e.state == credit.Pending) && n > 0:
		d.Check = RefillEarly
		d.Detail = fmt.Sprintf("%s for account %d is %s, and there is a row", e.amount, e.account, e.state)
	default:
		return nil
	}
	return r.differ(d)
}
