package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxIdentity is the longest card, alias or caller ID; longer ones are forged.
const maxIdentity = 40

// The places where Asterisk tells who calls, and what may be found there.
var (
	sources = []string{AccountCode, ServedUser, PAI, CallerID}
	kinds   = []string{"card", "alias", "cid"}
)

// The sources, and the kind of those that are addresses and go by the rules of
// impu.
const (
	AccountCode = "accountcode"
	ServedUser  = "served_user" // P-Served-User, RFC 5502
	PAI         = "pai"         // P-Asserted-Identity, RFC 3325
	CallerID    = "callerid"
	IMPU        = "impu"
)

// Identity is one place to look for the caller's account and what it is there:
// the account code is a card, say.
type Identity struct {
	Source string // accountcode, served_user, pai or callerid
	Kind   string // card, alias, cid or impu
}

// Reads says whether the list of identities has a source.
func (c *Config) Reads(source string) bool {
	return slices.ContainsFunc(c.Identity, func(i Identity) bool { return i.Source == source })
}

// UnmarshalText reads source=kind.
func (i *Identity) UnmarshalText(text []byte) error {
	source, kind, _ := strings.Cut(string(text), "=")
	if !slices.Contains(sources, source) || kind != IMPU && !slices.Contains(kinds, kind) {
		return fmt.Errorf("%q is not a source and a kind; write one of %s, then =, then one of %s, %s, like accountcode=card",
			text, strings.Join(sources, ", "), strings.Join(kinds, ", "), IMPU)
	}
	if kind == IMPU && source != ServedUser && source != PAI {
		return fmt.Errorf("%q: what %s says is no address; impu is for %s and %s", text, source, ServedUser, PAI)
	}
	i.Source, i.Kind = source, kind
	return nil
}

// MarshalText writes source=kind.
func (i Identity) MarshalText() ([]byte, error) { return []byte(i.Source + "=" + i.Kind), nil }

// Patterns are regular expressions for the kinds, each for the whole identity.
type Patterns struct {
	Card  string `toml:"card"`
	Alias string `toml:"alias"`
	CID   string `toml:"cid"`
}

// of is the pattern of a kind.
func (p Patterns) of(kind string) string {
	switch kind {
	case "card":
		return p.Card
	case "alias":
		return p.Alias
	case "cid":
		return p.CID
	}
	return ""
}

// Clean says whether a value may be used as an identity of this kind (card,
// alias or cid). What is not clean is to be refused, never repaired: removing
// what does not belong makes somebody else's number of it.
func (c *Config) Clean(kind, value string) bool {
	if value == "" || len(value) > maxIdentity || strings.ContainsFunc(value, func(r rune) bool {
		// Whatever the pattern says: these end lines and paths.
		return r <= ' ' || r >= 0x7f || r == '/' || r == '?' || r == '#' || r == '%' || r == ':'
	}) {
		return false
	}
	pattern := c.Patterns.of(kind)
	if pattern == defaultPattern {
		return all(value, digits+"+")
	}
	whole, err := wholePattern(pattern)
	return err == nil && whole.MatchString(value)
}

// wholePattern compiles an expression so that it must match all of a value:
// ^a|b$ looks anchored and is not.
func wholePattern(pattern string) (*regexp.Regexp, error) {
	if !strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, "$") {
		return nil, fmt.Errorf("%q does not say what the whole number looks like; begin it with ^ and end it with $, like %s", pattern, defaultPattern)
	}
	whole, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%q is not a regular expression; write it like %s", pattern, defaultPattern)
	}
	return whole, nil
}
