// Package creditclient asks creditapi, over HTTP or a unix socket, and keeps
// completions safe on disk until creditapi has taken them ([Spool]).
//
// One step (check, start, complete, abandon) never waits longer than
// Config.Timeout, over all URLs together. A refusal is a *wire.Error with one of
// creditapi's codes. Anything else is no answer and wraps [ErrNoAnswer]: a
// server that is down, slow, redirecting or talks nonsense is all the same to a
// caller who waits.
package creditclient

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"adcredit/agi/callflow"
	"adcredit/creditapi/wire"
)

// ErrNoAnswer is wrapped by every failure to get an answer of creditapi's own.
var ErrNoAnswer = errors.New("no answer from creditapi")

// afterHangup bounds what is still owed to creditapi once the caller is gone:
// the dialplan's extension h waits for us.
const afterHangup = time.Second

// Config says whom to ask and how.
type Config struct {
	URLs     []string // http://host:port, https://host or unix:///path
	Key      string
	CA       string // for https: a PEM file of authorities in place of the system's, or ""
	Cert     string // for https: a PEM file of the certificate to show, or "", with its
	CertKey  string // private key
	Timeout  time.Duration
	SpoolDir string
	Agent    string // User-Agent, "adcredit/VERSION"
	// KeepAlive keeps connections for the next request, for a process that serves
	// many calls; without it each request has one of its own.
	KeepAlive bool
}

// Client implements callflow.Credits. It serves one call from one goroutine;
// a process with many makes one for each call with ForCall.
type Client struct {
	// CallerID is the number that calls, told to creditapi with the balance
	// question and the start; "": not told.
	CallerID string

	cfg     Config
	servers []*server
	spool   *Spool

	hangup sync.Once
	goneAt time.Time // when the caller was seen to be gone; set by hangup
}

var _ callflow.Credits = (*Client)(nil)

// New makes a client; nothing is dialled and no folder is touched yet.
func New(cfg Config) (*Client, error) {
	c := &Client{cfg: cfg, spool: newSpool(cfg.SpoolDir)}
	for _, u := range cfg.URLs {
		s, err := newServer(u, cfg)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, s)
	}
	if len(c.servers) == 0 {
		return nil, errors.New("creditapi: no URL is configured")
	}
	return c, nil
}

// ForCall is a client for one call, which shares connections and spool with c
// and nothing else. The key may be another than c's: it is read anew for each
// call, so that a rotated one needs no restart.
func (c *Client) ForCall(key, callerID string) *Client {
	call := &Client{CallerID: callerID, cfg: c.cfg, servers: c.servers, spool: c.spool}
	call.cfg.Key = key
	return call
}

// Spool is where completions wait.
func (c *Client) Spool() *Spool { return c.spool }

// step bounds one step by the timeout. The end of ctx means that the caller
// hung up: what is owed then has afterHangup left, over all steps together.
func (c *Client) step(ctx context.Context) (context.Context, context.CancelFunc) {
	step, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeout)
	stop := context.AfterFunc(ctx, func() {
		c.hangup.Do(func() { c.goneAt = time.Now() })
		short := time.AfterFunc(time.Until(c.goneAt.Add(afterHangup)), cancel)
		context.AfterFunc(step, func() { short.Stop() })
	})
	return step, func() { stop(); cancel() }
}

// Credit implements callflow.Credits. Completions of the same account that wait
// here are delivered before it says that credit is not enough: one of them may
// be what the caller needs, and its listen would count as one that still plays.
func (c *Client) Credit(ctx context.Context, account, destination string) (wire.Credit, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	answer, err := c.credit(ctx, account, destination)
	if err == nil && !answer.Sufficient && c.deliverOwn(ctx, account) {
		if again, err := c.credit(ctx, account, destination); err == nil {
			return again, nil
		}
	}
	return answer, err
}

func (c *Client) credit(ctx context.Context, account, destination string) (answer wire.Credit, err error) {
	path, separator := "/v1/accounts/"+url.PathEscape(account)+"/credit", "?"
	for _, query := range [][2]string{{"destination", destination}, {"caller_id", c.CallerID}} {
		if query[1] != "" {
			path += separator + query[0] + "=" + url.QueryEscape(query[1])
			separator = "&"
		}
	}
	err = c.send(ctx, request{method: http.MethodGet, path: path, into: &answer, sane: func() bool {
		return answer.Account != "" && answer.Currency != "" && answer.Required >= 0 && answer.Offer.Reward >= 0
	}})
	return answer, err
}

// Start implements callflow.Credits. Who hangs up meanwhile has a listen perhaps,
// and only the answer tells which to abandon: it is still waited for.
func (c *Client) Start(ctx context.Context, req wire.StartListen) (wire.Listen, error) {
	req.CallerID = c.CallerID
	ctx, cancel := c.step(ctx)
	defer cancel()
	var answer wire.Listen
	var key [16]byte
	rand.Read(key[:])
	err := c.send(ctx, request{
		method: http.MethodPost, path: "/v1/listens", body: req, key: hex.EncodeToString(key[:]), into: &answer,
		sane: func() bool { return playable(answer) },
	})
	return answer, err
}

// Names are looked at by hand: to compile two regular expressions takes a
// process that lives for milliseconds longer than the rest of its set-up.

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// all says whether s holds nothing but the characters of set.
func all(s, set string) bool { return strings.Trim(s, set) == "" }

// isSound is ^[a-z0-9][a-z0-9/_-]{0,99}$.
func isSound(s string) bool {
	return s != "" && len(s) <= 100 && all(s[:1], lower+digits) && all(s, lower+digits+"/_-")
}

// isListen is ^[A-Za-z0-9-]{1,64}$.
func isListen(s string) bool { return s != "" && len(s) <= 64 && all(s, lower+upper+digits+"-") }

// playable refuses a listen that Asterisk should not be told to play: the sound
// becomes a file name.
func playable(l wire.Listen) bool {
	return isListen(l.ID) && isSound(l.Sound) &&
		l.Samples > 0 && l.RateHz > 0 && l.DurationMS > 0 && l.Reward > 0 && askable(l)
}

// askable refuses a question that could not be asked in the ad.
func askable(l wire.Listen) bool {
	a := l.Attention
	return a == nil || len(a.Digit) == 1 && all(a.Digit, digits) && a.AtMS > 0 && a.AtMS < l.DurationMS
}

// Complete implements callflow.Credits: first to disk, then to creditapi.
func (c *Client) Complete(ctx context.Context, account string, listen wire.Listen, heard wire.Heard) (wire.Grant, error) {
	entry, lost := c.spool.Put(Entry{Version: entryVersion, Listen: listen.ID, Account: account, Heard: heard})
	if lost != nil {
		slog.Error("a completion could not be kept on disk: if it can't be sent now it must be repaired by hand",
			"error", lost, "listen", listen.ID, "endpos", heard.Endpos, "played_ms", heard.PlayedMS, "heard_at", heard.HeardAt)
	}
	ctx, cancel := c.step(ctx)
	defer cancel()
	grant, err := c.deliver(ctx, entry)
	switch {
	case lost != nil && (err == nil || settled(err)):
		slog.Info("the completion that could not be kept was sent: nothing is to be repaired", "listen", listen.ID)
	case lost == nil && err != nil && !settled(err):
		err = fmt.Errorf("%w: %w", callflow.ErrPending, err)
	}
	return grant, err
}

// Abandon implements callflow.Credits.
func (c *Client) Abandon(ctx context.Context, listen string, a wire.Abandon) error {
	ctx, cancel := c.step(ctx)
	defer cancel()
	var answer wire.Abandoned
	return c.send(ctx, request{method: http.MethodPost, path: "/v1/listens/" + listen + "/abandon", body: a, into: &answer,
		sane: func() bool { return answer.ID == listen }})
}

// Sounds lists what `adcredit -check` compares with this host.
func (c *Client) Sounds(ctx context.Context) (wire.Sounds, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var answer wire.Sounds
	err := c.send(ctx, request{method: http.MethodGet, path: "/v1/sounds", into: &answer, sane: func() bool { return answer.Node != "" }})
	return answer, err
}
