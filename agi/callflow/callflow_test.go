package callflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/wire"
)

var errGone = errors.New("511: the caller is gone")

// phone plays the caller: it notes what is played, presses keys, and hangs up.
type phone struct {
	log     []string
	keys    []byte // one for each offer, 0: silence
	late    byte   // pressed after the offer's end
	gone    bool
	goneAt  string // what is being played when the caller hangs up
	played  Played
	first   Played // of an ad that is interrupted
	playErr error
}

func (p *phone) note(format string, args ...any) error {
	if p.gone {
		return errGone
	}
	event := fmt.Sprintf(format, args...)
	p.log = append(p.log, event)
	if event == p.goneAt {
		p.gone = true
		return errGone
	}
	return nil
}
func (p *phone) Open() error { return p.note("open") }
func (p *phone) Alive() error {
	if p.gone {
		return errGone
	}
	return nil
}
func (p *phone) Speak(language string) { p.log = append(p.log, "speak "+language) }
func (p *phone) Prompt(name, digits string) (byte, error) {
	return p.pressIn(digits, "prompt %s", name)
}
func (p *phone) Digit(figure byte, digits string) (byte, error) {
	return p.pressIn(digits, "digit %c", figure)
}

// pressIn plays something, and presses the next key if one is listened for.
func (p *phone) pressIn(digits, format string, args ...any) (byte, error) {
	if err := p.note(format, args...); err != nil {
		return 0, err
	}
	if digits == "" || len(p.keys) == 0 {
		return 0, nil
	}
	key := p.keys[0]
	p.keys = p.keys[1:]
	if !strings.ContainsRune(digits, rune(key)) {
		return 0, nil
	}
	return key, nil
}
func (p *phone) Key(time.Duration) (byte, error) {
	if p.goneAt == "key" && len(p.keys) == 0 {
		p.gone = true
	}
	return p.late, p.Alive()
}
func (p *phone) Play(sound, digits string, from int64, until time.Duration) (Played, error) {
	event := "play " + sound
	if from > 0 {
		event += fmt.Sprintf(" from %d", from)
	}
	if until > 0 {
		event += fmt.Sprintf(" until %s", until)
	}
	if err := p.note("%s", event); err != nil {
		return Played{Endpos: 100, Took: time.Second}, err
	}
	if until > 0 {
		return p.first, nil
	}
	return p.played, p.playErr
}
func (p *phone) Number(n int64) error { return p.note("number %d", n) }

// bank plays creditapi.
type bank struct {
	credit      wire.Credit
	creditErr   error
	startErr    []error
	completeErr error
	sufficient  []bool // after each grant
	onStart     func()
	onComplete  func()
	attention   *wire.Attention
	calls       []string
	heard       []wire.Heard
}

func (b *bank) Credit(_ context.Context, account, destination string) (wire.Credit, error) {
	b.calls = append(b.calls, "credit "+account+" "+destination)
	return b.credit, b.creditErr
}
func (b *bank) Start(_ context.Context, req wire.StartListen) (wire.Listen, error) {
	b.calls = append(b.calls, "start "+req.Language)
	if b.onStart != nil {
		b.onStart()
	}
	if len(b.startErr) > 0 {
		err := b.startErr[0]
		b.startErr = b.startErr[1:]
		if err != nil {
			return wire.Listen{}, err
		}
	}
	return wire.Listen{ID: "l1", Campaign: "mangalou", Sound: "ads/mangalou-fr", RateHz: 8000, Samples: 44000, DurationMS: 5500, Reward: wire.Units(50), Attention: b.attention}, nil
}
func (b *bank) Complete(_ context.Context, account string, l wire.Listen, h wire.Heard) (wire.Grant, error) {
	b.calls = append(b.calls, "complete "+l.ID)
	b.heard = append(b.heard, h)
	if b.onComplete != nil {
		b.onComplete()
	}
	if b.completeErr != nil {
		return wire.Grant{}, b.completeErr
	}
	enough := true
	if len(b.sufficient) > 0 {
		enough, b.sufficient = b.sufficient[0], b.sufficient[1:]
	}
	return wire.Grant{ListenID: l.ID, Amount: wire.Units(50), Currency: "XOF", Announce: wire.Announce{Amount: wire.Units(57), Currency: "XOF"}, Sufficient: enough}, nil
}
func (b *bank) Abandon(_ context.Context, id string, a wire.Abandon) error {
	b.calls = append(b.calls, fmt.Sprintf("abandon %s %s", id, a.Cause))
	return nil
}

func refused(code wire.Code) error { return &wire.Error{Code: code, Detail: "no"} }

// a case starts from a call that is granted, and changes one thing.
type situation struct {
	phone phone
	bank  bank
	call  Call
	rules Rules
}

func granted() *situation {
	return &situation{
		phone: phone{keys: []byte{'1'}, played: Played{Finished: true, Endpos: 44000, Took: 5500 * time.Millisecond}},
		bank: bank{credit: wire.Credit{
			Account: "9700203963", Currency: "XOF", Required: wire.Units(10), Available: wire.Units(7), Language: "fr",
			Announce: wire.Announce{Amount: wire.Units(7), Currency: "XOF"},
			Offer:    wire.Offer{Available: true, Reward: wire.Units(50), DurationMS: 5500},
		}},
		call: Call{ID: "ast1/1.2", Account: "card:9700203963", Destination: "2000"},
		rules: Rules{Accept: "1", MaxAds: 1, Language: "en", Languages: []string{"fr", "en"}, Prompts: Prompts{
			Offer: "offer", OfferAuto: "offer-auto", Accepted: "accepted", Thanks: "thanks", Balance: "balance",
			Attention: "attention", Pending: "pending", Cut: "cut", NoAd: "noad", Later: "later",
		}},
	}
}

func TestRun(t *testing.T) {
	const offered = "speak fr, open, prompt offer"
	const toTheAd = offered + ", prompt accepted, play ads/mangalou-fr"
	for _, row := range []struct {
		name   string
		change func(*situation)
		status Status
		cause  string
		heard  string // by the caller
		asked  string // of creditapi, after the balance
	}{
		{"ad heard to its end", func(*situation) {}, Granted, "", toTheAd + ", prompt thanks, prompt balance, number 57", "start fr, complete l1"},
		{"enough credit", func(s *situation) { s.bank.credit.Sufficient = true }, Sufficient, "", "", ""},
		{"no answer to the balance", func(s *situation) { s.bank.creditErr = errors.New("dial: refused") }, Unknown, "unreachable", "", ""},
		{"our key is wrong", func(s *situation) { s.bank.creditErr = refused(wire.Unauthorized) }, Unknown, "unauthorized", "", ""},
		{"no such caller", func(s *situation) { s.bank.creditErr = refused(wire.AccountNotFound) }, NoAccount, "account_not_found", "", ""},
		{"account suspended", func(s *situation) { s.bank.credit.Blocked = wire.AccountStatus }, Blocked, "account_status", "", ""},
		{"account in use", func(s *situation) { s.bank.credit.Blocked = wire.AccountInUse }, Blocked, "account_in_use", "", ""},
		{"account expired", func(s *situation) { s.bank.credit.Blocked = wire.AccountExpired }, Blocked, "account_expired", "", ""},
		{"diverted call", func(s *situation) { s.call.Diverted = true }, NoAd, "diverted", "", ""},
		{"diverted call with credit", func(s *situation) { s.call.Diverted = true; s.bank.credit.Sufficient = true }, Sufficient, "", "", ""},
		{"AGI(adcredit,check)", func(s *situation) { s.call.CheckOnly = true }, NoAd, "check", "", ""},
		{"no campaign", func(s *situation) { s.bank.credit.Offer = wire.Offer{Reason: wire.NoAd} }, NoAd, "no_ad", "", ""},
		{"premium number", func(s *situation) { s.bank.credit.Offer = wire.Offer{Reason: wire.NeverOffer} }, NoAd, "never_offer", "", ""},
		{"cap reached", func(s *situation) { s.bank.credit.Offer = wire.Offer{Reason: wire.Capped} }, Capped, "capped", "", ""},
		{"paid for an ad a moment ago", func(s *situation) { s.bank.credit.Offer = wire.Offer{Reason: wire.TooSoon} }, Capped, "too_soon", "", ""},
		{"account made today", func(s *situation) { s.bank.credit.Offer = wire.Offer{Reason: wire.NewAccount} }, NoAd, "account_new", "", ""},
		{"account that never paid", func(s *situation) { s.bank.credit.Offer = wire.Offer{Reason: wire.NeverPaid} }, NoAd, "never_paid", "", ""},
		{"node at its limit", func(s *situation) { s.bank.credit.Offer = wire.Offer{Reason: wire.NodeLimit} }, NoAd, "node_limit", "", ""},
		{"another listen plays", func(s *situation) { s.bank.credit.Offer = wire.Offer{Reason: wire.Playing} }, Capped, "playing", "", ""},
		{"the reward would not suffice", func(s *situation) { s.bank.credit.Available = wire.Units(-41) }, TooLow, "too_low", "", ""},
		{"two rewards would", func(s *situation) {
			s.bank.credit.Available, s.rules.MaxAds, s.bank.sufficient = wire.Units(-41), 2, []bool{false, true}
		}, Granted, "", toTheAd + ", play ads/mangalou-fr, prompt thanks, prompt balance, number 57", "start fr, complete l1, start fr, complete l1"},
		{"postpaid language unknown here", func(s *situation) { s.bank.credit.Language = "wo"; s.phone.keys = nil }, Declined, "declined", "speak en, open, prompt offer, prompt offer", ""},
		{"gone before the offer", func(s *situation) { s.phone.gone = true }, Abandoned, "hangup", "speak fr", ""},
		{"hangs up in the offer", func(s *situation) { s.phone.goneAt = "prompt offer" }, Abandoned, "hangup", offered, ""},
		{"silence", func(s *situation) { s.phone.keys = nil }, Declined, "declined", offered + ", prompt offer", ""},
		{"another key, twice", func(s *situation) { s.phone.keys, s.phone.late = nil, '9' }, Declined, "declined", offered + ", prompt offer", ""},
		{"accepts after the prompt", func(s *situation) { s.phone.keys, s.phone.late = nil, '1' }, Granted, "", toTheAd + ", prompt thanks, prompt balance, number 57", "start fr, complete l1"},
		{"accepts the repeat", func(s *situation) { s.phone.keys = []byte{0, '1'} }, Granted, "", offered + ", prompt offer, prompt accepted, play ads/mangalou-fr, prompt thanks, prompt balance, number 57", "start fr, complete l1"},
		{"offer is auto", func(s *situation) { s.rules.Auto, s.phone.keys = true, nil }, Granted, "", "speak fr, open, prompt offer-auto, play ads/mangalou-fr, prompt thanks, prompt balance, number 57", "start fr, complete l1"},
		{"start refused: capped meanwhile", func(s *situation) { s.bank.startErr = []error{refused(wire.Capped)} }, Capped, "capped", offered + ", prompt accepted, prompt noad", "start fr"},
		{"start refused: a waiting grant came first", func(s *situation) { s.bank.startErr = []error{refused(wire.NotNeeded)} }, Sufficient, "", offered + ", prompt accepted", "start fr"},
		{"start unanswered", func(s *situation) { s.bank.startErr = []error{errors.New("timeout")} }, NoAd, "unreachable", offered + ", prompt accepted, prompt noad", "start fr"},
		{"gone while the listen starts", func(s *situation) { s.bank.onStart = func() { s.phone.gone = true } }, Abandoned, "hangup", offered + ", prompt accepted", "start fr, abandon l1 hangup"},
		{"hangs up in mid-ad", func(s *situation) { s.phone.goneAt = "play ads/mangalou-fr" }, Abandoned, "hangup", toTheAd, "start fr, abandon l1 hangup"},
		{"stops the ad by a key", func(s *situation) { s.phone.played = Played{Endpos: 22000, Took: 2750 * time.Millisecond} }, Abandoned, "stopped", toTheAd + ", prompt cut", "start fr, abandon l1 stopped"},
		{"on hold in mid-ad", func(s *situation) { s.phone.played.Held = true }, Abandoned, "held", toTheAd + ", prompt cut", "start fr, abandon l1 held"},
		{"ad missing on this host", func(s *situation) { s.phone.played = Played{} }, Abandoned, "unplayable", toTheAd + ", prompt cut", "start fr, abandon l1 unplayable"},
		{"ad truncated on this host", func(s *situation) { s.phone.played.Endpos = 22000 }, Abandoned, "short", toTheAd + ", prompt cut", "start fr, abandon l1 short"},
		{"forged reply: no time has passed", func(s *situation) { s.phone.played.Took = time.Millisecond }, Abandoned, "short", toTheAd + ", prompt cut", "start fr, abandon l1 short"},
		{"hangs up after the ad's end", func(s *situation) { s.bank.onComplete = func() { s.phone.gone = true } }, Granted, "", toTheAd, "start fr, complete l1"},
		{"still not enough", func(s *situation) { s.bank.sufficient = []bool{false} }, Partial, "", toTheAd + ", prompt thanks, prompt balance, number 57", "start fr, complete l1"},
		{"second ad cut short keeps the first", func(s *situation) {
			s.rules.MaxAds, s.bank.sufficient = 2, []bool{false}
			s.bank.onComplete = func() { s.phone.played = Played{Endpos: 5} }
		}, Partial, "", toTheAd + ", play ads/mangalou-fr, prompt thanks, prompt balance, number 57", "start fr, complete l1, start fr, abandon l1 stopped"},
		{"no second ad", func(s *situation) {
			s.rules.MaxAds, s.bank.sufficient, s.bank.startErr = 2, []bool{false}, []error{nil, refused(wire.NoAd)}
		}, Partial, "", toTheAd + ", prompt thanks, prompt balance, number 57", "start fr, complete l1, start fr"},
		{"completion kept on disk", func(s *situation) { s.bank.completeErr = fmt.Errorf("%w: timeout", ErrPending) }, Pending, "unreachable", toTheAd + ", prompt thanks, prompt pending", "start fr, complete l1"},
		{"completion in doubt", func(s *situation) { s.bank.completeErr = refused(wire.InDoubt) }, Pending, "in_doubt", toTheAd + ", prompt thanks, prompt pending", "start fr, complete l1"},
		{"disk full and creditapi gone", func(s *situation) { s.bank.completeErr = errors.New("no answer") }, Pending, "spool_failed", toTheAd + ", prompt thanks, prompt pending", "start fr, complete l1"},
		{"completion refused: not heard", func(s *situation) { s.bank.completeErr = refused(wire.NotHeard) }, Refused, "not_heard", toTheAd + ", prompt later", "start fr, complete l1"},
		{"completion refused: window over", func(s *situation) { s.bank.completeErr = refused(wire.ListenExpired) }, Refused, "listen_expired", toTheAd + ", prompt later", "start fr, complete l1"},
		{"key revoked in mid-call, kept", func(s *situation) {
			s.bank.completeErr = fmt.Errorf("%w: %w", ErrPending, refused(wire.Unauthorized))
		}, Pending, "unreachable", toTheAd + ", prompt thanks, prompt pending", "start fr, complete l1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := granted()
			row.change(s)
			s.wantRun(t, row.status, row.cause, row.heard, 1, row.asked)
		})
	}
}

// wantRun runs the call, and compares what the dialplan gets, what the caller
// hears, and what creditapi is asked after the first so many questions.
func (s *situation) wantRun(t *testing.T, status Status, cause, heard string, first int, asked string) {
	t.Helper()
	out := Run(t.Context(), &s.phone, &s.bank, s.call, s.rules)
	if out.Status != status || out.Cause != cause {
		t.Errorf("the dialplan gets %s (%s); want %s (%s)", out.Status, out.Cause, status, cause)
	}
	if got := strings.Join(s.phone.log, ", "); got != heard {
		t.Errorf("the caller heard %q\n                  want %q", got, heard)
	}
	if got := strings.Join(s.bank.calls[first:], ", "); got != asked {
		t.Errorf("creditapi was asked %q; want %q", got, asked)
	}
}

// Each status of the table is the outcome of some call above, but ERROR, which
// is no outcome of the flow.
func TestGrantedSums(t *testing.T) {
	s := granted()
	s.rules.MaxAds, s.bank.sufficient = 2, []bool{false, true}
	out := Run(t.Context(), &s.phone, &s.bank, s.call, s.rules)
	if out.Granted != wire.Units(100) || out.ListenID != "l1" || out.Campaign != "mangalou" {
		t.Errorf("two grants of 50: %+v", out)
	}
	if h := s.bank.heard[0]; h.Endpos != 44000 || h.PlayedMS != 5500 || h.HeardAt.IsZero() {
		t.Errorf("reported %+v", h)
	}
}

func TestStatusIsSetLast(t *testing.T) {
	v := Outcome{Status: Granted, Currency: "XOF", Balance: wire.Units(57), Granted: wire.Units(50)}.Variables()
	if last := v[len(v)-1]; last != [2]string{"ADCREDIT_STATUS", "GRANTED"} {
		t.Errorf("the last variable is %v", last)
	}
	if !slices.Contains(v, [2]string{"ADCREDIT_BALANCE", "57.00000"}) {
		t.Errorf("no balance in %v", v)
	}
}

// The program is told to end, by a hangup or by the host that shuts down.
func TestWhoIsGoneStartsNothing(t *testing.T) {
	for _, row := range []struct {
		name   string
		when   func(s *situation, end func())
		status Status
		asked  string
	}{
		{"hangup while the balance is read", func(s *situation, end func()) {
			end()
			s.phone.gone, s.bank.creditErr = true, context.Canceled
		}, Abandoned, ""},
		{"shutdown while the balance is read", func(s *situation, end func()) {
			end()
			s.bank.creditErr = context.Canceled
		}, Unknown, ""},
		{"shutdown during the offer", func(_ *situation, end func()) { end() }, Abandoned, ""},
		{"shutdown while the ad is completed", func(s *situation, end func()) { s.bank.onComplete = end }, Granted, "start fr, complete l1"},
		{"shutdown while the listen starts", func(s *situation, end func()) { s.bank.onStart = end }, Abandoned, "start fr, abandon l1 hangup"},
	} {
		t.Run(row.name, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			defer end()
			s := granted()
			row.when(s, end)
			out := Run(ctx, &s.phone, &s.bank, s.call, s.rules)
			if asked := strings.Join(s.bank.calls[1:], ", "); out.Status != row.status || asked != row.asked {
				t.Errorf("%s after %q; want %s after %q", out.Status, asked, row.status, row.asked)
			}
			last := []string{"play ads/mangalou-fr", "prompt thanks", "prompt cut"}
			if out.Status == Granted {
				last = last[1:]
			}
			if slices.ContainsFunc(s.phone.log, func(heard string) bool { return slices.Contains(last, heard) }) {
				t.Errorf("the caller heard %v", s.phone.log)
			}
		})
	}
}
