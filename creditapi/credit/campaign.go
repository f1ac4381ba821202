package credit

import (
	"regexp"
	"time"

	"adcredit/creditapi/wire"
)

// CampaignState says whether a campaign's ads may be played.
type CampaignState string

// States of a campaign. An archived one is kept for the ledger and never
// comes back.
const (
	CampaignActive   CampaignState = "active"
	CampaignPaused   CampaignState = "paused"
	CampaignArchived CampaignState = "archived"
)

// Campaign is an advertiser's ads with a reward, a budget, a schedule and caps.
type Campaign struct {
	ID          int64         `json:"id"`
	Name        string        `json:"name"`
	State       CampaignState `json:"state"`
	Reward      wire.Money    `json:"reward"`       // what one listen earns
	Budget      wire.Money    `json:"budget"`       // never overrun
	DailyBudget wire.Money    `json:"daily_budget"` // 0: none
	PerDay      int           `json:"per_day"`      // listens of one account in a day; 0: no cap
	StartsAt    *time.Time    `json:"starts_at,omitempty"`
	EndsAt      *time.Time    `json:"ends_at,omitempty"`
	FromMinute  int           `json:"from_minute"` // of the day, in the policy's time zone
	ToMinute    int           `json:"to_minute"`   // exclusive; 1440: until midnight
	Ads         []Ad          `json:"ads"`
	Held        wire.Money    `json:"held"`  // for listens that have not ended
	Spent       wire.Money    `json:"spent"` // granted
	CreatedAt   time.Time     `json:"created_at"`
}

// Ad is one recording of a campaign.
type Ad struct {
	ID       int64  `json:"id"`
	Language string `json:"language"` // "": for everybody
	Sound    string `json:"sound"`    // below the sounds folder, without extension
	RateHz   int64  `json:"rate_hz"`
	Samples  int64  `json:"samples"`
}

// DurationMS is how long the ad plays, in milliseconds, rounded up.
func (a Ad) DurationMS() int64 {
	if a.RateHz <= 0 {
		return 0
	}
	return (a.Samples*1000 + a.RateHz - 1) / a.RateHz
}

var (
	campaignName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,59}$`)
	soundName    = regexp.MustCompile(`^[a-z0-9][a-z0-9/_-]{0,99}$`)
	language     = regexp.MustCompile(`^([a-z]{2}(_[A-Z]{2})?)?$`)
)

// maxAd bounds an ad at ten minutes of any sane rate: what is longer is a
// mistake, and nobody would hear it to its end.
const maxAd = 10 * 60 * 1000

// Validate refuses a campaign that could never run, naming the field.
func (c Campaign) Validate() error {
	invalid := func(detail string) error { return &wire.Error{Code: wire.InvalidRequest, Detail: detail} }
	switch {
	case !campaignName.MatchString(c.Name):
		return invalid("A campaign's name has 1 to 60 of a-z, 0-9, '.', '_' and '-', and starts with a letter or digit.")
	case c.Reward <= 0:
		return invalid("The reward must be more than 0.")
	case c.Budget < c.Reward:
		return invalid("The budget must hold at least one reward.")
	case c.DailyBudget != 0 && c.DailyBudget < c.Reward:
		return invalid("The daily budget must hold at least one reward, or be 0 for none.")
	case c.PerDay < 0:
		return invalid("The cap per account and day is 0 (none) or more.")
	case c.StartsAt != nil && c.EndsAt != nil && !c.StartsAt.Before(*c.EndsAt):
		return invalid("The campaign must end after it starts.")
	case c.FromMinute < 0 || c.ToMinute > 24*60 || c.FromMinute >= c.ToMinute:
		return invalid("The hours of the day must be a span such as 08:00-20:00.")
	case len(c.Ads) == 0:
		return invalid("A campaign needs at least one ad.")
	}
	for _, ad := range c.Ads {
		switch {
		case !soundName.MatchString(ad.Sound):
			return invalid("A sound's name has 1 to 100 of a-z, 0-9, '/', '_' and '-', without extension.")
		case !language.MatchString(ad.Language):
			return invalid("An ad's language is like fr or en, or empty for everybody.")
		case ad.RateHz <= 0 || ad.Samples <= 0 || ad.DurationMS() > maxAd:
			return invalid("An ad's length is more than 0 and at most ten minutes.")
		}
	}
	return nil
}
