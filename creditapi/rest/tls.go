package rest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync/atomic"

	"adcredit/etc"
)

// Certificate is what a server shows to its clients, and whom it lets in: PEM
// files, which may be replaced while it runs. See [Certificate.Reload].
type Certificate struct {
	cert, key, clientCA string
	config              atomic.Pointer[tls.Config]
}

// LoadTLS reads a certificate with its chain, and its key. With clientCA, a
// client must show a certificate that one of the authorities there has signed.
func LoadTLS(cert, key, clientCA string) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, clientCA: clientCA}
	return c, c.Reload()
}

// Reload reads the files again. New connections get what they hold; those that
// are open live on with what they began with. When anything is wrong with the
// files, all stays as it was.
func (c *Certificate) Reload() error {
	if err := etc.Unshared(c.key); err != nil {
		return fmt.Errorf("read tls_key: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("read tls_cert %s and tls_key %s: %w; both are PEM files that belong together", c.cert, c.key, err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12, // the rest as Go's TLS has it: forward secrecy, and no CBC or RC4 first
		NextProtos:   []string{"http/1.1"},
	}
	if c.clientCA != "" {
		if config.ClientCAs, err = authorities(c.clientCA); err != nil {
			return err
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.config.Store(config)
	return nil
}

// Leaf is the server's own certificate.
func (c *Certificate) Leaf() *x509.Certificate { return c.config.Load().Certificates[0].Leaf }

// serverConfig asks for the present files at each handshake. A session that was
// begun before a reload is not resumed after it: each config has its own keys.
func (c *Certificate) serverConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return c.config.Load(), nil
	}}
}

// authorities reads certificates of authorities.
func authorities(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read tls_client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read tls_client_ca %s: there is no certificate in it; write PEM, like tls_cert", path)
	}
	return pool, nil
}
