package credit

import (
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"adcredit/creditapi/wire"
)

func TestJudge(t *testing.T) {
	ad := Ad{RateHz: 8000, Samples: 44000} // 5.5 s
	policy := Policy{CompletionWindow: 24 * time.Hour, ClockTolerance: time.Second}
	whole := wire.Heard{Endpos: 44000, PlayedMS: 5500}
	for _, row := range []struct {
		name    string
		elapsed time.Duration
		heard   wire.Heard
		want    error // a code, or the suspicion that a refusal raises
	}{
		{"heard to its end", 5500 * time.Millisecond, whole, nil},
		{"a frame short", 5500 * time.Millisecond, wire.Heard{Endpos: 43840, PlayedMS: 5480}, nil},
		{"delivered hours later", 5 * time.Hour, whole, nil},
		{"at the last tolerated moment", 4390 * time.Millisecond, whole, nil},
		{"a moment too early", 4389 * time.Millisecond, whole, wire.TooEarly},
		{"2 s too early", 2400 * time.Millisecond, whole, wire.TooEarly},
		{"3 s too early", 1390 * time.Millisecond, whole, wire.TooEarly},
		{"a moment more than 3 s too early", 1389 * time.Millisecond, whole, FarTooEarly},
		{"at once", 0, whole, FarTooEarly},
		{"database's clock set back", -time.Hour, whole, nil},
		{"database's clock set back and not heard", -time.Hour, wire.Heard{Endpos: 100, PlayedMS: 5500}, CutShort},
		{"half of the samples", time.Minute, wire.Heard{Endpos: 22000, PlayedMS: 5500}, CutShort},
		{"half of the time", time.Minute, wire.Heard{Endpos: 44000, PlayedMS: 2750}, CutShort},
		{"an absurd position", time.Minute, wire.Heard{Endpos: 1e12, PlayedMS: 5500}, Absurd},
		{"an absurd time", time.Minute, wire.Heard{Endpos: 44000, PlayedMS: 1e12}, Absurd},
		{"negative", time.Minute, wire.Heard{Endpos: -44000, PlayedMS: -1}, Absurd},
	} {
		err := policy.judge(Listen{Ad: ad, Elapsed: row.elapsed}, row.heard)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v; want %v", row.name, err, row.want)
		}
		if _, suspicious := row.want.(Suspicion); suspicious != errors.Is(err, wire.NotHeard) {
			t.Errorf("%s: %v; suspicious %v", row.name, err, suspicious)
		}
		var refused *wire.Error
		if errors.As(err, &refused) && refused.Code == wire.TooEarly {
			// Having waited as told, the same completion is taken.
			waited := row.elapsed + time.Duration(refused.RetryAfterMS)*time.Millisecond
			if err := policy.judge(Listen{Ad: ad, Elapsed: waited}, row.heard); err != nil {
				t.Errorf("%s: waited %d ms as told: %v", row.name, refused.RetryAfterMS, err)
			}
		}
	}
}

func TestBlocked(t *testing.T) {
	for _, row := range []struct {
		name    string
		account Account
		want    wire.Code
	}{
		{"active", Account{Status: Active}, ""},
		{"suspended", Account{Status: SuspendedUnderpayment}, wire.AccountStatus},
		{"cancelled", Account{Status: Cancelled}, wire.AccountStatus},
		{"expired by date", Account{Status: Active, Expired: true}, wire.AccountExpired},
		{"in a call", Account{Status: Active, InUse: 1}, wire.AccountInUse},
		{"in a call, several allowed", Account{Status: Active, InUse: 1, SimultaneousAccess: true}, ""},
	} {
		if got := row.account.Blocked(); got != row.want {
			t.Errorf("%s: %q; want %q", row.name, got, row.want)
		}
	}
}

func TestAvailableAndRequired(t *testing.T) {
	postpaid := Account{Credit: wire.Units(-80), Postpaid: true, Limit: wire.Units(100)}
	if got, err := postpaid.Available(); got != wire.Units(20) || err != nil {
		t.Errorf("postpaid -80 with limit 100: %v, %v; want 20", got, err)
	}
	prepaid := Account{Credit: wire.Units(7), Limit: wire.Units(100)}
	if got, _ := prepaid.Available(); got != wire.Units(7) {
		t.Errorf("a prepaid account drew on a limit: %v", got)
	}
	p := Policy{Required: wire.Units(1)}
	if got := p.required(Settings{MinCreditCall: wire.Units(5)}); got != wire.Units(5) {
		t.Errorf("A2Billing wants 5, we want %v: it would turn callers away whom we pass on", got)
	}
	if got := p.required(Settings{}); got != wire.Units(1) {
		t.Errorf("required %v; want 1", got)
	}
}

func TestAnnounce(t *testing.T) {
	for _, row := range []struct {
		account Account
		amount  string
		want    string
	}{
		{Account{Currency: "eur", Price: 119_175}, "50", "41.95000 EUR"}, // 50 / 1.19175 = 41.9551…
		{Account{Currency: "usd", Price: 100_000}, "-3.99999", "-3.99000 USD"},
		{Account{Currency: "xxx"}, "50", "50.00000 XOF"}, // no price is known
		{Account{Currency: "btc", Price: 1}, "9999999999.99999", "9999999999.99999 XOF"},
	} {
		amount, _ := wire.ParseMoney(row.amount)
		got := row.account.announce(amount, "XOF")
		if s := got.Amount.String() + " " + got.Currency; s != row.want {
			t.Errorf("%s to %s: %s; want %s", row.amount, row.account.Currency, s, row.want)
		}
	}
}

func TestParseRef(t *testing.T) {
	for s, want := range map[string]Ref{
		"card:8987344413":   {ByCard, "8987344413"},
		"alias:1001":        {ByAlias, "1001"},
		"cid:+221771234567": {ByCID, "+221771234567"},
		"1001":              {ByAny, "1001"},
	} {
		if got, err := ParseRef(s); got != want || err != nil {
			t.Errorf("ParseRef(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "cid:", "id:1", "sip:1", "cid:10\n00", "cid:10 00", "cid:1'--", "cid:%31", "cid:1:2", strings.Repeat("1", 41), "cid:é"} {
		if ref, err := ParseRef(s); !errors.Is(err, wire.InvalidRequest) {
			t.Errorf("ParseRef(%q) = %v, %v; want it refused", s, ref, err)
		}
	}
}

func TestDay(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{Location: paris}
	for instant, want := range map[string][2]int{
		"2026-03-28T22:59:59Z": {20260328, 23*60 + 59},
		"2026-03-28T23:00:00Z": {20260329, 0}, // a day of 23 hours begins
		"2026-03-29T01:30:00Z": {20260329, 3*60 + 30},
		"2026-10-25T22:59:00Z": {20261025, 23*60 + 59}, // one of 25 ends
	} {
		at, err := time.Parse(time.RFC3339, instant)
		if err != nil {
			t.Fatal(err)
		}
		if day, minute := p.day(at); day != want[0] || minute != want[1] {
			t.Errorf("%s: day %d minute %d; want %v", instant, day, minute, want)
		}
	}
}

func TestKeys(t *testing.T) {
	now := time.Now()
	k, text, err := NewKey("ast1", "ast1", []string{ScopeAGI}, nil)
	if err != nil {
		t.Fatal(err)
	}
	id, secret, ok := SplitKey(text)
	if !ok || id != k.ID || !k.Admits(secret, now) {
		t.Fatalf("a new key does not open: %+v", k)
	}
	if strings.Contains(k.Hash, secret) || k.Admits(secret[1:]+"x", now) || k.Admits("", now) {
		t.Error("another secret opens, or the secret is kept")
	}
	revoked, expired, past := k, k, now.Add(-time.Second)
	revoked.RevokedAt, expired.ExpiresAt = &past, &past
	if revoked.Admits(secret, now) || expired.Admits(secret, now) {
		t.Error("a revoked or expired key opens")
	}
	if !k.Has(ScopeAGI) || k.Has(ScopeAdmin) {
		t.Error("wrong scopes")
	}
	for _, bad := range [][]string{{}, {"root"}, {ScopeAdmin}} { // the last with a node
		if _, _, err := NewKey("x", "ast1", bad, nil); !errors.Is(err, wire.InvalidRequest) {
			t.Errorf("scopes %v: %v", bad, err)
		}
	}
	if _, _, err := NewKey("x", "", []string{ScopeAGI}, nil); !errors.Is(err, wire.InvalidRequest) {
		t.Errorf("an agi key without a node: %v", err)
	}
}

func TestCampaignValidate(t *testing.T) {
	good := Campaign{Name: "mangalou", Reward: wire.Units(50), Budget: wire.Units(1000), ToMinute: 1440, Ads: []Ad{{Sound: "ads/mangalou-fr", Language: "fr", RateHz: 8000, Samples: 44000}}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Campaign){
		"no reward":             func(c *Campaign) { c.Reward = 0 },
		"budget below a reward": func(c *Campaign) { c.Budget = wire.Units(49) },
		"daily below a reward":  func(c *Campaign) { c.DailyBudget = wire.Units(49) },
		"a path for a sound":    func(c *Campaign) { c.Ads = []Ad{{Sound: "../x", RateHz: 8000, Samples: 1}} },
		"no ad":                 func(c *Campaign) { c.Ads = nil },
		"an hour's ad":          func(c *Campaign) { c.Ads = []Ad{{Sound: "x", RateHz: 8000, Samples: 8000 * 3600}} },
		"ends before it starts": func(c *Campaign) { a, b := time.Unix(2, 0), time.Unix(1, 0); c.StartsAt, c.EndsAt = &a, &b },
		"hours the wrong way":   func(c *Campaign) { c.FromMinute, c.ToMinute = 1200, 480 },
		"a name with a space":   func(c *Campaign) { c.Name = "two words" },
		"a language of five":    func(c *Campaign) { c.Ads = []Ad{{Sound: "x", Language: "franc", RateHz: 8000, Samples: 1}} },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); !errors.Is(err, wire.InvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLanguageOfAds(t *testing.T) {
	s := Service{Policy: Policy{Language: "fr", Location: time.UTC}}
	for _, row := range [][3]string{{"", "", "fr"}, {"en", "", "en"}, {"en", "wo", "wo"}, {"", "wo", "wo"}} {
		if got := s.newListen(Account{Language: row[0]}, row[1]).Language; got != row[2] {
			t.Errorf("account %q, call %q: %q; want %q", row[0], row[1], got, row[2])
		}
	}
}
