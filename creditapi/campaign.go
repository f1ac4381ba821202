package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
	"adcredit/creditapi/wire"
)

// newCampaign is what the flags of campaign add say.
type newCampaign struct {
	credit.Campaign
	sounds      []string
	soundsDir   string
	duration    time.Duration
	hours       string
	from, until string
	asJSON      bool
}

var campaignAdd = command{
	name:    "campaign add",
	usage:   "-name NAME -sound [LANGUAGE=]FILE_OR_NAME… -reward 50 -budget 100000 [-duration 12s] [-sounds-dir DIR] [-daily-budget 5000] [-per-day 2] [-from 2027-01-01] [-until 2027-01-31] [-hours 08:00-20:00] [-json]",
	summary: "add a campaign with its ads",
	help: `
-sound is an ad, in one language or (without LANGUAGE=) for everybody; repeat it
for more. A file is measured: 8 kHz mono 16-bit WAV. Its name is its path below
-sounds-dir, else ads/ and the file's own name. What is no file is the name of a
sound that is on the Asterisk hosts already: give its length as -duration.
-reward is what one listen earns; -budget is never overrun, nor -daily-budget;
-per-day caps the listens of one account. -until is the last day. Days and hours
are those of timezone in creditapi.toml.

  creditapi campaign add -name teranga -sound fr=teranga.wav -reward 50 -budget 100000
  creditapi campaign add -name mangalou -sound fr=ads/mangalou-fr -sound en=ads/mangalou-en \
      -reward 50 -budget 100000 -per-day 2 -hours 08:00-20:00    # sample ads
  creditapi campaign add -name spot -sound ads/spot -duration 12.5s -reward 25 -budget 5000`,
	setup: func(flags *flag.FlagSet) action {
		var n newCampaign
		flags.StringVar(&n.Name, "name", "", "")
		flags.Func("sound", "", func(text string) error { n.sounds = append(n.sounds, text); return nil })
		flags.TextVar(&n.Reward, "reward", wire.Money(0), "")
		flags.TextVar(&n.Budget, "budget", wire.Money(0), "")
		flags.TextVar(&n.DailyBudget, "daily-budget", wire.Money(0), "")
		flags.IntVar(&n.PerDay, "per-day", 0, "")
		flags.DurationVar(&n.duration, "duration", 0, "")
		flags.StringVar(&n.soundsDir, "sounds-dir", "", "")
		flags.StringVar(&n.hours, "hours", "00:00-24:00", "")
		flags.StringVar(&n.from, "from", "", "")
		flags.StringVar(&n.until, "until", "", "")
		flags.BoolVar(&n.asJSON, "json", false, "")
		return func(ctx context.Context, e *environment) error {
			if n.Name == "" || len(n.sounds) == 0 || n.Reward == 0 || n.Budget == 0 {
				return wrongUsage("-name, -sound, -reward and -budget are needed")
			}
			return e.with(ctx, func(c *config.Config, s *store.Store) error { return e.addCampaign(ctx, c, s, n) })
		}
	},
}

func (e *environment) addCampaign(ctx context.Context, c *config.Config, s *store.Store, n newCampaign) error {
	if err := n.schedule(c.Location()); err != nil {
		return err
	}
	files, err := n.measure(e)
	if err != nil {
		return err
	}
	if err := n.Validate(); err != nil {
		return asUsage(err)
	}
	added, err := s.AddCampaign(ctx, n.Campaign)
	if err != nil {
		return err
	}
	for _, ad := range added.Ads {
		where := ""
		if file, ok := files[ad.Sound]; ok {
			where = ": copy " + file + " there"
		}
		e.remark("Each Asterisk host needs %s.wav (%.1f s) in its sounds_dir, by default %s/%s.wav%s.",
			ad.Sound, float64(ad.DurationMS())/1000, "/usr/local/share/adcredit/sounds", ad.Sound, where)
	}
	e.remark("Campaign %s is %s: %s for a listen, of a budget of %s. adcredit -check finds missing files.",
		added.Name, added.State, added.Reward, added.Budget)
	if n.asJSON {
		return printJSON(e.stdout, added)
	}
	return nil
}

// schedule reads the days and hours.
func (n *newCampaign) schedule(zone *time.Location) error {
	if n.from != "" {
		first, err := day(n.from, zone)
		if err != nil {
			return err
		}
		n.StartsAt = &first
	}
	if n.until != "" {
		last, err := day(n.until, zone)
		if err != nil {
			return err
		}
		end := last.AddDate(0, 0, 1)
		n.EndsAt = &end
	}
	from, to, ok := strings.Cut(n.hours, "-")
	var err error
	if n.FromMinute, err = minute(from); err != nil || !ok {
		return wrongUsage("-hours %q is no span of a day; write it like 08:00-20:00", n.hours)
	}
	if n.ToMinute, err = minute(to); err != nil {
		return wrongUsage("-hours %q is no span of a day; write it like 08:00-20:00", n.hours)
	}
	return nil
}

// minute reads a time of day, 00:00 to 24:00, as its minute.
func minute(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err
}

var campaignList = command{
	name:    "campaign list",
	usage:   "[-all] [-json]",
	summary: "list campaigns: budget, held, spent and left",
	help: `
-all lists the archived ones too.

  creditapi campaign list`,
	setup: func(flags *flag.FlagSet) action {
		all := flags.Bool("all", false, "")
		asJSON := flags.Bool("json", false, "")
		return func(ctx context.Context, e *environment) error {
			return e.with(ctx, func(c *config.Config, s *store.Store) error {
				campaigns, err := s.Campaigns(ctx, *all)
				if err != nil {
					return err
				}
				if *asJSON {
					return printJSON(e.stdout, append([]credit.Campaign{}, campaigns...))
				}
				return e.listCampaigns(campaigns, c.Location())
			})
		}
	},
}

func (e *environment) listCampaigns(campaigns []credit.Campaign, zone *time.Location) error {
	var rows [][]string
	for _, c := range campaigns {
		var ads []string
		for _, ad := range c.Ads {
			name := ad.Sound
			if ad.Language != "" {
				name = ad.Language + "=" + name
			}
			ads = append(ads, name)
		}
		var last *time.Time
		if c.EndsAt != nil {
			end := c.EndsAt.Add(-time.Minute)
			last = &end
		}
		cap := ""
		if c.PerDay > 0 {
			cap = strconv.Itoa(c.PerDay)
		}
		rows = append(rows, []string{c.Name, string(c.State), c.Reward.String(), c.Budget.String(), c.Held.String(), c.Spent.String(),
			(c.Budget - c.Held - c.Spent).String(), cap,
			fmt.Sprintf("%02d:%02d-%02d:%02d", c.FromMinute/60, c.FromMinute%60, c.ToMinute/60, c.ToMinute%60),
			when(c.StartsAt, zone), when(last, zone), strings.Join(ads, " ")})
	}
	return e.table([]string{"NAME", "STATE", "REWARD", "BUDGET", "HELD", "SPENT", "LEFT", "PER DAY", "HOURS", "FROM", "UNTIL", "ADS"}, rows)
}

var (
	campaignPause   = setState("pause", credit.CampaignPaused, "stop offering a campaign's ads", "Listens that have started still end as they would.")
	campaignResume  = setState("resume", credit.CampaignActive, "offer a paused campaign's ads again", "")
	campaignArchive = setState("archive", credit.CampaignArchived, "end a campaign for good", "An archived campaign never comes back. Listens that have started still end as they would.")
)

func setState(verb string, state credit.CampaignState, summary, help string) command {
	return command{
		name:    "campaign " + verb,
		usage:   "NAME",
		summary: summary,
		operand: "campaign; creditapi campaign list shows them",
		help:    help + "\n\n  creditapi campaign " + verb + " teranga",
		setup: func(*flag.FlagSet) action {
			return func(ctx context.Context, e *environment) error {
				return e.with(ctx, func(_ *config.Config, s *store.Store) error {
					if err := s.SetCampaignState(ctx, e.operands[0], state); err != nil {
						return err
					}
					e.remark("Campaign %s is %s.", e.operands[0], state)
					return nil
				})
			}
		},
	}
}
