package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/rest"
	"adcredit/creditapi/store"
)

// renewBefore is how long before its end a certificate should have been renewed.
// Those of public authorities are renewed 30 days before.
const renewBefore = 14 * 24 * time.Hour

// loadTLS reads the certificate that is configured; nil when there is none.
func loadTLS(c *config.Config) (*rest.Certificate, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	return rest.LoadTLS(c.TLSCert, c.TLSKeyFile(), c.TLSClientCA)
}

// reload reads the certificate again whenever it is told to. A broken one is
// reported, and the old one stays.
func reload(ctx context.Context, hup <-chan os.Signal, certificate *rest.Certificate, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		if certificate == nil {
			log.Warn("reload: no tls_cert is configured, so there is nothing to read again; other settings need a restart")
			continue
		}
		if err := certificate.Reload(); err != nil {
			log.Error("reload: the certificate stays as it was; a tls_key that systemd hands over is read at a restart only", "error", err)
			continue
		}
		leaf := certificate.Leaf()
		log.Info("reload: new connections get the certificate that is there now", "names", names(leaf), "expires", leaf.NotAfter)
	}
}

// lookAtTLS says whether clients will take the certificate, now and in a while.
func lookAtTLS(c *config.Config, now time.Time) []store.Finding {
	certificate, err := loadTLS(c)
	if certificate == nil {
		return nil
	}
	if err == nil {
		err = errors.Join(outdated(certificate.Leaf(), now), misnamed(certificate.Leaf(), c))
	}
	if err != nil {
		return []store.Finding{{Name: "tls", Detail: err.Error()}}
	}
	leaf := certificate.Leaf()
	return []store.Finding{{Name: "tls", OK: true, Detail: fmt.Sprintf("for %s, until %s", names(leaf), leaf.NotAfter.UTC().Format(time.DateOnly))}}
}

func outdated(leaf *x509.Certificate, now time.Time) error {
	left := leaf.NotAfter.Sub(now)
	switch {
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate begins on %s; is the clock right?", leaf.NotBefore.UTC().Format(time.DateTime))
	case left <= 0:
		return fmt.Errorf("the certificate has expired on %s: renew it, then systemctl reload creditapi", leaf.NotAfter.UTC().Format(time.DateTime))
	case left < renewBefore:
		return fmt.Errorf("the certificate expires in %d days, on %s: renew it, then systemctl reload creditapi", int(left.Hours()/24), leaf.NotAfter.UTC().Format(time.DateTime))
	}
	return nil
}

// misnamed finds the names by which clients call this server and which the
// certificate does not have. Of the names that hold without hosts one will do.
func misnamed(leaf *x509.Certificate, c *config.Config) error {
	var missing []string
	for _, name := range c.AllowedHosts() {
		if leaf.VerifyHostname(name) != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 || len(c.Hosts) == 0 && len(missing) < len(c.AllowedHosts()) {
		return nil
	}
	return fmt.Errorf("the certificate is for %s, and not for %s: clients will refuse it; set hosts to the names that clients use, or get a certificate for them",
		names(leaf), strings.Join(missing, ", "))
}

func names(leaf *x509.Certificate) string {
	all := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name"
	}
	return strings.Join(all, ", ")
}
