package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"adcredit/creditapi/wire"
)

// routes are all that the interface has, with the scope that each needs.
var routes = map[string]string{
	"GET /v1/accounts/{account}/credit":  "agi",
	"POST /v1/accounts/{account}/credit": "credit",
	"POST /v1/listens":                   "agi",
	"POST /v1/listens/{id}/complete":     "agi",
	"POST /v1/listens/{id}/abandon":      "agi",
	"GET /v1/sounds":                     "agi",
	"GET /healthz":                       "",
	"GET /readyz":                        "",
	"GET /metrics":                       "report",
	"GET /openapi.json":                  "",
	"GET /docs":                          "",
}

type document struct {
	OpenAPI string
	Info    struct{ Title, Version string }
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Parameters  []struct {
			Name, In string
			Required bool
			Schema   map[string]any
		}
		RequestBody *struct {
			Required bool
			Content  map[string]struct{ Schema map[string]any }
		}
		Responses map[string]struct {
			Description string
			Content     map[string]struct{ Schema map[string]any }
		}
		Security []map[string][]string
	}
	Components struct {
		Schemas map[string]struct {
			Properties map[string]map[string]any
			Required   []string
		}
		SecuritySchemes map[string]map[string]string
	}
}

func TestOpenAPI(t *testing.T) {
	w := newWorld(t)
	var d document
	w.want(http.StatusOK, get("", "/openapi.json"), &d)
	if d.OpenAPI != "3.1.0" || d.Info.Title != "creditapi" || d.Info.Version != "test" {
		t.Errorf("head: %s %+v", d.OpenAPI, d.Info)
	}
	ids, found := map[string]bool{}, 0
	for path, methods := range d.Paths {
		for method, op := range methods {
			found++
			name := strings.ToUpper(method) + " " + path
			scope, known := routes[name]
			if !known || op.Summary == "" || op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s: unknown, or without a summary and an id of its own: %q", name, op.OperationID)
			}
			ids[op.OperationID] = true
			if (scope != "") != (len(op.Security) == 1 && op.Security[0]["key"][0] == scope) {
				t.Errorf("%s: security %v, want scope %q", name, op.Security, scope)
			}
			parameters := map[string]bool{}
			for _, p := range op.Parameters {
				parameters[p.In+" "+p.Name] = p.Required
			}
			for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
				if !parameters["path "+m[1]] {
					t.Errorf("%s: %s is not described", name, m[1])
				}
			}
			if needed := name == "POST /v1/listens" || name == "POST /v1/accounts/{account}/credit"; parameters["header Idempotency-Key"] != needed {
				t.Errorf("%s: Idempotency-Key required %v, want %v", name, !needed, needed)
			}
			for status, r := range op.Responses {
				if r.Description == "" {
					t.Errorf("%s: %s has no description", name, status)
				}
				if _, problem := r.Content[wire.ProblemType]; problem != (status >= "400") {
					t.Errorf("%s: %s has content %v", name, status, r.Content)
				}
			}
			if op.Responses["500"].Description == "" || op.Responses["421"].Description == "" {
				t.Errorf("%s: not every problem is described", name)
			}
		}
	}
	if found != len(routes) {
		t.Errorf("%d routes are described, want %d", found, len(routes))
	}
	if d.Components.SecuritySchemes["key"]["scheme"] != "bearer" {
		t.Errorf("security: %v", d.Components.SecuritySchemes)
	}
	complete := d.Paths["/v1/listens/{id}/complete"]["post"].Responses
	if !strings.Contains(complete["410"].Description, "listen_expired") || !strings.Contains(complete["410"].Description, "listen_abandoned") {
		t.Errorf("410 of complete: %q", complete["410"].Description)
	}
	if amount := d.Components.Schemas["Refill"].Properties["amount"]; amount["type"] != "string" || amount["pattern"] == "" {
		t.Errorf("money is described as %v", amount)
	}
	if list := d.Components.Schemas["Sounds"].Properties["sounds"]; list["type"] != "array" {
		t.Errorf("a list is described as %v", list["type"])
	}
	if code := d.Components.Schemas["Problem"].Properties["code"]; code["type"] != "string" {
		t.Errorf("problems are described as %v", d.Components.Schemas["Problem"])
	}
}

// TestReferences: whatever the description refers to is there, and nothing
// refers to the outside.
func TestReferences(t *testing.T) {
	w := newWorld(t)
	var whole map[string]any
	w.want(http.StatusOK, get("", "/openapi.json"), &whole)
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	references := regexp.MustCompile(`"\$ref":"([^"]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(references) < 10 {
		t.Errorf("only %d references", len(references))
	}
	for _, m := range references {
		at := any(whole)
		for _, step := range strings.Split(strings.TrimPrefix(m[1], "#/"), "/") {
			at = at.(map[string]any)[step]
		}
		if at == nil {
			t.Errorf("%s leads nowhere", m[1])
		}
	}
	for _, foreign := range []string{"$schema", "http://", "https://"} {
		if strings.Contains(string(text), foreign) {
			t.Errorf("the description has %s", foreign)
		}
	}
}

// TestDocs: the page shows everything, works offline and keeps to its policy.
func TestDocs(t *testing.T) {
	w := newWorld(t)
	resp := w.ask(get("", "/docs"))
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	page := string(body)
	if ct := resp.Header.Get("Content-Type"); ct != "text/html; charset=utf-8" {
		t.Errorf("Content-Type: %q", ct)
	}
	for route := range routes {
		method, path, _ := strings.Cut(route, " ")
		if !strings.Contains(page, "<b>"+method+"</b> <code>"+path+"</code>") {
			t.Errorf("%s is not on the page", route)
		}
	}
	for _, text := range []string{"Idempotency-Key", "<code>listen_expired</code>", `id="schema-Grant"`, "played_ms", "Key with the scope <code>agi</code>", "optional"} {
		if !strings.Contains(page, text) {
			t.Errorf("%s is not on the page", text)
		}
	}
	for _, foreign := range []string{"http:", "https:", "<script", "<link", "<img", "style=", "@import", "url(", " on"} {
		if i := strings.Index(page, foreign); i >= 0 && (foreign != " on" || regexp.MustCompile(` on\w+=`).MatchString(page)) {
			t.Errorf("the page has %q: …%s", foreign, page[i:min(i+60, len(page))])
		}
	}
	style := page[strings.Index(page, "<style>")+len("<style>") : strings.Index(page, "</style>")]
	sum := sha256.Sum256([]byte(style))
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("the policy %q does not allow the page's own style", policy)
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+m[1]+`"`) {
			t.Errorf("#%s leads nowhere", m[1])
		}
	}
}
