package rest

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

func (w *world) logged(text string) {
	w.Helper()
	if !strings.Contains(w.log.String(), text) {
		w.Errorf("not in the log: %s\n%s", text, w.log)
	}
}

// codes reads all codes out of wire's source.
func codes(t *testing.T) (all []wire.Code) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../wire/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Code" {
				text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, wire.Code(text))
			}
		}
		return true
	})
	return all
}

// TestEveryCode: whatever code the domain answers, it arrives with its status.
func TestEveryCode(t *testing.T) {
	all := codes(t)
	if len(all) < 28 || len(all) != len(meanings) {
		t.Errorf("%d codes in wire, %d explained", len(all), len(meanings))
	}
	for _, code := range all {
		if meanings[code] == "" || !code.Known() {
			t.Errorf("%s: meaning %q, known %v", code, meanings[code], code.Known())
		}
		w := newWorld(t, func(s *credit.Service, _ *Options) {
			s.Store = faulty{Store: s.Store, account: func(context.Context, credit.Ref) (credit.Account, error) {
				return credit.Account{}, fmt.Errorf("read: %w", &wire.Error{Code: code, Detail: "So it is.", Err: errors.New("SELECT secret")})
			}}
		})
		p, _ := w.problem(code, get("ast1", "/v1/accounts/1001/credit"))
		if p.Detail != "So it is." {
			t.Errorf("%s: %+v", code, p)
		}
		w.logged("SELECT secret")
		w.logged("code=" + string(code))
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	for _, r := range []request{
		get("ast1", "/v1/accounts/1001/credit"), get("", "/v1/accounts/1001/credit"), get("", "/nowhere"),
		get("", "/docs"), get("", "/openapi.json"), get("", "/healthz"), get("", "/readyz"), get("report", "/metrics"),
		post("ast1", "/v1/listens", "{}"), {method: "BREW", path: "/v1/listens"},
		get("ast1", "/v1/sounds").with("Host", "evil.example"),
	} {
		resp := w.ask(r)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q, want %q", r.method, r.path, name, got, want)
			}
		}
		if policy := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "script") {
			t.Errorf("%s %s: policy %q", r.method, r.path, policy)
		}
		if resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s %s: no request id", r.method, r.path)
		}
		if link := resp.Header.Get("Link"); link != "" {
			t.Errorf("%s %s: link %q", r.method, r.path, link)
		}
	}
	if got := w.ask(get("", "/healthz").with("X-Request-Id", "ast1/1795492582.2")).Header.Get("X-Request-Id"); got != "ast1/1795492582.2" {
		t.Errorf("a clean request id became %q", got)
	}
	if got := w.ask(get("", "/healthz").with("X-Request-Id", "a b\tc")).Header.Get("X-Request-Id"); strings.Contains(got, " ") {
		t.Errorf("an unclean request id stayed %q", got)
	}
}

func TestRouterProblems(t *testing.T) {
	w := newWorld(t)
	w.problem(wire.NotFound, get("ast1", "/"))
	w.problem(wire.NotFound, get("ast1", "/v1/listens/"))
	w.problem(wire.NotFound, get("ast1", "//v1/sounds"))
	w.problem(wire.NotFound, get("", "/schemas/Credit.json"))
	w.problem(wire.NotFound, get("", "/openapi.yaml"))
	_, header := w.problem(wire.MethodNotAllowed, request{key: "ast1", method: http.MethodPut, path: "/v1/accounts/1001/credit"})
	if allow := header.Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow: %q", allow)
	}
	_, header = w.problem(wire.MethodNotAllowed, get("ast1", "/v1/listens"))
	if allow := header.Get("Allow"); allow != "POST" {
		t.Errorf("Allow: %q", allow)
	}
}

func TestBodies(t *testing.T) {
	w := newWorld(t)
	long := func(n int) request {
		body := `{"amount":"1","reason":"paid"}`
		return refill("credit", key1, body+strings.Repeat(" ", n-len(body)))
	}
	w.want(http.StatusOK, long(maxBody), nil)
	w.problem(wire.TooLarge, long(maxBody+1))
	w.problem(wire.TooLarge, long(10*maxBody))
	w.problem(wire.UnsupportedMedia, refill("credit", key1, `amount=1`).with("Content-Type", "application/x-www-form-urlencoded"))
	w.problem(wire.UnsupportedMedia, refill("credit", key1, `<amount/>`).with("Content-Type", "text/xml"))
	w.problem(wire.UnsupportedMedia, refill("credit", key1, `{"amount":"1","reason":"paid"}`).with("Content-Encoding", "gzip"))
	w.want(http.StatusOK, refill("credit", key1, long(maxBody).body).with("Content-Type", "application/json; charset=utf-8").with("Accept", "text/html"), nil)

	broken := w.make(refill("credit", key2, "x"))
	broken.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"amount":`), failing{}))
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, broken)
	if rec.Code != http.StatusBadRequest {
		t.Errorf("a body that breaks off: %d %s", rec.Code, rec.Body)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestNoEcho: nothing that a client chose comes back to it.
func TestNoEcho(t *testing.T) {
	w := newWorld(t)
	const evil = "s3cr3t-v4lu3"
	for _, r := range []request{
		get("ast1", "/v1/accounts/"+evil+":1/credit"),
		get("ast1", "/v1/accounts/1001/credit?destination="+evil+"%0a"),
		get("", "/"+evil),
		get("ast1", "/v1/sounds").with("Host", evil),
		get("", "/v1/sounds").with("Authorization", "Bearer "+evil),
		{method: evil, path: "/v1/sounds"},
		refill("credit", evil, `{"amount":"1","reason":"paid"}`),
		refill("credit", key1, `{"amount":"`+evil+`","reason":"paid"}`),
		refill("credit", key1, `{"amount":"1","reason":"paid","`+evil+`":1}`),
		refill("credit", key1, evil),
		refill("credit", key1, `{"amount":"1","reason":"paid"}`).with("Content-Type", "text/"+evil),
		post("ast1", "/v1/listens/"+evil+"/complete", heard),
		start("ast1", key1, evil),
	} {
		body, err := io.ReadAll(w.ask(r).Body)
		if err != nil || strings.Contains(string(body), evil) {
			t.Errorf("%s %s echoes: %s, %v", r.method, r.path, body, err)
		}
	}
}

func TestDetailNamesFields(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		`{"reason":"paid"}`:                       "body.amount",
		`{"amount":"1.000001","reason":"x"}`:      "body.amount, body.reason",
		`{"amount":"1","reason":"paid","more":1}`: "an unknown property of the body",
	} {
		p, _ := w.problem(wire.InvalidRequest, refill("credit", key1, body))
		if !strings.Contains(p.Detail, ": "+want+";") {
			t.Errorf("%s: %q, want %q", body, p.Detail, want)
		}
	}
	p, _ := w.problem(wire.InvalidRequest, refill("credit", "", `{"amount":"1","reason":"paid"}`))
	if !strings.Contains(p.Detail, "header.Idempotency-Key") {
		t.Errorf("detail: %q", p.Detail)
	}
}

func TestHosts(t *testing.T) {
	w := newWorld(t)
	for _, host := range []string{"127.0.0.1", "127.0.0.1:8080", "credit.example.net:443", "CREDIT.example.NET", "credit.example.net."} {
		w.want(http.StatusOK, get("", "/healthz").with("Host", host), nil)
	}
	for _, host := range []string{"evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "localhost"} {
		w.problem(wire.Misdirected, get("ast1", "/v1/sounds").with("Host", host))
	}
	v6 := newWorld(t, func(_ *credit.Service, o *Options) { o.Hosts = []string{"::1"} })
	v6.want(http.StatusOK, get("", "/healthz").with("Host", "[::1]:8080"), nil)
	v6.want(http.StatusOK, get("", "/healthz").with("Host", "[::1]"), nil)

	// Over a unix socket there is no name to get wrong.
	req := w.make(get("", "/healthz").with("Host", "unix"))
	req = req.WithContext(context.WithValue(req.Context(), http.LocalAddrContextKey, net.Addr(&net.UnixAddr{Net: "unix"})))
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		t.Errorf("over a unix socket: %d", rec.Code)
	}
}

func TestPanic(t *testing.T) {
	w := newWorld(t, func(s *credit.Service, _ *Options) {
		s.Store = faulty{Store: s.Store, account: func(context.Context, credit.Ref) (credit.Account, error) { panic("secret of the panic") }}
	})
	p, _ := w.problem(wire.Internal, get("ast1", "/v1/accounts/1001/credit"))
	if strings.Contains(p.Detail, "secret") {
		t.Errorf("detail: %q", p.Detail)
	}
	w.logged("secret of the panic")
	w.logged("level=ERROR msg=request")
}

// TestLatePanic: an answer that has begun is cut off, never completed.
func TestLatePanic(t *testing.T) {
	w := newWorld(t)
	w.api.mux.HandleFunc("GET /late", func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(rw, "half of ")
		panic("late")
	})
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v, want http.ErrAbortHandler", p)
		}
	}()
	w.ask(get("", "/late"))
	t.Error("the answer came to its end")
}

func TestInternal(t *testing.T) {
	w := newWorld(t)
	w.want(http.StatusOK, get("ast1", "/v1/sounds"), nil) // so that the key is known
	w.store.Fail(errors.New("Error 1064: SQL syntax near cc_card"))
	p, _ := w.problem(wire.Internal, get("ast1", "/v1/sounds"))
	if strings.Contains(p.Detail, "SQL") {
		t.Errorf("detail: %q", p.Detail)
	}
	w.logged("Error 1064")
	w.store.Fail(&wire.Error{Code: wire.Unavailable, Detail: "The database does not answer now. Try again.", Err: errors.New("dial tcp: refused")})
	_, header := w.problem(wire.Unavailable, get("ast1", "/v1/sounds"))
	if header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", header.Get("Retry-After"))
	}
	w.logged("dial tcp: refused")
	w.store.Fail(context.DeadlineExceeded)
	w.problem(wire.Unavailable, get("ast1", "/v1/sounds"))
}

func TestLog(t *testing.T) {
	w := newWorld(t)
	w.want(http.StatusOK, get("ast1", "/v1/accounts/cid:%2B221771234567/credit?destination=%2B221338240000"), nil)
	w.started(key1)
	w.problem(wire.AccountNotFound, get("ast1", "/v1/accounts/cid:%2B221779999999/credit"))
	w.problem(wire.Unauthorized, get("", "/v1/sounds").with("Authorization", "Bearer "+w.keys["ast1"]+"x"))
	w.logged(`level=INFO msg=request route="GET /v1/accounts/{account}/credit" status=200 duration_ms=`)
	w.logged("key=" + w.ids["ast1"] + " node=ast1 account=cid:+22********67")
	w.logged("call=ast1/1.1")
	w.logged("level=WARN msg=request route=\"GET /v1/sounds\" status=401")
	for name, key := range w.keys {
		_, secret, _ := credit.SplitKey(key)
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the secret of %s is in the log", name)
		}
	}
	for _, number := range []string{"1771234567", "1779999999", "338240000"} {
		if strings.Contains(w.log.String(), number) {
			t.Errorf("the number %s is in the log:\n%s", number, w.log)
		}
	}
	open := newWorld(t, func(_ *credit.Service, o *Options) { o.LogNumbers = true })
	open.want(http.StatusOK, get("ast1", "/v1/accounts/cid:%2B221771234567/credit"), nil)
	open.logged("account=cid:+221771234567")
}
