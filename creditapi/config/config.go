// Package config is creditapi.toml: what the server can be told, and what it
// does when it is told nothing. etc/creditapi.toml explains each key to people.
package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // schedules must not depend on what the host has installed

	"adcredit/creditapi/wire"
	"adcredit/etc"
)

const (
	// DefaultPath is where the configuration is when nobody says otherwise.
	DefaultPath = "/etc/adcredit/creditapi.toml"
	// stateDir is where the embedded database is kept on a server.
	stateDir = "/var/lib/adcredit"
	// databaseFile is the embedded database's name.
	databaseFile = "adcredit.db"
)

// Config is creditapi.toml. The values of a loaded Config have been checked.
type Config struct {
	// Listen is an address like 127.0.0.1:8080, or unix:///path.
	Listen string `toml:"listen" env:"CREDITAPI_LISTEN"`
	// Database is as configured, empty for the embedded one; use Store.
	Database             Database `toml:"database" env:"CREDITAPI_DATABASE" secret:"true" like:"\"mysql://creditapi@127.0.0.1:3306/mya2billing\""`
	DatabasePasswordFile string   `toml:"database_password_file" like:"\"/etc/adcredit/database-password\""`
	DatabaseConnections  int      `toml:"database_connections"`

	// Hosts are the names that clients may use in Host; use AllowedHosts.
	Hosts          []string `toml:"hosts" like:"[\"credit.example.net\"]"`
	AllowCleartext bool     `toml:"allow_cleartext"`
	TLSCert        string   `toml:"tls_cert" like:"\"/etc/adcredit/tls.crt\""`
	TLSKey         string   `toml:"tls_key" like:"\"/etc/adcredit/tls.key\""` // use TLSKeyFile
	// TLSClientCA holds the authorities of clients' certificates; empty: clients
	// need none.
	TLSClientCA string `toml:"tls_client_ca" like:"\"/etc/adcredit/clients.pem\""`
	// MetricsListen is a listener for /metrics alone, without a key; or empty.
	MetricsListen string `toml:"metrics_listen" like:"\"127.0.0.1:9090\""`

	// RequiredCredit is what a call needs to start when no rate says better.
	RequiredCredit wire.Money `toml:"required_credit"`
	// Currency is the base currency of the embedded store. A2Billing has its
	// own in cc_config.
	Currency string `toml:"currency"`
	// Timezone is where days, hours and schedules of campaigns are counted.
	Timezone string `toml:"timezone"`
	// NeverOffer are prefixes of destinations for which no ad is offered.
	NeverOffer []string `toml:"never_offer" like:"[\"88\", \"+22188\"]"`

	// Language is that of ads for accounts without one of their own.
	Language string `toml:"language"`

	CompletionWindow time.Duration `toml:"completion_window"`
	ClockTolerance   time.Duration `toml:"clock_tolerance"`
	StartsPerDay     int           `toml:"starts_per_day"`
	ListensPerDay    int           `toml:"listens_per_day"`
	// AttentionShare of the listens ask for a digit in the middle of the ad.
	AttentionShare float64       `toml:"attention_share" like:"0.1"`
	ListenSpacing  time.Duration `toml:"listen_spacing"`
	LatePerDay     int           `toml:"late_per_day"`
	LateAlarm      int           `toml:"late_alarm"`

	MinAccountAge  time.Duration `toml:"min_account_age"`
	MinPaidRefills int           `toml:"min_paid_refills"`

	// Retention is how old callers' numbers may become in our tables.
	Retention Days `toml:"retention"`

	NodeOpenListens      int        `toml:"node_open_listens"`
	NodeRewardsPerMinute wire.Money `toml:"node_rewards_per_minute"`
	NodeRewardsPerDay    wire.Money `toml:"node_rewards_per_day"`

	LogLevel   string `toml:"log_level"`
	LogFormat  string `toml:"log_format"`  // text or json
	LogNumbers bool   `toml:"log_numbers"` // false: numbers of callers are masked

	path        string         // the file it was read from, for messages
	state       string         // where the embedded database is kept
	credentials string         // the folder of systemd's credentials, or empty
	variable    bool           // CREDITAPI_DATABASE is set
	location    *time.Location // what Timezone names
}

// Default is the configuration of an empty file, for a process with this
// environment: it decides where the embedded database is kept.
func Default(getenv func(string) string) *Config {
	return &Config{
		Listen:              "127.0.0.1:8080",
		DatabaseConnections: 16,
		RequiredCredit:      wire.Units(1),
		Currency:            "XOF",
		Timezone:            "Africa/Dakar",
		Language:            "fr",
		CompletionWindow:    24 * time.Hour,
		ClockTolerance:      time.Second,
		StartsPerDay:        10,
		ListensPerDay:       5,
		Retention:           400,
		ListenSpacing:       time.Minute,
		LatePerDay:          3,
		LateAlarm:           10,
		MinAccountAge:       24 * time.Hour,
		LogLevel:            "info",
		LogFormat:           "text",
		state:               stateFolder(getenv, os.Geteuid()),
		credentials:         getenv("CREDENTIALS_DIRECTORY"),
		variable:            getenv("CREDITAPI_DATABASE") != "",
	}
}

// Load reads the configuration. An empty path stands for the file that
// CREDITAPI_CONFIG names, or else DefaultPath, which alone may be absent. What
// is refused comes back as an *etc.Error.
func Load(path string, getenv func(string) string) (*Config, error) {
	if path == "" {
		path = getenv("CREDITAPI_CONFIG")
	}
	file := etc.File{Path: path, Named: path != "", Example: "creditapi.toml"}
	if path == "" {
		file.Path = DefaultPath
	}
	c := Default(getenv)
	c.path = file.Path
	if err := file.Load(c, getenv); err != nil {
		return nil, err
	}
	return c, nil
}

// stateFolder is where a process may keep its database: the folder that systemd
// made for it, /var/lib for root, else the XDG base directory specification's
// state folder of the user.
func stateFolder(getenv func(string) string, uid int) string {
	if dir, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); filepath.IsAbs(dir) {
		return dir
	}
	if uid == 0 {
		return stateDir
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "adcredit")
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "adcredit")
	}
	return stateDir
}

// Path is the file that the configuration was read from, or would have been.
func (c *Config) Path() string { return c.path }

// Location is the time zone in which days are counted.
func (c *Config) Location() *time.Location {
	if c.location == nil {
		return time.UTC // never after Load
	}
	return c.location
}

// Embedded says whether the database is the embedded one in the state folder,
// because none is configured.
func (c *Config) Embedded() bool { return c.Database == Database{} }

// Store is the database to open: the embedded one when none is configured, and
// with the password of database_password_file, which is read here, unless
// CREDITAPI_DATABASE brought one of its own.
func (c *Config) Store() (Database, error) {
	if c.Embedded() {
		return Database{Driver: SQLite, Path: filepath.Join(c.state, databaseFile)}, nil
	}
	d := c.Database
	if c.DatabasePasswordFile != "" && d.Driver == MySQL && d.Password == "" {
		password, err := etc.KeyFile(c.passwordFile())
		if err != nil {
			return Database{}, err
		}
		d.Password = password
	}
	return d, nil
}

// passwordFile is where the password is read from.
func (c *Config) passwordFile() string { return c.credential(c.DatabasePasswordFile) }

// TLSKeyFile is where the key of TLSCert is read from: TLSKey itself if it can
// be opened, since a credential stays what it was when the service started, and
// a new key is to be found by a reload.
func (c *Config) TLSKeyFile() string {
	file, err := os.Open(c.TLSKey)
	if err != nil {
		return c.credential(c.TLSKey)
	}
	file.Close() // nothing was written
	return c.TLSKey
}

// credential is the file to read in place of one that belongs to root. A service
// that systemd runs may not read it, and is given a credential of the same name
// (LoadCredential= in systemd/creditapi.service), which holds an empty line where
// there was no such file.
func (c *Config) credential(path string) string {
	if c.credentials != "" {
		given := filepath.Join(c.credentials, filepath.Base(path))
		if info, err := os.Stat(given); err == nil && info.Size() > 1 {
			return given
		}
	}
	return path
}

// Socket is the path of the unix socket to listen on, if Listen is one.
func (c *Config) Socket() (path string, ok bool) { return strings.CutPrefix(c.Listen, "unix://") }

// AllowedHosts are the names, without port and in small letters, that a request
// may carry in Host: the configured ones, or else the loopback names and the
// address that is listened on.
func (c *Config) AllowedHosts() []string {
	if len(c.Hosts) > 0 {
		return c.Hosts
	}
	names := []string{"localhost", "127.0.0.1", "::1"}
	host, err := parseListen(c.Listen)
	if ip := net.ParseIP(host); err == nil && ip != nil && !slices.Contains(names, ip.String()) {
		names = append(names, ip.String())
	}
	return names
}

// errAddress is what is said of an address that can't be listened on.
func errAddress(s string) error {
	return fmt.Errorf("%q is not an address to listen on; write it like 127.0.0.1:8080 or unix:///run/creditapi/creditapi.sock", s)
}
