// Package credittest holds a [credit.Store] in memory, for tests of what stands
// above the store. It keeps the store's promises within one process: a reward
// is held once, granted once, and a budget is never overrun.
package credittest

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// Memory is a credit.Store in memory, safe for concurrent use.
type Memory struct {
	mu        sync.Mutex
	now       func() time.Time
	failure   error
	doubt     string
	way       credit.Way
	settings  credit.Settings
	accounts  []credit.Account
	callerIDs map[string]credit.ID
	campaigns []credit.Campaign
	listens   []*listen
	ledger    []credit.Entry
	manual    map[string]refill // by their idempotency keys
	keys      []credit.Key
	refusals  []credit.Refusal
	paid      map[credit.ID]int
}

// New makes an empty store that takes its time from now; nil is the system's
// clock. It promises what Transaction promises, in XOF.
func New(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{
		now:       now,
		way:       credit.Transaction,
		settings:  credit.Settings{BaseCurrency: "XOF"},
		callerIDs: map[string]credit.ID{},
		paid:      map[credit.ID]int{},
		manual:    map[string]refill{},
	}
}

// Fail makes every method answer err until it is called with nil.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// Doubt makes the entries from now on end in doubt for this cause, until it is
// called with "".
func (m *Memory) Doubt(cause string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doubt = cause
}

// Set replaces an account that is there, by its ID.
func (m *Memory) Set(a credit.Account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.accounts {
		if m.accounts[i].ID == a.ID {
			m.accounts[i] = a
		}
	}
}

// SetSettings replaces what A2Billing's cc_config says.
func (m *Memory) SetSettings(s credit.Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settings = s
}

// SetPaid says for how many refills an account has paid.
func (m *Memory) SetPaid(id credit.ID, refills int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.paid[id] = refills
}

// HasPaid implements credit.Store.
func (m *Memory) HasPaid(ctx context.Context, id credit.ID, refills int) (bool, error) {
	defer m.lock()()
	return m.paid[id] >= refills, m.refuse(ctx)
}

// Ledger returns a copy of the ledger, the oldest entry first.
func (m *Memory) Ledger() []credit.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.ledger)
}

// Way implements credit.Store.
func (m *Memory) Way() credit.Way { return m.way }

// Ready implements credit.Store.
func (m *Memory) Ready(ctx context.Context) error {
	defer m.lock()()
	return m.refuse(ctx)
}

// Sweep implements credit.Store. Entries have no open steps here.
func (m *Memory) Sweep(ctx context.Context) (credit.Swept, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Swept{}, err
	}
	var swept credit.Swept
	for _, l := range m.listens {
		if l.State == credit.Started && m.now().After(l.until) {
			m.close(l, credit.Lapsed)
			swept.Expired++
		}
	}
	return swept, nil
}

// Account implements credit.Store.
func (m *Memory) Account(ctx context.Context, ref credit.Ref) (credit.Account, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Account{}, err
	}
	var found []credit.Account
	for _, a := range m.accounts {
		byCID := m.callerIDs[ref.Name] == a.ID
		bare := ref.Kind == credit.ByAny
		switch {
		case ref.Kind == credit.ByID && strconv.FormatInt(int64(a.ID), 10) == ref.Name,
			(bare || ref.Kind == credit.ByCard) && a.Card == ref.Name,
			(bare || ref.Kind == credit.ByAlias) && a.Alias == ref.Name,
			(bare || ref.Kind == credit.ByCID) && byCID:
			a.Now = m.now()
			found = append(found, a)
		}
	}
	switch len(found) {
	case 0:
		return credit.Account{}, refuse(wire.AccountNotFound, "There is no such account.")
	case 1:
		return found[0], nil
	}
	return credit.Account{}, refuse(wire.AccountAmbiguous, "Several accounts go by this name.")
}

// Accounts implements credit.Store.
func (m *Memory) Accounts(ctx context.Context, after credit.ID, limit int) ([]credit.Account, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return nil, err
	}
	var page []credit.Account
	for _, a := range m.accounts {
		if a.ID > after && len(page) < limit {
			page = append(page, a)
		}
	}
	return page, nil
}

// AddAccount implements credit.Store. The account is active.
func (m *Memory) AddAccount(ctx context.Context, n credit.NewAccount) (credit.Account, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Account{}, err
	}
	for _, a := range m.accounts {
		if a.Card == n.Card || n.Alias != "" && a.Alias == n.Alias {
			return credit.Account{}, refuse(wire.KeyReused, "There is an account of this name already.")
		}
	}
	a := credit.Account{
		ID: credit.ID(len(m.accounts) + 1), Card: n.Card, Alias: n.Alias, Credit: n.Credit,
		Status: credit.Active, Language: n.Language, Currency: m.settings.BaseCurrency, Price: wire.Units(1), Now: m.now(),
	}
	for _, cid := range n.CallerIDs {
		m.callerIDs[cid] = a.ID
	}
	m.accounts = append(m.accounts, a)
	return a, nil
}

// Settings implements credit.Store.
func (m *Memory) Settings(ctx context.Context) (credit.Settings, error) {
	defer m.lock()()
	return m.settings, m.refuse(ctx)
}

// lock locks the store and returns what unlocks it.
func (m *Memory) lock() (unlock func()) {
	m.mu.Lock()
	return m.mu.Unlock
}

// refuse says why nothing works now.
func (m *Memory) refuse(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.failure
}

func refuse(code wire.Code, detail string) error { return &wire.Error{Code: code, Detail: detail} }

var _ credit.Store = (*Memory)(nil)
