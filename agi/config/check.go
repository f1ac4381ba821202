package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"adcredit/etc"
)

const (
	maxURLs = 8
	notKey  = "this is not a key of creditapi; paste the one line that 'creditapi key add' printed"
)

// Check returns all that is wrong with the values.
func (c *Config) Check() []etc.Problem {
	var problems []etc.Problem
	report := func(key, format string, args ...any) {
		problems = append(problems, etc.Problem{Key: key, What: fmt.Sprintf(format, args...)})
	}
	oneOf := func(key, value string, words ...string) {
		if !slices.Contains(words, value) {
			report(key, "%q is unknown; write one of %s", value, strings.Join(words, ", "))
		}
	}
	if !isNode(c.Node) {
		report("node", "%q is not a name for this host; write at most 40 of a-z, 0-9, dot, minus and underscore, like ast1", c.Node)
	}
	c.checkURLs(report)
	c.checkKey(report)
	c.checkTLS(report)
	if c.Timeout < 100*time.Millisecond || c.Timeout > 30*time.Second {
		report("timeout", "%v is out of range; write 100ms to 30s", c.Timeout)
	}
	oneOf("offer", c.Offer, OfferPress, OfferAuto)
	oneOf("answer", c.Answer, AnswerAnswer, AnswerProgress)
	if c.Answer == AnswerProgress && c.Offer == OfferPress {
		report("answer", `"progress" leaves the call unanswered, and many phones then send no digits; set offer = "auto" as well, or answer = "answer"`)
	}
	if !isDigit(c.AcceptDigit) {
		report("accept_digit", "%q is not a key of a phone; write one of 0-9, * and #", c.AcceptDigit)
	}
	if c.StopDigit != "" && !isDigit(c.StopDigit) {
		report("stop_digit", `%q is not a key of a phone; write one of 0-9, * and #, or "" for none`, c.StopDigit)
	}
	if c.MaxAdsPerCall < 1 || c.MaxAdsPerCall > 5 {
		report("max_ads_per_call", "%d is out of range; write 1 to 5", c.MaxAdsPerCall)
	}
	if c.PacketTime != 0 && (c.PacketTime < 10*time.Millisecond || c.PacketTime > 200*time.Millisecond) {
		report("packet_time", "%v is out of range; write 10ms to 200ms, or 0s to count no packets", c.PacketTime)
	}
	if len(c.FastAGIAllow) == 0 {
		report("fastagi_allow", `is empty, so that nobody would be served; write it like ["127.0.0.0/8", "::1"]`)
	}
	if c.FastAGICalls < 1 || c.FastAGICalls > 50000 {
		report("fastagi_calls", "%d is out of range; write 1 to 50000", c.FastAGICalls)
	}
	c.checkLanguages(report)
	c.checkPaths(report)
	c.checkIdentity(report)
	oneOf("log_level", c.LogLevel, "debug", "info", "warn", "error")
	c.checkPrompts(report)
	return problems
}

type reporter func(key, format string, args ...any)

func (c *Config) checkURLs(report reporter) {
	if len(c.URLs) == 0 || len(c.URLs) > maxURLs {
		report("urls", "holds %d addresses; write 1 to %d, like [\"http://127.0.0.1:8080\"]", len(c.URLs), maxURLs)
	}
	for i, u := range c.URLs {
		if strings.Contains(u, "@") { // may be a password: not shown
			report("urls", "an address holds a user name or a password; take it out, the key goes into key_file")
		} else if !isURL(u) {
			report("urls", "%q is not an address; write it like http://127.0.0.1:8080, https://credit.example.net or unix:///run/creditapi/creditapi.sock", u)
		} else if slices.ContainsFunc(c.URLs[:i], func(other string) bool { return trimmed(other) == trimmed(u) }) {
			report("urls", "%q is there twice; keep one", u)
		}
	}
}

// trimmed is an address as it is asked: no slash at its end.
func trimmed(url string) string { return strings.TrimRight(url, "/") }

func (c *Config) checkKey(report reporter) {
	if c.EnvKey != "" && !isKey(string(c.EnvKey)) {
		report("ADCREDIT_API_KEY", "%s", notKey)
	}
	if c.InlineKey == "" {
		if !filepath.IsAbs(c.KeyFile) {
			report("key_file", "%q is not an absolute path, and Asterisk starts AGI programs in /; write it like %s", c.KeyFile, DefaultKeyFile)
		}
		return
	}
	if !isKey(string(c.InlineKey)) {
		report("key", "%s", notKey)
	}
	if c.KeyFile != DefaultKeyFile {
		report("key", "key_file is set too; keep one of them")
	}
	if info, err := os.Stat(c.path); err == nil && info.Mode().Perm()&0o007 != 0 {
		report("key", "every user can read this file and so the key; run: chmod o-rwx %s (or keep the key in key_file)", c.path)
	}
}

// checkTLS looks at names alone: the files are read when an https:// is asked.
func (c *Config) checkTLS(report reporter) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		report("tls_cert", "tls_cert and tls_key belong together; set both or none")
	}
	for _, p := range []struct{ key, path string }{{"tls_ca", c.TLSCA}, {"tls_cert", c.TLSCert}, {"tls_key", c.TLSKey}} {
		if p.path != "" && !filepath.IsAbs(p.path) {
			report(p.key, "%q is not an absolute path, and Asterisk starts AGI programs in /; write it like /etc/adcredit/ca.pem", p.path)
		}
	}
}

func (c *Config) checkLanguages(report reporter) {
	if len(c.Languages) == 0 {
		report("languages", `is empty; write those that have prompts, like ["fr", "en"]`)
		return
	}
	for _, language := range c.Languages {
		if !isLanguage(language) {
			report("languages", "%q is not a language; write it as Asterisk does, like fr or fr_CA", language)
		}
	}
	if !slices.Contains(c.Languages, c.Language) {
		report("language", "%q is not one of languages; write one of %s, or add it there", c.Language, strings.Join(c.Languages, ", "))
	}
}

func (c *Config) checkPaths(report reporter) {
	for _, p := range []struct{ key, path, like string }{
		{"sounds_dir", c.SoundsDir, "/usr/local/share/adcredit/sounds"},
		{"asterisk_sounds_dir", c.AsteriskSoundsDir, "/usr/share/asterisk/sounds"},
		{"spool_dir", c.SpoolDir, "/var/spool/adcredit"},
	} {
		if !filepath.IsAbs(p.path) {
			report(p.key, "%q is not an absolute path, and Asterisk starts AGI programs in /; write it like %s", p.path, p.like)
		} else if strings.ContainsFunc(p.path, func(r rune) bool { return r < ' ' || r == '&' || r == '|' || r == '"' || r == '\\' }) {
			report(p.key, `%q holds a character that Asterisk gives a meaning; choose a path without & | " \ and control characters`, p.path)
		}
	}
	if c.Log != LogSyslog && c.Log != LogStderr && !filepath.IsAbs(c.Log) {
		report("log", "%q is unknown; write syslog, stderr or an absolute path", c.Log)
	}
}

func (c *Config) checkIdentity(report reporter) {
	if len(c.Identity) == 0 {
		report("identity", `is empty, so nobody would ever be known; write it like ["accountcode=card", "callerid=cid"]`)
	}
	for i, identity := range c.Identity {
		if slices.Contains(c.Identity[:i], identity) {
			report("identity", "%s=%s is there twice; keep one", identity.Source, identity.Kind)
		}
	}
	mapped := slices.ContainsFunc(c.Identity, func(i Identity) bool { return i.Kind == IMPU })
	if mapped && len(c.Rules) == 0 {
		report("impu", `is empty, and identity asks for it; write it like ["sip:*@ims.example.net=alias:*"]`)
	} else if !mapped && len(c.Rules) > 0 {
		report("impu", `is set, and identity does not ask for it; put "served_user=impu" or "pai=impu" there`)
	}
	if mapped && len(c.CoreEndpoints) == 0 {
		report("core_endpoints", `is empty, so any phone could say who it is served as; write the name of your core's endpoint in Asterisk, like ["isc"]`)
	}
	for _, endpoint := range c.CoreEndpoints {
		if endpoint == "" || !all(endpoint, lower+upper+digits+"-_.") {
			report("core_endpoints", "%q is not the name of an endpoint; write it as in pjsip.conf, like isc", endpoint)
		}
	}
	for i, rule := range c.Rules {
		if slices.ContainsFunc(c.Rules[:i], func(before Rule) bool { return before.hides(rule) }) {
			report("impu", "%s is never reached, since a rule before it fits too; put it first, or take it out", rule)
		}
	}
	for _, kind := range kinds {
		if pattern := c.Patterns.of(kind); pattern != defaultPattern {
			if _, err := wholePattern(pattern); err != nil {
				report("patterns."+kind, "%v", err)
			}
		}
	}
}

func (c *Config) checkPrompts(report reporter) {
	p := c.Prompts
	for _, prompt := range []struct{ key, name string }{
		{"offer", p.Offer}, {"offer_auto", p.OfferAuto}, {"accepted", p.Accepted},
		{"attention", p.Attention}, {"thanks", p.Thanks},
		{"balance", p.Balance}, {"pending", p.Pending}, {"cut", p.Cut}, {"noad", p.NoAd}, {"later", p.Later},
		{"refused", p.Refused},
	} {
		if prompt.name != "" && !isSound(prompt.name) {
			report("prompts."+prompt.key, `%q is not a sound name; write a-z, 0-9, /, - and _ only, no extension, at most 100, or "" for silence`, prompt.name)
		}
	}
}

// What follows is written by hand: a regular expression takes longer to compile
// than all of this to run, and the program is started for each call.

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// all says whether s holds nothing but the characters of set.
func all(s, set string) bool { return strings.Trim(s, set) == "" }

// isNode is ^[a-z0-9][a-z0-9._-]{0,39}$.
func isNode(s string) bool {
	return s != "" && len(s) <= 40 && all(s[:1], lower+digits) && all(s, lower+digits+"._-")
}

// isSound is ^[a-z0-9][a-z0-9/_-]{0,99}$.
func isSound(s string) bool {
	return s != "" && len(s) <= 100 && all(s[:1], lower+digits) && all(s, lower+digits+"/_-")
}

// isLanguage is two or three small letters, perhaps followed by more behind _ or -.
func isLanguage(s string) bool {
	base, rest, _ := strings.Cut(strings.ReplaceAll(s, "-", "_"), "_")
	return (len(base) == 2 || len(base) == 3) && all(base, lower) && len(s) <= 20 &&
		all(rest, lower+upper+digits+"_") && !strings.HasSuffix(s, "_") && !strings.HasSuffix(s, "-")
}

// isDigit is one key of a phone.
func isDigit(s string) bool { return len(s) == 1 && all(s, digits+"*#") }

// isKey says whether a key can be sent in an HTTP header at all; whether it is a
// good one only creditapi knows.
func isKey(s string) bool { return s != "" && all(s, lower+upper+digits+"_-.~+/=") }

// isURL says whether creditapi could answer there.
func isURL(s string) bool {
	if path, ok := strings.CutPrefix(s, "unix://"); ok {
		// sun_path of unix(7) holds 108 bytes with its zero.
		return filepath.IsAbs(path) && len(path) <= 107 && !strings.HasSuffix(path, "/")
	}
	u, err := url.Parse(s)
	if err == nil && u.Port() != "" {
		if port, err := strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			return false
		}
	}
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && !strings.HasSuffix(s, "#") && u.Opaque == ""
}
