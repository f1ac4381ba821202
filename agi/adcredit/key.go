package main

import (
	"os"
	"sync/atomic"

	"adcredit/agi/config"
	"adcredit/etc"
)

// keyring keeps the key for creditapi between calls.
type keyring struct{ last atomic.Pointer[keptKey] }

type keptKey struct {
	file os.FileInfo // as it was when the key was read
	key  etc.Secret
}

// key is the configured key. Its file is read again when it has changed, so that
// a rotated key needs no restart.
func (k *keyring) key(cfg *config.Config) (etc.Secret, error) {
	file, missing := os.Stat(cfg.KeyFile)
	if kept := k.last.Load(); missing == nil && kept != nil && same(kept.file, file) {
		return kept.key, nil
	}
	key, err := cfg.Key() // which may need no file, or says what is wrong with it
	if missing == nil && err == nil {
		k.last.Store(&keptKey{file, key}) // looked at before it was read: a change meanwhile is not missed
	}
	return key, err
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}
