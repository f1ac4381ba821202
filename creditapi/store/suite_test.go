package store

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A clock is what the database's time is in a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// A world is a database with the paper's three accounts, a store on it, and
// its clock.
type world struct {
	*Store
	*clock
	owner session                 // may do everything, as A2Billing's administrator
	again func(*testing.T) *Store // another creditapi on the same database
}

// A part of the suite.
type part struct {
	name string
	test func(*testing.T, *world)
}

// suite runs the same tests on every kind of database.
func suite(t *testing.T, open func(*testing.T) *world) {
	for _, parts := range [][]part{accountParts, campaignParts, startParts, budgetParts, capParts, grantParts, refillParts,
		sweepParts, crashParts, keyParts, checkParts, attentionParts, icidParts, reconcileParts, settleParts, purgeParts, proofParts,
		nodeParts, usageParts} {
		for _, part := range parts {
			t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
		}
	}
}

func TestSQLite(t *testing.T) { suite(t, openSQLiteWorld) }

func openSQLiteWorld(t *testing.T) *world {
	w := &world{clock: newClock()}
	c := Config{
		Database: config.Database{Driver: config.SQLite, Path: filepath.Join(t.TempDir(), "new folder", "a?b#c%d.db")},
		Currency: "usd", Now: w.Now,
	}
	w.again = func(t *testing.T) *Store {
		s, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	w.Store = w.again(t)
	w.owner = w.pool()
	w.do(t, `INSERT INTO cc_card (id, username, useralias, credit) VALUES
		(1, '8987344413', '1000', 200000000), (2, '9700203963', '1001', 181208333), (3, '3377949903', '1002', 199975000)`)
	w.do(t, `INSERT INTO cc_callerid (cid, id_cc_card) VALUES ('221770001000', 1), ('221770001001', 2), ('221770001002', 3)`)
	w.do(t, `INSERT INTO cc_currencies (currency, value) VALUES ('USD', 100000), ('EUR', 119175), ('XOF', 182)`)
	return w
}

// do changes the database behind the store's back, and wants rows to change.
func (w *world) do(t *testing.T, template string, args ...any) {
	t.Helper()
	n, err := w.owner.exec(t.Context(), template, args...)
	if err != nil || n == 0 {
		t.Fatalf("%s: %d rows, %v", template, n, err)
	}
}

// one reads one value as text, "NULL" for NULL.
func (w *world) one(t *testing.T, template string, args ...any) string {
	t.Helper()
	v := sql.NullString{}
	if err := w.owner.row(t.Context(), template, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", template, err)
	}
	if !v.Valid {
		return "NULL"
	}
	return v.String
}

// sum reads one amount.
func (w *world) sum(t *testing.T, template string, args ...any) wire.Money {
	t.Helper()
	var m wire.Money
	if err := w.owner.row(t.Context(), template, args...).Scan(w.dialect.money(&m)); err != nil {
		t.Fatalf("%s: %v", template, err)
	}
	return m
}

// wantBudget compares a campaign's budget as all its rows have it.
func (w *world) wantBudget(t *testing.T, c credit.Campaign, held, spent wire.Money) {
	t.Helper()
	where := ` FROM adcredit_budget WHERE campaign_id = ? AND day = 0`
	wantEqual(t, "held", w.sum(t, `SELECT SUM(held)`+where, c.ID), held)
	wantEqual(t, "spent", w.sum(t, `SELECT SUM(spent)`+where, c.ID), spent)
	wantEqual(t, "amount", w.sum(t, `SELECT SUM(amount)`+where, c.ID), c.Budget)
}

// wantGranted wants an account to have been granted n rewards beyond what it
// had, each once in the ledger, the credit and A2Billing's log.
func (w *world) wantGranted(t *testing.T, id credit.ID, n int64) {
	t.Helper()
	had := map[credit.ID]wire.Money{1: 2000_00000, 2: 1812_08333, 3: 1999_75000}[id]
	granted, err := reward.Times(n)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "balance", w.balance(t, id), had+granted)
	wantEqual(t, "ledger rows", w.one(t, `SELECT COUNT(*) FROM adcredit_ledger WHERE account_id = ? AND state = 'logged'`, id), fmt.Sprint(n))
	wantEqual(t, "rows of cc_logrefill", w.one(t, `SELECT COUNT(*) FROM cc_logrefill WHERE card_id = ?`, id), fmt.Sprint(n))
}

// balance is an account's credit.
func (w *world) balance(t *testing.T, id credit.ID) wire.Money {
	t.Helper()
	a, err := w.Account(t.Context(), credit.Ref{Kind: credit.ByID, Name: fmt.Sprint(id)})
	if err != nil {
		t.Fatal(err)
	}
	return a.Credit
}

const (
	account = credit.ID(2) // whose credit is 1812.08333
	day     = 20260310
)

var reward = wire.Units(50)

// campaign adds one with this budget, an ad of 5 s, and what change makes of it.
func (w *world) campaign(t *testing.T, name string, budget wire.Money, change ...func(*credit.Campaign)) credit.Campaign {
	t.Helper()
	c := credit.Campaign{Name: name, Reward: reward, Budget: budget, ToMinute: 1440,
		Ads: []credit.Ad{{Sound: "ads/" + name, RateHz: 8000, Samples: 40000}}}
	for _, f := range change {
		f(&c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c, err := w.AddCampaign(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call is a new call of an account.
func newCall(id credit.ID, key string) credit.NewListen {
	return credit.NewListen{Key: key, Digest: strings.Repeat("d", 64), Node: "ast1", AccountID: id, CallID: "ast1/" + key,
		CallerCard: "9700203963", Destination: "2000", Language: "fr", Day: day, Minute: 720,
		Busy: 30 * time.Second, Window: 24 * time.Hour}
}

func (w *world) mustStart(t *testing.T, n credit.NewListen) credit.Listen {
	t.Helper()
	l, err := w.Start(t.Context(), n)
	if err != nil {
		t.Fatalf("start %s: %v", n.Key, err)
	}
	return l
}

func heard(id string) credit.Completion {
	return credit.Completion{ListenID: id, Heard: wire.Heard{Endpos: 40000, PlayedMS: 5000, HeardAt: time.Date(2026, 3, 10, 12, 0, 5, 0, time.UTC)}}
}

func (w *world) mustComplete(t *testing.T, id string) credit.Entry {
	t.Helper()
	e, err := w.Complete(t.Context(), heard(id))
	if err != nil {
		t.Fatalf("complete: %v", err)
	}
	return e
}

func abandon(id string) credit.Abandonment {
	return credit.Abandonment{ListenID: id, Abandon: wire.Abandon{Endpos: 20000, PlayedMS: 2500, Cause: "hangup"}}
}

func wantCode(t *testing.T, err error, code wire.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("error is %v, want code %s", err, code)
	}
}

func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// atOnce runs f n times at once and waits for all.
func atOnce(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range n {
		done.Go(func() {
			ready.Wait()
			f(i)
		})
	}
	ready.Done()
	done.Wait()
}
