package store

import "context"

// insertAttention records what will be asked in the middle of the ad, if
// anything. It has a table of its own, since most listens have none.
func (q session) insertAttention(ctx context.Context, l listen) error {
	if l.Attention.Digit == "" {
		return nil
	}
	_, err := q.exec(ctx, `INSERT INTO adcredit_attention (listen_id, at_ms, digit) VALUES (?, ?, ?)`,
		l.ID, l.Attention.AtMS, l.Attention.Digit)
	return err
}
