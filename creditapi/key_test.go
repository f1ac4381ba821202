package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	s := newShell(t)
	r := s.run("key", "add", "-name", "ast1", "-scope", "agi,credit", "-node", "ast1", "-expires", "2027-01-31")
	key := strings.TrimSuffix(r.out, "\n")
	if r.code != exitOK || !strings.HasPrefix(key, "adc_") || strings.ContainsAny(key, " \n") {
		t.Fatalf("key add printed %q, exit %d, %s", r.out, r.code, r.remark)
	}
	if strings.Contains(r.remark, key) || !strings.Contains(r.remark, "/etc/adcredit/key") {
		t.Errorf("remark: %s", r.remark)
	}
	var keys []struct {
		ID, Name, Node string
		Scopes         []string
		ExpiresAt      time.Time  `json:"expires_at"`
		RevokedAt      *time.Time `json:"revoked_at"`
	}
	s.json("key list -json", &keys)
	if len(keys) != 1 || keys[0].Name != "ast1" || keys[0].Node != "ast1" || len(keys[0].Scopes) != 2 ||
		!keys[0].ExpiresAt.Equal(time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)) || keys[0].RevokedAt != nil {
		t.Fatalf("keys: %+v", keys)
	}
	secret := key[len("adc_")+13:]
	if out := s.ok("key list") + s.ok("key list -json"); strings.Contains(out, secret) || !strings.Contains(out, keys[0].ID) {
		t.Errorf("key list: %s", out)
	}
	s.ok("key revoke " + keys[0].ID)
	s.ok("key revoke " + key) // again, by the key itself
	s.json("key list -json", &keys)
	if keys[0].RevokedAt == nil {
		t.Errorf("keys: %+v", keys)
	}
	s.fails(exitFailed, "no such key", "key revoke 000000000000")
}

// TestKeyThatNobodySaw: a key whose text could not be written lets nobody in.
func TestKeyThatNobodySaw(t *testing.T) {
	s := newShell(t)
	var remarks bytes.Buffer
	code := run(s.Context(), []string{"key", "add", "-name", "lost", "-scope", "report"}, strings.NewReader(""), full{}, &remarks, s.getenv)
	if code != exitFailed || !strings.Contains(remarks.String(), "it is revoked") {
		t.Errorf("exit %d, %s", code, remarks.String())
	}
	if out := s.ok("key list -json"); !strings.Contains(out, `"revoked_at"`) {
		t.Errorf("keys: %s", out)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }
