package creditclient

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/tests/pki"
)

// TestTLS: who is trusted, whom we show a certificate, and what is said when a
// file is of no use.
func TestTLS(t *testing.T) {
	ca, clients := pki.New(t, "ours"), pki.New(t, "clients")
	serverCert, serverKey := ca.Pair(t, "127.0.0.1")
	cert, key := clients.Pair(t, "ast1")
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	start := func(auth tls.ClientAuthType) string {
		s := httptest.NewUnstartedServer(answer(200, "application/json", credit))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: auth, ClientCAs: clients.Client(t, "", "").RootCAs}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	open, closed := start(tls.NoClientCert), start(tls.RequireAndVerifyClientCert)
	shared := filepath.Join(t.TempDir(), "tls.key")
	if err := errors.Join(os.WriteFile(shared, nil, 0o600), os.Chmod(shared, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		cfg  Config
		want string // in the error; "": an answer
	}{
		{"an authority of ours", Config{URLs: []string{open}, CA: ca.File}, ""},
		{"the system's authorities", Config{URLs: []string{open}}, "unknown authority"},
		{"another authority", Config{URLs: []string{open}, CA: clients.File}, "unknown authority"},
		{"another name", Config{URLs: []string{strings.Replace(open, "127.0.0.1", "localhost", 1)}, CA: ca.File}, "to match localhost"},
		{"a certificate of ours", Config{URLs: []string{closed}, CA: ca.File, Cert: cert, CertKey: key}, ""},
		{"no certificate", Config{URLs: []string{closed}, CA: ca.File}, "tls: "},
		{"a stranger's certificate", Config{URLs: []string{closed}, CA: ca.File, Cert: serverCert, CertKey: serverKey}, "tls: "},
		{"no file", Config{URLs: []string{open}, CA: "/nowhere.pem"}, "read tls_ca: open /nowhere.pem"},
		{"no certificate in it", Config{URLs: []string{open}, CA: key}, "read tls_ca " + key + ": there is no certificate in it"},
		{"another's key", Config{URLs: []string{open}, CA: ca.File, Cert: cert, CertKey: serverKey}, "read tls_cert " + cert + " and tls_key " + serverKey},
		{"a key for everyone", Config{URLs: []string{open}, CA: ca.File, Cert: cert, CertKey: shared}, "run: chmod o-rwx " + shared},
		// Nothing is read where it isn't needed, and the next server is asked.
		{"in clear", Config{URLs: []string{serve(t, answer(200, "application/json", credit))}, CA: "/nowhere.pem", Cert: "/nowhere.crt"}, ""},
		{"the next server", Config{URLs: []string{open, serve(t, answer(200, "application/json", credit))}, CA: "/nowhere.pem"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.cfg.Key, row.cfg.Timeout, row.cfg.SpoolDir = "adc_k_s", 10*time.Second, t.TempDir()
			for _, row.cfg.KeepAlive = range []bool{false, true} {
				c, err := New(row.cfg)
				if err == nil {
					_, err = c.Credit(t.Context(), "cid:1", "")
				}
				if row.want == "" && err != nil || row.want != "" && (!errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), row.want)) {
					t.Errorf("kept alive %v: got %v, want %q", row.cfg.KeepAlive, err, row.want)
				}
			}
		})
	}
}
