package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"adcredit/agi/config"
	"adcredit/etc"
)

// TestKeyring: a key that was replaced in either way is seen with the next call,
// and one that may not be used any more is not used.
func TestKeyring(t *testing.T) {
	const old, new = "adc_000000000000_0000000000000000000000000000000000000000000", "adc_111111111111_1111111111111111111111111111111111111111111"
	path := filepath.Join(t.TempDir(), "key")
	write := func(path, key string) {
		if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, keys := &config.Config{KeyFile: path}, keyring{}
	want := func(when string, want etc.Secret, refused bool) {
		t.Helper()
		for range 2 {
			if key, err := keys.key(cfg); key != want || (err != nil) != refused {
				t.Errorf("%s: %v, %v", when, key, err)
			}
		}
	}
	want("without a file", "", true)
	write(path, old)
	want("at first", old, false)
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil { // it is some time ago
		t.Fatal(err)
	}
	want("the same", old, false)
	write(path, new)
	want("written over", new, false)
	write(path+".new", old)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	want("another file in its place", old, false)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	want("readable for everybody", "", true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want("removed", "", true)
	cfg.EnvKey = new
	want("in the environment", new, false)
}
