package store

import (
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var campaignParts = []part{
	{"campaign/add and list", testCampaignAdd},
	{"campaign/states", testCampaignStates},
	{"campaign/who fits", testCampaignFits},
	{"campaign/share evenly", testCampaignShare},
}

func testCampaignAdd(t *testing.T, w *world) {
	starts, ends := w.Now().Add(-time.Hour), w.Now().Add(time.Hour+time.Microsecond)
	added := w.campaign(t, "teranga", wire.Units(1000), func(c *credit.Campaign) {
		c.StartsAt, c.EndsAt, c.FromMinute, c.PerDay, c.DailyBudget = &starts, &ends, 60, 3, wire.Units(100)
		c.Ads = append(c.Ads, credit.Ad{Language: "fr", Sound: "ads/teranga-fr", RateHz: 16000, Samples: 99})
	})
	w.campaign(t, "baobab", wire.Units(500))
	all, err := w.Campaigns(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "campaigns", len(all), 2)
	wantEqual(t, "first by name", all[0].Name, "baobab")
	c := all[1]
	wantEqual(t, "id", c.ID, added.ID)
	wantEqual(t, "state", c.State, credit.CampaignActive)
	wantEqual(t, "starts", c.StartsAt.Equal(starts), true)
	wantEqual(t, "ends", c.EndsAt.Equal(ends), true)
	wantEqual(t, "created", c.CreatedAt, w.Now())
	wantEqual(t, "daily budget", c.DailyBudget, wire.Units(100))
	wantEqual(t, "per day", c.PerDay, 3)
	wantEqual(t, "ads", len(c.Ads), 2)
	ad := c.Ads[1]
	ad.ID = 0
	wantEqual(t, "ad", ad, credit.Ad{Language: "fr", Sound: "ads/teranga-fr", RateHz: 16000, Samples: 99})
	c.Name, c.ID = "baobab", 0
	_, err = w.AddCampaign(t.Context(), c)
	wantCode(t, err, wire.KeyReused)
	wantEqual(t, "ads in all", w.one(t, `SELECT COUNT(*) FROM adcredit_ad`), "3")
}

func testCampaignStates(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	set := func(state credit.CampaignState) error { return w.SetCampaignState(t.Context(), "teranga", state) }
	l := w.mustStart(t, newCall(1, "k1"))
	for _, state := range []credit.CampaignState{credit.CampaignPaused, credit.CampaignPaused} {
		if err := set(state); err != nil {
			t.Fatal(err)
		}
		_, err := w.Start(t.Context(), newCall(account, "k2"))
		wantCode(t, err, wire.NoAd)
	}
	wantEqual(t, "a listen that plays while its campaign is paused", w.mustComplete(t, l.ID).State, credit.Logged)
	if err := set(credit.CampaignActive); err != nil {
		t.Fatal(err)
	}
	w.mustStart(t, newCall(account, "k3"))
	wantCode(t, set("gone"), wire.InvalidRequest)
	wantCode(t, w.SetCampaignState(t.Context(), "nothing", credit.CampaignPaused), wire.NotFound)
	for range 2 {
		if err := set(credit.CampaignArchived); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, set(credit.CampaignActive), wire.InvalidRequest)
	for archived, n := range map[bool]int{false: 0, true: 1} {
		all, err := w.Campaigns(t.Context(), archived)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "listed", len(all), n)
	}
}

func testCampaignFits(t *testing.T, w *world) {
	now := w.Now()
	before, after := now.Add(-time.Microsecond), now.Add(time.Microsecond)
	for name, c := range map[string]struct {
		fits   bool
		change func(*credit.Campaign)
	}{
		"always":        {true, func(*credit.Campaign) {}},
		"started":       {true, func(c *credit.Campaign) { c.StartsAt = &now }},
		"not-yet":       {false, func(c *credit.Campaign) { c.StartsAt = &after }},
		"last-moment":   {true, func(c *credit.Campaign) { c.EndsAt = &after }},
		"over":          {false, func(c *credit.Campaign) { c.StartsAt, c.EndsAt = &before, &now }},
		"this-minute":   {true, func(c *credit.Campaign) { c.FromMinute, c.ToMinute = 720, 721 }},
		"morning":       {false, func(c *credit.Campaign) { c.ToMinute = 720 }},
		"afternoon":     {false, func(c *credit.Campaign) { c.FromMinute = 721 }},
		"french":        {true, func(c *credit.Campaign) { c.Ads[0].Language = "fr" }},
		"english":       {false, func(c *credit.Campaign) { c.Ads[0].Language = "en" }},
		"day-fits-once": {true, func(c *credit.Campaign) { c.DailyBudget = reward }},
	} {
		w.campaign(t, name, wire.Units(1000), c.change)
		o, err := w.Outlook(t.Context(), newCall(account, ""))
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, name+": outlook", o.Ad != nil, c.fits)
		l, err := w.Start(t.Context(), newCall(account, name))
		if c.fits {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			wantEqual(t, name+": promised and started", l.Ad, *o.Ad)
			wantEqual(t, name+": reward", l.Reward, o.Reward)
			if err := w.Abandon(t.Context(), abandon(l.ID)); err != nil {
				t.Fatal(err)
			}
		} else {
			wantCode(t, err, wire.NoAd)
		}
		if err := w.SetCampaignState(t.Context(), name, credit.CampaignArchived); err != nil {
			t.Fatal(err)
		}
	}
}

// Campaigns use up their budgets at the same pace, whatever their sizes.
func testCampaignShare(t *testing.T, w *world) {
	w.campaign(t, "small", wire.Units(500))
	w.campaign(t, "large", wire.Units(1500), func(c *credit.Campaign) {
		c.Ads = append(c.Ads, credit.Ad{Language: "fr", Sound: "ads/large-fr", RateHz: 8000, Samples: 40000})
	})
	played := map[string]int{}
	for i := range 20 {
		l := w.mustStart(t, newCall(account, string(rune('a'+i))))
		played[l.Ad.Sound]++
		w.mustComplete(t, l.ID)
	}
	wantEqual(t, "of the small one", played["ads/small"], 5)
	wantEqual(t, "of the large one, in the caller's language", played["ads/large-fr"], 15)
}
