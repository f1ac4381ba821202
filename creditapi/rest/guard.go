package rest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
	"adcredit/etc"
)

// record is what the log and the figures say of one request. The layers that
// answer it fill it in; a request is answered by one goroutine.
type record struct {
	id      string
	start   time.Time
	key     credit.Key
	code    wire.Code // of the problem that was answered, or ""
	cause   error     // behind the problem
	account string    // as it was named, masked
	listen  string    // its id
	call    string    // a node's label for the call
	icid    string    // and the core's
}

// statusGone is what log and figures say of a request whose client did not wait
// for the answer, as nginx does.
const statusGone = 499

type recordKey struct{}

// recordOf finds the request's record. Without one (no request) it is thrown away.
func recordOf(ctx context.Context) *record {
	if rec, ok := ctx.Value(recordKey{}).(*record); ok {
		return rec
	}
	return &record{}
}

func (rec *record) failed(code wire.Code, cause error) { rec.code, rec.cause = code, cause }

// requestID is what a client may send to find its request in our log.
var requestID = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,100}$`)

// guard stands around every request: headers, log, figures, panics.
func (a *API) guard(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	rec := &record{id: r.Header.Get("X-Request-Id"), start: time.Now()}
	if !requestID.MatchString(rec.id) {
		rec.id = newID()
	}
	r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
	answer := &response{ResponseWriter: w}
	headers(answer.Header(), r)
	answer.Header().Set("X-Request-Id", rec.id)
	defer a.account(answer, r, rec)
	defer a.recover(answer, r)
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		a.fail(answer, r, &wire.Error{Code: wire.UnsupportedMedia, Detail: "The body must not be compressed."})
		return
	}
	next(answer, r)
}

func newID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// standing headers are the same on every answer. Their values are shared: they are
// replaced, never appended to.
var standing = [...]struct {
	name  string
	value []string
}{
	{"Cache-Control", []string{"no-store"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}}, // for browsers that know no frame-ancestors
}

// headers are on every answer; the page for people widens the policy.
func headers(h http.Header, r *http.Request) {
	for _, header := range standing {
		h[header.name] = header.value
	}
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if len(r.TransferEncoding) > 0 {
		// Where such a body ends is what proxies and servers disagree on, to
		// smuggle one request behind another: no second one is read here.
		h.Set("Connection", "close")
	}
}

// recover answers for a handler that panicked. When the answer has begun, all
// that is left is to cut the connection, so that nobody takes it for whole.
func (a *API) recover(w *response, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p != http.ErrAbortHandler {
		a.log.ErrorContext(r.Context(), "a request made us panic: please report this",
			"request", recordOf(r.Context()).id, "panic", fmt.Errorf("%v", p), "stack", string(debug.Stack()))
	}
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	a.fail(w, r, fmt.Errorf("panic: %v", p))
}

// hostError refuses a request for a name that is not ours: a web page of
// somebody else's could otherwise reach us through a name that it makes resolve
// to us (DNS rebinding). Over a unix socket no web page comes.
func (a *API) hostError(r *http.Request) error {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && local.Network() == "unix" {
		return nil
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if slices.Contains(a.options.Hosts, host) {
		return nil
	}
	return &wire.Error{Code: wire.Misdirected, Detail: "This server does not go by the name in Host; if it should, add the name to hosts in creditapi.toml."}
}

// account writes the log line and the figures of an answered request.
func (a *API) account(w *response, r *http.Request, rec *record) {
	took := time.Since(rec.start)
	route, status := routeOf(r), w.status
	if status == 0 { // nothing was written: net/http says 200
		status = http.StatusOK
	}
	gone := status == http.StatusServiceUnavailable && errors.Is(r.Context().Err(), context.Canceled)
	if gone { // a caller hung up and the client with it: no fault of the database
		status = statusGone
	}
	a.metrics.request(route, status, took, rec.code)
	level := slog.LevelInfo
	switch {
	case status >= 500:
		level = slog.LevelError
	case rec.code == wire.Unauthorized, rec.code == wire.Forbidden, rec.code == wire.Misdirected:
		level = slog.LevelWarn
	case route == "GET /healthz", route == "GET /readyz", route == "GET /metrics":
		level = slog.LevelDebug
	}
	log := a.log.Handler()
	if !log.Enabled(r.Context(), level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 13), // all that there can be
		slog.String("route", route), slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000), slog.String("request", rec.id))
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("code", string(rec.code))
	add("key", rec.key.ID)
	add("node", rec.key.Node)
	add("account", rec.account)
	add("listen", rec.listen)
	add("call", rec.call)
	add("icid", rec.icid)
	add("remote", hostOf(r.RemoteAddr))
	if rec.cause != nil && (status >= 500 || hasCause(rec.cause)) {
		attrs = append(attrs, slog.Any("cause", rec.cause))
	}
	// As a slog.Logger does it, but for looking where in the program we are.
	line := slog.NewRecord(rec.start.Add(took), level, "request", 0)
	line.AddAttrs(attrs...)
	_ = log.Handle(r.Context(), line) // a log that can't be written can't be told of
}

// hasCause reports whether a *wire.Error wraps something that only the log may say.
func hasCause(err error) bool {
	var known *wire.Error
	return errors.As(err, &known) && known.Err != nil
}

// routeOf is the pattern that the request met, like "POST /v1/listens": the path
// itself holds callers' numbers.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// masked is an account's name as the log may show it.
func (a *API) masked(account string) string {
	account = account[:min(len(account), 60)]
	if !clean(account) {
		account = strings.Map(func(r rune) rune {
			if !printable(string(r)) { // slog quotes some of them, and DEL not
				return '?'
			}
			return r
		}, account)
	}
	if a.options.LogNumbers {
		return account
	}
	return etc.Mask(account)
}

// response remembers what was answered.
type response struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
