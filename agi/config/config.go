// Package config is adcredit.toml: what the AGI program can be told, and what it
// does when it is told nothing. etc/adcredit.toml explains each key to people.
//
// The program is started once per call, so loading does no more than it must:
// no regular expression is compiled unless one is configured, and no key is read
// before it is needed.
package config

import (
	"net/netip"
	"os"
	"strings"
	"time"

	"adcredit/etc"
)

const (
	// DefaultPath is where the configuration is when nobody says otherwise.
	// Absolute, since Asterisk runs AGI programs with / as their folder.
	DefaultPath = "/etc/adcredit/adcredit.toml"
	// DefaultKeyFile is where the key for creditapi is.
	DefaultKeyFile = "/etc/adcredit/key"
	// defaultPattern is what an identity looks like: digits and plus, at most
	// 40 of them. It is known without compiling it.
	defaultPattern = `^[0-9+]{1,40}$`
)

// Config is adcredit.toml. The values of a loaded Config have been checked.
type Config struct {
	// Node names this Asterisk host in call ids.
	Node string `toml:"node" like:"\"ast1\""`
	// URLs are the creditapi servers, tried in this order: http://, https:// or
	// unix:///path, none with a slash at its end.
	URLs []string `toml:"urls" env:"ADCREDIT_URLS" like:"[\"http://127.0.0.1:8080\"]"`
	// InlineKey, KeyFile and EnvKey are the places of the key; use Key.
	InlineKey etc.Secret `toml:"key" secret:"true" like:"\"adc_...\""`
	KeyFile   string     `toml:"key_file"`
	EnvKey    etc.Secret `toml:"-" env:"ADCREDIT_API_KEY" secret:"true"`
	// For https:// in URLs: the authorities to trust in place of the system's, and
	// the certificate that this host shows; empty: the system's, and none.
	TLSCA   string `toml:"tls_ca" like:"\"/etc/adcredit/ca.pem\""`
	TLSCert string `toml:"tls_cert" like:"\"/etc/adcredit/tls.crt\""`
	TLSKey  string `toml:"tls_key" like:"\"/etc/adcredit/tls.key\""`
	// Timeout is the longest wait for creditapi in one step of a call.
	Timeout time.Duration `toml:"timeout"`

	Offer         string `toml:"offer"`                   // OfferPress or OfferAuto
	Answer        string `toml:"answer"`                  // AnswerAnswer or AnswerProgress
	AcceptDigit   string `toml:"accept_digit"`            // one of 0-9*#
	StopDigit     string `toml:"stop_digit" like:"\"#\""` // one of 0-9*#, or empty: an ad can't be skipped
	MaxAdsPerCall int    `toml:"max_ads_per_call"`
	// PacketTime is how much sound an RTP packet to callers holds; 0: nobody counts.
	PacketTime time.Duration `toml:"packet_time" like:"\"20ms\""`

	// Language is used when the account's own is not one of Languages.
	Language  string   `toml:"language"`
	Languages []string `toml:"languages"`
	// SoundsDir holds our prompts and ads, AsteriskSoundsDir Asterisk's own.
	SoundsDir         string `toml:"sounds_dir"`
	AsteriskSoundsDir string `toml:"asterisk_sounds_dir"`

	// Identity says, in order, where the caller's account is read from.
	Identity []Identity `toml:"identity"`
	// CoreEndpoints are those of the IMS core, whose headers are believed; without
	// any, everybody's are.
	CoreEndpoints []string `toml:"core_endpoints" like:"[\"isc\"]"`
	// Rules say which account an address of the core's is; the first that fits decides.
	Rules []Rule `toml:"impu" like:"[\"sip:*@ims.example.net=alias:*\"]"`
	// ICID says whether the charging identity of an IMS is read from each call.
	ICID     bool     `toml:"icid"`
	Patterns Patterns `toml:"patterns"`

	SpoolDir string `toml:"spool_dir" env:"ADCREDIT_SPOOL_DIR"`

	// FastAGIAllow are the hosts that adcredit -fastagi serves, and FastAGICalls how
	// many calls at once.
	FastAGIAllow []Network `toml:"fastagi_allow" like:"[\"127.0.0.0/8\", \"10.0.0.7\"]"`
	FastAGICalls int       `toml:"fastagi_calls"`

	Log        string `toml:"log"` // LogSyslog, LogStderr or an absolute path
	LogLevel   string `toml:"log_level"`
	LogNumbers bool   `toml:"log_numbers"` // false: numbers of callers are masked

	Prompts Prompts `toml:"prompts"`

	path string // the file it was read from, for messages
}

// The words that Offer, Answer and Log know.
const (
	OfferPress     = "press"
	OfferAuto      = "auto"
	AnswerAnswer   = "answer"
	AnswerProgress = "progress"
	LogSyslog      = "syslog"
	LogStderr      = "stderr"
)

// Prompts are sound names, relative to SoundsDir and the language; an empty one
// is not played.
type Prompts struct {
	Offer     string `toml:"offer"`
	OfferAuto string `toml:"offer_auto"`
	Accepted  string `toml:"accepted"`
	Attention string `toml:"attention"`
	Thanks    string `toml:"thanks"`
	Balance   string `toml:"balance"`
	Pending   string `toml:"pending"`
	Cut       string `toml:"cut"`
	NoAd      string `toml:"noad"`
	Later     string `toml:"later"`
	Refused   string `toml:"refused"`
}

// Default is the configuration of an empty file.
func Default() *Config {
	host, _ := os.Hostname() // without one, Check asks for a node
	return &Config{
		Node:              strings.ToLower(host),
		URLs:              []string{"http://127.0.0.1:8080"},
		KeyFile:           DefaultKeyFile,
		Timeout:           2 * time.Second,
		Offer:             OfferPress,
		Answer:            AnswerAnswer,
		AcceptDigit:       "1",
		MaxAdsPerCall:     1,
		PacketTime:        20 * time.Millisecond,
		Language:          "fr",
		Languages:         []string{"fr", "en"},
		SoundsDir:         "/usr/local/share/adcredit/sounds",
		AsteriskSoundsDir: "/usr/share/asterisk/sounds",
		Identity: []Identity{
			{Source: "accountcode", Kind: "card"},
			{Source: "callerid", Kind: "cid"},
		},
		Patterns: Patterns{Card: defaultPattern, Alias: defaultPattern, CID: defaultPattern},
		SpoolDir: "/var/spool/adcredit",
		FastAGIAllow: []Network{
			{netip.MustParsePrefix("127.0.0.0/8")},
			{netip.MustParsePrefix("::1/128")},
		},
		FastAGICalls: 1000,
		Log:          LogSyslog,
		LogLevel:     "info",
		Prompts: Prompts{
			Offer: "offer", OfferAuto: "offer-auto", Accepted: "accepted", Attention: "attention", Thanks: "thanks", Balance: "balance",
			Pending: "pending", Cut: "cut", NoAd: "noad", Later: "later", Refused: "refused",
		},
	}
}

// Load reads the configuration. An empty path stands for the file that
// ADCREDIT_CONFIG names, or else DefaultPath, which alone may be absent. What is
// refused comes back as an *etc.Error.
func Load(path string, getenv func(string) string) (*Config, error) {
	if path == "" {
		path = getenv("ADCREDIT_CONFIG")
	}
	file := etc.File{Path: path, Named: path != "", Example: "adcredit.toml"}
	if path == "" {
		file.Path = DefaultPath
	}
	c := Default()
	c.path = file.Path
	if err := file.Load(c, getenv); err != nil {
		return nil, err
	}
	for i, u := range c.URLs {
		c.URLs[i] = trimmed(u)
	}
	return c, nil
}

// Path is the file that the configuration was read from, or would have been.
func (c *Config) Path() string { return c.path }

// Key is the key that creditapi asks for: ADCREDIT_API_KEY, key or the content
// of key_file, in this order. It is read when it is asked for, since many calls
// of the program (-version, a call that is refused early) never need it.
func (c *Config) Key() (etc.Secret, error) {
	if c.EnvKey != "" {
		return c.EnvKey, nil
	}
	if c.InlineKey != "" {
		return c.InlineKey, nil
	}
	key, err := etc.KeyFile(c.KeyFile)
	if err == nil && !isKey(string(key)) {
		return "", &etc.Error{Problems: []etc.Problem{{File: c.KeyFile, What: notKey}}}
	}
	return key, err
}
