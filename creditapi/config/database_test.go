package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestParseDatabase(t *testing.T) {
	for _, c := range []struct {
		text string
		want Database
		show string
	}{
		{"sqlite:///var/lib/adcredit/adcredit.db", Database{Driver: SQLite, Path: "/var/lib/adcredit/adcredit.db"}, "sqlite:///var/lib/adcredit/adcredit.db"},
		{"sqlite:///with%20space/%3F.db", Database{Driver: SQLite, Path: "/with space/?.db"}, "sqlite:///with%20space/%3F.db"},
		{"mysql://creditapi:pw@db.example.net:3307/mya2billing",
			Database{Driver: MySQL, User: "creditapi", Password: "pw", Addr: "db.example.net:3307", Name: "mya2billing"}, "mysql://creditapi@db.example.net:3307/mya2billing"},
		{"mysql://creditapi@127.0.0.1/mya2billing",
			Database{Driver: MySQL, User: "creditapi", Addr: "127.0.0.1:3306", Name: "mya2billing"}, "mysql://creditapi@127.0.0.1:3306/mya2billing"},
		{"mysql://a%40b:p%40%3A%2F%3F%23%25%5Bw@[2001:db8::1]:3306/my-db",
			Database{Driver: MySQL, User: "a@b", Password: "p@:/?#%[w", Addr: "[2001:db8::1]:3306", Name: "my-db"}, "mysql://a%40b@[2001:db8::1]:3306/my-db"},
		{"mysql://u:+!$&'()*,;=~w@[::1]/n",
			Database{Driver: MySQL, User: "u", Password: "+!$&'()*,;=~w", Addr: "[::1]:3306", Name: "n"}, "mysql://u@[::1]:3306/n"},
		{"mysql://creditapi@localhost/mya2billing?socket=/run/mysqld/mysqld.sock",
			Database{Driver: MySQL, User: "creditapi", Socket: "/run/mysqld/mysqld.sock", Name: "mya2billing"}, "mysql://creditapi@localhost/mya2billing?socket=/run/mysqld/mysqld.sock"},
		{"mysql://u@localhost/n?socket=%2Frun%2Fx", Database{Driver: MySQL, User: "u", Socket: "/run/x", Name: "n"}, "mysql://u@localhost/n?socket=/run/x"},
	} {
		got, err := ParseDatabase(c.text)
		if err != nil || got != c.want || string(got.Password) != string(c.want.Password) {
			t.Errorf("%s: got %+v, %v", c.text, got, err)
		}
		if got.String() != c.show {
			t.Errorf("%s is shown as %s, want %s", c.text, got, c.show)
		}
	}
}

const (
	noUser   = "there is no user before the host; write mysql://user:password@host:3306/name, with @ : / ? # % in user or password percent-encoded (@ is %40)"
	noName   = "the name of the database, after the host and a slash, is missing or not a name; write letters, digits, _, - and $ only, like /mya2billing (a / ? or # in user or password is percent-encoded)"
	noHost   = "the host is missing or not a name or address; write it like 127.0.0.1, db.example.net or [2001:db8::1]"
	noPort   = "the port is not a number from 1 to 65535; write it like :3306"
	encode   = "holds a character that must be percent-encoded; write @ as %40, : as %3A, # as %23, [ as %5B and ] as %5D"
	percent  = "has a % that is not followed by two hexadecimal digits; write % as %25"
	noSocket = "the socket is not an absolute path of at most 107 bytes; write ?socket=/run/mysqld/mysqld.sock"
	noOption = "the part after the ? is not understood; write ?socket=/run/mysqld/mysqld.sock or nothing (a ? in user or password is written %3F)"
	noPath   = "the path is not that of a file from the root; write three slashes, like sqlite:///var/lib/adcredit/adcredit.db"
)

// refusedDatabases are addresses and the reason for which each is refused.
var refusedDatabases = []struct{ text, want string }{
	{"hunter2", "this is not the address of a database; " + databaseForm},
	{"/var/lib/hunter2.db", "this is not the address of a database; " + databaseForm},
	{"hunter2://x", "the part before :// is no database that is supported; write mysql or sqlite there"},
	{"MYSQL://u@h/n", "the part before :// is no database that is supported; write mysql or sqlite there"},
	{"mysql://u:hunter2 x@h/n", "there is a space or a control character in it; write it percent-encoded, a space as %20"},
	{"mysql://u:hunter2\n@h/n", "there is a space or a control character in it; write it percent-encoded, a space as %20"},

	{"mysql://h/n", noUser},
	{"mysql://u:hunter2/x@h/n", noUser},
	{"mysql://u:hunter2?x@h/n", noUser},
	{"mysql://@h/n", "the user before the @ is empty; write mysql://user@host/name"},
	{"mysql://:hunter2@h/n", "the user before the @ is empty; write mysql://user@host/name"},
	{"mysql://u:hunter2@x@h/n", "the password " + encode},
	{"mysql://u:hunter2:x@h/n", "the password " + encode},
	{"mysql://u:hunter2#@h/n", "the password " + encode},
	{"mysql://u[:hunter2@h/n", "the user " + encode},
	{"mysql://u:hunter2%@h/n", "the password " + percent},
	{"mysql://u:hunter2%zz@h/n", "the password " + percent},
	{"mysql://%hunter2@h/n", "the user " + percent},
	{"mysql://u:hunter2@h", noName},
	{"mysql://u:hunter2@h/", noName},
	{"mysql://u:hunter2@h/a/b", noName},
	{"mysql://u:hunter2@h/a b", "there is a space or a control character in it; write it percent-encoded, a space as %20"},
	{"mysql://u:hunter2@h/" + strings.Repeat("n", 65), noName},
	{"mysql://u:hunter2@/n", noHost},
	{"mysql://u:hunter2@h!/n", noHost},
	{"mysql://u:hunter2@tcp(h:3306)/n", noHost},
	{"mysql://u:hunter2@[hunter2]/n", noHost},
	{"mysql://u:hunter2@h:x/n", noPort},
	{"mysql://u:hunter2@h:0/n", noPort},
	{"mysql://u:hunter2@h:65536/n", noPort},
	{"mysql://u:hunter2@h/n?tls=true", noOption},
	{"mysql://u:hunter2@h/n?socket=/a&b=c", noOption},
	{"mysql://u:hunter2@h/n?socket=%zz", noOption},
	{"mysql://u:hunter2@h/n?socket=a", noSocket},
	{"mysql://u:hunter2@h/n?socket=/" + strings.Repeat("x", 107), noSocket},

	{"sqlite://hunter2.db", noPath},
	{"sqlite:///", noPath},
	{"sqlite:///.", noPath},
	{"sqlite:///hunter2/", noPath},
	{"sqlite:///hunter2%00", noPath},
	{"sqlite:///hunter2%", "the path " + percent},
	{"sqlite:///hunter2?mode=ro", "an sqlite address has no options; end it with the name of the file (a ? in it is written %3F, a # %23)"},
}

func TestParseDatabaseRefuses(t *testing.T) {
	for _, c := range refusedDatabases {
		_, err := ParseDatabase(c.text)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q is shown: %v", c.text, err)
		}
	}
}

func TestDatabaseHidesItsPassword(t *testing.T) {
	d, err := ParseDatabase("mysql://u:hunter2@h/n")
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("open", "database", d)
	c := Config{Database: d}
	for _, shown := range []string{fmt.Sprint(d), fmt.Sprintf("%+v %#v %s %q", d, d, d, d), fmt.Sprintf("%v %+v %#v", c, c, c), string(asJSON), log.String()} {
		if strings.Contains(shown, "hunter2") || !strings.Contains(shown, "u@h:3306/n") {
			t.Errorf("%s", shown)
		}
	}
}

// FuzzParseDatabase: an error is one of the sentences above and so shows nothing
// of the text; what is accepted is accepted again as it is shown, without its
// password.
func FuzzParseDatabase(f *testing.F) {
	for _, seed := range []string{"mysql://u:hunter2@h:3306/n", "mysql://u@localhost/n?socket=/run/x", "sqlite:///a%20b", "mysql://u:p%25@[::1]/n", "://", "mysql://u:%@h/n"} {
		f.Add(seed)
	}
	sentences := map[string]bool{}
	for _, c := range refusedDatabases {
		sentences[c.want] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDatabase(text)
		if err != nil {
			if !sentences[err.Error()] {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again, err := ParseDatabase(d.String())
		d.Password = ""
		if err != nil || again != d {
			t.Errorf("%q is shown as %s, which is %+v, %v", text, d, again, err)
		}
	})
}
