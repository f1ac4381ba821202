package credittest

import (
	"context"
	"slices"
	"strings"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// AddCampaign implements credit.Store. Without a state the campaign is active;
// without hours it runs all day.
func (m *Memory) AddCampaign(ctx context.Context, c credit.Campaign) (credit.Campaign, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Campaign{}, err
	}
	if slices.ContainsFunc(m.campaigns, func(o credit.Campaign) bool { return o.Name == c.Name }) {
		return credit.Campaign{}, refuse(wire.KeyReused, "There is a campaign of this name already.")
	}
	if c.State == "" {
		c.State = credit.CampaignActive
	}
	if c.ToMinute == 0 {
		c.ToMinute = 24 * 60
	}
	c.ID, c.CreatedAt = int64(len(m.campaigns)+1), m.now()
	m.campaigns = append(m.campaigns, c)
	return c, nil
}

// Campaigns implements credit.Store.
func (m *Memory) Campaigns(ctx context.Context, archived bool) ([]credit.Campaign, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return nil, err
	}
	var list []credit.Campaign
	for _, c := range m.campaigns {
		if archived || c.State != credit.CampaignArchived {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b credit.Campaign) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// SetCampaignState implements credit.Store.
func (m *Memory) SetCampaignState(ctx context.Context, name string, state credit.CampaignState) error {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return err
	}
	for i := range m.campaigns {
		if c := &m.campaigns[i]; c.Name == name {
			if c.State == credit.CampaignArchived {
				return refuse(wire.InvalidRequest, "This campaign is archived for good.")
			}
			c.State = state
			return nil
		}
	}
	return refuse(wire.NotFound, "There is no such campaign.")
}

// Key implements credit.Store.
func (m *Memory) Key(ctx context.Context, id string) (credit.Key, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Key{}, err
	}
	k, err := m.key(id)
	if err != nil {
		return credit.Key{}, err
	}
	return *k, nil
}

func (m *Memory) key(id string) (*credit.Key, error) {
	for i := range m.keys {
		if m.keys[i].ID == id {
			return &m.keys[i], nil
		}
	}
	return nil, refuse(wire.NotFound, "There is no such key.")
}

// Keys implements credit.Store.
func (m *Memory) Keys(ctx context.Context) ([]credit.Key, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return nil, err
	}
	list := slices.Clone(m.keys)
	slices.Reverse(list)
	return list, nil
}

// AddKey implements credit.Store.
func (m *Memory) AddKey(ctx context.Context, k credit.Key) error {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return err
	}
	k.CreatedAt = m.now()
	m.keys = append(m.keys, k)
	return nil
}

// RevokeKey implements credit.Store.
func (m *Memory) RevokeKey(ctx context.Context, id string) error {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return err
	}
	k, err := m.key(id)
	if err == nil && k.RevokedAt == nil {
		now := m.now()
		k.RevokedAt = &now
	}
	return err
}

// TouchKey implements credit.Store.
func (m *Memory) TouchKey(ctx context.Context, id string) error {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return err
	}
	k, err := m.key(id)
	if err == nil {
		now := m.now()
		k.LastUsed = &now
	}
	return err
}

// Suspects implements credit.Store: it tells of refusals alone.
func (m *Memory) Suspects(ctx context.Context, _ time.Duration, _ int) (credit.Suspects, error) {
	defer m.lock()()
	if err := m.refuse(ctx); err != nil {
		return credit.Suspects{}, err
	}
	nodes := map[string]*credit.SuspectNode{}
	for _, r := range m.refusals {
		if nodes[r.Node] == nil {
			nodes[r.Node] = &credit.SuspectNode{Node: r.Node, Refusals: credit.Refusals{}}
		}
		nodes[r.Node].Refusals[r.Why]++
	}
	var s credit.Suspects
	for _, n := range nodes {
		s.Nodes = append(s.Nodes, *n)
	}
	return s, nil
}
