package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCampaigns(t *testing.T) {
	s := newShell(t)
	samples := "../sounds/ads/"
	r := s.run("campaign", "add", "-name", "lampalune", "-sound", "fr="+samples+"lampalune-fr.wav", "-sound", "en="+samples+"lampalune-en.wav",
		"-reward", "50", "-budget", "100000", "-daily-budget", "500", "-per-day", "2", "-from", "2027-01-01", "-until", "2027-01-31", "-hours", "08:00-20:30")
	if r.code != exitOK || r.out != "" || !strings.Contains(r.remark, "/usr/local/share/adcredit/sounds/ads/lampalune-fr.wav: copy "+samples+"lampalune-fr.wav there") {
		t.Fatalf("exit %d, %q, %s", r.code, r.out, r.remark)
	}
	s.ok("campaign add -name below -sound ../sounds/ads/mangalou-fr.wav -sounds-dir ../sounds -reward 50 -budget 100")
	s.ok("campaign add -name sample -sound ads/mangalou-en -reward 50 -budget 100")
	s.ok("campaign add -name named -sound promo/x -duration 12.5s -reward 0.5 -budget 100")
	var list []struct {
		Name, State string
		Reward      string
		DailyBudget string    `json:"daily_budget"`
		PerDay      int       `json:"per_day"`
		StartsAt    time.Time `json:"starts_at"`
		EndsAt      time.Time `json:"ends_at"`
		FromMinute  int       `json:"from_minute"`
		ToMinute    int       `json:"to_minute"`
		Ads         []struct {
			Language, Sound string
			Samples         int64
			RateHz          int64 `json:"rate_hz"`
		}
	}
	s.json("campaign list -json", &list)
	got := map[string]int{}
	for i, c := range list {
		got[c.Name] = i
	}
	c := list[got["lampalune"]]
	if c.Reward != "50.00000" || c.DailyBudget != "500.00000" || c.PerDay != 2 || c.FromMinute != 480 || c.ToMinute != 1230 ||
		!c.StartsAt.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) || !c.EndsAt.Equal(time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)) ||
		len(c.Ads) != 2 || c.Ads[0].Language != "fr" || c.Ads[0].Sound != "ads/lampalune-fr" || c.Ads[0].Samples != 96000 || c.Ads[0].RateHz != 8000 {
		t.Errorf("lampalune: %+v", c)
	}
	if c := list[got["below"]]; c.Ads[0].Sound != "ads/mangalou-fr" || c.Ads[0].Language != "" || c.Ads[0].Samples != 44000 || c.ToMinute != 1440 {
		t.Errorf("below: %+v", c)
	}
	if c := list[got["sample"]]; c.Ads[0].Sound != "ads/mangalou-en" || c.Ads[0].Samples != 44000 {
		t.Errorf("sample: %+v", c)
	}
	if c := list[got["named"]]; c.Ads[0].Sound != "promo/x" || c.Ads[0].Samples != 100000 {
		t.Errorf("named: %+v", c)
	}
	s.fails(exitFailed, "Another campaign has this name", "campaign add -name named -sound ads/y -duration 1s -reward 1 -budget 100")
}

func TestCampaignSounds(t *testing.T) {
	s := newShell(t)
	notWAV := filepath.Join(s.dir, "noise.wav")
	if err := os.WriteFile(notWAV, []byte("noise"), 0o600); err != nil {
		t.Fatal(err)
	}
	rest := " -reward 50 -budget 100 -name x -sound "
	s.fails(exitFailed, "not a WAV file", "campaign add"+rest+notWAV)
	s.fails(exitFailed, "nowhere.wav: no such file", "campaign add"+rest+filepath.Join(s.dir, "nowhere.wav"))
	s.fails(exitUsage, "is not a file", "campaign add"+rest+s.dir)
	s.fails(exitUsage, "is not below -sounds-dir", "campaign add -sounds-dir "+s.dir+rest+"../sounds/ads/mangalou-fr.wav")
}

func TestCampaignStates(t *testing.T) {
	s := newShell(t)
	s.ok("campaign add -name demo -sound ads/mangalou-en -reward 50 -budget 100")
	for _, step := range []struct{ verb, state string }{{"pause", "paused"}, {"resume", "active"}, {"archive", "archived"}} {
		s.ok("campaign " + step.verb + " demo")
		if out := s.ok("campaign list -all"); !strings.Contains(out, step.state) {
			t.Errorf("after %s:\n%s", step.verb, out)
		}
	}
	if out := s.ok("campaign list"); strings.Contains(out, "demo") {
		t.Errorf("an archived campaign is listed:\n%s", out)
	}
	s.fails(exitFailed, "archived", "campaign resume demo")
	s.fails(exitFailed, "no such campaign", "campaign pause nothing")
}
