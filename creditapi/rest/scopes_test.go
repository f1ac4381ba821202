package rest

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// public are the routes for everybody; all others need a key.
var public = []string{"GET /healthz", "GET /readyz", "GET /openapi.json", "GET /docs"}

// operations are the routes of the description, each with the scope it names
// there and a request to it.
func (w *world) operations() (all map[string]struct {
	scope string
	request
}) {
	w.Helper()
	var d document
	w.want(http.StatusOK, get("", "/openapi.json"), &d)
	all = map[string]struct {
		scope string
		request
	}{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			r := request{method: strings.ToUpper(method), path: regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "1001")}
			if op.RequestBody != nil {
				r.body = "{}"
			}
			scope := ""
			if len(op.Security) == 1 && len(op.Security[0][securityName]) == 1 {
				scope = op.Security[0][securityName][0]
			}
			all[r.method+" "+path] = struct {
				scope string
				request
			}{scope, r}
		}
	}
	return all
}

// TestScopes asks every route that is described with a key of every scope. Only
// the scope that the description names gets beyond the key, and a route that
// names none is one of the public ones.
func TestScopes(t *testing.T) {
	w := newWorld(t)
	w.key("", credit.ScopeAdmin)
	holders := map[string]string{"ast1": credit.ScopeAGI, "credit": credit.ScopeCredit, "report": credit.ScopeReport, "admin": credit.ScopeAdmin}
	if len(holders) != len(credit.Scopes) {
		t.Fatalf("%d scopes are tried, want %d", len(holders), len(credit.Scopes))
	}
	for route, op := range w.operations() {
		if isPublic := slices.Contains(public, route); isPublic != (op.scope == "") {
			t.Errorf("%s: scope %q, public %v", route, op.scope, isPublic)
		}
		if op.scope == "" {
			w.want(http.StatusOK, op.request, nil)
			continue
		}
		w.problem(wire.Unauthorized, op.request)
		for holder, scope := range holders {
			r := op.request
			r.key = holder
			if scope != op.scope {
				_, header := w.problem(wire.Forbidden, r)
				if got := header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_scope", scope="`+op.scope+`"`) {
					t.Errorf("%s on %s: WWW-Authenticate %q", holder, route, got)
				}
			} else if got := w.ask(r).StatusCode; got == http.StatusUnauthorized || got == http.StatusForbidden {
				t.Errorf("%s on %s: status %d", holder, route, got)
			}
		}
	}
}

// TestRoutesAreDescribed: the one place that adds a route to the router describes
// it too, so that TestScopes sees it.
func TestRoutesAreDescribed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		adds := regexp.MustCompile(`\ba\.mux\.Handle(Func)?\(|\bhuma\.(Register|Get|Post|Put|Patch|Delete)\(`).FindAllString(string(text), -1)
		if len(adds) > 0 && file != "operation.go" && !strings.HasSuffix(file, "_test.go") {
			t.Errorf("%s adds routes by itself: %q; use register or plain", file, adds)
		}
	}
}

// TestNodeOfAKey: a key speaks for its own node, whatever it sends. Another node can't
// finish, abandon or repeat what this one started.
func TestNodeOfAKey(t *testing.T) {
	w := newWorld(t)
	l := w.started(key1)
	for _, end := range []request{
		post("ast2", "/v1/listens/"+l.ID+"/complete", heard),
		post("ast2", "/v1/listens/"+l.ID+"/abandon", `{"endpos":1,"played_ms":1,"cause":"hangup"}`),
	} {
		w.problem(wire.Forbidden, end)
		w.problem(wire.Forbidden, end.with("X-Node", "ast1").with("X-Forwarded-For", "ast1"))
	}
	w.problem(wire.Playing, start("ast2", key1, "alias:1001")) // an Idempotency-Key is its node's, too: this is another start
	w.pass(10 * time.Second)
	var g wire.Grant
	w.want(http.StatusOK, post("ast1", "/v1/listens/"+l.ID+"/complete", heard), &g)
	if g.Amount != wire.Units(50) {
		t.Errorf("its own node's grant: %+v", g)
	}
	w.problem(wire.Forbidden, post("ast2", "/v1/listens/"+l.ID+"/complete", heard)) // not even what was granted is told
}
