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

// FuzzConfig: whatever adcredit.toml holds, it is refused with a file and a line
// that is there, or its values pass Check, and written as TOML again they are
// read as the same.
func FuzzConfig(f *testing.F) {
	example, err := os.ReadFile("../../etc/adcredit.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"", string(example), strings.ReplaceAll(string(example), "# ", ""),
		"node = \"a\"\nurls = [\"http://h\", \"http://h/\", \"unix:///a\", \"https://[::1]:8443/x\"]\n",
		"identity = [\"served_user=impu\"]\nimpu = [\"sip:+*@ims.test=cid:*\", \"tel:*;phone-context=+221=alias:*\"]\ncore_endpoints = [\"isc\"]\n",
		"identity = [\"pai=alias\", \"callerid=cid\"]\n[patterns]\nalias = '^[a-z.]+|[0-9]{4}$'\n",
		"key = \"adc_1_x\"\nkey_file = \"/etc/x\"\n", "offer = \"auto\"\nanswer = \"progress\"\nstop_digit = \"#\"\n",
		"languages = [\"fr_CA\"]\nlanguage = \"fr_CA\"\ntimeout = \"1h\"\n[prompts]\nnoad = \"a/b\"\ncut = \"\"\n",
		"max_ads_per_call = -9223372036854775808\nlog = \"/x\\u0000\"\n", "[prompts]\n[prompts]\n", "timeout = 2000000000",
	} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "adcredit.toml")
	f.Fuzz(func(t *testing.T, text []byte) {
		c := load(t, path, text)
		if c == nil {
			return
		}
		if problems := c.Check(); len(problems) > 0 {
			t.Fatalf("accepted, and yet %v", problems)
		}
		c.InlineKey = "" // is not written anywhere
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
