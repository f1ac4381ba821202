package etc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample has a field of each kind that a configuration may have.
type sample struct {
	Node    string        `toml:"node"`
	URLs    []string      `toml:"urls" env:"SAMPLE_URLS" like:"[\"http://127.0.0.1:8080\"]"`
	Timeout time.Duration `toml:"timeout" env:"SAMPLE_TIMEOUT"`
	Window  time.Duration `toml:"window"`
	Ads     int           `toml:"ads"`
	Small   int8          `toml:"small"`
	Share   float64       `toml:"share" like:"0.1"`
	Open    bool          `toml:"open"`
	Digit   digit         `toml:"digit"`
	Digits  []digit       `toml:"digits"`
	Key     Secret        `toml:"key" secret:"true" like:"\"adc_...\""`
	EnvKey  Secret        `toml:"-" env:"SAMPLE_KEY"`
	Prompts struct {
		Offer string `toml:"offer"`
	} `toml:"prompts"`
	Users map[string]member `toml:"users"`
	Rules []rule            `toml:"rules"`
}

type member struct {
	Barred bool   `toml:"barred"`
	Phone  string `toml:"phone"`
	Rules  []rule `toml:"rules"`
}

func (m *member) SetDefaults() { m.Phone = "none" }

type rule struct {
	Prefix string `toml:"prefix" like:"\"+\""`
}

// digit is a value that checks itself.
type digit struct{ value string }

func (d *digit) UnmarshalText(text []byte) error {
	if len(text) != 1 {
		return fmt.Errorf("%q is not a digit; write one, like 1", text)
	}
	d.value = string(text)
	return nil
}

func (d digit) MarshalText() ([]byte, error) { return []byte(d.value), nil }

func (s *sample) Check() []Problem {
	var problems []Problem
	if s.Ads > 5 {
		problems = append(problems, Problem{Key: "ads", What: "is more than 5; write 1 to 5"})
	}
	if s.Node == "none" {
		problems = append(problems, Problem{Key: "node", What: "is none; write a name"})
	}
	for i, r := range s.Rules {
		if r.Prefix == "bad" {
			problems = append(problems, Problem{Key: fmt.Sprintf("rules.%d", i+1), What: "is bad; write a good one"})
		}
	}
	if s.EnvKey == "bad" {
		problems = append(problems, Problem{Key: "SAMPLE_KEY", What: "is not a key"})
	}
	if len(s.URLs) == 0 {
		problems = append(problems, Problem{Key: "urls", What: "is empty; write one"})
	}
	return problems
}

func newSample() *sample {
	s := &sample{Node: "ast1", URLs: []string{"http://one"}, Timeout: 2 * time.Second, Window: 24 * time.Hour, Ads: 1}
	s.Digit.value = "1"
	s.Digits = []digit{{"1"}, {"2"}}
	s.Prompts.Offer = "offer"
	return s
}

func noEnv(string) string { return "" }

// write puts text into sample.toml of a folder of its own, and goes there, so
// that messages begin with the bare name.
func write(t *testing.T, text string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("sample.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "tmeout = \"2s\"",
			"sample.toml:1: tmeout: there is no such key; did you mean timeout?"},
		{"nothing like it", "\nsurname = \"Diop\"",
			"sample.toml:2: surname: there is no such key; delete the line, or see etc/ for the keys there are"},
		{"capitals", "Node = \"x\"",
			"sample.toml:1: Node: there is no such key; did you mean node?"},
		{"unknown in a table", "[prompts]\nofer = \"x\"",
			"sample.toml:2: prompts.ofer: there is no such key; did you mean offer?"},
		{"unknown table", "[promts]\noffer = \"x\"",
			"sample.toml:1: promts: there is no such key; did you mean prompts?"},
		{"unknown list of tables", "[[campaigns]]\nname = \"x\"",
			"sample.toml:1: campaigns: there is no such key; delete the line, or see etc/ for the keys there are"},
		{"below a table by mistake", "[prompts]\noffer = \"x\"\nnode = \"ast1\"",
			"sample.toml:3: prompts.node: node is not part of [prompts]; write it above the first line in brackets"},
		{"the key of the fields that are no keys", "- = 1",
			"sample.toml:1: -: there is no such key; delete the line, or see etc/ for the keys there are"},

		{"number for a text", "node = 1",
			"sample.toml:1: node: is a whole number; write text between quotes, like \"ast1\""},
		{"text for a list", "urls = \"http://one\"",
			"sample.toml:1: urls: is text; write a list between brackets, like [\"http://127.0.0.1:8080\"]"},
		{"number in a list", "urls = [\n 1 ]",
			"sample.toml:1: urls: holds a whole number; write a list between brackets, like [\"http://127.0.0.1:8080\"]"},
		{"number for a time", "timeout = 2",
			"sample.toml:1: timeout: is a whole number; write text between quotes, like \"2s\""},
		{"no unit", "window = \"24\"",
			"sample.toml:1: window: \"24\" is not a length of time; write a number with its unit (ms, s, m or h), like \"24h\""},
		{"text for a number", "ads = \"3\"",
			"sample.toml:1: ads: is text; write a whole number without quotes, like 1"},
		{"decimals", "ads = 1.5",
			"sample.toml:1: ads: is a number with decimals; write a whole number without quotes, like 1"},
		{"too large", "small = 300",
			"sample.toml:1: small: 300 is too large; write a whole number without quotes, like 0"},
		{"text for a share", "share = \"a tenth\"",
			"sample.toml:1: share: is text; write a number without quotes, like 0.1"},
		{"text for a boolean", "open = \"yes\"",
			"sample.toml:1: open: is text; write true or false, without quotes"},
		{"boolean for a text", "node = true",
			"sample.toml:1: node: is a boolean; write text between quotes, like \"ast1\""},
		{"date", "node = 2026-01-01",
			"sample.toml:1: node: is a date; write text between quotes, like \"ast1\""},
		{"value for a table", "prompts = 1",
			"sample.toml:1: prompts: is a whole number; write the keys of prompts below a line [prompts]"},
		{"table for a value", "[node]\nx = 1",
			"sample.toml:1: node: is a table; write text between quotes, like \"ast1\""},
		{"value that checks itself", "digit = \"12\"",
			"sample.toml:1: digit: \"12\" is not a digit; write one, like 1"},
		{"its type", "digit = 1",
			"sample.toml:1: digit: is a whole number; write text between quotes, like \"1\""},
		{"in a list", "digits = [\"1\", \"\"]",
			"sample.toml:1: digits: \"\" is not a digit; write one, like 1"},
		{"type of a list", "digits = true",
			"sample.toml:1: digits: is a boolean; write a list between brackets, like [\"1\", \"2\"]"},
		{"type of a secret", "key = 5550199",
			"sample.toml:1: key: is a whole number; write text between quotes, like \"adc_...\""},

		{"value for a table of tables", "users = 1",
			"sample.toml:1: users: is a whole number; write the keys of each below a line [users.NAME]"},
		{"list for a table of tables", "[[users]]\nbarred = true",
			"sample.toml:1: users: is a list; write the keys of each below a line [users.NAME]"},
		{"value for a table in it", "[users]\nanna = 1",
			"sample.toml:2: users.anna: is a whole number; write the keys of users.anna below a line [users.anna]"},
		{"unknown in the second of two", "[users.anna]\nbarred = true\n[users.\"b@c\"]\nbared = true",
			"sample.toml:4: users.\"b@c\".bared: there is no such key; did you mean barred?"},
		{"type in a table of tables", "[users.anna]\nbarred = 1",
			"sample.toml:2: users.anna.barred: is a whole number; write true or false, without quotes"},
		{"value for a list of tables", "\nrules = 1",
			"sample.toml:2: rules: is a whole number; write a list of tables between brackets, like [{ name = value }]"},
		{"values in a list of tables", "rules = [1]",
			"sample.toml:1: rules: is a list; write a list of tables between brackets, like [{ name = value }]"},
		{"in a list of tables", "[users.anna]\nrules = [\n  { prefix = \"1\" },\n  { prefix = 2 },\n]",
			"sample.toml:2: users.anna.rules.2.prefix: is a whole number; write text between quotes, like \"+\""},
		{"checked in a list of tables", "\nrules = [{ prefix = \"good\" },\n  { prefix = \"bad\" }]",
			"sample.toml:2: rules.2: is bad; write a good one"},
		{"unknown in a list of tables", "rules = [{ prefiks = \"1\" }]",
			"sample.toml:1: rules.1.prefiks: there is no such key; did you mean prefix?"},

		{"checked together", "# so\nads = 6",
			"sample.toml:2: ads: is more than 5; write 1 to 5"},
		{"all problems, by line", "timeout = 2\nnode = 1\nadz = 1",
			"sample.toml:1: timeout: is a whole number; write text between quotes, like \"2s\"\n" +
				"sample.toml:2: node: is a whole number; write text between quotes, like \"ast1\"\n" +
				"sample.toml:3: adz: there is no such key; did you mean ads?"},
		{"all that is checked together", "ads = 6\nnode = \"none\"",
			"sample.toml:1: ads: is more than 5; write 1 to 5\n" +
				"sample.toml:2: node: is none; write a name"},

		{"no quotes", "open = true\nnode = host",
			"sample.toml:2: node: this is not TOML: expected value but found \"host\" instead; write text between double quotes"},
		{"twice", "node = \"a\"\nnode = \"b\"",
			"sample.toml:2: node: is set a second time; keep one of the two lines"},
		{"secret without quotes", "key = adc_1_hunter2",
			"sample.toml:1: key: this is not TOML; write the value between double quotes, on one line"},
		{"secret as a bad number", "key = 0123456",
			"sample.toml:1: key: this is not TOML; write the value between double quotes, on one line"},
		{"misspelt secret", "keys = hunter2",
			"sample.toml:1: keys: this is not TOML; write the value between double quotes, on one line"},
		{"not TOML at all", "hello",
			"sample.toml:1: this is not TOML: unexpected EOF; expected key separator '='"},
		{"not text at all", "\x00\x01\x02\x03",
			"sample.toml:1: this is not TOML: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, c.text)
			into := newSample()
			err := File{Path: "sample.toml", Named: true, Example: "sample.toml"}.Load(into, noEnv)
			var refused *Error
			if !errors.As(err, &refused) {
				t.Fatalf("error %v (%T), want an *Error", err, err)
			}
			if err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestTaken(t *testing.T) {
	write(t, "node = \"ast2\"\nurls = [\n  \"http://a\",\n  \"http://b\",\n]\ntimeout = \"300ms\"\n"+
		"ads = 3\nopen = true\ndigit = \"#\"\nkey = \"adc_1_x\"\nprompts.offer = \"hello\"\n"+
		"rules = [{ prefix = \"1\" }, { prefix = \"2\" }]\n[users.anna]\nbarred = true\n[users.\"b@c\"]\nphone = \"1\"\n")
	got := newSample()
	if err := (File{Path: "sample.toml", Named: true}).Load(got, noEnv); err != nil {
		t.Fatal(err)
	}
	want := newSample()
	want.Node, want.URLs, want.Timeout, want.Ads, want.Open = "ast2", []string{"http://a", "http://b"}, 300*time.Millisecond, 3, true
	want.Digit.value, want.Key, want.Prompts.Offer = "#", "adc_1_x", "hello"
	want.Rules = []rule{{"1"}, {"2"}}
	want.Users = map[string]member{"anna": {Barred: true, Phone: "none"}, "b@c": {Phone: "1"}}
	if g, w := show(got), show(want); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// show is a sample with its secret, for comparing.
func show(s *sample) string { return fmt.Sprintf("%+v %s", *s, string(s.Key)) }

// The environment overrides the file, and is named when it is wrong.
func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want string // the error, or the URLs
	}{
		{"absent", nil, "[http://file]"},
		{"list", map[string]string{"SAMPLE_URLS": "http://a, http://b"}, "[http://a http://b]"},
		{"bad value", map[string]string{"SAMPLE_TIMEOUT": "soon"},
			"SAMPLE_TIMEOUT: \"soon\" is not a length of time; write a number with its unit (ms, s, m or h), like \"2s\""},
		{"bad by itself", map[string]string{"SAMPLE_KEY": "bad"}, "SAMPLE_KEY: is not a key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, "urls = [\"http://file\"]")
			s := newSample()
			err := File{Path: "sample.toml", Named: true}.Load(s, func(name string) string { return c.env[name] })
			got := fmt.Sprint(s.URLs)
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A problem of the check is placed where the value came from: nowhere for a
// default, the variable for the environment.
func TestCheckPlacesProblems(t *testing.T) {
	write(t, "open = true")
	s := newSample()
	s.URLs = nil
	err := File{Path: "sample.toml", Named: true}.Load(s, noEnv)
	if want := "sample.toml: urls: is empty; write one"; err == nil || err.Error() != want {
		t.Errorf("default: got %v, want %s", err, want)
	}
}

func TestFiles(t *testing.T) {
	write(t, strings.Repeat("# far too long\n", 6000))
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file File
		want string
	}{
		{File{"none.toml", false, "sample.toml"}, ""},
		{File{"none.toml", true, "sample.toml"},
			"none.toml: there is no such file; copy the example etc/sample.toml there and edit it"},
		{File{"folder", true, "sample.toml"},
			"folder: is a folder; name the file in it, like folder/sample.toml"},
		{File{"sample.toml", true, "sample.toml"},
			"sample.toml: is longer than 64 KiB; a configuration is far shorter, so this is another file: compare it with etc/sample.toml"},
		{File{"sample.toml/x", true, "sample.toml"},
			"sample.toml/x: cannot be opened: not a directory"},
	} {
		err := c.file.Load(newSample(), noEnv)
		var refused *Error
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &refused) || err.Error() != c.want) {
			t.Errorf("%+v: got %v, want %q", c.file, err, c.want)
		}
	}
}

// FuzzLoad: whatever a file holds, Load returns, and what it refuses it refuses
// with problems that each fit one line and name a line that is there; a file
// that is accepted is accepted again.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "node = \"x\"", "key = hunter2", "[prompts]\noffer = 1\n[a.b.c]\n", "urls = [[[[[[", "a.b.c.d = {x = [1, {}]}",
		"node = \"\"\"\n\n", "\"a\\nb\" = 1\n\"a\\nb\" = 2", "\xff\xfe", "ads = 99999999999999999999", "[[prompts]]", "node = 1e400",
		"[users.a]\nrules = [{prefix = 1}]", "[[users]]", "rules = [[{}]]", "users.a.rules.b = 1", "[users.\"\"]\nbarred = 1",
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "sample.toml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		file := File{Path: path, Named: true, Example: "sample.toml"}
		err := file.Load(newSample(), noEnv)
		if err == nil {
			if again := file.Load(newSample(), noEnv); again != nil {
				t.Fatalf("accepted, then %v", again)
			}
			return
		}
		var refused *Error
		if !errors.As(err, &refused) || len(refused.Problems) == 0 {
			t.Fatalf("%v (%T) is not an *Error with problems", err, err)
		}
		for _, p := range refused.Problems {
			if p.What == "" || strings.ContainsAny(p.String(), "\n\r\x1b\x00") {
				t.Errorf("%q is not one line", p)
			}
			if lines := bytes.Count(text, []byte("\n")) + 1; p.Line < 0 || p.Line > lines {
				t.Errorf("%v: the file has %d lines", p, lines)
			}
		}
	})
}

// FuzzSecret: no value of a secret key gets into an error.
func FuzzSecret(f *testing.F) {
	for _, seed := range []string{"hunter2hunter2", "'hunter2hunter2", "\"hunter2hunter2\\q\"", "[hunter2hunter2", "{hunter2hunter2=1}",
		"0123456789", "\"\"\"hunter2hunter2", "\"hunter2hunter2\" x", "1.2.3hunter2", "2026-13-99", "[\"hunter2hunter2\", 1]", "99999999999999999999"} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, value string) {
		value = strings.TrimSpace(value)
		if len(value) < 8 || strings.ContainsAny(value, "\n\r#") {
			return
		}
		path := filepath.Join(dir, "sample.toml")
		if err := os.WriteFile(path, []byte("node = \"a\"\nkey = "+value+"\nopen = true\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := File{Path: path, Named: true}.Load(newSample(), noEnv)
		if err == nil {
			return
		}
		// Any eight characters of it in a row would be too much.
		for i := 0; i+8 <= len(value); i++ {
			if part := value[i : i+8]; strings.Contains(strings.TrimPrefix(err.Error(), path), part) {
				t.Fatalf("%q shows %q of the secret", err, part)
			}
		}
	})
}
