package store

import (
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// books are the money as it should be, whatever the store does.
type books struct {
	credit map[credit.ID]wire.Money // once nothing is open
	held   map[int]wire.Money       // by day; wholeBudget is the sum
	spent  map[int]wire.Money
}

func newBooks() books {
	return books{map[credit.ID]wire.Money{}, map[int]wire.Money{}, map[int]wire.Money{}}
}

func (b books) hold(day int, amount wire.Money) {
	b.held[day] += amount
	b.held[wholeBudget] += amount
}

func (b books) release(day int) { b.hold(day, -reward) }

func (b books) grant(day int, account credit.ID) {
	b.release(day)
	b.spent[day] += reward
	b.spent[wholeBudget] += reward
	b.credit[account] += reward
}

func (b books) used(day int) wire.Money { return b.held[day] + b.spent[day] }

// An impression is a listen as the model knows it.
type impression struct {
	call    credit.NewListen
	id      string
	state   credit.ListenState
	busy    time.Time // until
	expires time.Time
}

func (i *impression) playing(now time.Time) bool {
	return i.state == credit.Started && i.busy.After(now)
}

func (i *impression) over(now time.Time) bool {
	return i.state == credit.Started && !i.expires.After(now)
}

// completes is how a completion must be answered now: "" grants.
func (i *impression) completes(now time.Time) wire.Code {
	switch {
	case i.state == credit.Abandoned:
		return wire.ListenAbandoned
	case i.state == credit.Lapsed, i.over(now):
		return wire.ListenExpired
	}
	return ""
}

// abandons is how an abandonment must be answered now.
func (i *impression) abandons(now time.Time) wire.Code {
	if i.state == credit.Completed {
		return wire.ListenCompleted
	}
	if i.state == credit.Abandoned {
		return ""
	}
	return i.completes(now)
}
