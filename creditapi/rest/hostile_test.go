package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/store"
	"adcredit/tests/hostile"
)

// wholeNumbers lets the log show accounts as they were named.
func wholeNumbers(_ *credit.Service, o *Options) { o.LogNumbers = true }

// onSQLite copies the world's accounts, campaigns and keys into an embedded
// database, and serves from there.
func onSQLite(t *testing.T, w *world) {
	t.Helper()
	ctx := t.Context()
	s, err := store.Open(ctx, store.Config{
		Database: config.Database{Driver: config.SQLite, Path: filepath.Join(t.TempDir(), "adcredit.db")}, Currency: "XOF", Now: w.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	copied := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	accounts, err := w.store.Accounts(ctx, 0, 100)
	copied(err)
	for _, a := range accounts {
		_, err := s.AddAccount(ctx, credit.NewAccount{Card: a.Card, Alias: a.Alias, Credit: a.Credit, Language: a.Language})
		copied(err)
	}
	campaigns, err := w.store.Campaigns(ctx, true)
	copied(err)
	for _, c := range campaigns {
		_, err := s.AddCampaign(ctx, c)
		copied(err)
	}
	keys, err := w.store.Keys(ctx)
	copied(err)
	for _, k := range keys {
		copied(s.AddKey(ctx, k))
	}
	w.api = newAPI(s, w.Now, w.log, wholeNumbers)
	t.Cleanup(w.api.Wait)
}

// places are all that a request can hold, each with the request that it belongs
// to; %s in a body is JSON of a text.
var places = []struct {
	name, method, path, key, body string
	in                            string // path, query, body, property, or the name of a header
}{
	{"account of a question", "GET", "/v1/accounts/{account}/credit", "ast1", "", "path"},
	{"destination of a question", "GET", "/v1/accounts/{account}/credit", "ast1", "", "query"},
	{"account of a refill", "POST", "/v1/accounts/{account}/credit", "credit", `{"amount":"1","reason":"paid in cash"}`, "path"},
	{"amount", "POST", "/v1/accounts/{account}/credit", "credit", `{"amount":%s,"reason":"paid in cash"}`, "body"},
	{"reason", "POST", "/v1/accounts/{account}/credit", "credit", `{"amount":"1","reason":%s}`, "body"},
	{"property", "POST", "/v1/accounts/{account}/credit", "credit", `{"amount":"1","reason":"paid in cash",%s:1}`, "body"},
	{"whole body", "POST", "/v1/accounts/{account}/credit", "credit", `%s`, "body"},
	{"account of a listen", "POST", "/v1/listens", "ast1", `{"account":%s,"call_id":"ast1/1.1"}`, "body"},
	{"call id", "POST", "/v1/listens", "ast1", `{"account":"alias:1001","call_id":%s}`, "body"},
	{"destination of a listen", "POST", "/v1/listens", "ast1", `{"account":"alias:1001","call_id":"ast1/1.1","destination":%s}`, "body"},
	{"language", "POST", "/v1/listens", "ast1", `{"account":"alias:1001","call_id":"ast1/1.1","language":%s}`, "body"},
	{"listen to complete", "POST", "/v1/listens/{id}/complete", "ast1", heard, "path"},
	{"time", "POST", "/v1/listens/{id}/complete", "ast1", `{"endpos":80000,"played_ms":10000,"heard_at":%s}`, "body"},
	{"listen to abandon", "POST", "/v1/listens/{id}/abandon", "ast1", `{"endpos":1,"played_ms":1,"cause":"hangup"}`, "path"},
	{"cause", "POST", "/v1/listens/{id}/abandon", "ast1", `{"endpos":1,"played_ms":1,"cause":%s}`, "body"},
	{"idempotency key", "POST", "/v1/listens", "ast1", `{"account":"alias:1001","call_id":"ast1/1.1"}`, "Idempotency-Key"},
	{"key", "GET", "/v1/sounds", "", "", "Authorization"},
	{"request id", "GET", "/v1/sounds", "ast1", "", "X-Request-Id"},
	{"host", "GET", "/v1/sounds", "ast1", "", "Host"},
	{"type of the body", "POST", "/v1/listens", "ast1", `{"account":"alias:1001","call_id":"ast1/1.1"}`, "Content-Type"},
}

// TestHostileRequests puts every value of the corpus into every place of the
// interface, over both stores: what judged looks at holds, and nobody has more
// than the refills that were answered. Two values name account 1000 as may be.
func TestHostileRequests(t *testing.T) {
	for _, kind := range []string{"memory", "SQLite"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, wholeNumbers)
			if kind == "SQLite" {
				onSQLite(t, w)
			}
			refills := 0 // of 1 each
			for i, p := range places {
				w.run(p.name, func() {
					for j, v := range hostile.Values() {
						done := w.hostile(i, v, fmt.Sprintf("idem-%d-%d-0000000000", i, j))
						if done && p.key == credit.ScopeCredit {
							refills++
						}
					}
				})
			}
			credits, _ := w.money()
			if want := fmt.Sprintf("8987344413=2002.00000 9700203963=%d.00000 3377949903=0.00000 77=0.00000 5550001112=0.00000 ", refills-2); credits != want {
				t.Errorf("the books say %s, want %s", credits, want)
			}
		})
	}
}

// hostile makes one request of a place and a value, and judges it; done says
// that it was not refused.
func (w *world) hostile(place int, v hostile.Value, idempotency string) (done bool) {
	w.Helper()
	p, text := places[place], v.Text
	account, listen, query := "alias:1001", "01JD3Z6T9N8Q", ""
	switch p.in {
	case "path":
		account, listen = text, text
	case "query":
		query = "?destination=" + url.QueryEscape(text)
	}
	target := strings.NewReplacer("{account}", url.PathEscape(account), "{id}", url.PathEscape(listen)).Replace(p.path)
	body := p.body
	if p.in == "body" {
		quoted, err := json.Marshal(text)
		if err != nil {
			w.Fatal(err)
		}
		body = fmt.Sprintf(p.body, quoted)
	}
	q := request{key: p.key, method: p.method, path: target + query, body: body}.with("Idempotency-Key", idempotency)
	if !slices.Contains([]string{"path", "query", "body"}, p.in) {
		q = q.with(p.in, headerValue(text))
	}
	if p.in == "Authorization" {
		q.headers[p.in] = "Bearer " + q.headers[p.in]
	}
	status, answer := w.judged(ofTheInterface(), p.method+" "+p.path, p.key, w.make(q))
	if len(text) > 20 && status >= http.StatusBadRequest && strings.Contains(string(answer), text) {
		w.Errorf("%s as %s: %s echoes it", v.Name, p.name, answer)
	}
	if w.Failed() {
		w.Fatalf("by %s as %s: %d %s", v.Name, p.name, status, answer)
	}
	return status < http.StatusMultipleChoices
}
