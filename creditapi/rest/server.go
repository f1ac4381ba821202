package rest

import (
	"context"
	"crypto/tls"
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
	TLS     *tls.Config   // nil: in clear
	Grace   time.Duration // how long Serve waits for requests when it is to end; 0: 15 s
}

// Limits of a connection. Requests are small and answers come at once.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // header and body
	writeTimeout  = deadline + 10*time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	defaultGrace  = 15 * time.Second
)

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
	server := &http.Server{
		Handler:           s.Handler,
		TLSConfig:         s.TLS,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
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

// LoadTLS reads a certificate with its chain, and its key.
func LoadTLS(certificate, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("read tls_cert %s and tls_key %s: %w; both are PEM files that belong together", certificate, key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
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
