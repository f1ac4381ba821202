package store

import (
	"context"
	"fmt"
	"time"

	"adcredit/creditapi/credit"
)

// tallied is how far back tallies are compared, and at least kept: a listen
// counts on its day alone, and ends at most 30 days later.
const tallied = 30 * 24 * time.Hour

// compareCaps compares the tallies of the last days with the listens that they
// must have counted, some accounts at a time. A tally may be higher: it then
// refuses too much, which costs nobody money.
func (r *reconciler) compareCaps(ctx context.Context) error {
	since := r.now.Add(-tallied)
	if r.scope.Since.After(since) {
		since = r.scope.Since
	}
	for after := int64(0); ; {
		var last, n int64
		err := r.row(ctx, `SELECT COALESCE(MAX(account_id), 0), COUNT(*) FROM (
				SELECT DISTINCT account_id FROM adcredit_listen WHERE account_id > ? ORDER BY account_id LIMIT ?) a`,
			after, compareBatch).Scan(&last, &n)
		if err != nil || n == 0 {
			return err
		}
		if err := r.compareCapsOf(ctx, after, last, since); err != nil {
			return err
		}
		after = last
	}
}

func (r *reconciler) compareCapsOf(ctx context.Context, after, last int64, since time.Time) error {
	const (
		of     = ` AS listens FROM adcredit_listen WHERE account_id > ? AND account_id <= ? AND started_at >= ? `
		closed = `AND state IN ('started', 'completed') `
	)
	var low []Difference
	err := r.each(ctx, func(scan func(...any) error) error {
		var t tally
		var listens, n int64
		var name string
		if err := scan(&t.account, &t.day, &t.campaign, &name, &t.kind, &listens, &n); err != nil {
			return err
		}
		r.Caps++
		if n < listens {
			low = append(low, Difference{Check: CapTooLow, AccountID: credit.ID(t.account), Campaign: name, Day: t.day,
				Detail: fmt.Sprintf("%d counted as %s, and there are %d", n, t.kind, listens)})
		}
		return nil
	}, `SELECT t.account_id, t.day, t.campaign_id, COALESCE(c.name, ''), t.kind, t.listens, COALESCE(n.n, 0) FROM (
			SELECT account_id, day, 0 AS campaign_id, 'start' AS kind, COUNT(*)`+of+`GROUP BY account_id, day UNION ALL
			SELECT account_id, day, 0, 'listen', COUNT(*)`+of+closed+`GROUP BY account_id, day UNION ALL
			SELECT account_id, day, campaign_id, 'listen', COUNT(*)`+of+closed+`GROUP BY account_id, day, campaign_id
		) t LEFT JOIN adcredit_cap n ON n.account_id = t.account_id AND n.day = t.day AND n.campaign_id = t.campaign_id AND n.kind = t.kind
		LEFT JOIN adcredit_campaign c ON c.id = t.campaign_id
		ORDER BY t.account_id, t.day, t.campaign_id, t.kind`,
		after, last, since, after, last, since, after, last, since)
	if err != nil {
		return err
	}
	for _, d := range low {
		if err := r.differ(d); err != nil {
			return err
		}
	}
	return nil
}
