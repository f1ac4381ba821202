package credit

import (
	"log/slog"
	"strings"
	"time"

	"adcredit/creditapi/wire"
)

// Policy is what the operator decides.
type Policy struct {
	Required         wire.Money // what a call needs to start, at least
	NeverOffer       []string   // prefixes of destinations that ads never pay for
	CompletionWindow time.Duration
	ClockTolerance   time.Duration
	StartsPerDay     int           // listens an account may start in a day; 0: no cap
	ListensPerDay    int           // listens an account may complete in a day; 0: no cap
	ListenSpacing    time.Duration // between two paid listens of an account, of different calls
	MinAccountAge    time.Duration // of an account that ads are offered to
	MinPaidRefills   int           // that it has paid for; 0: it need not
	Node             NodeLimits
	LatePerDay       int // of these, those that may complete late; 0: no cap
	LateAlarm        int // percent of a node's completions that may be late before the log warns; 0: never
	Location         *time.Location
	Language         string  // of ads for accounts that have none
	AttentionShare   float64 // of listens in which a digit is asked for: 0 to 1
}

// busyMargin is added to the ad's length: until then the listen is taken to
// be playing.
const busyMargin = 30 * time.Second

// Required is what a call needs to start. It is never less than A2Billing's
// own minimum: else we would pass on callers whom A2Billing turns away.
func (p Policy) required(s Settings) wire.Money { return max(p.Required, s.MinCreditCall) }

func (p Policy) neverOffers(destination string) bool {
	for _, prefix := range p.NeverOffer {
		if strings.HasPrefix(destination, prefix) {
			return true
		}
	}
	return false
}

// tooNew reports whether the account is younger than ads are offered to: cards
// can be made by the dozen, and each would be paid its ads.
func (p Policy) tooNew(a Account) bool {
	return !a.Created.IsZero() && a.Now.Sub(a.Created) < p.MinAccountAge
}

// day is the date in the policy's time zone as YYYYMMDD, and the minute of
// that day as its clocks show it.
func (p Policy) day(now time.Time) (day, minute int) {
	local := now.In(p.Location)
	return local.Year()*10000 + int(local.Month())*100 + local.Day(), local.Hour()*60 + local.Minute()
}

// early is how much too early a completion may come to be told to wait; what
// is earlier still was not heard.
const early = 3 * time.Second

// share of the ad that must have been heard: frames of 20 ms and the drift of
// two clocks are below the rest.
func share(n int64) int64 { return n * 98 / 100 }

// late reports whether a completion that comes now was waiting in a spool: the
// ad must have ended long ago, so the time since its start proves nothing.
func (l Listen) late() bool {
	end := time.Duration(l.Ad.DurationMS())*time.Millisecond + busyMargin
	if l.Attention.Digit != "" {
		end += asking
	}
	return l.Elapsed >= end
}

// judge decides whether the listen was heard to its end. What the AGI says is
// necessary and not sufficient: the server's clock has to agree. A refusal
// carries the Suspicion that it raises.
func (p Policy) judge(l Listen, h wire.Heard) error {
	duration := l.Ad.DurationMS()
	notHeard := func(s Suspicion, detail string) error {
		return &wire.Error{Code: wire.NotHeard, Detail: detail, Err: s}
	}
	switch {
	case h.Endpos < 0 || h.PlayedMS < 0:
		return notHeard(Absurd, "The end position or the playing time is less than nothing.")
	case h.Endpos > l.Ad.Samples+l.Ad.RateHz:
		return notHeard(Absurd, "The end position lies beyond the ad's end.")
	case h.PlayedMS > int64(p.CompletionWindow/time.Millisecond):
		return notHeard(Absurd, "The playing time is longer than a completion may take.")
	case h.Endpos < share(l.Ad.Samples) || h.PlayedMS < share(duration):
		return notHeard(CutShort, "The ad was not played to its end.")
	case !l.Attention.shown(h): // before the clock: waiting would not mend it
		return &wire.Error{Code: wire.Inattentive, Detail: "The digit that was asked for in the middle of the ad was not pressed."}
	case l.Elapsed < 0:
		// The database's clock was set back, or another server's is behind.
		// That is a fault and no attack, so the rest decides.
		slog.Warn("a listen completed before it started, by the database's clock: check its time service",
			"listen", l.ID, "node", l.Node, "elapsed", l.Elapsed)
		return nil
	}
	missing := time.Duration(share(duration))*time.Millisecond - l.Elapsed
	if !l.Timed {
		missing -= p.ClockTolerance // start and completion may have been timed on two hosts
	}
	switch {
	case missing <= 0:
		return nil
	case missing <= early:
		return &wire.Error{Code: wire.TooEarly, Detail: "The ad can't have ended yet.",
			RetryAfterMS: int64((missing + time.Millisecond - 1) / time.Millisecond)}
	}
	return notHeard(FarTooEarly, "The ad can't have been heard in the time since its start.")
}
