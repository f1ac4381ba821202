package creditclient

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"
)

// transport is a connection for each request, used by the goroutine that asks.
// net/http's own keeps two goroutines per connection to use it again; a process
// that asks once pays for them and never does (measured: 0.2 to 0.4 ms of 7).
type transport struct {
	dial func(ctx context.Context) (net.Conn, error)
	tls  func() (*tls.Config, error) // asked for https alone
}

// maxHeader bounds what an answer may hold beside its body.
const maxHeader = 16 << 10

// How many connections are kept for calls to come, and how long: shorter than
// creditapi keeps them (rest.Limits, Idle), which would close one under a request.
const (
	keptConnections = 100
	keptFor         = time.Minute
)

// kept is net/http's own transport, for a process that asks many times. Files
// for https are read again with each new connection.
func (t transport) kept(handshake time.Duration) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return t.dial(ctx) },
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, handshake)
			defer cancel()
			conn, err := t.dial(ctx)
			if err != nil {
				return nil, err
			}
			config, err := t.tls()
			if err == nil {
				config.ServerName, _, _ = net.SplitHostPort(address)
				secure := tls.Client(conn, config)
				if err = secure.HandshakeContext(ctx); err == nil {
					return secure, nil
				}
			}
			conn.Close()
			return nil, err
		},
		MaxIdleConns: keptConnections, MaxIdleConnsPerHost: keptConnections, IdleConnTimeout: keptFor,
		MaxResponseHeaderBytes: maxHeader, DisableCompression: true,
	}
}

// dial connects within connectTimeout.
func dial(ctx context.Context, dialer *net.Dialer, network, to string) (net.Conn, error) {
	if network == "unix" || isAddress(to) {
		return dialer.DialContext(until{ctx, time.Now().Add(connectTimeout)}, network, to)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return dialer.DialContext(ctx, network, to)
}

// isAddress says whether a host and port names no host.
func isAddress(to string) bool {
	_, err := netip.ParseAddrPort(to)
	return err == nil
}

// until is a context for what takes no longer than that, and for that long need not
// know of the end of the other: the net package keeps a goroutine to wait for it,
// and a timer (measured: 2 % of a call).
type until struct {
	context.Context
	time time.Time
}

// Deadline implements context.Context.
func (u until) Deadline() (time.Time, bool) {
	if other, ok := u.Context.Deadline(); ok && other.Before(u.time) {
		return other, true
	}
	return u.time, true
}

// Done implements context.Context.
func (until) Done() <-chan struct{} { return nil }

// RoundTrip implements http.RoundTripper. The end of the request's context ends
// it at once, also while its answer is read.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	conn, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	if req.URL.Scheme == "https" {
		config, err := t.tls()
		if err != nil {
			conn.Close()
			return nil, err
		}
		config.ServerName = req.URL.Hostname()
		conn = tls.Client(conn, config)
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // fails on a closed connection only, and so does what follows
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	resp, err := exchange(conn, req)
	if err != nil {
		stop()
		conn.Close()
		if errors.Is(err, os.ErrDeadlineExceeded) { // ours, which is the context's
			err = cmp.Or(ctx.Err(), error(context.DeadlineExceeded))
		}
		return nil, err
	}
	resp.Body = body{resp.Body, conn, stop}
	return resp, nil
}

func exchange(conn net.Conn, req *http.Request) (*http.Response, error) {
	w := bufio.NewWriterSize(conn, 1024)
	if err := errors.Join(req.Write(w), w.Flush()); err != nil {
		return nil, err
	}
	return http.ReadResponse(bufio.NewReaderSize(io.LimitReader(conn, maxAnswer+maxHeader), 2048), req)
}

// body closes the connection with the answer.
type body struct {
	io.Reader
	conn net.Conn
	stop func() bool
}

// Close implements io.Closer.
func (b body) Close() error {
	b.stop()
	return b.conn.Close()
}
