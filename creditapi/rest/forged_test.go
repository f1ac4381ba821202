package rest

import (
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
	"adcredit/creditapi/wire"
)

// A bank is the interface over a real database, whose money can be looked at.
// Accounts 1001 and 1002 have no credit; an ad lasts 20 s and earns 50. Time
// passes by this process's clock alone.
type bank struct {
	*world
	db *sql.DB // as somebody who may see all
}

func newBank(t *testing.T, s credit.Store, db *sql.DB) *bank {
	t.Helper()
	b := &bank{db: db, world: &world{T: t, keys: map[string]string{}, ids: map[string]string{}, log: &lines{}}}
	b.now = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	_, err := s.AddCampaign(t.Context(), credit.Campaign{Name: "teranga", Reward: wire.Units(50), Budget: wire.Units(1000), DailyBudget: wire.Units(500),
		ToMinute: 1440, Ads: []credit.Ad{{Sound: "ads/teranga", RateHz: 8000, Samples: 160000}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"ast1", "ast2"} {
		k, text, err := credit.NewKey(node, node, []string{credit.ScopeAGI}, nil)
		if err == nil {
			err = s.AddKey(t.Context(), k)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.keys[node] = text
	}
	b.keys["stolen and changed"] = b.keys["ast1"][:len(b.keys["ast1"])-1] + "_"
	log := slog.New(slog.NewTextHandler(b.log, nil))
	b.api = New(&credit.Service{Store: s, Now: b.Now, Policy: credit.Policy{Required: wire.Units(1), CompletionWindow: 24 * time.Hour,
		ClockTolerance: time.Second, StartsPerDay: 10, ListensPerDay: 5, LatePerDay: 1, Location: time.UTC}},
		Options{Hosts: []string{"127.0.0.1"}, Log: log})
	t.Cleanup(b.api.Wait)
	return b
}

// money is all of it, row by row.
func (b *bank) money() string {
	b.Helper()
	var text strings.Builder
	for _, query := range []string{
		`SELECT id, credit, 0, '' FROM cc_card ORDER BY id`,
		`SELECT id, credit, card_id, description FROM cc_logrefill ORDER BY id`,
		`SELECT id, amount, account_id, state FROM adcredit_ledger ORDER BY id`,
		`SELECT day, held, spent, shard FROM adcredit_budget ORDER BY campaign_id, day, shard`,
		`SELECT id, reward, account_id, state FROM adcredit_listen ORDER BY id`,
	} {
		rows, err := b.db.QueryContext(b.Context(), query)
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
			var row [4]string
			if err := rows.Scan(&row[0], &row[1], &row[2], &row[3]); err != nil {
				b.Fatal(err)
			}
			fmt.Fprintln(&text, row)
		}
		if err := rows.Err(); err != nil {
			b.Fatal(err)
		}
	}
	return text.String()
}

// unchanged wants the request to be refused with the code, and no money to move.
func (b *bank) unchanged(code wire.Code, r request) wire.Problem {
	b.Helper()
	before := b.money()
	p, _ := b.problem(code, r)
	if after := b.money(); after != before {
		b.Errorf("%s: money moved from\n%sto\n%s", code, before, after)
	}
	return p
}

// counted wants the list of refusals to hold just these.
func (b *bank) counted(why credit.Suspicion) {
	b.Helper()
	var reason, node string
	var n, rows int
	err := b.db.QueryRowContext(b.Context(), `SELECT COALESCE(MAX(reason), ''), COALESCE(MAX(node), ''), COALESCE(SUM(n), 0), COUNT(*) FROM adcredit_refusal`).
		Scan(&reason, &node, &n, &rows)
	want := 1
	if why == "" {
		want = 0
	}
	if err != nil || reason != string(why) || n != want || rows != want {
		b.Errorf("refusals: %d times %q by %s in %d rows, %v; want %q", n, reason, node, rows, err, why)
	}
}

func (b *bank) granted(n int) {
	b.Helper()
	var credit, entries, logged int
	err := b.db.QueryRowContext(b.Context(), `SELECT (SELECT COUNT(*) FROM adcredit_ledger WHERE state = 'logged'),
		(SELECT COUNT(*) FROM cc_logrefill), (SELECT COUNT(*) FROM cc_card WHERE useralias = '1001' AND credit > 0)`).Scan(&entries, &logged, &credit)
	if err != nil || entries != n || logged != n || credit != min(n, 1) {
		b.Errorf("%d entries, %d in cc_logrefill, credited %d, %v; want %d grants", entries, logged, credit, err, n)
	}
}

func completion(key, id string, endpos, playedMS int64) request {
	return post(key, "/v1/listens/"+id+"/complete", fmt.Sprintf(`{"endpos":%d,"played_ms":%d,"heard_at":"2026-11-24T10:00:20Z"}`, endpos, playedMS))
}

// forgeries runs every forged or replayed request on a bank of its own.
func forgeries(t *testing.T, open func(*testing.T) *bank) {
	const all, length = 160000, 20000
	const due = 19600 * time.Millisecond // 98 %
	invented := "019ce000-0000-7000-8000-000000000000"
	for _, row := range []struct {
		name   string
		wait   time.Duration
		forge  func(id string) request
		code   wire.Code
		why    credit.Suspicion
		mended bool // by waiting as told
	}{
		{"another node's key", due, func(id string) request { return completion("ast2", id, all, length) }, wire.Forbidden, credit.OtherNode, false},
		{"a key that is almost right", due, func(id string) request { return completion("stolen and changed", id, all, length) }, wire.Unauthorized, "", false},
		{"no key", due, func(id string) request { return completion("", id, all, length) }, wire.Unauthorized, "", false},
		{"complete without start", due, func(string) request { return completion("ast1", invented, all, length) }, wire.ListenNotFound, credit.UnknownListen, false},
		{"an endpos of 10^12", due, func(id string) request { return completion("ast1", id, 1e12, length) }, wire.NotHeard, credit.Absurd, false},
		{"played for 10^12 ms", due, func(id string) request { return completion("ast1", id, all, 1e12) }, wire.NotHeard, credit.Absurd, false},
		{"a negative endpos", due, func(id string) request { return completion("ast1", id, -all, length) }, wire.NotHeard, credit.Absurd, false},
		{"a negative time", due, func(id string) request { return completion("ast1", id, all, -length) }, wire.NotHeard, credit.Absurd, false},
		{"half of the ad", due, func(id string) request { return completion("ast1", id, all/2, length/2) }, wire.NotHeard, credit.CutShort, false},
		{"too early by 0.5 s", due - 500*time.Millisecond, func(id string) request { return completion("ast1", id, all, length) }, wire.TooEarly, "", true},
		{"too early by 2 s", due - 2*time.Second, func(id string) request { return completion("ast1", id, all, length) }, wire.TooEarly, "", true},
		{"too early by 10 s", due - 10*time.Second, func(id string) request { return completion("ast1", id, all, length) }, wire.NotHeard, credit.FarTooEarly, false},
		{"at once", 0, func(id string) request { return completion("ast1", id, all, length) }, wire.NotHeard, credit.FarTooEarly, false},
		{"abandoned by another node", due, func(id string) request {
			return post("ast2", "/v1/listens/"+id+"/abandon", `{"endpos":1,"played_ms":1,"cause":"hangup"}`)
		}, wire.Forbidden, "", false},
		{"another account with the start's key", 0, func(string) request { return start("ast1", key1, "alias:1002") }, wire.KeyReused, "", false},
		{"started twice", 0, func(string) request { return start("ast1", key2, "alias:1001") }, wire.Playing, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := open(t)
			l := b.started(key1)
			b.pass(row.wait)
			p := b.unchanged(row.code, row.forge(l.ID))
			b.counted(row.why)
			if row.mended {
				b.pass(time.Duration(p.RetryAfterMS) * time.Millisecond)
				b.want(http.StatusOK, row.forge(l.ID), nil)
				b.granted(1)
				return
			}
			b.granted(0)
			b.pass(due)
			b.want(http.StatusOK, completion("ast1", l.ID, all, length), nil) // the listener loses nothing by it
			b.granted(1)
		})
	}
	t.Run("two completions with different values", func(t *testing.T) {
		b := open(t)
		l := b.started(key1)
		b.pass(due)
		var first, again wire.Grant
		b.want(http.StatusOK, completion("ast1", l.ID, all, length), &first)
		before := b.money()
		b.want(http.StatusOK, completion("ast1", l.ID, all, length), &again)
		b.counted("")
		b.want(http.StatusOK, completion("ast1", l.ID, all-1, length), &again)
		if after := b.money(); after != before || first != again {
			b.Errorf("money moved from\n%sto\n%s", before, after)
		}
		b.counted(credit.Changed)
		b.granted(1)
	})
	t.Run("completed after it was abandoned", func(t *testing.T) {
		b := open(t)
		l := b.started(key1)
		b.want(http.StatusOK, post("ast1", "/v1/listens/"+l.ID+"/abandon", `{"endpos":1,"played_ms":1,"cause":"hangup"}`), nil)
		b.pass(due)
		b.unchanged(wire.ListenAbandoned, completion("ast1", l.ID, all, length))
		b.counted(credit.AfterAbandon)
	})
	t.Run("late, and late again", func(t *testing.T) {
		b := open(t)
		l := b.started(key1)
		b.pass(50 * time.Second)
		b.unchanged(wire.NotHeard, completion("ast1", l.ID, all/2, length))
		b.want(http.StatusOK, completion("ast1", l.ID, all, length), nil)
		if _, err := b.db.ExecContext(t.Context(), `UPDATE cc_card SET credit = 0`); err != nil {
			t.Fatal(err)
		}
		var second wire.Listen
		b.want(http.StatusCreated, start("ast1", key2, "alias:1001"), &second)
		b.pass(50 * time.Second)
		b.unchanged(wire.LateCapped, completion("ast1", second.ID, all, length))
	})
}

func TestForgedSQLite(t *testing.T) {
	forgeries(t, func(t *testing.T) *bank {
		path := filepath.Join(t.TempDir(), "adcredit.db")
		s, err := store.Open(t.Context(), store.Config{Database: config.Database{Driver: config.SQLite, Path: path}, Currency: "XOF"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		for _, alias := range []string{"1001", "1002"} {
			if _, err := s.AddAccount(t.Context(), credit.NewAccount{Card: "97" + alias, Alias: alias}); err != nil {
				t.Fatal(err)
			}
		}
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return newBank(t, s, db)
	})
}
