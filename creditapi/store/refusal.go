package store

import (
	"context"

	"adcredit/creditapi/credit"
)

// Refused counts a refusal on the row of its listen, node and reason.
func (s *Store) Refused(ctx context.Context, r credit.Refusal) error {
	account, elapsed := int64(r.AccountID), r.Elapsed.Milliseconds()
	return s.fail("record a refusal", s.tx(ctx, func(q session) error {
		_, err := q.exec(ctx, `
			INSERT INTO adcredit_refusal (listen_id, node, reason, n, account_id, endpos, played_ms, elapsed_ms, first_at, last_at)
			VALUES (?, ?, ?, 1, ?, ?, ?, ?, {now}, {now})
			{or} n = n + 1, account_id = ?, endpos = ?, played_ms = ?, elapsed_ms = ?, last_at = {now}`,
			r.ListenID, r.Node, string(r.Why), account, r.Heard.Endpos, r.Heard.PlayedMS, elapsed,
			account, r.Heard.Endpos, r.Heard.PlayedMS, elapsed)
		return err
	}))
}
