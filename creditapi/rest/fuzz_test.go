package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/credit/credittest"
	"adcredit/creditapi/wire"
	"adcredit/tests/hostile"
)

// usual are values that do, by their documented names, as JSON.
var usual = map[string]string{
	"account": `"alias:1001"`, "call_id": `"ast1/1.1"`, "destination": `"2000"`, "language": `"fr"`, "amount": `"1.00000"`,
	"reason": `"paid in cash"`, "endpos": "80000", "played_ms": "10000", "heard_at": `"2026-11-24T10:00:10Z"`, "cause": `"hangup"`,
	"caller_id": `"+221771234567"`, "icid": `"AyretyU0dm+6O2IrT5tAFrbHLso=023551024"`, "Idempotency-Key": `"` + key1 + `"`,
}

// A maker makes requests out of the description and of bytes: each choice takes
// one, and where none is left the usual is chosen.
type maker struct {
	described
	data    []byte
	listen  string // the latest that was started
	made    int    // requests so far
	corpus  []hostile.Value
	methods []string // "GET /v1/…" of the description, those of a call first
}

func (m *maker) choose(n int) int {
	if len(m.data) == 0 {
		return 0
	}
	c := m.data[0]
	m.data = m.data[1:]
	return int(c) % n
}

// text is a value for a place of this name.
func (m *maker) text(name string) string {
	switch m.choose(6) {
	case 4:
		return m.corpus[m.choose(256)%len(m.corpus)].Text + mark
	case 5:
		n := min(m.choose(40), len(m.data))
		raw := string(m.data[:n])
		m.data = m.data[n:]
		return raw + mark
	case 3:
		return []string{"", "card:8987344413", "77", "cid:+221771234567", "id:1", key2, key3, "alias:1000"}[m.choose(8)]
	}
	if name == "id" && m.listen != "" {
		return m.listen
	}
	var text string
	if json.Unmarshal([]byte(usual[name]), &text) != nil {
		return usual[name]
	}
	return text
}

// value is JSON for a property: mostly what does, or of the right type, or not.
func (m *maker) value(name string, s schema) string {
	switch m.choose(8) {
	case 6:
		return []string{"null", "true", "-1", "0", "1e400", "9223372036854775808", "1.5", "{}", "[]", `"50.00000"`, `"-1"`, "80001",
			"-9223372036854775808", `"9999999999.99999"`, `"0001-01-01T00:00:00Z"`, strings.Repeat("[", 20000)}[m.choose(16)]
	case 5, 7:
		quoted, err := json.Marshal(m.text(name))
		if err != nil {
			return "null"
		}
		return string(quoted)
	}
	return usual[name]
}

// body is JSON for the documented body, or something else.
func (m *maker) body(s schema) string {
	s = m.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if name == "$schema" || m.choose(12) == 11 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%q:%s", name, m.value(name, s.Properties[name])))
	}
	switch m.choose(12) {
	case 9:
		parts = append(parts, fmt.Sprintf("%q:%q", m.text("cause"), m.text("cause")))
	case 10:
		return m.text("cause")
	case 11: // the same again, in another case
		parts = append(parts, strings.ToUpper(strings.Join(parts, ",")), strings.Join(parts, ","))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// next makes a request, and names its operation and key.
func (m *maker) next(w *world) (operation, key string, r *http.Request) {
	if n := m.choose(2 * len(m.methods)); n < len(m.methods) {
		operation = m.methods[(m.made+n)%len(m.methods)]
	} else {
		operation = m.methods[n-len(m.methods)]
	}
	m.made++
	method, path, _ := strings.Cut(operation, " ")
	op := m.Paths[path][strings.ToLower(method)]
	query, header := url.Values{}, http.Header{}
	target := path
	for _, p := range op.Parameters {
		text := m.text(p.Name)
		switch p.In {
		case "path":
			target = strings.Replace(target, "{"+p.Name+"}", url.PathEscape(text), 1)
		case "query":
			query.Set(p.Name, text)
		case "header":
			header[http.CanonicalHeaderKey(p.Name)] = []string{headerValue(text)}
		}
	}
	var body io.Reader
	if content, ok := op.RequestBody.Content["application/json"]; ok {
		body = strings.NewReader(m.body(content.Schema))
		header.Set("Content-Type", []string{"application/json", "application/json; charset=utf-8", "text/xml", ""}[max(0, m.choose(20)-16)])
	}
	if m.choose(16) == 15 {
		method = []string{http.MethodHead, http.MethodPut, http.MethodOptions, "BREW"}[m.choose(4)]
		operation = method + " " + path
	}
	r, err := http.NewRequestWithContext(w.Context(), method, "http://127.0.0.1:8080"+target, body)
	if err != nil {
		w.Fatal(err)
	}
	r.URL.RawQuery = query.Encode()
	if m.choose(8) == 7 {
		r.URL.RawQuery = m.text("destination")
	}
	r.Header, r.RemoteAddr = header, "127.0.0.1:1"
	key = m.authorize(w, op.Security != nil, path, r)
	for _, name := range []string{"X-Request-Id", "Accept", "Content-Encoding", "X-Forwarded-For"} {
		if m.choose(24) == 23 {
			r.Header.Set(name, headerValue(m.text("cause")))
		}
	}
	if m.choose(24) == 23 {
		r.Host = m.text("cause")
	}
	return operation, key, r
}

// authorize adds a key: mostly one that may.
func (m *maker) authorize(w *world, needed bool, path string, r *http.Request) (key string) {
	key = "ast1"
	switch {
	case path == "/metrics":
		key = "report"
	case strings.HasSuffix(path, "/credit") && r.Method == http.MethodPost:
		key = "credit"
	case !needed:
		key = ""
	}
	if other := m.choose(12); other >= 6 {
		key = []string{"ast1", "ast2", "credit", "report", "", "made up"}[other-6]
	}
	switch key {
	case "":
	case "made up":
		r.Header.Set("Authorization", headerValue("Bearer "+m.text("cause")))
	default:
		r.Header.Set("Authorization", "Bearer "+w.keys[key])
	}
	return key
}

// headerValue is the text without what net/http lets no header have.
func headerValue(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// A relay is one interface for many worlds, one after the other: describing the
// interface takes longer than some requests.
type relay struct {
	credit.Store
	current *world
	api     *API
}

func (r *relay) world(t *testing.T) *world {
	if r.api != nil {
		r.api.Wait() // for the notes of the world before
	}
	w := furnished(t)
	r.Store, r.current = w.store, w
	if r.api == nil {
		r.api = newAPI(r, func() time.Time { return r.current.Now() }, r)
	}
	w.api = r.api
	t.Cleanup(w.api.Wait)
	return w
}

// Write implements io.Writer for the log.
func (r *relay) Write(line []byte) (int, error) { return r.current.log.Write(line) }

// ofTheInterface is its description, the same in every world.
var ofTheInterface = sync.OnceValue(func() (d described) {
	api := newAPI(credittest.New(nil), nil, io.Discard)
	text, err := json.Marshal(api.huma.OpenAPI())
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		panic(err)
	}
	return d
})

// newMaker reads the description and the corpus.
func newMaker(data []byte) *maker {
	m := &maker{described: ofTheInterface(), data: data, corpus: hostile.Values()}
	m.methods = []string{"GET /v1/accounts/{account}/credit", "POST /v1/listens", "POST /v1/listens/{id}/complete"}
	var others []string
	for path, methods := range m.Paths {
		for method := range methods {
			if name := strings.ToUpper(method) + " " + path; !slices.Contains(m.methods, name) {
				others = append(others, name)
			}
		}
	}
	slices.Sort(others)
	m.methods = append(m.methods, others...)
	return m
}

// seeds are bytes that choose the usual most of the time.
func seeds() (all [][]byte) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		seed := make([]byte, 400)
		for i := range seed {
			if random.IntN(6) == 0 {
				seed[i] = byte(random.IntN(256))
			}
		}
		all = append(all, seed)
	}
	return append(all, nil)
}

// requests makes requests until the bytes are used up, and tells what each was
// answered.
func (w *world) requests(data []byte, answered func(operation string, status int)) {
	w.Helper()
	m := newMaker(data)
	for range 64 {
		operation, key, r := m.next(w)
		status, body := w.judged(m.described, operation, key, r)
		answered(operation, status)
		var l wire.Listen
		if operation == "POST /v1/listens" && status == http.StatusCreated && json.Unmarshal(body, &l) == nil {
			m.listen = l.ID
		}
		w.pass([]time.Duration{10 * time.Second, 0, time.Minute, 25 * time.Hour}[m.choose(4)])
		if len(m.data) == 0 {
			return
		}
	}
}

// FuzzAPI: whatever requests are made out of the interface's own description, in
// whatever order, each answer keeps what judged looks at.
func FuzzAPI(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	r := &relay{}
	f.Fuzz(func(t *testing.T, data []byte) { r.world(t).requests(data, func(string, int) {}) })
}

// TestRequestsReachEverything: what is fuzzed is not refused at the door.
func TestRequestsReachEverything(t *testing.T) {
	done, refused := map[string]bool{}, map[string]bool{}
	r := &relay{}
	for _, seed := range seeds() {
		r.world(t).requests(seed, func(operation string, status int) {
			if status < 300 {
				done[operation] = true
			} else {
				refused[operation] = true
			}
		})
	}
	for route, scope := range routes {
		if !done[route] || scope != "" && !refused[route] {
			t.Errorf("%s was done: %v, refused: %v", route, done[route], refused[route])
		}
	}
}
