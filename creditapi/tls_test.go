package main

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"adcredit/tests/pki"
)

// overTLS is the configuration of a server with the certificate cert.
func (s *shell) overTLS(cert, key, more string) (config string) {
	s.Helper()
	config = filepath.Join(s.dir, "tls.toml")
	if err := writeFile(config, fmt.Sprintf("tls_cert = %q\ntls_key = %q\n%s\n", cert, key, more)); err != nil {
		s.Fatal(err)
	}
	return config
}

// TestReload: SIGHUP, systemctl reload's way, and what the log says of it.
func TestReload(t *testing.T) {
	s, ca, renewed := newShell(t), pki.New(t, "ours"), pki.New(t, "renewed")
	cert, key := ca.Pair(t, "credit.example.net")
	config := s.overTLS(cert, key, `hosts = ["credit.example.net"]`)
	s.env["CREDITAPI_LISTEN"] = "127.0.0.1:0"
	log, stop := s.serve("creditapi serves", "-config", config)
	_, address, _ := strings.Cut(log.String(), "listen=")
	address, _, _ = strings.Cut(address, " ")
	hup := func(text string) {
		t.Helper()
		log.await(text)
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		select {
		case <-log.found:
		case <-time.After(30 * time.Second):
			t.Fatalf("the log never said %q:\n%s", text, log)
		}
	}
	shows := func(ca *pki.Authority) {
		t.Helper()
		client := ca.Client(t, "", "")
		client.ServerName = "credit.example.net"
		conn, err := tls.Dial("tcp", address, client)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	if err := writeFile(cert, "-----BEGIN CERT"); err != nil {
		t.Fatal(err)
	}
	hup(`level=ERROR msg="reload: the certificate stays as it was; a tls_key that systemd hands over is read at a restart only" error="read tls_cert ` + cert)
	shows(ca)
	renewed.Issue(t, cert, key, time.Now().Add(time.Hour), "credit.example.net", "10.0.0.1")
	hup(`msg="reload: new connections get the certificate that is there now" names="credit.example.net, 10.0.0.1" expires=`)
	shows(renewed)
	if code := stop(); code != exitOK {
		t.Errorf("exit %d\n%s", code, log)
	}
}

// TestReloadInClear: systemctl reload ends no server that has no certificate.
func TestReloadInClear(t *testing.T) {
	s := newShell(t)
	log, stop := s.serve("creditapi serves")
	log.await("nothing to read again")
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	<-log.found
	if code := stop(); code != exitOK {
		t.Errorf("exit %d\n%s", code, log)
	}
}

// TestCheckTLS: what clients will say of the certificate, before they do.
func TestCheckTLS(t *testing.T) {
	const day = 24 * time.Hour
	named := `hosts = ["credit.example.net", "127.0.0.1"]`
	for _, row := range []struct {
		name  string
		lasts time.Duration
		names []string
		more  string
		want  string // "": as it should be
	}{
		{"all is well", 15 * day, []string{"credit.example.net", "127.0.0.1"}, named, ""},
		{"a wildcard", 90 * day, []string{"*.example.net", "127.0.0.1"}, named, ""},
		{"ends soon", 14*day - time.Hour, []string{"credit.example.net", "127.0.0.1"}, named, "the certificate expires in 13 days"},
		{"has ended", -time.Second, []string{"credit.example.net", "127.0.0.1"}, named, "the certificate has expired on"},
		{"a name is missing", 90 * day, []string{"127.0.0.1"}, named, "is for 127.0.0.1, and not for credit.example.net"},
		{"ends soon under another name", day, []string{"old.example.net", "127.0.0.1"}, named, "not for credit.example.net"},
		{"no hosts, one name fits", 90 * day, []string{"localhost"}, "", ""},
		{"no hosts, none fits", 90 * day, []string{"credit.example.net"}, "", "not for localhost, 127.0.0.1, ::1"},
		{"no authority of clients", 90 * day, []string{"localhost"}, `tls_client_ca = "/nowhere.pem"`, "read tls_client_ca: open /nowhere.pem"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, ca := newShell(t), pki.New(t, "ours")
			s.env["CREDITAPI_LISTEN"] = "127.0.0.1:8080"
			cert, key := ca.Pair(t, "x")
			ca.Issue(t, cert, key, time.Now().Add(row.lasts), row.names...)
			r := s.run("check", "-config", s.overTLS(cert, key, row.more))
			mark := "ok     tls"
			if row.want != "" {
				mark = "WRONG  tls"
			}
			if (r.code == exitOK) != (row.want == "") || !strings.Contains(r.out, mark) || !strings.Contains(r.out, row.want) {
				t.Errorf("exit %d, want %q %q:\n%s%s", r.code, mark, row.want, r.out, r.remark)
			}
		})
	}
}
