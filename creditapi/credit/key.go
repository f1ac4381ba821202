package credit

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"time"

	"adcredit/creditapi/wire"
)

// Scopes of a key.
const (
	ScopeAGI    = "agi"    // check, start, complete and abandon, for one node
	ScopeCredit = "credit" // add credit by hand
	ScopeReport = "report"
	ScopeAdmin  = "admin"
)

// Scopes lists all of them.
var Scopes = []string{ScopeAGI, ScopeCredit, ScopeReport, ScopeAdmin}

// Key lets a program in. The secret is shown once and never kept.
type Key struct {
	ID        string     `json:"id"` // public: it may stand in logs
	Name      string     `json:"name"`
	Node      string     `json:"node,omitempty"` // with scope agi: the one node it belongs to
	Scopes    []string   `json:"scopes"`
	Hash      string     `json:"-"` // SHA-256 of the secret, hex
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	LastUsed  *time.Time `json:"last_used,omitempty"`
}

const keyPrefix = "adc_"

var nodeName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,39}$`)

// NewKey makes a key of 256 random bits and the text that carries it,
// adc_ID_SECRET, which is to be shown once.
func NewKey(name, node string, scopes []string, expires *time.Time) (Key, string, error) {
	invalid := func(detail string) error { return &wire.Error{Code: wire.InvalidRequest, Detail: detail} }
	if name == "" || len(name) > 60 {
		return Key{}, "", invalid("A key's name has 1 to 60 characters.")
	}
	if len(scopes) == 0 {
		return Key{}, "", invalid("A key needs a scope: agi, credit, report or admin.")
	}
	for _, scope := range scopes {
		if !slices.Contains(Scopes, scope) {
			return Key{}, "", invalid("A scope is agi, credit, report or admin.")
		}
	}
	if slices.Contains(scopes, ScopeAGI) != (node != "") {
		return Key{}, "", invalid("A key of scope agi belongs to one node, and only such a key does.")
	}
	if node != "" && !nodeName.MatchString(node) {
		return Key{}, "", invalid("A node's name has 1 to 40 of a-z, 0-9, '.', '_' and '-'.")
	}
	var id [6]byte
	var secret [32]byte
	rand.Read(id[:])
	rand.Read(secret[:])
	text := base64.RawURLEncoding.EncodeToString(secret[:])
	k := Key{ID: hex.EncodeToString(id[:]), Name: name, Node: node, Scopes: scopes, Hash: hash(text), ExpiresAt: expires}
	return k, keyPrefix + k.ID + "_" + text, nil
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// SplitKey takes the text of a key apart.
func SplitKey(text string) (id, secret string, ok bool) {
	rest, prefixed := strings.CutPrefix(text, keyPrefix)
	id, secret, ok = strings.Cut(rest, "_")
	return id, secret, prefixed && ok && len(id) == 12 && len(secret) == 43
}

// Admits reports whether the secret is the key's and the key is in force now.
func (k Key) Admits(secret string, now time.Time) bool {
	same := subtle.ConstantTimeCompare([]byte(hash(secret)), []byte(k.Hash)) == 1
	return same && k.RevokedAt == nil && (k.ExpiresAt == nil || now.Before(*k.ExpiresAt))
}

// Has reports whether the key has the scope.
func (k Key) Has(scope string) bool { return slices.Contains(k.Scopes, scope) }
