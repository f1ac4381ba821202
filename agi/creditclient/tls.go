package creditclient

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"adcredit/etc"
)

// tlsConfig reads what https needs. It is called for each connection of a process
// that makes one or two: nothing is read, parsed or kept for http:// and unix://.
func tlsConfig(cfg Config) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CA != "" {
		text, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("read tls_ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read tls_ca %s: there is no certificate in it; write PEM", cfg.CA)
		}
	}
	if cfg.Cert != "" {
		if err := etc.Unshared(cfg.CertKey); err != nil {
			return nil, fmt.Errorf("read tls_key: %w", err)
		}
		pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.CertKey)
		if err != nil {
			return nil, fmt.Errorf("read tls_cert %s and tls_key %s: %w", cfg.Cert, cfg.CertKey, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
