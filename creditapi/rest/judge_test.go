package rest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// mark is part of every value that a test made up, and of nothing of ours.
const mark = "zqxj"

// described is what the interface's own description says, as far as requests are
// built and answers are judged by it.
type described struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			Name, In string
			Schema   schema
		}
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
		Responses map[string]struct {
			Content map[string]any
		}
		Security []map[string][]string
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       string
	Properties map[string]schema
}

// money is all that can be worth something: balances, and what is held and spent.
func (w *world) money() (credits, budgets string) {
	w.Helper()
	accounts, err := w.api.service.Store.Accounts(w.Context(), 0, 100)
	if err != nil {
		w.Fatal(err)
	}
	for _, a := range accounts {
		credits += fmt.Sprint(a.Card, "=", a.Credit, " ")
	}
	campaigns, err := w.api.service.Store.Campaigns(w.Context(), true)
	if err != nil {
		w.Fatal(err)
	}
	for _, c := range campaigns {
		budgets += fmt.Sprint(c.Name, "=", c.Held, "/", c.Spent, "/", c.Budget, " ")
	}
	return credits, budgets
}

// mayChange says what a key of this name may change by an operation.
func mayChange(key, operation string) (credits, budgets bool) {
	agi := key == "ast1" || key == "ast2"
	switch operation {
	case "POST /v1/accounts/{account}/credit":
		return key == credit.ScopeCredit, false
	case "POST /v1/listens/{id}/complete":
		return agi, agi
	case "POST /v1/listens", "POST /v1/listens/{id}/abandon":
		return false, agi
	}
	return false, false
}

// judged asks, and holds the answer against all that is promised of every answer:
// a status and a type that the description has for it, never 5xx, a problem that
// echoes nothing, one whole line in the log, and no money moved but by who may.
func (w *world) judged(d described, operation, key string, r *http.Request) (status int, body []byte) {
	w.Helper()
	credits, budgets := w.money()
	w.log.take()
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	status, body = rec.Code, rec.Body.Bytes()

	afterCredits, afterBudgets := w.money()
	mayCredits, mayBudgets := mayChange(key, operation)
	// Who comes after the window finds it over, and the held reward goes back.
	mayCredits, mayBudgets = mayCredits && status < 300, mayBudgets && (status < 300 || status == http.StatusGone)
	if credits != afterCredits && !mayCredits || budgets != afterBudgets && !mayBudgets {
		w.Errorf("%s with key %q, answered %d, moved money:\n%s%s\n%s%s", operation, key, status, credits, budgets, afterCredits, afterBudgets)
	}
	w.documented(d, operation, status, rec.Header().Get("Content-Type"), body)
	if status >= 400 {
		w.aProblem(status, rec.Header(), body)
	}
	w.wholeLines(w.log.take())
	return status, body
}

// documented: the description knows this status, and the type of its body.
func (w *world) documented(d described, operation string, status int, kind string, body []byte) {
	w.Helper()
	method, path, _ := strings.Cut(operation, " ")
	known := d.Paths[path][strings.ToLower(strings.Replace(method, "HEAD", "GET", 1))].Responses
	answer, found := known[fmt.Sprint(status)]
	switch {
	case status >= 500:
		w.Errorf("%s: %d %s", operation, status, body)
	case status >= 400: // some are answered before there is an operation
		if !found && !slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed,
			http.StatusUnsupportedMediaType, http.StatusMisdirectedRequest}, status) {
			w.Errorf("%s: %d is not documented: %s", operation, status, body)
		}
	case !found:
		w.Errorf("%s: %d is not documented: %s", operation, status, body)
	default:
		if !slices.ContainsFunc(slices.Collect(maps.Keys(answer.Content)), func(k string) bool { return media(k) == media(kind) }) {
			w.Errorf("%s: %d is of type %q, documented is %v", operation, status, kind, answer.Content)
		}
		if kind == "application/json" && !json.Valid(body) {
			w.Errorf("%s: %q is not JSON", operation, body)
		}
	}
}

// media is a media type without its parameters.
func media(kind string) string {
	kind, _, _ = strings.Cut(kind, ";")
	return kind
}

// aProblem: an error answer is a problem as in RFC 9457 that holds nothing of
// what was sent.
func (w *world) aProblem(status int, header http.Header, body []byte) {
	w.Helper()
	var p wire.Problem
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || p.Status != status || p.Code.Status() != status ||
		p.Type != "urn:adcredit:problem:"+string(p.Code) || header.Get("Content-Type") != wire.ProblemType {
		w.Errorf("%d of type %s is no problem: %q, %v", status, header.Get("Content-Type"), body, err)
	}
	if strings.Contains(string(body), mark) {
		w.Errorf("%q echoes what was sent", body)
	}
	for name, values := range header {
		if name != "X-Request-Id" && slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, mark) }) {
			w.Errorf("the header %s echoes what was sent: %q", name, values)
		}
	}
}

// take empties the log and gives what was in it.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

var logLine = regexp.MustCompile(`^time=\S+ level=[A-Z]+ msg=("[^"\\]+"|[a-z]+)( [a-z_]+=("([^"\\]|\\.)*"|[^\s"=]*))*$`)

// wholeLines: one request is one line that says so, and no line is broken or
// holds a character that is not printed.
func (w *world) wholeLines(log string) {
	w.Helper()
	requests := 0
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if !logLine.MatchString(line) || strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) {
			w.Errorf("the log says %q", line)
		}
		if strings.Contains(line, " msg=request ") {
			requests++
		}
	}
	if requests != 1 {
		w.Errorf("%d requests in the log: %s", requests, log)
	}
}
