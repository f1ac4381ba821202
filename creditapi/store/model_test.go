package store

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

func TestModelSQLite(t *testing.T) { playModel(t, openSQLiteWorld(t), nil, 30) }

// playModel plays histories against the store and the books: calls, completions
// that come late or again, and creditapi dying before any statement. What fails
// is made as short as possible and printed with its seed. All histories share
// one database; each has accounts and a campaign of its own. Where c is not nil
// commits fail as it says.
func playModel(t *testing.T, w *world, c *commits, histories int) {
	setDefault(t, "rapid.checks", fmt.Sprint(histories))
	setDefault(t, "rapid.nofailfile", "true") // the seed is enough
	left := -1
	w.dialect = mortal{w.dialect, &left}
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		number++
		h := &history{world: w, books: newBooks(), left: &left, commits: c, number: number}
		h.open(t)
		defer h.archive(t)
		t.Repeat(map[string]func(*rapid.T){
			"":         h.check,
			"start":    h.start,
			"again":    h.startAgain,
			"complete": h.complete,
			"abandon":  h.abandon,
			"refill":   h.refillByHand,
			"debit":    h.debit,
			"wait":     h.wait,
			"sweep":    h.sweep,
			"restart":  h.restart,
		})
		h.close(t)
	})
}

// setDefault sets a flag that the command line has left alone.
func setDefault(t *testing.T, name, value string) {
	t.Helper()
	f := flag.Lookup(name)
	before := f.Value.String()
	if before != f.DefValue {
		return
	}
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(before) }) // it was valid a moment ago
}

// mortal gives out so many statements and then panics, as creditapi may die
// before any of them: what it had begun is rolled back. Less than 0 is immortal.
type mortal struct {
	dialect
	left *int
}

type death struct{}

func (m mortal) clock(statement string) string {
	if *m.left == 0 {
		panic(death{})
	}
	*m.left--
	return m.dialect.clock(statement)
}

// A history is what was done, and what must have come of it.
type history struct {
	*world
	books
	number   int
	accounts []credit.ID
	campaign credit.Campaign
	listens  []*impression
	refills  []credit.ManualEntry
	doubts   int // entries that were pending when the server restarted

	left    *int
	commits *commits
}

// commits are how many of the next ones fail: lose, when their answer is lost;
// drop, when they never reach the database, where an INSERT into a table of
// MyISAM stays all the same; alone, when the answer is lost to a statement that
// commits by itself.
type commits struct{ lose, drop, alone atomic.Int32 }

// set draws how many; nil is a database whose driver is not ours.
func (c *commits) set(t *rapid.T) {
	if c != nil {
		c.lose.Store(rapid.Int32Range(0, 3).Draw(t, "answers lost"))
		c.drop.Store(max(0, rapid.Int32Range(-3, 3).Draw(t, "commits dropped")))
		c.alone.Store(rapid.Int32Range(0, 3).Draw(t, "answers lost outside of transactions"))
	}
}

func (c *commits) reset() {
	if c != nil {
		c.lose.Store(0)
		c.drop.Store(0)
		c.alone.Store(0)
	}
}

// Budgets are small, so that they run out.
const (
	modelBudget = 6
	modelDaily  = 4
)

func (h *history) open(t *rapid.T) {
	for range 2 {
		id, err := h.owner.insert(context.Background(), `INSERT INTO cc_card (username, useralias) VALUES (?, ?)`,
			fmt.Sprintf("m%d-%d", h.number, len(h.accounts)), fmt.Sprintf("a%d-%d", h.number, len(h.accounts)))
		if err != nil {
			t.Fatal(err)
		}
		h.accounts = append(h.accounts, credit.ID(id))
	}
	var err error
	h.campaign, err = h.AddCampaign(context.Background(), credit.Campaign{
		Name: fmt.Sprint("model-", h.number), Reward: reward, Budget: modelBudget * reward, DailyBudget: modelDaily * reward,
		ToMinute: 1440, Ads: []credit.Ad{{Sound: "ads/model", RateHz: 8000, Samples: 40000}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *history) archive(t *rapid.T) {
	if err := h.SetCampaignState(context.Background(), h.campaign.Name, credit.CampaignArchived); err != nil {
		t.Error(err)
	}
}

// dying runs one operation of a creditapi that may die amid it, or whose
// answers from the database may get lost. unknown says that nobody was told
// what came of it.
func (h *history) dying(t *rapid.T, f func() error) (unknown bool, err error) {
	*h.left = rapid.IntRange(-8, 14).Draw(t, "statements left")
	h.commits.set(t)
	defer func() {
		*h.left = -1
		h.commits.reset()
		if r := recover(); r == (death{}) {
			unknown = true
		} else if r != nil {
			panic(r)
		}
	}()
	err = f()
	return errors.Is(err, wire.Unavailable), err
}

func (h *history) want(t *rapid.T, err error, code wire.Code) {
	t.Helper()
	if code == "" && err != nil || code != "" && !errors.Is(err, code) {
		t.Fatalf("answered %v, want code %q", err, code)
	}
}

// today is the day and minute of the call, in UTC.
func (h *history) today() (day, minute int) {
	now := h.Now()
	return now.Year()*10000 + int(now.Month())*100 + now.Day(), now.Hour()*60 + now.Minute()
}

func (h *history) start(t *rapid.T) {
	n := newCall(rapid.SampledFrom(h.accounts).Draw(t, "account"), fmt.Sprintf("m%d-%d", h.number, len(h.listens)))
	n.Day, n.Minute = h.today()
	want := h.refusal(n)
	var l credit.Listen
	unknown, err := h.dying(t, func() (err error) { l, err = h.Start(context.Background(), n); return err })
	if unknown {
		l.ID = h.text(t, `SELECT COALESCE(MAX(id), '') FROM adcredit_listen WHERE idempotency_key = ?`, n.Key)
		if l.ID == "" {
			return
		}
		if want != "" {
			t.Fatalf("started, want code %q", want)
		}
	} else if h.want(t, err, want); err != nil {
		return
	}
	h.hold(n.Day, reward)
	h.listens = append(h.listens, &impression{call: n, id: l.ID, state: credit.Started,
		busy: h.Now().Add(5*time.Second + n.Busy), expires: h.Now().Add(n.Window)})
}

// refusal is how a start must be answered now: "" starts.
func (h *history) refusal(n credit.NewListen) wire.Code {
	for _, l := range h.listens {
		if l.call.AccountID == n.AccountID && l.playing(h.Now()) {
			return wire.Playing
		}
	}
	if h.used(wholeBudget)+reward > modelBudget*reward || h.used(n.Day)+reward > modelDaily*reward {
		return wire.NoAd
	}
	return ""
}

// startAgain sends a start whose answer was lost, whatever has happened since.
func (h *history) startAgain(t *rapid.T) {
	l := h.one(t)
	var got credit.Listen
	unknown, err := h.dying(t, func() (err error) { got, err = h.Start(context.Background(), l.call); return err })
	if !unknown && (err != nil || got.ID != l.id) {
		t.Fatalf("the start of listen %s again: listen %s, %v", l.id, got.ID, err)
	}
}

func (h *history) complete(t *rapid.T) {
	l := h.one(t)
	want := l.completes(h.Now())
	var e credit.Entry
	unknown, err := h.dying(t, func() (err error) { e, err = h.Complete(context.Background(), heard(l.id)); return err })
	switch {
	case unknown:
		h.adopt(t, l, want, credit.Completed)
	case want != "":
		h.want(t, err, want)
	case err != nil || e.State != credit.Logged && (e.State != credit.InDoubt || h.doubts == 0):
		t.Fatalf("completed: entry %+v, %v", e, err)
	default:
		h.becomes(l, credit.Completed)
	}
}

func (h *history) abandon(t *rapid.T) {
	l := h.one(t)
	want := l.abandons(h.Now())
	unknown, err := h.dying(t, func() error { return h.Abandon(context.Background(), abandon(l.id)) })
	if unknown {
		h.adopt(t, l, want, credit.Abandoned)
		return
	}
	if h.want(t, err, want); want == "" {
		h.becomes(l, credit.Abandoned)
	}
}

// adopt looks what came of an operation that nobody answered: all of it or
// nothing, and nothing where it had to be refused.
func (h *history) adopt(t *rapid.T, l *impression, refusal wire.Code, to credit.ListenState) {
	t.Helper()
	now := credit.ListenState(h.text(t, `SELECT state FROM adcredit_listen WHERE id = ?`, l.id))
	if now != l.state && (now != to || refusal != "") {
		t.Fatalf("listen %s was %s and is %s", l.id, l.state, now)
	}
	h.becomes(l, now)
}

// becomes moves the money of a listen that ends.
func (h *history) becomes(l *impression, state credit.ListenState) {
	if l.state == state {
		return
	}
	l.state = state
	if state == credit.Completed {
		h.grant(l.call.Day, l.call.AccountID)
	} else {
		h.release(l.call.Day)
	}
}

func (h *history) sweep(t *rapid.T) {
	unknown, err := h.dying(t, func() error { _, err := h.Sweep(context.Background()); return err })
	if !unknown {
		h.want(t, err, "")
	}
	for _, l := range h.listens {
		if l.over(h.Now()) && unknown {
			h.adopt(t, l, "", credit.Lapsed)
		} else if l.over(h.Now()) {
			h.becomes(l, credit.Lapsed)
		}
	}
}

// refillByHand credits an account, by a new key or by one that was used.
func (h *history) refillByHand(t *rapid.T) {
	m := refill(fmt.Sprintf("m%d-%d", h.number, len(h.refills)))
	m.AccountID = rapid.SampledFrom(h.accounts).Draw(t, "account")
	m.Amount = wire.Money(rapid.Int64Range(1, 100_00000).Draw(t, "amount"))
	before := len(h.refills) > 0 && rapid.Bool().Draw(t, "again")
	if before {
		m = rapid.SampledFrom(h.refills).Draw(t, "refill")
	}
	unknown, err := h.dying(t, func() error { _, err := h.Refill(context.Background(), m); return err })
	if !unknown {
		h.want(t, err, "")
	}
	if !before && h.text(t, `SELECT COUNT(*) FROM adcredit_ledger WHERE node = ? AND idempotency_key = ?`, m.By, m.Key) == "1" {
		h.refills = append(h.refills, m)
		h.credit[m.AccountID] += m.Amount
	}
}

// debit is A2Billing's, at the end of a call.
func (h *history) debit(t *rapid.T) {
	account := rapid.SampledFrom(h.accounts).Draw(t, "account")
	cost := wire.Money(rapid.Int64Range(1, 100_00000).Draw(t, "cost"))
	n, err := h.owner.exec(context.Background(), `UPDATE cc_card SET credit = credit - {money} WHERE id = ?`, cost, int64(account))
	if err != nil || n != 1 {
		t.Fatalf("debit: %d rows, %v", n, err)
	}
	h.credit[account] -= cost
}

func (h *history) wait(t *rapid.T) {
	h.advance(rapid.SampledFrom([]time.Duration{time.Microsecond, 6 * time.Second, time.Minute, time.Hour, 23 * time.Hour}).Draw(t, "time"))
}

// restart is one of the database server, to the tables of the stock way: what
// was pending then is for a person. The embedded database has no such thing.
func (h *history) restart(t *rapid.T) {
	if h.Way() != credit.Stock {
		t.Skip("a restart is like any death here")
	}
	h.doubts = h.count(t, credit.Pending, credit.InDoubt)
	if _, err := h.owner.exec(context.Background(), `DELETE FROM adcredit_epoch`); err != nil {
		t.Fatal(err)
	}
}

// one is any listen of this history.
func (h *history) one(t *rapid.T) *impression {
	if len(h.listens) == 0 {
		t.Skip("there is no listen yet")
	}
	return rapid.SampledFrom(h.listens).Draw(t, "listen")
}
