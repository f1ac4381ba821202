package store

import (
	"context"
	"database/sql"
	"errors"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A node's limits are held on one row per node, which each start and each end of
// a listen changes as the last thing of its transaction: then nobody waits
// for the row longer than a commit takes. All calls of a node still queue for it,
// so where no limit is set nothing is counted.

// CountNodes makes this store count what each node does, for limits on it. Call it
// before the first listen. What is open is counted anew, since it may have started
// when nobody counted; what a node's callers earned then is not.
func (s *Store) CountNodes(ctx context.Context) error {
	s.countsNodes.Store(true)
	return s.fail("count the open listens of nodes", s.tx(ctx, func(q session) error {
		_, err := q.exec(ctx, `INSERT INTO adcredit_node (node, open_listens, minute, minute_amount, day, day_amount)
			SELECT who, 0, 0, 0, 0, 0 FROM (SELECT node AS who FROM adcredit_listen WHERE state = 'started' GROUP BY node) l
			WHERE 1 = 1 {keep node}`)
		if err != nil {
			return err
		}
		// Each row is locked before its listens are counted: a start or an end that
		// is not committed yet is not among them, and changes the row after us.
		_, err = q.exec(ctx, `UPDATE adcredit_node SET open_listens =
			(SELECT COUNT(*) FROM adcredit_listen l WHERE l.node = adcredit_node.node AND l.state = 'started')`)
		return err
	}))
}

// enterNode counts a listen that starts, unless the node has reached a limit.
// The condition and the change are one statement.
func (q session) enterNode(ctx context.Context, n credit.NewListen, reward wire.Money) error {
	if !q.countsNodes.Load() {
		return nil
	}
	for range 2 {
		changed, err := q.countOnNode(ctx, n, reward)
		if err != nil || changed == 1 {
			return err
		}
		_, err = q.exec(ctx, `INSERT INTO adcredit_node (node, open_listens, minute, minute_amount, day, day_amount)
			VALUES (?, 0, 0, 0, 0, 0) {keep node}`, n.Node)
		if err != nil {
			return err
		}
	}
	limit, err := q.nodeLimit(ctx, n, reward)
	if err != nil {
		return err
	}
	return &wire.Error{Code: wire.NodeLimit, Detail: "This node plays or earns as much as it may now.", Err: limit}
}

func (q session) countOnNode(ctx context.Context, n credit.NewListen, reward wire.Money) (int64, error) {
	// The amounts come before the spans that they are of: MySQL assigns from
	// left to right, and sees what it has assigned.
	return q.exec(ctx, `
		UPDATE adcredit_node SET open_listens = open_listens + 1,
			minute_amount = CASE WHEN minute = ? THEN minute_amount ELSE 0 END + {money}, minute = ?,
			day_amount = CASE WHEN day = ? THEN day_amount ELSE 0 END + {money}, day = ?
		WHERE node = ? AND (? = 0 OR open_listens < ?)
			AND ({money} = 0 OR CASE WHEN minute = ? THEN minute_amount ELSE 0 END + {money} <= {money})
			AND ({money} = 0 OR CASE WHEN day = ? THEN day_amount ELSE 0 END + {money} <= {money})`,
		n.UnixMinute, reward, n.UnixMinute, n.Day, reward, n.Day,
		n.Node, n.Limits.Open, n.Limits.Open,
		n.Limits.PerMinute, n.UnixMinute, reward, n.Limits.PerMinute,
		n.Limits.PerDay, n.Day, reward, n.Limits.PerDay)
}

// nodeLimit says which limit a listen of this reward would meet now, or "".
func (q session) nodeLimit(ctx context.Context, n credit.NewListen, reward wire.Money) (credit.Suspicion, error) {
	var open int
	var minute int64
	var day int
	var minuteAmount, dayAmount wire.Money
	err := q.row(ctx, `SELECT open_listens, minute, minute_amount, day, day_amount FROM adcredit_node WHERE node = ?`, n.Node).
		Scan(&open, &minute, q.dialect.money(&minuteAmount), &day, q.dialect.money(&dayAmount))
	if errors.Is(err, sql.ErrNoRows) {
		err = nil // it has started nothing yet
	}
	if minute != n.UnixMinute {
		minuteAmount = 0
	}
	if day != n.Day {
		dayAmount = 0
	}
	switch {
	case err != nil:
		return "", err
	case n.Limits.Open > 0 && open >= n.Limits.Open:
		return credit.NodeOpen, nil
	case n.Limits.PerDay > 0 && dayAmount > n.Limits.PerDay-reward:
		return credit.NodePerDay, nil
	case n.Limits.PerMinute > 0 && minuteAmount > n.Limits.PerMinute-reward:
		return credit.NodePerMinute, nil
	}
	return "", nil
}

// leaveNode counts a listen that ended, and what it did not earn. Only who ended
// it may.
func (q session) leaveNode(ctx context.Context, l listen, unearned wire.Money) error {
	if !q.countsNodes.Load() {
		return nil
	}
	_, err := q.exec(ctx, `
		UPDATE adcredit_node SET open_listens = open_listens - CASE WHEN open_listens > 0 THEN 1 ELSE 0 END,
			minute_amount = minute_amount - CASE WHEN minute = ? AND minute_amount >= {money} THEN {money} ELSE 0 END,
			day_amount = day_amount - CASE WHEN day = ? AND day_amount >= {money} THEN {money} ELSE 0 END
		WHERE node = ?`, l.minute, unearned, unearned, l.day, unearned, unearned, l.Node)
	return err
}
