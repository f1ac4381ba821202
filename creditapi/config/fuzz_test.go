package config

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"adcredit/etc/etctest"
)

// FuzzConfig: whatever creditapi.toml holds, it is refused with a file and a line
// that is there, or its values pass Check, and written as TOML again they are
// read as the same.
func FuzzConfig(f *testing.F) {
	example, err := os.ReadFile("../../etc/creditapi.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", string(example), strings.ReplaceAll(string(example), "# ", ""),
		"listen = \"unix:///x\"\nhosts = [\"a.b\", \"::1\"]\n", "listen = \"[::]:1\"\nallow_cleartext = true\nhosts = [\"a\"]\n",
		"database = \"mysql://u:hunter2@h/n\"\nrequired_credit = \"0.00001\"\nnever_offer = [\"+88\", \"9\"]\n",
		"database = \"sqlite:///a%20b\"\ntimezone = \"UTC\"\ncurrency = \"EUR\"\nlanguage = \"fr_WO\"\n",
		"required_credit = 1.5\nstarts_per_day = 99999999999999999999\n", "completion_window = \"-1ns\"", "timezone = \"../../etc/passwd\"",
		"listen = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\ntls_cert = \"/a\"\ntls_key = \"/b\"\n",
	} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "creditapi.toml")
	f.Fuzz(func(t *testing.T, text []byte) {
		c := load(t, path, text)
		if c == nil {
			return
		}
		if problems := c.Check(); len(problems) > 0 {
			t.Fatalf("accepted, and yet %v", problems)
		}
		c.Database.Password = "" // is not written anywhere
		var again bytes.Buffer
		if err := toml.NewEncoder(&again).Encode(c); err != nil {
			t.Fatal(err)
		}
		if same := load(t, path, again.Bytes()); !reflect.DeepEqual(same, c) {
			t.Errorf("accepted as\n%+v; written as\n%s\nit is read as\n%+v", c, &again, same)
		}
	})
}

// load reads a text; of one that is refused it looks at the problems.
func load(t *testing.T, path string, text []byte) *Config {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, environment())
	if err == nil {
		return c
	}
	etctest.WantRefusal(t, path, text, err)
	return nil
}
