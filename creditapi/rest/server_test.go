package rest

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve runs a server; stop ends it and returns what Serve returned.
func serve(t *testing.T, s Server, address string) (l net.Listener, stop func() error) {
	t.Helper()
	l, err := Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(cancel)
	return l, func() error { cancel(); return <-ended }
}

// slow answers when it is let go.
type slow struct{ asked, release chan struct{} }

func newSlow() slow { return slow{make(chan struct{}), make(chan struct{})} }

func (s slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	close(s.asked)
	select {
	case <-s.release:
		io.WriteString(w, "done")
	case <-r.Context().Done():
	}
}

type outcome struct {
	body string
	err  error
}

func fetch(client *http.Client, url string) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		resp, err := client.Get(url)
		if err != nil {
			c <- outcome{err: err}
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		c <- outcome{string(body), err}
	}()
	return c
}

// TestShutdown: who has asked is answered, and nobody else is let in.
func TestShutdown(t *testing.T) {
	s := newSlow()
	l, stop := serve(t, Server{Handler: s}, "127.0.0.1:0")
	answer := fetch(http.DefaultClient, "http://"+l.Addr().String())
	<-s.asked
	ended := make(chan error)
	go func() { ended <- stop() }()
	for { // until nobody else is let in
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
	}
	close(s.release)
	if got := <-answer; got.err != nil || got.body != "done" {
		t.Errorf("the request under way got %+v", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

// TestShutdownCutsOff: a request that takes for ever does not keep the server.
func TestShutdownCutsOff(t *testing.T) {
	s := newSlow()
	l, stop := serve(t, Server{Handler: s, Grace: time.Millisecond}, "127.0.0.1:0")
	answer := fetch(http.DefaultClient, "http://"+l.Addr().String())
	<-s.asked
	if err := stop(); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("serve ended with %v", err)
	}
	if got := <-answer; got.err == nil {
		t.Errorf("the request got %+v", got)
	}
}

func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
}

func TestUnixSocket(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "api.sock")
	address := "unix://" + path
	_, stop := serve(t, Server{Handler: w.api}, address)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	if got := <-fetch(overSocket(path), "http://whoever/healthz"); got.err != nil || !strings.Contains(got.body, "ok") {
		t.Errorf("over the socket: %+v", got)
	}
	w.logged("remote=unix")
	if _, err := Listen(t.Context(), address); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a second server on the socket: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket was left: %v", err)
	}
}

// TestStaleSocket: what a killed process left is replaced; a file is not.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := Listen(t.Context(), "unix://"+path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), "unix://"+path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("on a file: %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "precious" {
		t.Errorf("the file: %q, %v", data, err)
	}
	if _, err := Listen(t.Context(), "unix://"+filepath.Join(path, "nowhere", "api.sock")); err == nil {
		t.Error("a socket below a file was opened")
	}
}

func TestListenErrors(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("twice: %v", err)
	}
	if _, err := Listen(t.Context(), "192.0.2.1:8080"); err == nil || !strings.Contains(err.Error(), "an address of this host") {
		t.Errorf("a foreign address: %v", err)
	}
}
