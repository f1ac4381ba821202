// Package callflow is one call, from the caller's balance to what the dialplan
// is told: [Run] reads as the call goes. It talks to Asterisk through [Channel]
// and to creditapi through [Credits], and decides nothing that either of them
// can decide better: whether an ad may be offered and whether it was heard long
// enough is creditapi's judgement too.
package callflow

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"adcredit/creditapi/wire"
)

// Channel is the little of a telephone channel that a call needs. Any error
// means that the caller can't be talked to any more, mostly since they hung up.
type Channel interface {
	// Open makes the channel carry sound to the caller.
	Open() error
	// Alive asks whether the caller is still there.
	Alive() error
	// Speak chooses the language of what follows.
	Speak(language string)
	// Prompt plays one prompt. A key among digits ends it and is returned,
	// else 0. The name "" plays nothing.
	Prompt(name, digits string) (key byte, err error)
	// Key waits for any key; 0 when there was none in time.
	Key(within time.Duration) (key byte, err error)
	// Play plays an ad from a sample on, and stops it after a while (0: never);
	// a key among digits ends it.
	Play(sound, digits string, from int64, until time.Duration) (Played, error)
	// Number says a whole number.
	Number(n int64) error
	// Digit says one figure, '0' to '9'. A key among digits ends it and is
	// returned, else 0.
	Digit(figure byte, digits string) (key byte, err error)
}

// Played is how far an ad was played.
type Played struct {
	Finished bool          // by its own end, and not by a key or a hangup
	Stopped  bool          // by us, after its while
	Held     bool          // much of it was not sent: the caller had put the call on hold
	Endpos   int64         // samples
	Took     time.Duration // by a monotonic clock
	Asked    bool          // for a digit in its middle
	Pressed  string        // then: the key, or ""
}

// Credits is the little of creditapi that a call needs. The context ends when
// the caller hangs up.
type Credits interface {
	// Credit reads the balance; a failure other than one of creditapi's codes
	// means that there was no answer.
	Credit(ctx context.Context, account, destination string) (wire.Credit, error)
	// Start starts a listen.
	Start(ctx context.Context, req wire.StartListen) (wire.Listen, error)
	// Complete reports that the ad was heard to its end. It is safe on disk
	// before it is sent; ErrPending says that the answer will come later.
	Complete(ctx context.Context, account string, listen wire.Listen, heard wire.Heard) (wire.Grant, error)
	// Abandon reports that it was not.
	Abandon(ctx context.Context, listen string, a wire.Abandon) error
}

// ErrPending is returned by Credits.Complete when the completion is kept here
// and will be delivered later.
var ErrPending = errors.New("creditapi did not take the completion: it is kept and delivered later")

// Call is who calls whom.
type Call struct {
	ID          string // node and uniqueid, for people
	Account     string // card:…, alias:… or cid:…
	Destination string
	CallerID    string // the number that calls, or "" where none is told
	ICID        string // the call's charging identity in the IMS, or ""
	Diverted    bool   // the one who listens would not be the one who is credited
	CheckOnly   bool   // ask the balance and offer nothing
}

// Rules are what the operator chose.
type Rules struct {
	Auto       bool   // the ad follows without a key
	Accept     string // the key that accepts
	Stop       string // the key that ends an ad, or ""
	MaxAds     int    // in one call
	Language   string // for callers whose own is not in Languages
	Languages  []string
	Prompts    Prompts
	KeyTimeout time.Duration // after the offer or a question; 0 stands for 5 s
}

// Prompts are names of sounds; an empty one is not played.
type Prompts struct {
	Offer, OfferAuto, Accepted, Attention, Thanks, Balance, Pending, Cut, NoAd, Later string
}

// Run takes one call from its balance to its outcome. It never fails: what goes
// wrong is an outcome too, and the call goes on as the dialplan says.
func Run(ctx context.Context, ch Channel, credits Credits, c Call, r Rules) Outcome {
	credit, err := credits.Credit(ctx, c.Account, c.Destination)
	f := &flow{ch: ch, credits: credits, call: c, rules: r}
	if err != nil {
		if ctx.Err() != nil && ch.Alive() != nil { // a hangup ended the wait
			return f.end(Abandoned, "hangup")
		}
		return unanswered(err)
	}
	f.out.Balance, f.out.Currency = credit.Announce.Amount, credit.Announce.Currency
	switch {
	case credit.Sufficient:
		return f.end(Sufficient, "")
	case credit.Blocked != "":
		return f.end(Blocked, string(credit.Blocked))
	case c.Diverted:
		return f.end(NoAd, "diverted")
	case c.CheckOnly:
		return f.end(NoAd, "check")
	case !credit.Offer.Available:
		return f.end(noOffer(credit.Offer.Reason), string(credit.Offer.Reason))
	case !reaches(credit, r.MaxAds):
		return f.end(TooLow, "too_low")
	}
	// Only now does the caller notice anything.
	f.speak(credit.Language)
	switch accepted, err := f.offer(); {
	case err != nil:
		return f.end(Abandoned, "hangup")
	case !accepted:
		return f.end(Declined, "declined")
	}
	for range r.MaxAds {
		if again := f.earn(ctx); !again {
			break
		}
	}
	f.farewell(ctx)
	return f.out
}

// reaches reports whether the rewards that this call can earn could suffice.
func reaches(c wire.Credit, ads int) bool {
	most, err := c.Offer.Reward.Times(int64(ads))
	if err == nil {
		most, err = most.Add(c.Available)
	}
	return err != nil || most.Cmp(c.Required) >= 0
}

// flow is a call under way.
type flow struct {
	ch      Channel
	credits Credits
	call    Call
	rules   Rules
	lang    string
	out     Outcome
}

func (f *flow) end(status Status, cause string) Outcome {
	f.out.Status, f.out.Cause = status, cause
	return f.out
}

func (f *flow) speak(language string) {
	f.lang = f.rules.Language
	for _, known := range f.rules.Languages {
		if known == language {
			f.lang = language
		}
	}
	f.ch.Speak(f.lang)
}

// offer proposes the ad. Silence or another key declines after one repeat.
func (f *flow) offer() (accepted bool, err error) {
	// The balance took a while: nothing is played to somebody who is gone.
	if err := f.ch.Alive(); err != nil {
		return false, err
	}
	if err := f.ch.Open(); err != nil {
		return false, err
	}
	if f.rules.Auto {
		_, err = f.ch.Prompt(f.rules.Prompts.OfferAuto, "")
		return err == nil, err
	}
	for range 2 {
		key, err := f.ch.Prompt(f.rules.Prompts.Offer, f.rules.Accept)
		if err == nil && key == 0 {
			key, err = f.ch.Key(f.keyTimeout())
		}
		if err != nil {
			return false, err
		}
		if string(key) == f.rules.Accept {
			_, err = f.ch.Prompt(f.rules.Prompts.Accepted, "")
			return err == nil, err
		}
	}
	return false, nil
}

func (f *flow) keyTimeout() time.Duration { return cmp.Or(f.rules.KeyTimeout, 5*time.Second) }

// earn plays one ad and reports it; again says that another one could help.
func (f *flow) earn(ctx context.Context) (again bool) {
	if ctx.Err() != nil { // gone: nothing is started that would hold a reward
		f.cut("hangup")
		return false
	}
	listen, err := f.credits.Start(ctx, wire.StartListen{
		Account: f.call.Account, CallID: f.call.ID, Destination: f.call.Destination, Language: f.lang, ICID: f.call.ICID,
	})
	if err != nil {
		f.notStarted(err)
		return false
	}
	played, err := f.play(ctx, listen)
	if err != nil || !heard(played, listen) {
		f.abandon(ctx, listen, played, err)
		return false
	}
	// Heard to its end: hanging up from here on takes nothing back.
	grant, err := f.credits.Complete(ctx, f.call.Account, listen, wire.Heard{
		Endpos: played.Endpos, PlayedMS: played.Took.Milliseconds(), HeardAt: time.Now().UTC(), AttentionDigit: played.Pressed,
	})
	f.out.Campaign, f.out.ListenID = listen.Campaign, listen.ID
	if err != nil {
		f.notGranted(err)
		return false
	}
	return f.granted(grant)
}

// play makes sure that somebody listens before the ad begins.
func (f *flow) play(ctx context.Context, listen wire.Listen) (Played, error) {
	if err := errors.Join(ctx.Err(), f.ch.Alive()); err != nil {
		return Played{}, err
	}
	if listen.Attention != nil {
		return f.playAndAsk(listen)
	}
	return f.ch.Play(listen.Sound, f.rules.Stop, 0, 0)
}

// heard reports whether the ad was heard to its end. Each sign alone is no
// proof: a truncated file ends early with the same result, an offset past the
// end gives the full position at once, to a caller on hold nothing is sent, and
// replies can be forged.
func heard(p Played, l wire.Listen) bool {
	return p.Finished && !p.Held && attentive(p, l) && p.Endpos >= l.Samples*98/100 && p.Took.Milliseconds() >= l.DurationMS*98/100
}

func (f *flow) abandon(ctx context.Context, listen wire.Listen, played Played, playing error) {
	cause := "short"
	switch {
	case playing != nil:
		cause = "hangup"
	case played.Asked && !attentive(played, listen):
		cause = string(wire.Inattentive)
	case played.Held:
		cause = "held"
	case !played.Finished && played.Endpos > 0:
		cause = "stopped"
	case !played.Finished:
		cause = "unplayable"
	}
	if cause == "short" || cause == "unplayable" {
		slog.Error("the ad's file is not the campaign's: see adcredit -check", "sound", listen.Sound, "cause", cause,
			"endpos", played.Endpos, "samples", listen.Samples, "played_ms", played.Took.Milliseconds())
	}
	if f.cut(cause) {
		f.out.Campaign, f.out.ListenID = listen.Campaign, listen.ID
	}
	err := f.credits.Abandon(ctx, listen.ID, wire.Abandon{Endpos: played.Endpos, PlayedMS: played.Took.Milliseconds(), Cause: cause})
	if err != nil {
		slog.Warn("creditapi was not told that the listen was abandoned: its reward is held until its window ends",
			"listen", listen.ID, "error", err)
	}
}

// cut ends a call whose ad was not heard to its end, unless an earlier one was:
// that stays the outcome.
func (f *flow) cut(cause string) bool {
	if f.out.Granted > 0 {
		return false
	}
	f.end(Abandoned, cause)
	return true
}

// notStarted ends a call whose listen could not start. The caller was offered
// one, so something has changed meanwhile, or creditapi is gone.
func (f *flow) notStarted(err error) {
	if f.out.Granted > 0 {
		return // PARTIAL stands
	}
	var refused *wire.Error
	known := errors.As(err, &refused)
	if !known || refused.Code.Status() != http.StatusConflict { // no reason of the policy's
		slog.Warn("the listen could not be started", "error", err)
	}
	if !known {
		f.end(NoAd, Unreachable)
		return
	}
	if refused.Code == wire.NotNeeded { // a grant that was waiting here arrived first
		f.end(Sufficient, "")
		return
	}
	f.end(noOffer(refused.Code), string(refused.Code))
}

func (f *flow) granted(g wire.Grant) (again bool) {
	f.out.Balance, f.out.Currency = g.Announce.Amount, g.Announce.Currency
	if sum, err := f.out.Granted.Add(g.Amount); err == nil {
		f.out.Granted = sum
	}
	if g.Sufficient {
		f.end(Granted, "")
		return false
	}
	f.end(Partial, "")
	return true
}

func (f *flow) notGranted(err error) {
	var refused *wire.Error
	switch {
	case errors.Is(err, wire.InDoubt):
		f.end(Pending, string(wire.InDoubt))
	case errors.As(err, &refused) && final(refused.Code):
		f.end(Refused, string(refused.Code))
	case errors.Is(err, ErrPending):
		f.end(Pending, Unreachable)
	default: // neither sent nor kept; the log has all that is needed to repair it
		f.end(Pending, "spool_failed")
	}
}

// farewell tells the caller what came of it. Who is gone is not told, and
// nothing can change the outcome any more.
func (f *flow) farewell(ctx context.Context) {
	if ctx.Err() != nil { // told to end: there is time to tell the dialplan, and no more
		return
	}
	p := f.rules.Prompts
	switch f.out.Status {
	case Granted, Partial:
		f.say(p.Thanks)
		f.sayBalance()
	case Pending:
		f.say(p.Thanks)
		f.say(p.Pending)
	case Abandoned:
		if f.out.Cause != "hangup" {
			f.say(p.Cut)
		}
	case NoAd, Capped:
		f.say(p.NoAd)
	case Refused:
		f.say(p.Later)
	}
}

func (f *flow) say(prompt string) {
	if f.ch.Alive() == nil {
		_, _ = f.ch.Prompt(prompt, "") // who hung up now has missed a prompt, nothing more
	}
}

func (f *flow) sayBalance() {
	if f.rules.Prompts.Balance == "" || f.ch.Alive() != nil {
		return
	}
	if _, err := f.ch.Prompt(f.rules.Prompts.Balance, ""); err == nil {
		_ = f.ch.Number(f.out.Balance.Whole())
	}
}
