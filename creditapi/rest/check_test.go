package rest

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// A check is answered and logged as the router and huma would have it.
func TestCheckAsRouted(t *testing.T) {
	w := newWorld(t)
	const longest = "card:12345678901234567890123456789012345678901234567890123456"
	for path, isUsual := range map[string]bool{
		"/v1/accounts/alias:1000/credit":                                               true,
		"/v1/accounts/card:8987344413/credit?destination=2000":                         true,
		"/v1/accounts/cid:%2B221771234567/credit?destination=%2B221&caller_id=%2B2217": true,
		"/v1/accounts/alias:1001/credit?caller_id=221771234567&destination=8812345":    true,
		"/v1/accounts/alias:1001/credit?unknown=1&destination=2&destination=88":        true,
		"/v1/accounts/alias:1001/credit?destination":                                   true,
		"/v1/accounts/alias:1001/credit?destination=":                                  true,
		"/v1/accounts/77/credit":                                                       true,
		"/v1/accounts/nobody/credit":                                                   true,
		"/v1/accounts/id:1/credit":                                                     true,
		"/v1/accounts/alias:10%0a00/credit":                                            true,
		"/v1/accounts/alias:10%2500/credit":                                            true,
		"/v1/accounts/alias%3A1000/credit":                                             true,
		"/v1/accounts/ala%C3%AFs/credit":                                               true,
		"/v1/accounts/" + longest[:60] + "/credit":                                     true,
		"/v1/accounts/" + longest + "/credit":                                          false,
		"/v1/accounts/a%2Fb/credit":                                                    false,
		"/v1/accounts/a/b/credit":                                                      false,
		"/v1/accounts//credit":                                                         false,
		"/v1/accounts/./credit":                                                        false,
		"/v1/accounts/../credit":                                                       false,
		"/v1/accounts/%2E%2E/credit":                                                   false,
		"/v1/accounts/credit":                                                          false,
		"/v1/accounts/alias:1000/credit/":                                              false,
		"/v1%2Faccounts/alias:1000/credit":                                             false,
		"/v%31/accounts/alias:1000/credit":                                             false,
		"/v1/accounts/alias:1000/credi%74":                                             false,
		"/v1/accounts/alias:1001/credit?destination=+221":                              false,
		"/v1/accounts/alias:1001/credit?destination=1%0a2":                             false,
		"/v1/accounts/alias:1001/credit?destination=" + strings.Repeat("1", 41):        false,
		"/v1/accounts/alias:1001/credit?caller_id=anonymous":                           false,
		"/v1/accounts/alias:1001/credit?caller_id":                                     false,
	} {
		sent := get("ast1", path)
		if _, usual := w.api.readCheck(w.make(sent)); usual != isUsual {
			t.Errorf("%s: usual %v, want %v", path, usual, isUsual)
		}
		head, foreign := sent, sent
		head.method, foreign.method = http.MethodHead, http.MethodDelete
		for _, r := range []request{sent, head, foreign, get("", path), get("ast2", path), get("report", path), sent.with("Accept", "text/html"),
			sent.with("Accept", "json"), sent.with("Accept", "application/json, */*;q=0.1"), sent.with("Host", "elsewhere"),
			sent.with("X-Request-Id", "mine"), sent.with("Authorization", "Basic x")} {
			got, want := w.exchange(w.api.check, r), w.exchange(never, r)
			if got != want {
				t.Errorf("%s %s %v:\n%s\nas routed:\n%s", r.method, path, r.headers, got, want)
			}
		}
	}
	routed := w.exchange(never, get("ast1", "/v1/accounts/alias:1000/credit"))
	if !strings.Contains(routed, `"credit":"2000.00000"`) || !strings.Contains(routed, "account=alias:****") {
		t.Errorf("answer and log: %s", routed)
	}
}

func never(http.ResponseWriter, *http.Request) bool { return false }

// A store that fails, or does not answer in time, is told of in the same way.
func TestCheckFailsAsRouted(t *testing.T) {
	for _, cause := range []error{errors.New("SELECT 221771234567"), context.DeadlineExceeded,
		&wire.Error{Code: wire.Unavailable, Detail: "Try again.", Err: io.ErrUnexpectedEOF}} {
		w := newWorld(t, func(s *credit.Service, _ *Options) {
			s.Store = faulty{Store: s.Store, account: func(context.Context, credit.Ref) (credit.Account, error) { return credit.Account{}, cause }}
		})
		r := get("ast1", "/v1/accounts/alias:1000/credit")
		got, want := w.exchange(w.api.check, r), w.exchange(never, r)
		if got != want {
			t.Errorf("%v:\n%s\nas routed:\n%s", cause, got, want)
		}
	}
}

var varies = regexp.MustCompile(`time=\S+ |duration_ms=\S+ |request=[0-9a-f]{16}|X-Request-Id: [0-9a-f]{16}`)

// exchange is an answer and what was logged of it, but for what differs each time.
// What check does not answer is routed.
func (w *world) exchange(check func(http.ResponseWriter, *http.Request) bool, r request) string {
	w.Helper()
	logged := len(w.log.String())
	rec := httptest.NewRecorder()
	w.api.guard(rec, w.make(r), func(rw http.ResponseWriter, req *http.Request) {
		if err := w.api.hostError(req); err != nil {
			w.api.fail(rw, req, err)
		} else if !check(rw, req) {
			w.api.dispatch(rw, req)
		}
	})
	resp := rec.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	var text strings.Builder
	text.WriteString(resp.Status + "\n")
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		text.WriteString(name + ": " + strings.Join(resp.Header[name], ", ") + "\n")
	}
	text.Write(body)
	text.WriteString(w.log.String()[logged:])
	return varies.ReplaceAllString(text.String(), "")
}
