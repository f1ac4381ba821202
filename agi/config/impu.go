package config

import (
	"fmt"
	"slices"
	"strings"
)

// Rule says which account a public identity of the IMS (IMPU) is, like
// sip:*@ims.example.net=alias:* or tel:+221*=cid:221*. The star is what both
// sides share; without one, one identity is one account.
type Rule struct {
	Scheme string // sip, sips or tel
	User   string // with at most one star
	Where  string // the domain; of tel: the phone-context, or ""
	Kind   string // card, alias or cid
	Name   string // with a star where User has one
}

// UnmarshalText reads ADDRESS=KIND:NAME.
func (r *Rule) UnmarshalText(text []byte) error {
	no := func(why string) error {
		return fmt.Errorf("%q %s; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*", text, why)
	}
	equal := strings.LastIndexByte(string(text), '=') // phone-context has one too
	if equal < 0 {
		return no("has no = between address and account")
	}
	scheme, address, _ := strings.Cut(string(text[:equal]), ":")
	kind, name, _ := strings.Cut(string(text[equal+1:]), ":")
	*r = Rule{Scheme: scheme, Kind: kind, Name: name}
	var found bool
	switch scheme {
	case "sip", "sips":
		if r.User, r.Where, found = strings.Cut(address, "@"); !found || !isDomain(r.Where) {
			return no("names no domain")
		}
	case "tel":
		if r.User, r.Where, found = strings.Cut(address, ";phone-context="); found && !isDomain(strings.TrimPrefix(r.Where, "+")) {
			return no("has no phone-context behind its ;")
		}
	default:
		return no("does not begin with sip:, sips: or tel:")
	}
	if !slices.Contains(kinds, kind) {
		return no("names none of " + strings.Join(kinds, ":, ") + ": as account")
	}
	if r.User == "" || name == "" || !all(r.User, lower+upper+digits+"-_.!+*") || !all(name, lower+upper+digits+"-_.!+*") {
		return no("names no user or no account, or one with other characters than a-z, 0-9, + - _ . !")
	}
	if stars := strings.Count(r.User, "*"); stars > 1 || stars != strings.Count(name, "*") {
		return no("needs one * on both sides, or none")
	}
	return nil
}

// MarshalText writes the rule as it is read.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Rule) String() string {
	between := ""
	switch {
	case r.Scheme != "tel":
		between = "@"
	case r.Where != "":
		between = ";phone-context="
	}
	return r.Scheme + ":" + r.User + between + r.Where + "=" + r.Kind + ":" + r.Name
}

// of is the account's name, if the rule fits.
func (r Rule) of(scheme, user, where string) (name string, ok bool) {
	if scheme != r.Scheme || !strings.EqualFold(where, r.Where) {
		return "", false
	}
	before, after, star := strings.Cut(r.User, "*")
	if !star {
		return r.Name, user == r.User
	}
	shared, ok := strings.CutPrefix(user, before)
	if ok {
		shared, ok = strings.CutSuffix(shared, after)
	}
	return strings.Replace(r.Name, "*", shared, 1), ok && shared != ""
}

// hides says whether whatever a later rule fits is fitted by this one already.
func (r Rule) hides(later Rule) bool {
	_, fits := r.of(later.Scheme, later.User, later.Where)
	return fits
}

// KnowsScheme says whether any rule is for addresses of this scheme. A core may
// assert a tel: address beside each sip: one: who has no rule for it has nothing
// to say about it.
func (c *Config) KnowsScheme(scheme string) bool {
	return slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Scheme == scheme })
}

// AccountOf is the account that an address stands for by the first rule that fits:
// the user, or the number of a tel:, at its host, or in its phone-context. The
// name is not yet clean.
func (c *Config) AccountOf(scheme, user, where string) (kind, name string, ok bool) {
	for _, r := range c.Rules {
		if name, ok = r.of(scheme, user, where); ok {
			return r.Kind, name, true
		}
	}
	return "", "", false
}

// FromCore says whether the headers of a channel such as PJSIP/isc-0000002a are
// believed. Asterisk names it by the endpoint that it found, not by what was sent.
func (c *Config) FromCore(channel string) bool {
	if len(c.CoreEndpoints) == 0 {
		return true
	}
	_, name, _ := strings.Cut(channel, "/")
	end := strings.LastIndexByte(name, '-')
	return end > 0 && slices.Contains(c.CoreEndpoints, name[:end])
}

// isDomain is a host name, or an address, with a port or without.
func isDomain(s string) bool {
	return s != "" && all(s, lower+upper+digits+"-.:") && !strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".")
}
