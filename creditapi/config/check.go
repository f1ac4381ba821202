package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"adcredit/creditapi/wire"
	"adcredit/etc"
)

// leastRetention is what store.Purge asks for: a listen may be completed 30 days
// late.
const leastRetention Days = 32

// letters says whether s is n letters of the alphabet that begins with first.
func letters(s string, n int, first rune) bool {
	return len(s) == n && strings.IndexFunc(s, func(r rune) bool { return r < first || r >= first+26 }) < 0
}

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
	within := func(key string, value, low, high int) {
		if value < low || value > high {
			report(key, "%d is out of range; write %d to %d", value, low, high)
		}
	}
	c.checkListen(report)
	c.checkHosts(report)
	c.checkDatabase(report)
	within("database_connections", c.DatabaseConnections, 1, 1000)
	if !letters(c.Currency, 3, 'A') {
		report("currency", "%q is not a currency; write its three letters of ISO 4217, like XOF", c.Currency)
	}
	var err error
	if c.location, err = time.LoadLocation(c.Timezone); err != nil || c.Timezone == "" || c.Timezone == "Local" {
		report("timezone", "%q is not a time zone; write it like Africa/Dakar", c.Timezone)
	}
	if language, country, _ := strings.Cut(c.Language, "_"); !letters(language, 2, 'a') || c.Language != language && !letters(country, 2, 'A') {
		report("language", "%q is not a language; write it like fr, en or fr_WO", c.Language)
	}
	for _, prefix := range c.NeverOffer {
		number := strings.TrimPrefix(prefix, "+")
		if number == "" || len(number) > 20 || strings.Trim(number, "0123456789") != "" {
			report("never_offer", "%q is not the beginning of a number; write digits, with a + before them if numbers are dialled so, like 88 or +22188", prefix)
		}
	}
	for _, d := range []struct {
		key       string
		value     time.Duration
		low, high time.Duration
		span      string
	}{
		{"completion_window", c.CompletionWindow, time.Minute, 30 * 24 * time.Hour, "1m to 720h"},
		{"clock_tolerance", c.ClockTolerance, 0, 10 * time.Second, "0s to 10s"},
		{"listen_spacing", c.ListenSpacing, 0, 24 * time.Hour, "0s to 24h"},
		{"min_account_age", c.MinAccountAge, 0, 365 * 24 * time.Hour, "0s to 8760h"},
	} {
		if d.value < d.low || d.value > d.high {
			report(d.key, "%v is out of range; write %s", d.value, d.span)
		}
	}
	within("node_open_listens", c.NodeOpenListens, 0, 1_000_000)
	c.checkAmounts(report)
	within("min_paid_refills", c.MinPaidRefills, 0, 1000)
	within("starts_per_day", c.StartsPerDay, 1, 1000)
	within("listens_per_day", c.ListensPerDay, 1, 1000)
	within("late_per_day", c.LatePerDay, 1, 1000)
	within("late_alarm", c.LateAlarm, 0, 100)
	if c.StartsPerDay < c.ListensPerDay {
		report("starts_per_day", "%d is less than listens_per_day (%d), and each listen is a start; write %d or more", c.StartsPerDay, c.ListensPerDay, c.ListensPerDay)
	}
	if !(c.AttentionShare >= 0 && c.AttentionShare <= 1) { // said so that it refuses nan too
		report("attention_share", "%v is out of range; write 0 (none) to 1 (all), like 0.1 for every tenth", c.AttentionShare)
	}
	if c.Retention < leastRetention {
		report("retention", "%v is too short: what is younger than %v may still be needed; write %v to %v", c.Retention, leastRetention, leastRetention, Days(maxDays))
	}
	oneOf("log_level", c.LogLevel, "debug", "info", "warn", "error")
	oneOf("log_format", c.LogFormat, "text", "json")
	return problems
}

func (c *Config) checkAmounts(report reporter) {
	for _, a := range []struct {
		key     string
		amount  wire.Money
		example string
	}{
		{"required_credit", c.RequiredCredit, `what a call needs to start, like "1.00000"`},
		{"node_rewards_per_minute", c.NodeRewardsPerMinute, `what the callers of a node may earn, like "5000", or "0" for no limit`},
		{"node_rewards_per_day", c.NodeRewardsPerDay, `what the callers of a node may earn, like "50000", or "0" for no limit`},
	} {
		if a.amount < 0 {
			report(a.key, "%v is less than nothing; write %s", a.amount, a.example)
		}
	}
}

type reporter func(key, format string, args ...any)

// checkListen wants TLS wherever the network can listen in: keys and grants
// travel there.
func (c *Config) checkListen(report reporter) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		report("tls_cert", "tls_cert and tls_key belong together; set both or none")
	}
	if c.TLSClientCA != "" && c.TLSCert == "" {
		report("tls_client_ca", "clients show certificates over TLS alone; set tls_cert and tls_key too")
	}
	for _, p := range []struct{ key, path string }{{"tls_cert", c.TLSCert}, {"tls_key", c.TLSKey}, {"tls_client_ca", c.TLSClientCA}} {
		if p.path != "" && !filepath.IsAbs(p.path) {
			report(p.key, "%q is not an absolute path; write it like /etc/adcredit/tls.pem", p.path)
		}
	}
	if c.MetricsListen != "" {
		if _, err := parseListen(c.MetricsListen); err != nil {
			report("metrics_listen", "%v", err)
		} else if c.MetricsListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
			report("metrics_listen", `is the same as listen; choose another port, or "" for /metrics with a key on listen`)
		}
	}
	host, err := parseListen(c.Listen)
	if err != nil {
		report("listen", "%v", err)
		return
	}
	if _, unix := c.Socket(); unix && c.TLSCert != "" {
		report("listen", "a unix socket carries no TLS; take tls_cert and tls_key out, or listen on an address")
	}
	if !isLoopback(host) && c.TLSCert == "" && !c.AllowCleartext {
		report("listen", "%s can be reached from other hosts, and keys would travel there in clear; set tls_cert and tls_key, or listen on 127.0.0.1:8080, or set allow_cleartext = true if that network is yours alone", c.Listen)
	}
}

func (c *Config) checkHosts(report reporter) {
	for _, name := range c.Hosts {
		if net.ParseIP(name) == nil && (name == "" || strings.ContainsFunc(name, notHostRune) || strings.ToLower(name) != name) {
			report("hosts", "%q is not a host name; write it in small letters and without a port, like credit.example.net", name)
		}
	}
	host, err := parseListen(c.Listen)
	if ip := net.ParseIP(host); err == nil && len(c.Hosts) == 0 && (host == "" || ip != nil && ip.IsUnspecified()) {
		report("hosts", `%s is every address of this host, so say by which names clients call it, like hosts = ["credit.example.net"]`, c.Listen)
	}
}

func (c *Config) checkDatabase(report reporter) {
	if c.Database.Password != "" && !c.variable {
		if info, err := os.Stat(c.path); err == nil && info.Mode().Perm()&0o007 != 0 {
			report("database", "every user can read this file and so the password; run: chmod o-rwx %s (or keep the password in database_password_file)", c.path)
		}
	}
	if c.DatabasePasswordFile == "" {
		return
	}
	switch {
	case c.Database.Driver != MySQL && !c.variable: // the file is for the database beside it
		report("database_password_file", "the database is SQLite, which has no password; take this line out, or set database to mysql://user@host/name")
	case c.Database.Password != "" && !c.variable:
		report("database_password_file", "database holds a password too; keep one of them")
	case !filepath.IsAbs(c.DatabasePasswordFile):
		report("database_password_file", "%q is not an absolute path; write it like /etc/adcredit/database-password", c.DatabasePasswordFile)
	}
}

// parseListen returns the host of an address to listen on: an IP address,
// localhost, empty for every address, or the unix:// that it is.
func parseListen(text string) (host string, err error) {
	if path, ok := strings.CutPrefix(text, "unix://"); ok {
		if !filepath.IsAbs(path) || len(path) > 107 || strings.HasSuffix(path, "/") { // unix(7)
			return "", errAddress(text)
		}
		return "unix://", nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || !isPort(port, 0) || host != "" && host != "localhost" && net.ParseIP(host) == nil {
		return "", errAddress(text)
	}
	return host, nil
}

// isLoopback says whether only this host can connect to what parseListen returned.
func isLoopback(host string) bool {
	return host == "unix://" || host == "localhost" || net.ParseIP(host).IsLoopback()
}

// isPort says whether text is a port from low up; 0 lets the system choose one.
func isPort(text string, low int) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && int(port) >= low
}

func isLetterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func notHostRune(r rune) bool { return !isLetterOrDigit(r) && r != '.' && r != '-' && r != '_' }
func notNameRune(r rune) bool { return !isLetterOrDigit(r) && r != '_' && r != '-' && r != '$' }
