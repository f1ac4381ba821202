package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"adcredit/creditapi/wire"
)

// usage is how far a campaign's budgets are used.
type usage struct {
	used    wire.Money // of the whole budget: held or spent
	room    wire.Money // the most that is left on one row of it
	funded  bool       // the rows of the day's budget exist
	dayRoom wire.Money // as room, of the day's
}

// usages remembers them for a moment, since adding up all rows of many campaigns
// takes longer than all else that a start asks. They order the campaigns, and leave
// out those that had no room: whether there is room decides the row itself, when it
// is changed. Before anybody hears that nothing fits, they are read anew.
type usages struct {
	mu  sync.Mutex
	of  map[int64]usage // by campaign
	day int
	at  time.Time
}

// moment is how long.
const moment = time.Second

// remembered returns the usages of a day, nil when they must be read. Of many who
// ask when the moment is over, one reads.
func (u *usages) remembered(day int) map[int64]usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.day != day {
		return nil
	}
	if now := time.Now(); now.Sub(u.at) > moment {
		u.at = now
		return nil
	}
	return maps.Clone(u.of)
}

// add counts what this process holds, or with less than 0 releases, between two
// readings.
func (u *usages) add(campaign int64, reward wire.Money) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if of, known := u.of[campaign]; known {
		of.used = max(0, of.used+reward)
		u.of[campaign] = of
	}
}

// readUsages reads them as they are now.
func (q session) readUsages(ctx context.Context, day int) (map[int64]usage, error) {
	of := map[int64]usage{}
	err := q.each(ctx, func(scan func(...any) error) error {
		var b budget
		var used, room wire.Money
		if err := scan(&b.campaign, &b.day, q.dialect.money(&used), q.dialect.money(&room)); err != nil {
			return err
		}
		u := of[b.campaign]
		if b.day == wholeBudget {
			u.used, u.room = used, room
		} else {
			u.funded, u.dayRoom = true, room
		}
		of[b.campaign] = u
		return nil
	}, `SELECT b.campaign_id, b.day, SUM(b.held + b.spent), MAX(b.amount - b.held - b.spent)
		FROM adcredit_campaign c JOIN adcredit_budget b ON b.campaign_id = c.id AND b.day IN (0, ?)
		WHERE c.state = 'active' GROUP BY b.campaign_id, b.day`, day)
	if err != nil {
		return nil, err
	}
	q.usages.mu.Lock()
	defer q.usages.mu.Unlock()
	q.usages.of, q.usages.day, q.usages.at = maps.Clone(of), day, time.Now()
	return of, nil
}

// fitting leaves out the candidates without room, and orders the rest; known is
// false when there is one whose usage is not told, as of a new campaign.
func fitting(all []candidate, of map[int64]usage) (fit []candidate, known bool) {
	known = true
	for _, c := range all {
		u, told := of[c.id]
		known = known && told
		if !told || u.room < c.reward || c.dailyBudget > 0 && u.funded && u.dayRoom < c.reward {
			continue
		}
		c.used, c.dayFunded = u.used, u.funded
		fit = append(fit, c)
	}
	slices.SortFunc(fit, before)
	return fit, known
}
