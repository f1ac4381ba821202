package rest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/tests/pki"
)

// secure serves the world's interface over TLS, as credit.example.net.
func (w *world) secure(ca *pki.Authority, clientCA string) (address string, certificate *Certificate) {
	w.Helper()
	cert, key := ca.Pair(w, "credit.example.net")
	certificate, err := LoadTLS(cert, key, clientCA)
	if err != nil {
		w.Fatal(err)
	}
	l, _ := serve(w.T, Server{Handler: w.api, TLS: certificate}, "127.0.0.1:0")
	return l.Addr().String(), certificate
}

// health asks over an open connection.
func health(conn *tls.Conn) (*http.Response, error) {
	if _, err := fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: credit.example.net\r\n\r\n"); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		err = resp.Body.Close()
	}
	return resp, err
}

func dialTLS(address string, config *tls.Config) (*tls.Conn, error) {
	config = config.Clone()
	config.ServerName = "credit.example.net"
	return tls.Dial("tcp", address, config)
}

func TestTLS(t *testing.T) {
	w, ca := newWorld(t), pki.New(t, "ours")
	address, _ := w.secure(ca, "")
	client := ca.Client(t, "", "")
	client.NextProtos = []string{"h2", "http/1.1"}
	conn, err := dialTLS(address, client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	resp, err := health(conn)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("over TLS: %v, %v", resp, err)
	}
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("Strict-Transport-Security %q", got)
	}
	if state := conn.ConnectionState(); state.NegotiatedProtocol != "http/1.1" || state.Version != tls.VersionTLS13 {
		t.Errorf("agreed on %q and TLS %x", state.NegotiatedProtocol, state.Version)
	}
	for name, old := range map[string]*tls.Config{
		"TLS 1.1": {RootCAs: client.RootCAs, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"RSA without forward secrecy": {RootCAs: client.RootCAs, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
	} {
		if conn, err := dialTLS(address, old); err == nil {
			conn.Close()
			t.Errorf("%s was spoken", name)
		}
	}
}

// TestSilentHandshake: whoever connects and never speaks TLS is not waited for.
func TestSilentHandshake(t *testing.T) {
	w, ca := newWorld(t), pki.New(t, "ours")
	cert, key := ca.Pair(t, "credit.example.net")
	certificate, err := LoadTLS(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	l, _ := serve(t, Server{Handler: w.api, TLS: certificate, Limits: brief, Log: w.api.log}, "127.0.0.1:0")
	for name, sent := range map[string]string{"nothing": "", "half a record": "\x16\x03\x01\x02\x00\x01"} {
		conn := say(t, l.Addr().String(), sent)
		if err := conn.SetReadDeadline(time.Now().Add(4 * time.Second)); err != nil { // less than any default
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection is still open", name)
		}
	}
}

func TestNoHSTSInClear(t *testing.T) {
	w := newWorld(t)
	if got := w.ask(get("", "/healthz")).Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("Strict-Transport-Security %q", got)
	}
}

// TestReload: new connections get the new certificate, one that is open lives
// on, and a broken one changes nothing.
func TestReload(t *testing.T) {
	w, old, renewed := newWorld(t), pki.New(t, "old"), pki.New(t, "renewed")
	address, certificate := w.secure(old, "")
	open, err := dialTLS(address, old.Client(t, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	shows := func(ca *pki.Authority) {
		t.Helper()
		conn, err := dialTLS(address, ca.Client(t, "", ""))
		if err != nil {
			t.Fatalf("a new connection: %v", err)
		}
		conn.Close()
	}
	alive := func() {
		t.Helper()
		if resp, err := health(open); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("the open connection: %v, %v", resp, err)
		}
	}
	renewed.Issue(t, certificate.cert, certificate.key, time.Now().Add(time.Hour), "credit.example.net")
	shows(old) // until it is told to look
	if err := certificate.Reload(); err != nil {
		t.Fatal(err)
	}
	alive()
	shows(renewed)
	for name, breaks := range map[string]func(){
		"half a file":        func() { write(t, certificate.cert, "-----BEGIN CERT") },
		"another's key":      func() { old.Issue(t, filepath.Join(t.TempDir(), "x"), certificate.key, time.Now(), "x") },
		"a key for everyone": func() { chmod(t, certificate.key, 0o644) },
		"no file":            func() { remove(t, certificate.cert) },
	} {
		renewed.Issue(t, certificate.cert, certificate.key, time.Now().Add(time.Hour), "credit.example.net")
		breaks()
		err := certificate.Reload()
		if err == nil || !strings.Contains(err.Error(), certificate.cert) && !strings.Contains(err.Error(), certificate.key) {
			t.Errorf("%s: %v, want the file's name", name, err)
		}
		chmod(t, certificate.key, 0o600)
		alive()
		shows(renewed)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestClientCertificate: with tls_client_ca only who shows a certificate of that
// authority is heard; a key is needed all the same.
func TestClientCertificate(t *testing.T) {
	w, ca, clients, strangers := newWorld(t), pki.New(t, "ours"), pki.New(t, "clients"), pki.New(t, "strangers")
	address, certificate := w.secure(ca, clients.File)
	try := func(cert, key string) error {
		conn, err := dialTLS(address, ca.Client(t, cert, key))
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = health(conn) // with TLS 1.3 a refusal comes after the client's handshake
		return err
	}
	cert, key := clients.Pair(t, "ast1")
	if err := try(cert, key); err != nil {
		t.Errorf("a client of ours: %v", err)
	}
	if err := try("", ""); err == nil {
		t.Error("a client without a certificate was heard")
	}
	if err := try(strangers.Pair(t, "ast1")); err == nil {
		t.Error("a stranger's certificate was taken")
	}
	clients.Issue(t, cert, key, time.Now().Add(-time.Second), "ast1")
	if err := try(cert, key); err == nil {
		t.Error("an expired certificate was taken")
	}
	write(t, clients.File, "nothing")
	if err := certificate.Reload(); err == nil || !strings.Contains(err.Error(), "tls_client_ca "+clients.File) {
		t.Errorf("no certificate in tls_client_ca: %v", err)
	}
}
