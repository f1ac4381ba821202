package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// Server runs a handler on a listener.
type Server struct {
	Handler http.Handler
	Log     *slog.Logger  // nil: slog.Default()
	TLS     *Certificate  // nil: in clear
	Grace   time.Duration // how long Serve waits for requests when it is to end; 0: 15 s
	Limits  Limits
}

// Limits of a server's connections; of those that are zero [DefaultLimits] holds.
type Limits struct {
	Header      time.Duration // until a request's header has come, or TLS is agreed on
	Read        time.Duration // header and body
	Write       time.Duration // from the header to the end of the answer
	Idle        time.Duration // between two requests
	HeaderBytes int
	Connections int // see connections
}

// DefaultLimits suit requests that are small and answers that come at once.
var DefaultLimits = Limits{
	Header: 5 * time.Second, Read: 10 * time.Second, Write: deadline + 10*time.Second, Idle: 2 * time.Minute,
	HeaderBytes: 16 << 10, Connections: 1024,
}

// or fills what is zero.
func (l Limits) or(d Limits) Limits {
	return Limits{
		cmp.Or(l.Header, d.Header), cmp.Or(l.Read, d.Read), cmp.Or(l.Write, d.Write), cmp.Or(l.Idle, d.Idle),
		cmp.Or(l.HeaderBytes, d.HeaderBytes), cmp.Or(l.Connections, d.Connections),
	}
}

const defaultGrace = 15 * time.Second

// Serve answers requests until ctx ends. Then it accepts no more, lets the
// requests under way end, and returns nil; those that last longer than Grace
// are cut off, and it returns an error that says so.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.Grace == 0 {
		s.Grace = defaultGrace
	}
	server := s.server()
	ended := make(chan error, 1)
	go func() {
		if s.TLS != nil {
			ended <- server.ServeTLS(l, "", "")
		} else {
			ended <- server.Serve(l)
		}
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("answer requests on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	// The requests under way keep their own deadlines, not ctx, which is over.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Grace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("requests still ran after %v and were cut off: %w", s.Grace, err), server.Close())
	}
	return nil
}

// server is net/http's, with our limits. It speaks HTTP/1.1 alone: our clients
// gain nothing by many streams in one connection, and each would be one more
// thing to bound.
func (s Server) server() *http.Server {
	limits := s.Limits.or(DefaultLimits)
	var http1 http.Protocols
	http1.SetHTTP1(true)
	server := &http.Server{
		Handler:           s.Handler,
		Protocols:         &http1,
		ReadHeaderTimeout: limits.Header,
		ReadTimeout:       limits.Read,
		WriteTimeout:      limits.Write,
		IdleTimeout:       limits.Idle,
		MaxHeaderBytes:    limits.HeaderBytes,
		ConnState:         newConnections(limits.Connections, s.Log).changed,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	if s.TLS != nil {
		server.TLSConfig = s.TLS.serverConfig()
	}
	return server
}

// Listen opens an address: host:port or unix:///path. A socket is made for its
// owner and group, mode 0660; one that is left from a process that ended is
// replaced, one that somebody answers on is not.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	path, unix := strings.CutPrefix(address, "unix://")
	if !unix {
		l, err := config.Listen(ctx, "tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("listen on %s: another program does already; stop it, or set listen (CREDITAPI_LISTEN) to another port", address)
		}
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w; set listen (CREDITAPI_LISTEN) to an address of this host", address, err)
		}
		return l, nil
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on the socket %s: %w; its folder must exist, and this user must be allowed to write there", path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("let the group of the socket in: %w", err), l.Close())
	}
	return l, nil
}

// removeStale removes a socket that nobody answers on.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the socket %s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen on the socket %s: a file that is no socket is there; move it away or choose another path", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		conn.Close() // nothing was said
		return fmt.Errorf("listen on the socket %s: another program does already; stop it or choose another path", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove the socket that an ended program left: %w", err)
		}
		return nil
	}
	return fmt.Errorf("ask whether anybody answers on the socket %s: %w", path, err)
}
