package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"adcredit/etc"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// write makes adcredit.toml in a folder of the test's own and goes there.
func write(t *testing.T, text string, mode os.FileMode) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := errors.Join(os.WriteFile("adcredit.toml", []byte(text), 0o600), os.Chmod("adcredit.toml", mode)); err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	const addresses = "write it like http://127.0.0.1:8080, https://credit.example.net or unix:///run/creditapi/creditapi.sock"
	const aSound = `write a-z, 0-9, /, - and _ only, no extension, at most 100, or "" for silence`
	const absolute = "is not an absolute path, and Asterisk starts AGI programs in /; write it like "
	const aNode = "is not a name for this host; write at most 40 of a-z, 0-9, dot, minus and underscore, like ast1"
	const noKey = "this is not a key of creditapi; paste the one line that 'creditapi key add' printed"
	for _, c := range []struct{ text, want string }{
		{`node = "AST1"`, `adcredit.toml:1: node: "AST1" ` + aNode},
		{`node = ""`, `adcredit.toml:1: node: "" ` + aNode},
		{`node = "-a"`, `adcredit.toml:1: node: "-a" ` + aNode},
		{`node = "` + strings.Repeat("a", 41) + `"`, `adcredit.toml:1: node: "` + strings.Repeat("a", 41) + `" ` + aNode},

		{"\n" + `urls = "http://localhost"`, `adcredit.toml:2: urls: is text; write a list between brackets, like ["http://127.0.0.1:8080"]`},
		{`urls = []`, `adcredit.toml:1: urls: holds 0 addresses; write 1 to 8, like ["http://127.0.0.1:8080"]`},
		{`urls = ["localhost:8080"]`, `adcredit.toml:1: urls: "localhost:8080" is not an address; ` + addresses},
		{`urls = ["ftp://h"]`, `adcredit.toml:1: urls: "ftp://h" is not an address; ` + addresses},
		{`urls = ["http://"]`, `adcredit.toml:1: urls: "http://" is not an address; ` + addresses},
		{`urls = ["http://h:99999"]`, `adcredit.toml:1: urls: "http://h:99999" is not an address; ` + addresses},
		{`urls = ["http://h/?a=b"]`, `adcredit.toml:1: urls: "http://h/?a=b" is not an address; ` + addresses},
		{`urls = ["http://h/#"]`, `adcredit.toml:1: urls: "http://h/#" is not an address; ` + addresses},
		{`urls = ["unix://run/x"]`, `adcredit.toml:1: urls: "unix://run/x" is not an address; ` + addresses},
		{`urls = ["http://root:hunter2@h"]`, `adcredit.toml:1: urls: an address holds a user name or a password; take it out, the key goes into key_file`},
		{`urls = ["http://h", "http://h"]`, `adcredit.toml:1: urls: "http://h" is there twice; keep one`},
		{`urls = ["http://h", "http://h/"]`, `adcredit.toml:1: urls: "http://h/" is there twice; keep one`},

		{`key = "two words"`, "adcredit.toml:1: key: " + noKey},
		{"key = \"adc_1_x\"\nkey_file = \"/etc/k\"", "adcredit.toml:1: key: key_file is set too; keep one of them"},
		{`tls_ca = "ca.pem"`, `adcredit.toml:1: tls_ca: "ca.pem" ` + absolute + "/etc/adcredit/ca.pem"},
		{`tls_cert = "/c"`, "adcredit.toml:1: tls_cert: tls_cert and tls_key belong together; set both or none"},
		{`key_file = "key"`, `adcredit.toml:1: key_file: "key" ` + absolute + "/etc/adcredit/key"},

		{`timeout = "50ms"`, "adcredit.toml:1: timeout: 50ms is out of range; write 100ms to 30s"},
		{`timeout = "1m"`, "adcredit.toml:1: timeout: 1m0s is out of range; write 100ms to 30s"},
		{`offer = "ask"`, `adcredit.toml:1: offer: "ask" is unknown; write one of press, auto`},
		{`answer = "no"`, `adcredit.toml:1: answer: "no" is unknown; write one of answer, progress`},
		{`answer = "progress"`, `adcredit.toml:1: answer: "progress" leaves the call unanswered, and many phones then send no digits; set offer = "auto" as well, or answer = "answer"`},
		{`accept_digit = ""`, `adcredit.toml:1: accept_digit: "" is not a key of a phone; write one of 0-9, * and #`},
		{`accept_digit = "12"`, `adcredit.toml:1: accept_digit: "12" is not a key of a phone; write one of 0-9, * and #`},
		{`stop_digit = "x"`, `adcredit.toml:1: stop_digit: "x" is not a key of a phone; write one of 0-9, * and #, or "" for none`},
		{`stop_digit = 1`, `adcredit.toml:1: stop_digit: is a whole number; write text between quotes, like "#"`},
		{`max_ads_per_call = 0`, "adcredit.toml:1: max_ads_per_call: 0 is out of range; write 1 to 5"},
		{`max_ads_per_call = 6`, "adcredit.toml:1: max_ads_per_call: 6 is out of range; write 1 to 5"},

		{`fastagi_allow = []`, `adcredit.toml:1: fastagi_allow: is empty, so that nobody would be served; write it like ["127.0.0.0/8", "::1"]`},
		{`fastagi_allow = ["ast1"]`, `adcredit.toml:1: fastagi_allow: "ast1" is not an address or a network; write it like 10.0.0.7 or 10.0.0.0/24`},
		{`fastagi_allow = ["::ffff:10.0.0.0/104"]`, `adcredit.toml:1: fastagi_allow: "::ffff:10.0.0.0/104" is not an address or a network; write it like 10.0.0.7 or 10.0.0.0/24`},
		{`fastagi_calls = 0`, "adcredit.toml:1: fastagi_calls: 0 is out of range; write 1 to 50000"},

		{`languages = []`, `adcredit.toml:1: languages: is empty; write those that have prompts, like ["fr", "en"]`},
		{`languages = ["fr", "../x"]`, `adcredit.toml:1: languages: "../x" is not a language; write it as Asterisk does, like fr or fr_CA`},
		{`language = "wo"`, `adcredit.toml:1: language: "wo" is not one of languages; write one of fr, en, or add it there`},
		{`sounds_dir = "sounds"`, `adcredit.toml:1: sounds_dir: "sounds" ` + absolute + "/usr/local/share/adcredit/sounds"},
		{`asterisk_sounds_dir = ""`, `adcredit.toml:1: asterisk_sounds_dir: "" ` + absolute + "/usr/share/asterisk/sounds"},
		{`sounds_dir = "/a&b"`, `adcredit.toml:1: sounds_dir: "/a&b" holds a character that Asterisk gives a meaning; choose a path without & | " \ and control characters`},
		{`spool_dir = "spool"`, `adcredit.toml:1: spool_dir: "spool" ` + absolute + "/var/spool/adcredit"},

		{`identity = []`, `adcredit.toml:1: identity: is empty, so nobody would ever be known; write it like ["accountcode=card", "callerid=cid"]`},
		{`identity = ["accountcode"]`, `adcredit.toml:1: identity: "accountcode" is not a source and a kind; write one of accountcode, served_user, pai, callerid, then =, then one of card, alias, cid, impu, like accountcode=card`},
		{`identity = ["dnid=card"]`, `adcredit.toml:1: identity: "dnid=card" is not a source and a kind; write one of accountcode, served_user, pai, callerid, then =, then one of card, alias, cid, impu, like accountcode=card`},
		{`identity = ["pai=alias", "pai=alias"]`, `adcredit.toml:1: identity: pai=alias is there twice; keep one`},
		{`identity = ["callerid=impu"]`, `adcredit.toml:1: identity: "callerid=impu": what callerid says is no address; impu is for served_user and pai`},
		{"identity = [\"pai=impu\"]\ncore_endpoints = [\"isc\"]", `adcredit.toml: impu: is empty, and identity asks for it; write it like ["sip:*@ims.example.net=alias:*"]`},
		{"identity = [\"pai=impu\"]\nimpu = [\"sip:*@ims.test=alias:*\"]", `adcredit.toml: core_endpoints: is empty, so any phone could say who it is served as; write the name of your core's endpoint in Asterisk, like ["isc"]`},
		{`core_endpoints = ["PJSIP/isc"]`, `adcredit.toml:1: core_endpoints: "PJSIP/isc" is not the name of an endpoint; write it as in pjsip.conf, like isc`},
		{`impu = ["sip:*@ims.test=alias:*"]`, `adcredit.toml:1: impu: is set, and identity does not ask for it; put "served_user=impu" or "pai=impu" there`},
		{`impu = ["sip:1000@ims.test"]`, `adcredit.toml:1: impu: "sip:1000@ims.test" has no = between address and account; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{`impu = ["sip:*=alias:*"]`, `adcredit.toml:1: impu: "sip:*=alias:*" names no domain; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{`impu = ["sip:*@=alias:*"]`, `adcredit.toml:1: impu: "sip:*@=alias:*" names no domain; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{`impu = ["sip:*@*=alias:*"]`, `adcredit.toml:1: impu: "sip:*@*=alias:*" names no domain; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{`impu = ["1000@ims.test=alias:1000"]`, `adcredit.toml:1: impu: "1000@ims.test=alias:1000" does not begin with sip:, sips: or tel:; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{`impu = ["tel:*;phone-context==alias:*"]`, `adcredit.toml:1: impu: "tel:*;phone-context==alias:*" has no phone-context behind its ;; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{`impu = ["tel:+*=number:*"]`, `adcredit.toml:1: impu: "tel:+*=number:*" names none of card:, alias:, cid: as account; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{`impu = ["tel:+*=cid:1"]`, `adcredit.toml:1: impu: "tel:+*=cid:1" needs one * on both sides, or none; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{`impu = ["tel:+**=cid:**"]`, `adcredit.toml:1: impu: "tel:+**=cid:**" needs one * on both sides, or none; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{`impu = ["tel:+1=cid:"]`, `adcredit.toml:1: impu: "tel:+1=cid:" names no user or no account, or one with other characters than a-z, 0-9, + - _ . !; write it like sip:*@ims.example.net=alias:* or tel:+221*=cid:221*`},
		{"identity = [\"pai=impu\"]\nimpu = [\"tel:*=cid:*\", \"tel:+221*=cid:*\"]\ncore_endpoints = [\"isc\"]", `adcredit.toml:2: impu: tel:+221*=cid:* is never reached, since a rule before it fits too; put it first, or take it out`},
		{"[patterns]\ncard = '[0-9]+'", `adcredit.toml:2: patterns.card: "[0-9]+" does not say what the whole number looks like; begin it with ^ and end it with $, like ^[0-9+]{1,40}$`},
		{"[patterns]\ncid = '^([0-9]+$'", `adcredit.toml:2: patterns.cid: "^([0-9]+$" is not a regular expression; write it like ^[0-9+]{1,40}$`},
		{"[patterns]\nalias = ''", `adcredit.toml:2: patterns.alias: "" does not say what the whole number looks like; begin it with ^ and end it with $, like ^[0-9+]{1,40}$`},

		{`log = "file.log"`, `adcredit.toml:1: log: "file.log" is unknown; write syslog, stderr or an absolute path`},
		{`log_level = "verbose"`, `adcredit.toml:1: log_level: "verbose" is unknown; write one of debug, info, warn, error`},
		{`log_numbers = "no"`, `adcredit.toml:1: log_numbers: is text; write true or false, without quotes`},

		{"[prompts]\noffer = \"../x\"", `adcredit.toml:2: prompts.offer: "../x" is not a sound name; ` + aSound},
		{"[prompts]\noffer_auto = \"X\"", `adcredit.toml:2: prompts.offer_auto: "X" is not a sound name; ` + aSound},
		{"[prompts]\naccepted = \"a&b\"", `adcredit.toml:2: prompts.accepted: "a&b" is not a sound name; ` + aSound},
		{"[prompts]\nattention = \"+\"", `adcredit.toml:2: prompts.attention: "+" is not a sound name; ` + aSound},
		{"[prompts]\nthanks = \"a.wav\"", `adcredit.toml:2: prompts.thanks: "a.wav" is not a sound name; ` + aSound},
		{"[prompts]\nbalance = \"/a\"", `adcredit.toml:2: prompts.balance: "/a" is not a sound name; ` + aSound},
		{"[prompts]\npending = \" \"", `adcredit.toml:2: prompts.pending: " " is not a sound name; ` + aSound},
		{"[prompts]\ncut = \"-\"", `adcredit.toml:2: prompts.cut: "-" is not a sound name; ` + aSound},
		{"[prompts]\nnoad = \"é\"", `adcredit.toml:2: prompts.noad: "é" is not a sound name; ` + aSound},
		{"[prompts]\nlater = \"a\\nb\"", `adcredit.toml:2: prompts.later: "a\nb" is not a sound name; ` + aSound},
		{"[prompts]\nrefused = \"a b\"", `adcredit.toml:2: prompts.refused: "a b" is not a sound name; ` + aSound},
		{"[prompts]\ntoolow = \"x\"", `adcredit.toml:2: prompts.toolow: there is no such key; delete the line, or see etc/ for the keys there are`},
	} {
		t.Run(c.text, func(t *testing.T) {
			write(t, c.text, 0o600)
			_, err := Load("adcredit.toml", environment())
			var refused *etc.Error
			if !errors.As(err, &refused) || err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestTaken(t *testing.T) {
	write(t, `
node = "dakar-1.example_net"
urls = ["http://127.0.0.1:8080/", "https://credit.example.net/api/", "http://[::1]:80", "unix:///run/creditapi/creditapi.sock"]
tls_ca = "/ca.pem"
tls_cert = "/c.pem"
tls_key = "/k.pem"
timeout = "100ms"
offer = "auto"
answer = "progress"
accept_digit = "*"
stop_digit = "#"
max_ads_per_call = 5
fastagi_allow = ["10.0.0.7", "2001:db8::/32"]
fastagi_calls = 50000
language = "wo"
languages = ["wo", "fr_CA"]
sounds_dir = "/srv/our sounds"
identity = ["pai=impu"]
impu = ["sip:+*@ims.example.net=cid:*", "tel:*;phone-context=+221=alias:*"]
icid = true
core_endpoints = ["isc"]
log = "/var/log/adcredit.log"
prompts = { cut = "", offer = "spring/2026_offer-1" }
`, 0o644)
	got, err := Load("adcredit.toml", environment())
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.path = "adcredit.toml"
	want.Node, want.Timeout, want.Offer, want.Answer = "dakar-1.example_net", 100*time.Millisecond, OfferAuto, AnswerProgress
	want.URLs = []string{"http://127.0.0.1:8080", "https://credit.example.net/api", "http://[::1]:80", "unix:///run/creditapi/creditapi.sock"}
	want.FastAGIAllow = []Network{{netip.MustParsePrefix("10.0.0.7/32")}, {netip.MustParsePrefix("2001:db8::/32")}}
	want.FastAGICalls = 50000
	want.TLSCA, want.TLSCert, want.TLSKey = "/ca.pem", "/c.pem", "/k.pem"
	want.AcceptDigit, want.StopDigit, want.MaxAdsPerCall = "*", "#", 5
	want.Language, want.Languages, want.SoundsDir = "wo", []string{"wo", "fr_CA"}, "/srv/our sounds"
	want.ICID, want.CoreEndpoints = true, []string{"isc"}
	want.Rules = []Rule{{"sip", "+*", "ims.example.net", "cid", "*"}, {"tel", "*", "+221", "alias", "*"}}
	want.Identity, want.Log = []Identity{{"pai", "impu"}}, "/var/log/adcredit.log"
	want.Prompts.Cut, want.Prompts.Offer = "", "spring/2026_offer-1"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// A missing default file is the defaults; a missing file with a name is not.
func TestWhichFile(t *testing.T) {
	write(t, `node = "from-file"`, 0o600)
	if c, err := Load("", environment("ADCREDIT_CONFIG", "adcredit.toml")); err != nil || c.Node != "from-file" || c.Path() != "adcredit.toml" {
		t.Errorf("ADCREDIT_CONFIG: %+v, %v", c, err)
	}
	want := "none.toml: there is no such file; copy the example etc/adcredit.toml there and edit it"
	for _, load := range []func() (*Config, error){
		func() (*Config, error) { return Load("none.toml", environment("ADCREDIT_CONFIG", "adcredit.toml")) },
		func() (*Config, error) { return Load("", environment("ADCREDIT_CONFIG", "none.toml")) },
	} {
		if _, err := load(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	write(t, "urls = [\"http://file\"]\nspool_dir = \"/file\"", 0o600)
	c, err := Load("adcredit.toml", environment("ADCREDIT_URLS", "http://a,unix:///b", "ADCREDIT_SPOOL_DIR", "/spool"))
	if err != nil || fmt.Sprintf("%v %s", c.URLs, c.SpoolDir) != "[http://a unix:///b] /spool" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []struct{ name, value, want string }{
		{"ADCREDIT_URLS", "h", `ADCREDIT_URLS: "h" is not an address; write it like http://127.0.0.1:8080, https://credit.example.net or unix:///run/creditapi/creditapi.sock`},
		{"ADCREDIT_SPOOL_DIR", "x", `ADCREDIT_SPOOL_DIR: "x" is not an absolute path, and Asterisk starts AGI programs in /; write it like /var/spool/adcredit`},
		{"ADCREDIT_API_KEY", "two words", "ADCREDIT_API_KEY: this is not a key of creditapi; paste the one line that 'creditapi key add' printed"},
	} {
		if _, err := Load("adcredit.toml", environment(bad.name, bad.value)); err == nil || err.Error() != bad.want {
			t.Errorf("got %v, want %s", err, bad.want)
		}
	}
}

func TestKey(t *testing.T) {
	write(t, `key = "adc_1_inline"`, 0o600)
	dir := t.TempDir()
	keyFile := dir + "/key"
	if err := os.WriteFile(keyFile, []byte("adc_1_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, env, want string }{
		{`key = "adc_1_inline"`, "", "adc_1_inline"},
		{`key = "adc_1_inline"`, "adc_1_env", "adc_1_env"},
		{`key_file = "` + keyFile + `"`, "", "adc_1_file"},
		{`key_file = "` + keyFile + `"`, "adc_1_env", "adc_1_env"},
		{`key_file = "/none"`, "adc_1_env", "adc_1_env"},
		{`key_file = "/none"`, "", "/none: there is no such file; put the secret alone into it, then run: chmod 600 /none"},
	} {
		write(t, c.text, 0o600)
		config, err := Load("adcredit.toml", environment("ADCREDIT_API_KEY", c.env))
		if err != nil {
			t.Fatal(err)
		}
		key, err := config.Key()
		if got := string(key); err == nil && got != c.want || err != nil && err.Error() != c.want {
			t.Errorf("%s, env %q: got %q, %v, want %s", c.text, c.env, got, err, c.want)
		}
		if shown := fmt.Sprintf("%+v %#v", config, config); strings.Contains(shown, "adc_1") {
			t.Errorf("the key is shown: %s", shown)
		}
	}
	if err := os.WriteFile(keyFile, []byte("not a key: hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.KeyFile = keyFile
	want := keyFile + ": this is not a key of creditapi; paste the one line that 'creditapi key add' printed"
	if key, err := c.Key(); key != "" || err == nil || err.Error() != want {
		t.Errorf("got %q, %v, want %s", string(key), err, want)
	}
}

// Who may read the file may read the key in it.
func TestInlineKeyIsPrivate(t *testing.T) {
	for mode, want := range map[os.FileMode]string{
		0o640: "",
		0o644: "adcredit.toml:1: key: every user can read this file and so the key; run: chmod o-rwx adcredit.toml (or keep the key in key_file)",
	} {
		write(t, `key = "adc_1_inline"`, mode)
		_, err := Load("adcredit.toml", environment())
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("mode %04o: got %v, want %q", mode, err, want)
		}
	}
}

func TestClean(t *testing.T) {
	own := Default()
	own.Patterns.Alias = `^[a-z.]+|[0-9]{4}$` // looks anchored, and is not
	own.Patterns.CID = `^(?s:.*)$`
	for _, c := range []struct {
		config      *Config
		kind, value string
		want        bool
	}{
		{Default(), "card", "8987344413", true},
		{Default(), "cid", "+221770001001", true},
		{Default(), "alias", "1000", true},
		{Default(), "alias", "", false},
		{Default(), "alias", "anonymous", false},
		{Default(), "alias", "10\n00", false},
		{Default(), "alias", "1000\n", false},
		{Default(), "alias", "10 00", false},
		{Default(), "alias", "1000/credit", false},
		{Default(), "alias", "١٠٠٠", false}, // digits of another script
		{Default(), "cid", strings.Repeat("1", 40), true},
		{Default(), "cid", strings.Repeat("1", 41), false},
		{Default(), "", "1000", false},
		{Default(), "pin", "1000", false},
		{own, "alias", "moussa.diop", true},
		{own, "alias", "1000", true},
		{own, "alias", "x1000", false},
		{own, "alias", "moussa!", false},
		{own, "card", "moussa", false},
		{own, "cid", "any@thing", true},
		{own, "cid", "any\nthing", false},
		{own, "cid", "a/../b", false},
		{own, "cid", "a%2f", false},
		{own, "cid", "a?b", false},
		{own, "cid", "é", false},
		{own, "cid", strings.Repeat("x", 41), false},
	} {
		if got := c.config.Clean(c.kind, c.value); got != c.want {
			t.Errorf("Clean(%q, %q) = %v, want %v", c.kind, c.value, got, c.want)
		}
	}
}

// FuzzClean: what is clean can be put into a path and a line as it is.
func FuzzClean(f *testing.F) {
	f.Add("card", "1000")
	f.Add("alias", "10%0a00")
	f.Add("cid", "a/../b")
	c := Default()
	c.Patterns.Alias = `^(?s:.*)$`
	f.Fuzz(func(t *testing.T, kind, value string) {
		if !c.Clean(kind, value) {
			return
		}
		outside := strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' })
		if value == "" || len(value) > 40 || outside || strings.ContainsAny(value, "/?#%:") {
			t.Errorf("Clean(%q, %q)", kind, value)
		}
	})
}
