package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/wire"
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

// write makes creditapi.toml in a folder of the test's own and goes there.
func write(t *testing.T, text string, mode os.FileMode) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := errors.Join(os.WriteFile("creditapi.toml", []byte(text), 0o600), os.Chmod("creditapi.toml", mode)); err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	const anAddress = "is not an address to listen on; write it like 127.0.0.1:8080 or unix:///run/creditapi/creditapi.sock"
	const inClear = "can be reached from other hosts, and keys would travel there in clear; set tls_cert and tls_key, or listen on 127.0.0.1:8080, or set allow_cleartext = true if that network is yours alone"
	const everyAddress = `is every address of this host, so say by which names clients call it, like hosts = ["credit.example.net"]`
	const aHost = "is not a host name; write it in small letters and without a port, like credit.example.net"
	const aPrefix = "is not the beginning of a number; write digits, with a + before them if numbers are dialled so, like 88 or +22188"
	for _, c := range []struct{ text, want string }{
		{`listen = "8080"`, `creditapi.toml:1: listen: "8080" ` + anAddress},
		{`listen = "localhost"`, `creditapi.toml:1: listen: "localhost" ` + anAddress},
		{`listen = "http://127.0.0.1:80"`, `creditapi.toml:1: listen: "http://127.0.0.1:80" ` + anAddress},
		{`listen = "credit.example.net:80"`, `creditapi.toml:1: listen: "credit.example.net:80" ` + anAddress},
		{`listen = "127.0.0.1:99999"`, `creditapi.toml:1: listen: "127.0.0.1:99999" ` + anAddress},
		{`listen = "127.0.0.1:-1"`, `creditapi.toml:1: listen: "127.0.0.1:-1" ` + anAddress},
		{`listen = "unix://run/x"`, `creditapi.toml:1: listen: "unix://run/x" ` + anAddress},
		{`listen = "unix:///` + strings.Repeat("x", 107) + `"`, `creditapi.toml:1: listen: "unix:///` + strings.Repeat("x", 107) + `" ` + anAddress},
		{`listen = "192.0.2.1:8080"`, "creditapi.toml:1: listen: 192.0.2.1:8080 " + inClear},
		{"hosts = [\"h\"]\nlisten = \":8080\"", "creditapi.toml:2: listen: :8080 " + inClear},
		{"allow_cleartext = true\nlisten = \":8080\"", "creditapi.toml: hosts: :8080 " + everyAddress},
		{"allow_cleartext = true\nlisten = \"[::]:8080\"\nhosts = []", "creditapi.toml:3: hosts: [::]:8080 " + everyAddress},
		{`hosts = ["Credit.Example.Net"]`, `creditapi.toml:1: hosts: "Credit.Example.Net" ` + aHost},
		{`hosts = ["h:80"]`, `creditapi.toml:1: hosts: "h:80" ` + aHost},
		{`hosts = [""]`, `creditapi.toml:1: hosts: "" ` + aHost},
		{`allow_cleartext = 1`, "creditapi.toml:1: allow_cleartext: is a whole number; write true or false, without quotes"},
		{`tls_cert = "/c"`, "creditapi.toml:1: tls_cert: tls_cert and tls_key belong together; set both or none"},
		{"tls_cert = \"/c\"\ntls_key = \"k\"", `creditapi.toml:2: tls_key: "k" is not an absolute path; write it like /etc/adcredit/tls.pem`},
		{`tls_client_ca = "/ca"`, "creditapi.toml:1: tls_client_ca: clients show certificates over TLS alone; set tls_cert and tls_key too"},
		{"tls_cert = \"/c\"\ntls_key = \"/k\"\ntls_client_ca = \"ca\"", `creditapi.toml:3: tls_client_ca: "ca" is not an absolute path; write it like /etc/adcredit/tls.pem`},
		{"tls_cert = \"/c\"\ntls_key = \"/k\"\nlisten = \"unix:///s\"", "creditapi.toml:3: listen: a unix socket carries no TLS; take tls_cert and tls_key out, or listen on an address"},
		{`metrics_listen = "9090"`, `creditapi.toml:1: metrics_listen: "9090" ` + anAddress},
		{`metrics_listen = "127.0.0.1:8080"`, `creditapi.toml:1: metrics_listen: is the same as listen; choose another port, or "" for /metrics with a key on listen`},

		{`database = "mya2billing"`, "creditapi.toml:1: database: this is not the address of a database; write it like mysql://user:password@127.0.0.1:3306/mya2billing or sqlite:///var/lib/adcredit/adcredit.db"},
		{`database = 5`, `creditapi.toml:1: database: is a whole number; write text between quotes, like "mysql://creditapi@127.0.0.1:3306/mya2billing"`},
		{`database = mysql://u:hunter2@h/n`, "creditapi.toml:1: database: this is not TOML; write the value between double quotes, on one line"},
		{`database_password_file = "/p"`, "creditapi.toml:1: database_password_file: the database is SQLite, which has no password; take this line out, or set database to mysql://user@host/name"},
		{"database = \"mysql://u:hunter2@h/n\"\ndatabase_password_file = \"/p\"", "creditapi.toml:2: database_password_file: database holds a password too; keep one of them"},
		{"database = \"mysql://u@h/n\"\ndatabase_password_file = \"p\"", `creditapi.toml:2: database_password_file: "p" is not an absolute path; write it like /etc/adcredit/database-password`},
		{`database_connections = 0`, "creditapi.toml:1: database_connections: 0 is out of range; write 1 to 1000"},

		{`required_credit = 1`, `creditapi.toml:1: required_credit: is a whole number; write text between quotes, like "1.00000"`},
		{`required_credit = "1e3"`, `creditapi.toml:1: required_credit: not an amount: write digits with at most 5 decimals, like "50" or "0.25000"`},
		{`required_credit = "-1"`, `creditapi.toml:1: required_credit: -1.00000 is less than nothing; write what a call needs to start, like "1.00000"`},
		{`currency = "cfa"`, `creditapi.toml:1: currency: "cfa" is not a currency; write its three letters of ISO 4217, like XOF`},
		{`timezone = "Dakar"`, `creditapi.toml:1: timezone: "Dakar" is not a time zone; write it like Africa/Dakar`},
		{`timezone = ""`, `creditapi.toml:1: timezone: "" is not a time zone; write it like Africa/Dakar`},
		{`timezone = "Local"`, `creditapi.toml:1: timezone: "Local" is not a time zone; write it like Africa/Dakar`},
		{`timezone = "../../etc/passwd"`, `creditapi.toml:1: timezone: "../../etc/passwd" is not a time zone; write it like Africa/Dakar`},
		{`never_offer = ["88", "premium"]`, `creditapi.toml:1: never_offer: "premium" ` + aPrefix},
		{`never_offer = [""]`, `creditapi.toml:1: never_offer: "" ` + aPrefix},
		{`never_offer = [88]`, `creditapi.toml:1: never_offer: holds a whole number; write a list between brackets, like ["88", "+22188"]`},
		{`completion_window = "30s"`, "creditapi.toml:1: completion_window: 30s is out of range; write 1m to 720h"},
		{`completion_window = 24`, `creditapi.toml:1: completion_window: is a whole number; write text between quotes, like "24h"`},
		{`clock_tolerance = "-1s"`, "creditapi.toml:1: clock_tolerance: -1s is out of range; write 0s to 10s"},
		{`language = "french"`, `creditapi.toml:1: language: "french" is not a language; write it like fr, en or fr_WO`},
		{`language = "fr_wo"`, `creditapi.toml:1: language: "fr_wo" is not a language; write it like fr, en or fr_WO`},
		{`retention = "31d"`, "creditapi.toml:1: retention: 31d is too short: what is younger than 32d may still be needed; write 32d to 36500d"},
		{`retention = "9600h"`, `creditapi.toml:1: retention: "9600h" is not a number of days; write it like 400d`},
		{`retention = 400`, `creditapi.toml:1: retention: is a whole number; write text between quotes, like "400d"`},
		{`starts_per_day = 1001`, "creditapi.toml:1: starts_per_day: 1001 is out of range; write 1 to 1000"},
		{`starts_per_day = 4`, "creditapi.toml:1: starts_per_day: 4 is less than listens_per_day (5), and each listen is a start; write 5 or more"},
		{`listen_spacing = "25h"`, "creditapi.toml:1: listen_spacing: 25h0m0s is out of range; write 0s to 24h"},
		{`min_account_age = "-1h"`, "creditapi.toml:1: min_account_age: -1h0m0s is out of range; write 0s to 8760h"},
		{"min_paid_refills = -1", "creditapi.toml:1: min_paid_refills: -1 is out of range; write 0 to 1000"},
		{"node_open_listens = -1", "creditapi.toml:1: node_open_listens: -1 is out of range; write 0 to 1000000"},
		{`node_rewards_per_day = "-1"`, `creditapi.toml:1: node_rewards_per_day: -1.00000 is less than nothing; write what the callers of a node may earn, like "50000", or "0" for no limit`},
		{"late_per_day = 0", "creditapi.toml:1: late_per_day: 0 is out of range; write 1 to 1000"},
		{"late_alarm = 101", "creditapi.toml:1: late_alarm: 101 is out of range; write 0 to 100"},
		{"listens_per_day = 0", "creditapi.toml:1: listens_per_day: 0 is out of range; write 1 to 1000"},
		{`attention_share = 1.5`, "creditapi.toml:1: attention_share: 1.5 is out of range; write 0 (none) to 1 (all), like 0.1 for every tenth"},
		{`attention_share = -1`, "creditapi.toml:1: attention_share: -1 is out of range; write 0 (none) to 1 (all), like 0.1 for every tenth"},
		{`attention_share = nan`, "creditapi.toml:1: attention_share: NaN is out of range; write 0 (none) to 1 (all), like 0.1 for every tenth"},
		{`attention_share = "10%"`, "creditapi.toml:1: attention_share: is text; write a number without quotes, like 0.1"},
		{`log_level = "INFO"`, `creditapi.toml:1: log_level: "INFO" is unknown; write one of debug, info, warn, error`},
		{`log_format = "xml"`, `creditapi.toml:1: log_format: "xml" is unknown; write one of text, json`},
		{`log_numbers = 0`, "creditapi.toml:1: log_numbers: is a whole number; write true or false, without quotes"},
		{`liste = "x"`, "creditapi.toml:1: liste: there is no such key; did you mean listen?"},
	} {
		t.Run(c.text, func(t *testing.T) {
			write(t, c.text, 0o600)
			_, err := Load("creditapi.toml", environment())
			var refused *etc.Error
			if !errors.As(err, &refused) || err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestTaken(t *testing.T) {
	write(t, `
listen = "192.0.2.1:443"
database = "mysql://u@db.example.net/mya2billing"
database_password_file = "/etc/adcredit/password"
database_connections = 4
hosts = ["credit.example.net", "192.0.2.1"]
tls_cert = "/c.pem"
tls_key = "/k.pem"
tls_client_ca = "/clients.pem"
metrics_listen = "127.0.0.1:9090"
required_credit = "0"
currency = "EUR"
timezone = "Europe/Paris"
language = "en_GB"
never_offer = ["+22188", "88"]
completion_window = "90m"
clock_tolerance = "0s"
starts_per_day = 2
listens_per_day = 2
attention_share = 0.25
late_per_day = 1
node_open_listens = 3
node_rewards_per_minute = "500"
node_rewards_per_day = "5000"
listen_spacing = "0s"
min_account_age = "48h"
min_paid_refills = 2
late_alarm = 0
log_level = "debug"
log_format = "json"
log_numbers = true
`, 0o644)
	got, err := Load("creditapi.toml", environment())
	if err != nil {
		t.Fatal(err)
	}
	want := Default(environment())
	want.path, want.location = "creditapi.toml", got.location
	want.Listen, want.DatabasePasswordFile, want.DatabaseConnections = "192.0.2.1:443", "/etc/adcredit/password", 4
	want.Database = Database{Driver: MySQL, User: "u", Addr: "db.example.net:3306", Name: "mya2billing"}
	want.Hosts, want.TLSCert, want.TLSKey = []string{"credit.example.net", "192.0.2.1"}, "/c.pem", "/k.pem"
	want.TLSClientCA = "/clients.pem"
	want.MetricsListen, want.RequiredCredit, want.Currency, want.Timezone = "127.0.0.1:9090", 0, "EUR", "Europe/Paris"
	want.Language = "en_GB"
	want.NeverOffer = []string{"+22188", "88"}
	want.CompletionWindow, want.ClockTolerance, want.StartsPerDay, want.ListensPerDay = 90*time.Minute, 0, 2, 2
	want.AttentionShare = 0.25
	want.NodeOpenListens, want.NodeRewardsPerMinute, want.NodeRewardsPerDay = 3, wire.Units(500), wire.Units(5000)
	want.LatePerDay, want.LateAlarm, want.ListenSpacing = 1, 0, 0
	want.MinAccountAge, want.MinPaidRefills = 48*time.Hour, 2
	want.LogLevel, want.LogFormat, want.LogNumbers = "debug", "json", true
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if got.Location().String() != "Europe/Paris" {
		t.Errorf("location %v", got.Location())
	}
	if d := Default(environment()); d.RequiredCredit != wire.Units(1) || d.Location() != time.UTC {
		t.Errorf("defaults %v, %v", d.RequiredCredit, d.Location())
	}
}

func TestWhichFile(t *testing.T) {
	write(t, `currency = "EUR"`, 0o600)
	if c, err := Load("", environment("CREDITAPI_CONFIG", "creditapi.toml")); err != nil || c.Currency != "EUR" || c.Path() != "creditapi.toml" {
		t.Errorf("CREDITAPI_CONFIG: %+v, %v", c, err)
	}
	want := "none.toml: there is no such file; copy the example etc/creditapi.toml there and edit it"
	for _, path := range []string{"", "none.toml"} {
		if _, err := Load(path, environment("CREDITAPI_CONFIG", "none.toml")); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	write(t, "listen = \"127.0.0.1:1\"\ndatabase = \"sqlite:///file\"", 0o600)
	c, err := Load("creditapi.toml", environment("CREDITAPI_LISTEN", "unix:///run/x", "CREDITAPI_DATABASE", "sqlite:///env"))
	if err != nil || c.Listen != "unix:///run/x" || c.Database.Path != "/env" {
		t.Errorf("%+v, %v", c, err)
	}
	if path, ok := c.Socket(); path != "/run/x" || !ok {
		t.Errorf("socket %q, %v", path, ok)
	}
	for _, bad := range []struct{ name, value, want string }{
		{"CREDITAPI_LISTEN", "x", `CREDITAPI_LISTEN: "x" is not an address to listen on; write it like 127.0.0.1:8080 or unix:///run/creditapi/creditapi.sock`},
		{"CREDITAPI_DATABASE", "postgres://u:hunter2@h/n", "CREDITAPI_DATABASE: the part before :// is no database that is supported; write mysql or sqlite there"},
	} {
		if _, err := Load("creditapi.toml", environment(bad.name, bad.value)); err == nil || err.Error() != bad.want {
			t.Errorf("got %v, want %s", err, bad.want)
		}
	}
}

func TestAllowedHosts(t *testing.T) {
	for _, c := range []struct {
		listen string
		hosts  []string
		want   string
	}{
		{"127.0.0.1:8080", nil, "[localhost 127.0.0.1 ::1]"},
		{"[::1]:8080", nil, "[localhost 127.0.0.1 ::1]"},
		{"192.0.2.1:443", nil, "[localhost 127.0.0.1 ::1 192.0.2.1]"},
		{"[2001:db8::1]:443", nil, "[localhost 127.0.0.1 ::1 2001:db8::1]"},
		{"unix:///run/x", nil, "[localhost 127.0.0.1 ::1]"},
		{"0.0.0.0:443", []string{"credit.example.net"}, "[credit.example.net]"},
	} {
		config := &Config{Listen: c.listen, Hosts: c.hosts}
		if got := fmt.Sprint(config.AllowedHosts()); got != c.want {
			t.Errorf("listen %s, hosts %v: got %s, want %s", c.listen, c.hosts, got, c.want)
		}
	}
}

func TestStateFolder(t *testing.T) {
	for _, c := range []struct {
		env  []string
		uid  int
		want string
	}{
		{nil, 0, "/var/lib/adcredit"},
		{[]string{"HOME", "/root", "XDG_STATE_HOME", "/x"}, 0, "/var/lib/adcredit"},
		{[]string{"STATE_DIRECTORY", "/var/lib/private/adcredit"}, 0, "/var/lib/private/adcredit"},
		{[]string{"STATE_DIRECTORY", "/a:/b", "HOME", "/home/m"}, 1000, "/a"},
		{[]string{"HOME", "/home/m"}, 1000, "/home/m/.local/state/adcredit"},
		{[]string{"HOME", "/home/m", "XDG_STATE_HOME", "/x"}, 1000, "/x/adcredit"},
		{[]string{"HOME", "/home/m", "XDG_STATE_HOME", "relative"}, 1000, "/home/m/.local/state/adcredit"},
		{nil, 1000, "/var/lib/adcredit"},
	} {
		if got := stateFolder(environment(c.env...), c.uid); got != c.want {
			t.Errorf("%v, uid %d: got %s, want %s", c.env, c.uid, got, c.want)
		}
	}
}

func TestStore(t *testing.T) {
	password := t.TempDir() + "/password"
	if err := os.WriteFile(password, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want Database
	}{
		{"", Database{Driver: SQLite, Path: "/state/adcredit.db"}},
		{`database = "sqlite:///a.db"`, Database{Driver: SQLite, Path: "/a.db"}},
		{`database = "mysql://u:p@h/n"`, Database{Driver: MySQL, User: "u", Password: "p", Addr: "h:3306", Name: "n"}},
		{"database = \"mysql://u@h/n\"\ndatabase_password_file = \"" + password + "\"",
			Database{Driver: MySQL, User: "u", Password: "hunter2", Addr: "h:3306", Name: "n"}},
	} {
		write(t, c.text, 0o600)
		config, err := Load("creditapi.toml", environment("STATE_DIRECTORY", "/state"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.Store()
		if err != nil || got != c.want || string(got.Password) != string(c.want.Password) {
			t.Errorf("%s: got %v, %v, want %v", c.text, got, err, c.want)
		}
		if config.Embedded() != (c.text == "") {
			t.Errorf("%s: embedded is %v", c.text, config.Embedded())
		}
	}
	if err := os.Chmod(password, 0o644); err != nil {
		t.Fatal(err)
	}
	config, err := Load("creditapi.toml", environment())
	if err != nil {
		t.Fatal(err)
	}
	want := password + ": can be read or written by other users (mode 0644); run: chmod 600 " + password
	if _, err := config.Store(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Who may read the file may read the password in it; one from the environment
// is not in the file.
func TestInlinePasswordIsPrivate(t *testing.T) {
	const secret = "mysql://u:hunter2@h/n"
	want := "creditapi.toml:1: database: every user can read this file and so the password; run: chmod o-rwx creditapi.toml (or keep the password in database_password_file)"
	write(t, `database = "`+secret+`"`, 0o644)
	if _, err := Load("creditapi.toml", environment()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	write(t, `database = "`+secret+`"`, 0o640)
	if _, err := Load("creditapi.toml", environment()); err != nil {
		t.Error(err)
	}
	write(t, `database = "sqlite:///x"`, 0o644)
	if _, err := Load("creditapi.toml", environment("CREDITAPI_DATABASE", secret)); err != nil {
		t.Error(err)
	}
}

// What CREDITAPI_DATABASE names stands for itself: the password file belongs to
// the database of the file, and serves only where the variable has no password.
func TestVariableBesidePasswordFile(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, "database = \"mysql://u@h/n\"\ndatabase_password_file = \""+password+"\"", 0o644)
	for url, want := range map[string]Database{
		"mysql://owner:other@h/n": {Driver: MySQL, User: "owner", Password: "other", Addr: "h:3306", Name: "n"},
		"mysql://owner@h/n":       {Driver: MySQL, User: "owner", Password: "hunter2", Addr: "h:3306", Name: "n"},
		"sqlite:///tmp/try.db":    {Driver: SQLite, Path: "/tmp/try.db"},
	} {
		config, err := Load("creditapi.toml", environment("CREDITAPI_DATABASE", url))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := config.Store(); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", url, got, err, want)
		}
	}
}

// systemd hands the password on under the name of the file, which the service
// could not read itself; an empty line says that there was no such file.
func TestPasswordAsCredential(t *testing.T) {
	credentials := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	write(t, "database = \"mysql://u@h/n\"\ndatabase_password_file = \"/etc/adcredit-nowhere/database-password\"", 0o644)
	for given, want := range map[string]string{"hunter2\n": "hunter2", "\n": "", "x": ""} {
		name := "database-password"
		if given == "x" {
			name = "other"
		}
		if err := os.WriteFile(filepath.Join(credentials, name), []byte(given), 0o440); err != nil {
			t.Fatal(err)
		}
		config, err := Load("creditapi.toml", os.Getenv)
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.Store()
		if want == "" && (err == nil || !strings.Contains(err.Error(), "/etc/adcredit-nowhere/database-password: there is no such file")) {
			t.Errorf("%q: got %v, want to hear of the file itself", given, err)
		}
		if want != "" && (err != nil || string(got.Password) != want) {
			t.Errorf("%q: got %q, %v", given, string(got.Password), err)
		}
		if err := os.Remove(filepath.Join(credentials, name)); err != nil {
			t.Fatal(err)
		}
	}
}
