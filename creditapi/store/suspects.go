package store

import (
	"context"
	"time"

	"adcredit/creditapi/credit"
)

// suspects gathers what several statements say of the same node or account.
type suspects struct {
	nodes    map[string]*credit.SuspectNode
	accounts map[credit.ID]*credit.SuspectAccount
	credit.Suspects
}

func (s *suspects) node(name string) *credit.SuspectNode {
	if s.nodes[name] == nil {
		s.nodes[name] = &credit.SuspectNode{Node: name, Refusals: credit.Refusals{}}
	}
	return s.nodes[name]
}

func (s *suspects) account(id credit.ID) *credit.SuspectAccount {
	if s.accounts[id] == nil {
		s.accounts[id] = &credit.SuspectAccount{ID: id, CallerIDs: []string{}, Refusals: credit.Refusals{}}
	}
	return s.accounts[id]
}

// Suspects counts in a few statements, for a person who waits: they go through
// the listens of the span.
func (s *Store) Suspects(ctx context.Context, span time.Duration, day int) (credit.Suspects, error) {
	found := &suspects{nodes: map[string]*credit.SuspectNode{}, accounts: map[credit.ID]*credit.SuspectAccount{}}
	found.Nodes, found.Accounts, found.Callers = []credit.SuspectNode{}, []credit.SuspectAccount{}, []credit.SuspectCaller{}
	q := s.pool()
	for _, count := range []func(context.Context, *suspects) error{
		q.countOpen,
		func(ctx context.Context, to *suspects) error { return q.countListens(ctx, to, span) },
		func(ctx context.Context, to *suspects) error { return q.countRefusals(ctx, to, span) },
		func(ctx context.Context, to *suspects) error { return q.countCallers(ctx, to, day) },
	} {
		if err := count(ctx, found); err != nil {
			return credit.Suspects{}, s.fail("count what is suspicious", err)
		}
	}
	for _, n := range found.nodes {
		found.Nodes = append(found.Nodes, *n)
	}
	for _, a := range found.accounts {
		found.Accounts = append(found.Accounts, *a)
	}
	return found.Suspects, nil
}

func (q session) countOpen(ctx context.Context, to *suspects) error {
	return q.each(ctx, func(scan func(...any) error) error {
		var node string
		var open int
		err := scan(&node, &open)
		to.node(node).Open = open
		return err
	}, `SELECT node, COUNT(*) FROM adcredit_listen WHERE state = 'started' GROUP BY node`)
}

// countListens counts ends of listens. One that has started and whose busy time
// is over is unfinished; it may still come, from a spool.
func (q session) countListens(ctx context.Context, to *suspects, span time.Duration) error {
	return q.each(ctx, func(scan func(...any) error) error {
		var node, card string
		var id credit.ID
		var completed, late, unfinished int
		err := scan(&node, &id, &card, &completed, &late, &unfinished)
		n, a := to.node(node), to.account(id)
		n.Completed += completed
		n.Late += late
		a.Card = card
		a.Completed += completed
		a.Late += late
		a.Unfinished += unfinished
		return err
	}, `SELECT node, account_id, MAX(card),
			SUM(CASE WHEN state = 'completed' THEN 1 ELSE 0 END),
			SUM(CASE WHEN state = 'completed' AND ended_at >= busy_until THEN 1 ELSE 0 END),
			SUM(CASE WHEN state = 'completed' OR state = 'started' AND busy_until > {now} THEN 0 ELSE 1 END)
		FROM adcredit_listen WHERE started_at > {before} GROUP BY node, account_id`, span)
}

func (q session) countRefusals(ctx context.Context, to *suspects, span time.Duration) error {
	return q.each(ctx, func(scan func(...any) error) error {
		var node string
		var why credit.Suspicion
		var id credit.ID
		var n int
		err := scan(&node, &why, &id, &n)
		to.node(node).Refusals[why] += n
		if id != 0 {
			to.account(id).Refusals[why] += n
		}
		return err
	}, `SELECT node, reason, account_id, SUM(n) FROM adcredit_refusal WHERE last_at > {before} GROUP BY node, reason, account_id`, span)
}

func (q session) countCallers(ctx context.Context, to *suspects, day int) error {
	callers := map[string]*credit.SuspectCaller{}
	err := q.each(ctx, func(scan func(...any) error) error {
		var number string
		var id credit.ID
		var starts int
		err := scan(&number, &id, &starts)
		if callers[number] == nil {
			callers[number] = &credit.SuspectCaller{CallerID: number}
		}
		callers[number].Accounts++
		callers[number].Starts += starts
		a := to.account(id)
		a.CallerIDs = append(a.CallerIDs, number)
		return err
	}, `SELECT caller_id, account_id, SUM(n) FROM adcredit_caller WHERE day >= ? AND account_id <> 0
		GROUP BY caller_id, account_id ORDER BY caller_id`, day)
	for _, c := range callers {
		to.Callers = append(to.Callers, *c)
	}
	return err
}
