package store

import (
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var keyParts = []part{{"key", testKeys}}

func testKeys(t *testing.T, w *world) {
	expires := w.Now().Add(time.Hour)
	first, secret, err := credit.NewKey("Asterisk in Dakar", "ast1", []string{credit.ScopeAGI, credit.ScopeReport}, &expires)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.AddKey(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.advance(time.Second)
	second, _, err := credit.NewKey("caisse n° 1", "", []string{credit.ScopeCredit}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.AddKey(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	k, err := w.Key(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "name", k.Name, "Asterisk in Dakar")
	wantEqual(t, "node", k.Node, "ast1")
	wantEqual(t, "scopes", strings.Join(k.Scopes, " "), "agi report")
	wantEqual(t, "expires", k.ExpiresAt.Equal(expires), true)
	wantEqual(t, "created", k.CreatedAt, w.Now().Add(-time.Second))
	wantEqual(t, "last used", k.LastUsed, nil)
	_, text, _ := credit.SplitKey(secret)
	wantEqual(t, "admits", k.Admits(text, w.Now()), true)

	for range 2 {
		if err := w.TouchKey(t.Context(), first.ID); err != nil {
			t.Fatal(err)
		}
		k, _ = w.Key(t.Context(), first.ID)
		wantEqual(t, "last used", *k.LastUsed, w.Now())
		w.advance(2 * time.Minute)
	}
	for range 2 {
		if err := w.RevokeKey(t.Context(), first.ID); err != nil {
			t.Fatal(err)
		}
		w.advance(time.Second)
	}
	k, _ = w.Key(t.Context(), first.ID)
	wantEqual(t, "revoked", *k.RevokedAt, w.Now().Add(-2*time.Second))
	wantEqual(t, "admits", k.Admits(text, w.Now()), false)
	all, err := w.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "keys", len(all), 2)
	wantEqual(t, "newest", all[0].ID, second.ID)
	for _, id := range []string{"", "nothing", "ééé", "😀", "abcdef\xff\xfe\x00234"} {
		_, err = w.Key(t.Context(), id)
		wantCode(t, err, wire.NotFound)
	}
	wantCode(t, w.RevokeKey(t.Context(), "' OR '1'='1"), wire.NotFound)
}
