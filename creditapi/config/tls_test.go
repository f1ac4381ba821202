package config

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTLSKeyFile: the key itself where it can be read, since it may be renewed;
// else what systemd handed over, which is an empty line where there was no key.
func TestTLSKeyFile(t *testing.T) {
	credentials, etc := t.TempDir(), t.TempDir()
	key := filepath.Join(etc, "tls.key")
	given := filepath.Join(credentials, "tls.key")
	c := &Config{TLSKey: key, credentials: credentials}
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(given, "\n")
	if got := c.TLSKeyFile(); got != key {
		t.Errorf("nothing handed over: %s, want %s", got, key)
	}
	put(given, "PEM")
	if got := c.TLSKeyFile(); got != given {
		t.Errorf("handed over: %s, want %s", got, given)
	}
	put(key, "PEM")
	if got := c.TLSKeyFile(); got != key {
		t.Errorf("readable: %s, want %s", got, key)
	}
}
