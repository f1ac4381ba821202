package store

import (
	"context"
	"slices"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// AddCampaign records a valid campaign with its ads and its budget.
func (s *Store) AddCampaign(ctx context.Context, c credit.Campaign) (credit.Campaign, error) {
	if c.State == "" {
		c.State = credit.CampaignActive
	}
	err := s.tx(ctx, func(q session) (err error) {
		c.ID, err = q.insert(ctx, `
			INSERT INTO adcredit_campaign (name, state, reward, budget, daily_budget, per_day,
				starts_at, ends_at, from_minute, to_minute, created_at)
			VALUES (?, ?, {money}, {money}, {money}, ?, ?, ?, ?, ?, {now})`,
			c.Name, string(c.State), c.Reward, c.Budget, c.DailyBudget, c.PerDay,
			c.StartsAt, c.EndsAt, c.FromMinute, c.ToMinute)
		if err != nil {
			return err
		}
		for _, ad := range c.Ads {
			if _, err := q.insert(ctx, `INSERT INTO adcredit_ad (campaign_id, language, sound, rate_hz, samples)
				VALUES (?, ?, ?, ?, ?)`, c.ID, ad.Language, ad.Sound, ad.RateHz, ad.Samples); err != nil {
				return err
			}
		}
		return q.fund(ctx, budget{c.ID, wholeBudget}, c.Budget, c.Reward)
	})
	if err != nil {
		if s.dialect.meaning(err) == duplicate {
			err = refuse(wire.KeyReused, "Another campaign has this name.")
		}
		return credit.Campaign{}, s.fail("add a campaign", err)
	}
	return s.campaign(ctx, c.Name)
}

// campaign reads one by its name.
func (s *Store) campaign(ctx context.Context, name string) (credit.Campaign, error) {
	campaigns, err := s.campaigns(ctx, `c.name = ?`, name)
	if err == nil && len(campaigns) == 0 {
		err = refuse(wire.NotFound, "There is no such campaign.")
	}
	if err != nil {
		return credit.Campaign{}, s.fail("read a campaign", err)
	}
	return campaigns[0], nil
}

// Campaigns lists campaigns by name.
func (s *Store) Campaigns(ctx context.Context, archived bool) ([]credit.Campaign, error) {
	condition := `c.state <> 'archived'`
	if archived {
		condition = `1 = 1`
	}
	campaigns, err := s.campaigns(ctx, condition)
	return campaigns, s.fail("list campaigns", err)
}

// campaigns reads those that fit the condition, and their ads.
func (s *Store) campaigns(ctx context.Context, condition string, args ...any) ([]credit.Campaign, error) {
	campaigns := []credit.Campaign{}
	at := map[int64]int{} // where a campaign stands in campaigns
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		var c credit.Campaign
		err := scan(&c.ID, &c.Name, &c.State, s.dialect.money(&c.Reward), s.dialect.money(&c.Budget),
			s.dialect.money(&c.DailyBudget), &c.PerDay, instantOrNil(&c.StartsAt), instantOrNil(&c.EndsAt),
			&c.FromMinute, &c.ToMinute, instant(&c.CreatedAt), s.dialect.money(&c.Held), s.dialect.money(&c.Spent))
		at[c.ID] = len(campaigns)
		campaigns = append(campaigns, c)
		return err
	}, `SELECT c.id, c.name, c.state, c.reward, c.budget, c.daily_budget, c.per_day, c.starts_at, c.ends_at,
			c.from_minute, c.to_minute, c.created_at,
			(SELECT SUM(held) FROM adcredit_budget b WHERE b.campaign_id = c.id AND b.day = 0),
			(SELECT SUM(spent) FROM adcredit_budget b WHERE b.campaign_id = c.id AND b.day = 0)
		FROM adcredit_campaign c WHERE `+condition+` ORDER BY c.name`, args...)
	if err != nil {
		return nil, err
	}
	err = s.pool().each(ctx, func(scan func(...any) error) error {
		var id int64
		var ad credit.Ad
		if err := scan(&id, &ad.ID, &ad.Language, &ad.Sound, &ad.RateHz, &ad.Samples); err != nil {
			return err
		}
		if i, ok := at[id]; ok { // else added since
			campaigns[i].Ads = append(campaigns[i].Ads, ad)
		}
		return nil
	}, `SELECT a.campaign_id, a.id, a.language, a.sound, a.rate_hz, a.samples
		FROM adcredit_campaign c JOIN adcredit_ad a ON a.campaign_id = c.id WHERE `+condition+` ORDER BY a.id`, args...)
	return campaigns, err
}

// SetCampaignState pauses, resumes or archives a campaign. Listens that have
// started complete whatever the state.
func (s *Store) SetCampaignState(ctx context.Context, name string, state credit.CampaignState) error {
	states := []credit.CampaignState{credit.CampaignActive, credit.CampaignPaused, credit.CampaignArchived}
	if !slices.Contains(states, state) {
		return refuse(wire.InvalidRequest, "A campaign is active, paused or archived.")
	}
	return s.fail("set a campaign's state", s.tx(ctx, func(q session) error {
		n, err := q.exec(ctx, `UPDATE adcredit_campaign SET state = ?
			WHERE name = ? AND state <> 'archived' AND state <> ?`, string(state), name, string(state))
		if err != nil || n == 1 {
			return err
		}
		var now credit.CampaignState
		err = q.row(ctx, `SELECT state FROM adcredit_campaign WHERE name = ?`, name).Scan(&now)
		if err == nil && now != state {
			err = refuse(wire.InvalidRequest, "An archived campaign stays archived; add a new one.")
		}
		return absent(err, wire.NotFound, "There is no such campaign.")
	}))
}
