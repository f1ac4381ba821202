package store

import (
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var usageParts = []part{
	{"usage/campaigns of another creditapi", testUsageCampaigns},
	{"usage/budgets that another creditapi changes", testUsageBudgets},
}

// wantPlaying starts a listen of account 1, wants it to be of the campaign, and abandons
// it.
func (w *world) wantPlaying(t *testing.T, key, campaign string) {
	t.Helper()
	l := w.mustStart(t, newCall(1, key))
	wantEqual(t, key, l.Campaign, campaign)
	if err := w.Abandon(t.Context(), abandon(l.ID)); err != nil {
		t.Fatal(err)
	}
}

// What is remembered of budgets hides no campaign, and plays none that was paused.
func testUsageCampaigns(t *testing.T, w *world) {
	other := w.again(t)
	w.campaign(t, "first", wire.Units(1000))
	w.wantPlaying(t, "k1", "first")
	l := w.mustStart(t, newCall(account, "k2"))
	second := credit.Campaign{Name: "second", Reward: reward, Budget: wire.Units(1000), ToMinute: 1440,
		Ads: []credit.Ad{{Sound: "ads/second", RateHz: 8000, Samples: 40000}}}
	if _, err := other.AddCampaign(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	w.wantPlaying(t, "k3", "second")
	if err := other.SetCampaignState(t.Context(), "second", credit.CampaignPaused); err != nil {
		t.Fatal(err)
	}
	w.wantPlaying(t, "k4", "first")
	if err := w.Abandon(t.Context(), abandon(l.ID)); err != nil {
		t.Fatal(err)
	}
}

// A budget that was full and is not any more plays, and one that has become full
// does not, whatever is remembered.
func testUsageBudgets(t *testing.T, w *world) {
	other := w.again(t)
	start := func(key string) credit.Listen {
		t.Helper()
		l, err := other.Start(t.Context(), newCall(account, key))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	w.campaign(t, "first", reward)
	held := start("k1")
	_, err := w.Start(t.Context(), newCall(1, "k2")) // remembers that nothing is left
	wantCode(t, err, wire.NoAd)
	o, err := w.Outlook(t.Context(), newCall(1, "k2"))
	if err != nil || o.Ad != nil {
		t.Errorf("outlook %+v, %v", o, err)
	}
	if err := other.Abandon(t.Context(), abandon(held.ID)); err != nil {
		t.Fatal(err)
	}
	if o, err = w.Outlook(t.Context(), newCall(1, "k3")); err != nil || o.Ad == nil {
		t.Errorf("outlook %+v, %v", o, err)
	}
	w.wantPlaying(t, "k3", "first")

	second := w.campaign(t, "second", reward, func(c *credit.Campaign) { c.PerDay = 1 })
	held = start("k4")
	wantEqual(t, "another's", held.Campaign, "first")
	w.wantPlaying(t, "k5", "second") // remembers that there is room in the second alone
	if err := other.Abandon(t.Context(), abandon(held.ID)); err != nil {
		t.Fatal(err)
	}
	w.do(t, `UPDATE adcredit_budget SET held = amount WHERE campaign_id = ?`, second.ID)
	w.wantPlaying(t, "k6", "first")
}
