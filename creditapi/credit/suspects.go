package credit

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Suspects is what a person should look at, the worst first. It accuses nobody:
// each figure has honest causes, too.
type Suspects struct {
	Days     int              `json:"days"`
	Nodes    []SuspectNode    `json:"nodes"`
	Accounts []SuspectAccount `json:"accounts"`
	Callers  []SuspectCaller  `json:"callers"`
}

// Refusals counts refusals by their reason.
type Refusals map[Suspicion]int

func (r Refusals) sum() (n int) {
	for _, count := range r {
		n += count
	}
	return n
}

// SuspectNode is what a node did.
type SuspectNode struct {
	Node      string   `json:"node"`
	Open      int      `json:"open_listens"` // now
	Completed int      `json:"completed"`
	Late      int      `json:"late"` // of the completed
	Refusals  Refusals `json:"refusals"`
}

// LateShare is how many percent of a node's completions came late.
func (n SuspectNode) LateShare() int {
	if n.Completed == 0 {
		return 0
	}
	return 100 * n.Late / n.Completed
}

// SuspectAccount is what an account did.
type SuspectAccount struct {
	ID         ID       `json:"id"`
	Card       string   `json:"card"`
	Completed  int      `json:"completed"`
	Unfinished int      `json:"unfinished"` // started and never completed
	Late       int      `json:"late"`
	CallerIDs  []string `json:"caller_ids"` // that it called from
	Refusals   Refusals `json:"refusals"`
}

// SuspectCaller is a number that calls with several accounts.
type SuspectCaller struct {
	CallerID string `json:"caller_id"`
	Accounts int    `json:"accounts"`
	Starts   int    `json:"starts"`
}

// From these figures on, in the time that is looked at, people look.
const (
	ManyUnfinished = 5 // starts of an account that were never completed
	ManyCallers    = 3 // caller IDs of an account
	ManyAccounts   = 3 // accounts of a caller ID
	ManyLate       = 2 // late completions of an account
)

// Suspects tells of the last days what a person should look at. Nodes are
// all listed, since a node that is as it should be is worth knowing.
func (s *Service) Suspects(ctx context.Context, days int) (Suspects, error) {
	span := time.Duration(days) * 24 * time.Hour
	day, _ := s.Policy.day(s.now().Add(-span))
	all, err := s.Store.Suspects(ctx, span, day)
	if err != nil {
		return Suspects{}, err
	}
	all.Days = days
	slices.SortFunc(all.Nodes, func(a, b SuspectNode) int {
		return cmp.Or(cmp.Compare(b.Refusals.sum(), a.Refusals.sum()), cmp.Compare(b.LateShare(), a.LateShare()), cmp.Compare(a.Node, b.Node))
	})
	all.Accounts = slices.DeleteFunc(all.Accounts, func(a SuspectAccount) bool {
		return a.Refusals.sum() == 0 && a.Unfinished < ManyUnfinished && len(a.CallerIDs) < ManyCallers && a.Late < ManyLate
	})
	slices.SortFunc(all.Accounts, func(a, b SuspectAccount) int {
		return cmp.Or(cmp.Compare(b.Refusals.sum(), a.Refusals.sum()), cmp.Compare(b.Unfinished, a.Unfinished),
			cmp.Compare(len(b.CallerIDs), len(a.CallerIDs)), cmp.Compare(b.Late, a.Late), cmp.Compare(a.ID, b.ID))
	})
	all.Callers = slices.DeleteFunc(all.Callers, func(c SuspectCaller) bool { return c.Accounts < ManyAccounts })
	slices.SortFunc(all.Callers, func(a, b SuspectCaller) int {
		return cmp.Or(cmp.Compare(b.Accounts, a.Accounts), cmp.Compare(b.Starts, a.Starts), cmp.Compare(a.CallerID, b.CallerID))
	})
	return all, nil
}
