package store

import (
	"context"
	"fmt"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A paidListen is a listen beside its entry in the ledger, if it has one.
type paidListen struct {
	id       string
	state    credit.ListenState
	account  credit.ID
	campaign int64
	name     string
	reward   wire.Money
	entry    int64 // 0: none
	paid     credit.ID
	by       int64 // campaign
	amount   wire.Money
}

// compareListens compares each listen with its entry. A listen is completed
// and its entry recorded in one transaction, and both are read by one
// statement.
func (r *reconciler) compareListens(ctx context.Context) error {
	after := ""
	for read := int64(0); ; {
		var batch []paidListen
		err := r.each(ctx, func(scan func(...any) error) error {
			var l paidListen
			err := scan(&l.id, &l.state, &l.account, &l.campaign, &l.name, r.dialect.money(&l.reward),
				&l.entry, &l.paid, &l.by, r.dialect.money(&l.amount))
			batch = append(batch, l)
			return err
		}, `SELECT l.id, l.state, l.account_id, l.campaign_id, COALESCE(c.name, ''), l.reward,
				COALESCE(e.id, 0), COALESCE(e.account_id, 0), COALESCE(e.campaign_id, 0), COALESCE(e.amount, 0)
			FROM adcredit_listen l LEFT JOIN adcredit_campaign c ON c.id = l.campaign_id LEFT JOIN adcredit_ledger e ON e.listen_id = l.id
			WHERE l.id > ? AND l.started_at >= ? ORDER BY l.id LIMIT ?`, after, r.scope.Since, compareBatch)
		if err != nil {
			return err
		}
		for _, l := range batch {
			sum := r.Listens[l.state]
			sum.add(l.reward)
			r.Listens[l.state] = sum
			if err := r.compareListen(l); err != nil {
				return err
			}
		}
		read += int64(len(batch))
		r.progress("listens", read)
		if len(batch) < compareBatch {
			return nil
		}
		after = batch[len(batch)-1].id
	}
}

func (r *reconciler) compareListen(l paidListen) error {
	d := Difference{EntryID: l.entry, ListenID: l.id, AccountID: l.account, Campaign: l.name}
	switch {
	case l.state == credit.Completed && l.entry == 0:
		d.Check = ListenUnpaid
		d.Detail = fmt.Sprintf("%s for account %d", l.reward, l.account)
	case l.state != credit.Completed && l.entry != 0:
		d.Check = ListenPaid
		d.Detail = fmt.Sprintf("the listen is %s, and the entry gives %s to account %d", l.state, l.amount, l.paid)
	case l.entry == 0:
		return nil
	case l.amount != l.reward:
		d.Check = EntryDiffers
		d.Detail = fmt.Sprintf("the entry gives %s, the listen earned %s", l.amount, l.reward)
	case l.paid != l.account:
		d.Check = EntryDiffers
		d.Detail = fmt.Sprintf("the entry is of account %d, the listen of account %d", l.paid, l.account)
	case l.by != l.campaign:
		d.Check = EntryDiffers
		d.Detail = fmt.Sprintf("the entry is of campaign %d, the listen of campaign %d", l.by, l.campaign)
	default:
		return nil
	}
	return r.differ(d)
}
