package creditclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"adcredit/creditapi/wire"
)

const (
	connectTimeout = 300 * time.Millisecond
	maxAnswer      = 64 << 10
	avoidFor       = 10 * time.Second // a URL that failed is tried last for so long
)

// server is one creditapi.
type server struct {
	url  string
	http *resty.Client
	down string // a file whose time says when the server last failed
}

func newServer(address string, cfg Config) (*server, error) {
	base, network, to := address, "tcp", ""
	if socket, ok := strings.CutPrefix(address, "unix://"); ok {
		base, network, to = "http://localhost", "unix", socket
	} else if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		to = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), u.Scheme))
	} else {
		return nil, errors.New("creditapi: a URL is not an address; write it like http://127.0.0.1:8080 or unix:///run/adcredit/creditapi.sock")
	}
	dialer := &net.Dialer{KeepAlive: -1}
	once := transport{
		dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, dialer, network, to) },
		tls:  func() (*tls.Config, error) { return tlsConfig(cfg) },
	}
	var roundTrip http.RoundTripper = once
	if cfg.KeepAlive {
		dialer.KeepAlive = 0 // as Go has it: a host that is gone is noticed
		roundTrip = once.kept(cfg.Timeout)
	}
	client := resty.NewWithClient(&http.Client{
		// It knows no proxy, whatever the environment says: the key goes to
		// creditapi alone.
		Transport: roundTrip,
		// A redirect is an answer like any other, and not one of ours.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	client.SetBaseURL(base).SetHeader("User-Agent", cfg.Agent).SetCloseConnection(!cfg.KeepAlive)
	client.SetDoNotParseResponse(true) // it would try expressions on the Content-Type, for results that it isn't told
	client.SetLogger(silent{})         // its warnings would name URLs on standard error
	sum := fnv.New64a()
	sum.Write([]byte(address))
	return &server{url: address, http: client, down: filepath.Join(cfg.SpoolDir, fmt.Sprintf("down-%016x", sum.Sum64()))}, nil
}

type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}

// request is one question; sane says whether what was read into makes sense.
type request struct {
	method, path string
	body         any
	key          string // Idempotency-Key
	into         any
	sane         func() bool
}

// send asks one server after the other until one answers. Each has at most half
// of the time that is left, except the last.
func (c *Client) send(ctx context.Context, r request) error {
	var failure error
	servers := c.inOrder()
	for i, s := range servers {
		try, cancel := ctx, context.CancelFunc(func() {})
		if deadline, ok := ctx.Deadline(); ok && i < len(servers)-1 {
			try, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		}
		began := time.Now()
		answered, err := s.ask(try, c.cfg.Key, r)
		cancel()
		if answered {
			return err
		}
		failure = err
		// One that we did not wait for, since the caller hung up or has no more
		// time for others, may be as good as ever.
		if ctx.Err() == nil || time.Since(began) >= c.cfg.Timeout/4 {
			s.avoid(len(servers))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failure
}

// inOrder puts servers that failed a moment ago last. Each call is a process of
// its own, so that what is known of them lies in files.
func (c *Client) inOrder() []*server {
	if len(c.servers) == 1 {
		return c.servers
	}
	var good, bad []*server
	for _, s := range c.servers {
		if info, err := os.Stat(s.down); err == nil && time.Since(info.ModTime()).Abs() < avoidFor {
			bad = append(bad, s)
		} else {
			good = append(good, s)
		}
	}
	return append(good, bad...)
}

func (s *server) avoid(servers int) {
	if servers > 1 {
		// Only advice: without the file each call finds out for itself.
		_ = os.WriteFile(s.down, nil, 0o600)
	}
}

// ask reports whether creditapi itself has answered, be it by a refusal. Codes
// that another server may not share are no answer.
func (s *server) ask(ctx context.Context, key string, r request) (answered bool, err error) {
	req := s.http.R().SetContext(ctx).SetAuthToken(key)
	if r.body != nil {
		body, err := json.Marshal(r.body)
		if err != nil {
			return true, fmt.Errorf("encode the request: %w", err)
		}
		req.SetHeader("Content-Type", "application/json").SetBody(body)
	}
	// To complete or abandon again is harmless. Empty, the header is not sent and
	// tells net/http that it may ask again where a kept connection was closed.
	req.Header["Idempotency-Key"] = []string{}
	if r.key != "" {
		req.SetHeader("Idempotency-Key", r.key)
	}
	resp, err := req.Execute(r.method, r.path)
	var text []byte
	if err == nil {
		text, err = read(resp.RawBody())
	}
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", ErrNoAnswer, s.url, cause(err))
	}
	kind, _, _ := mime.ParseMediaType(resp.Header().Get("Content-Type"))
	switch status := resp.StatusCode(); {
	case status >= 200 && status < 300 && kind == "application/json":
		if err := json.Unmarshal(text, r.into); err != nil || !r.sane() {
			return false, fmt.Errorf("%w: %s: status %d with a body that makes no sense", ErrNoAnswer, s.url, status)
		}
		return true, nil
	case kind == wire.ProblemType:
		var p wire.Problem
		if json.Unmarshal(text, &p) == nil && p.Code.Known() && p.Code.Status() == status {
			refusal := &wire.Error{Code: p.Code, Detail: p.Detail, RetryAfterMS: p.RetryAfterMS}
			return p.Code != wire.Unavailable && p.Code != wire.Internal && p.Code != wire.Misdirected, refusal
		}
		return false, fmt.Errorf("%w: %s: status %d with a problem that is not ours", ErrNoAnswer, s.url, status)
	default:
		return false, fmt.Errorf("%w: %s: status %d, which is no answer of creditapi", ErrNoAnswer, s.url, status)
	}
}

// read is the whole of an answer's body.
func read(body io.ReadCloser) ([]byte, error) {
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	return text, err
}

// cause drops what net/http puts around an error: the path there holds the
// caller's number.
func cause(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if _, isURL := err.(interface{ Timeout() bool }); !ok || !isURL || inner.Unwrap() == nil {
			return err
		}
		if _, isOp := err.(*net.OpError); isOp {
			return err
		}
		err = inner.Unwrap()
	}
}
