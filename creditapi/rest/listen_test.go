package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

func TestListen(t *testing.T) {
	w := newWorld(t)
	l := w.started(key1)
	if l.Sound != "ads/teranga-fr" || l.Samples != 80000 || l.RateHz != 8000 || l.DurationMS != 10000 || l.Reward != wire.Units(50) {
		t.Errorf("listen: %+v", l)
	}
	if again := w.started(key1); again != l {
		t.Errorf("the same start answered %+v, then %+v", l, again)
	}
	w.problem(wire.KeyReused, start("ast1", key1, "alias:1002"))
	w.problem(wire.Playing, start("ast1", key2, "alias:1001"))
	w.pass(10 * time.Second)
	var first, again wire.Grant
	complete := post("ast1", "/v1/listens/"+l.ID+"/complete", heard)
	w.want(http.StatusOK, complete, &first)
	w.want(http.StatusOK, complete, &again)
	if first != again || first.Amount != wire.Units(50) || first.Credit != wire.Units(50) || !first.Sufficient || first.State != string(credit.Logged) {
		t.Errorf("grant %+v, again %+v", first, again)
	}
	if entries := w.store.Ledger(); len(entries) != 1 {
		t.Errorf("ledger: %+v", entries)
	}
	w.problem(wire.ListenCompleted, post("ast1", "/v1/listens/"+l.ID+"/abandon", `{"endpos":1,"played_ms":1,"cause":"hangup"}`))
	w.problem(wire.NotNeeded, start("ast1", key2, "alias:1001"))
}

// The charging identity belongs to the request, and no other may take its key.
func TestListenWithICID(t *testing.T) {
	w := newWorld(t)
	with := func(icid string) request {
		return post("ast1", "/v1/listens", `{"account":"alias:1001","call_id":"ast1/1.1","icid":"`+icid+`"}`).with("Idempotency-Key", key1)
	}
	var first, again wire.Listen
	w.want(http.StatusCreated, with(wire.ICIDCharacters), &first)
	w.want(http.StatusCreated, with(wire.ICIDCharacters), &again)
	if first != again {
		t.Errorf("the same start answered %+v, then %+v", first, again)
	}
	w.problem(wire.KeyReused, with("1"))
	w.problem(wire.InvalidRequest, with(strings.Repeat("9", wire.MaxICID+1)))
	w.problem(wire.InvalidRequest, with("1;2"))
}

func TestAbandon(t *testing.T) {
	w := newWorld(t)
	l := w.started(key1)
	abandon := post("ast1", "/v1/listens/"+l.ID+"/abandon", `{"endpos":40000,"played_ms":5000,"cause":"hangup"}`)
	for range 2 {
		var a wire.Abandoned
		w.want(http.StatusOK, abandon, &a)
		if a.ID != l.ID || a.State != string(credit.Abandoned) {
			t.Errorf("abandoned: %+v", a)
		}
	}
	w.pass(10 * time.Second)
	w.problem(wire.ListenAbandoned, post("ast1", "/v1/listens/"+l.ID+"/complete", heard))
	campaigns, err := w.store.Campaigns(t.Context(), false)
	if err != nil || campaigns[0].Held != 0 || campaigns[0].Spent != 0 {
		t.Errorf("the reward is still held: %+v, %v", campaigns, err)
	}
}

func TestCompleteRefusals(t *testing.T) {
	for _, row := range []struct {
		name string
		wait time.Duration
		body string
		code wire.Code
	}{
		{"a little early", 7 * time.Second, heard, wire.TooEarly},
		{"much too early", time.Second, heard, wire.NotHeard},
		{"cut short", 10 * time.Second, `{"endpos":40000,"played_ms":5000,"heard_at":"2026-11-24T10:00:10Z"}`, wire.NotHeard},
		{"beyond the end", 10 * time.Second, `{"endpos":1000000000000,"played_ms":10000,"heard_at":"2026-11-24T10:00:10Z"}`, wire.NotHeard},
		{"negative", 10 * time.Second, `{"endpos":-1,"played_ms":10000,"heard_at":"2026-11-24T10:00:10Z"}`, wire.NotHeard},
		{"too late", 25 * time.Hour, heard, wire.ListenExpired},
		{"no end position", 10 * time.Second, `{"played_ms":10000,"heard_at":"2026-11-24T10:00:10Z"}`, wire.InvalidRequest},
		{"half a sample", 10 * time.Second, `{"endpos":80000.5,"played_ms":10000,"heard_at":"2026-11-24T10:00:10Z"}`, wire.InvalidRequest},
		{"more than a number holds", 10 * time.Second, `{"endpos":1e30,"played_ms":10000,"heard_at":"2026-11-24T10:00:10Z"}`, wire.InvalidRequest},
		{"no time", 10 * time.Second, `{"endpos":80000,"played_ms":10000,"heard_at":"yesterday"}`, wire.InvalidRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			l := w.started(key1)
			w.pass(row.wait)
			p, header := w.problem(row.code, post("ast1", "/v1/listens/"+l.ID+"/complete", row.body))
			if row.code == wire.TooEarly && (p.RetryAfterMS != 2800 || header.Get("Retry-After") != "3") {
				t.Errorf("retry after %d ms, header %q", p.RetryAfterMS, header.Get("Retry-After"))
			}
			if entries := w.store.Ledger(); len(entries) != 0 {
				t.Errorf("ledger: %+v", entries)
			}
		})
	}
}

// TestNode: a listen is its own node's business.
func TestNode(t *testing.T) {
	w := newWorld(t)
	l := w.started(key1)
	w.pass(10 * time.Second)
	w.problem(wire.Forbidden, post("ast2", "/v1/listens/"+l.ID+"/complete", heard))
	w.problem(wire.Forbidden, post("ast2", "/v1/listens/"+l.ID+"/abandon", `{"endpos":1,"played_ms":1,"cause":"hangup"}`))
	w.problem(wire.ListenNotFound, post("ast1", "/v1/listens/nowhere/complete", heard))
	w.problem(wire.ListenNotFound, post("ast1", "/v1/listens/nowhere/abandon", `{"endpos":1,"played_ms":1,"cause":"hangup"}`))
	w.problem(wire.InvalidRequest, post("ast1", "/v1/listens/no%20where/complete", heard))
}

func TestInDoubt(t *testing.T) {
	w := newWorld(t)
	l := w.started(key1)
	w.pass(10 * time.Second)
	w.store.Doubt("the database server restarted")
	var g wire.Grant
	w.want(http.StatusAccepted, post("ast1", "/v1/listens/"+l.ID+"/complete", heard), &g)
	if g.State != string(credit.InDoubt) || g.Credit != 0 {
		t.Errorf("grant: %+v", g)
	}
}

func TestStartRefusals(t *testing.T) {
	w := newWorld(t)
	body := func(field, value string) request {
		fields := map[string]string{"account": "alias:1001", "call_id": "ast1/1.1", "destination": "2000", "language": "fr"}
		fields[field] = value
		return post("ast1", "/v1/listens", `{"account":"`+fields["account"]+`","call_id":"`+fields["call_id"]+
			`","destination":"`+fields["destination"]+`","language":"`+fields["language"]+`"}`).with("Idempotency-Key", key1)
	}
	for _, row := range []struct {
		name string
		request
		code wire.Code
	}{
		{"nobody", body("account", "alias:4711"), wire.AccountNotFound},
		{"a name of two", body("account", "77"), wire.AccountAmbiguous},
		{"no account", body("account", ""), wire.InvalidRequest},
		{"a forged account", body("account", `cid:1\n2`), wire.InvalidRequest},
		{"an ICID with a space", post("ast1", "/v1/listens", `{"account":"alias:1001","call_id":"x","icid":"a b"}`).with("Idempotency-Key", key1), wire.InvalidRequest},
		{"an ICID with a quote", post("ast1", "/v1/listens", `{"account":"alias:1001","call_id":"x","icid":"a'b"}`).with("Idempotency-Key", key1), wire.InvalidRequest},
		{"an ICID of two lines", post("ast1", "/v1/listens", `{"account":"alias:1001","call_id":"x","icid":"a\nb"}`).with("Idempotency-Key", key1), wire.InvalidRequest},
		{"an ICID that is empty and told", post("ast1", "/v1/listens", `{"account":"alias:1001","call_id":"x","icid":""}`).with("Idempotency-Key", key1), wire.InvalidRequest},
		{"a caller ID that is no number", post("ast1", "/v1/listens", `{"account":"alias:1001","call_id":"x","caller_id":"anonymous"}`).with("Idempotency-Key", key1), wire.InvalidRequest},
		{"no call", body("call_id", ""), wire.InvalidRequest},
		{"a call of two lines", body("call_id", `ast1\n1`), wire.InvalidRequest},
		{"a call with a NUL", body("call_id", `ast1\u00001`), wire.InvalidRequest},
		{"a destination with a tab", body("destination", `1\t2`), wire.InvalidRequest},
		{"a language of two lines", body("language", `f\nr`), wire.InvalidRequest},
		{"a premium number", body("destination", "8812345"), wire.NeverOffer},
		{"a language without an ad", body("language", "wo"), wire.NoAd},
		{"credit enough", body("account", "alias:1000"), wire.NotNeeded},
		{"no Idempotency-Key", post("ast1", "/v1/listens", `{"account":"alias:1001","call_id":"x"}`), wire.InvalidRequest},
		{"another scope", start("credit", key1, "alias:1001"), wire.Forbidden},
		{"no key", start("", key1, "alias:1001"), wire.Unauthorized},
	} {
		w.run(row.name, func() { w.problem(row.code, row.request) })
	}
}

func TestBlockedAccounts(t *testing.T) {
	w := newWorld(t)
	account, err := w.store.Account(t.Context(), credit.Ref{Kind: credit.ByAlias, Name: "1001"})
	if err != nil {
		t.Fatal(err)
	}
	for code, change := range map[wire.Code]func(*credit.Account){
		wire.AccountStatus:  func(a *credit.Account) { a.Status = credit.Expired },
		wire.AccountExpired: func(a *credit.Account) { a.Expired = true },
		wire.AccountInUse:   func(a *credit.Account) { a.InUse = 1 },
	} {
		changed := account
		change(&changed)
		w.store.Set(changed)
		w.problem(code, start("ast1", key1, "alias:1001"))
		var c wire.Credit
		w.want(http.StatusOK, get("ast1", "/v1/accounts/alias:1001/credit"), &c)
		if c.Blocked != code || c.Offer.Available {
			t.Errorf("%s: %+v", code, c)
		}
	}
}

func TestCapped(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{key1, key2} {
		l := w.started(key)
		w.pass(10 * time.Second)
		w.want(http.StatusOK, post("ast1", "/v1/listens/"+l.ID+"/complete", heard), nil)
		account, err := w.store.Account(t.Context(), credit.Ref{Kind: credit.ByAlias, Name: "1001"})
		if err != nil {
			t.Fatal(err)
		}
		account.Credit = 0
		w.store.Set(account)
	}
	w.problem(wire.Capped, start("ast1", key3, "alias:1001"))
}

func TestSounds(t *testing.T) {
	w := newWorld(t)
	var s wire.Sounds
	w.want(http.StatusOK, get("ast2", "/v1/sounds"), &s)
	want := wire.Sound{Name: "ads/teranga-fr", Campaign: "teranga", Language: "fr", RateHz: 8000, Samples: 80000}
	if s.Node != "ast2" || len(s.Sounds) != 1 || s.Sounds[0] != want {
		t.Errorf("sounds: %+v", s)
	}
	if err := w.store.SetCampaignState(t.Context(), "teranga", credit.CampaignArchived); err != nil {
		t.Fatal(err)
	}
	w.want(http.StatusOK, get("ast2", "/v1/sounds"), &s)
	if s.Sounds == nil || len(s.Sounds) != 0 {
		t.Errorf("without campaigns the list is empty, not null: %+v", s)
	}
}

// TestClientGone: what changes money is finished though the client hung up;
// a question is not, and counts as no fault of ours.
func TestClientGone(t *testing.T) {
	w := newWorld(t)
	l := w.started(key1)
	w.pass(10 * time.Second)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	w.api.ServeHTTP(httptest.NewRecorder(), w.make(post("ast1", "/v1/listens/"+l.ID+"/complete", heard)).WithContext(ctx))
	if entries := w.store.Ledger(); len(entries) != 1 {
		t.Errorf("the grant was cut short: %+v\n%s", entries, w.log)
	}
	w.api.ServeHTTP(httptest.NewRecorder(), w.make(get("ast1", "/v1/accounts/1001/credit")).WithContext(ctx))
	w.logged(`route="GET /v1/accounts/{account}/credit" status=499`)
}
