package etc_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	agi "adcredit/agi/config"
	api "adcredit/creditapi/config"
	"adcredit/etc"
)

func noEnv(string) string { return "" }

// install puts an embedded file into a folder of the test's own.
func install(t *testing.T, name string) string {
	t.Helper()
	text, err := etc.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/" + name
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The examples say what is done without them, and explain every key.
func TestExamplesAreTheDefaults(t *testing.T) {
	node, err := agi.Load(install(t, "adcredit.toml"), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "", reflect.ValueOf(node).Elem(), reflect.ValueOf(agi.Default()).Elem())
	everyKey(t, "adcredit.toml", reflect.TypeFor[agi.Config]())

	server, err := api.Load(install(t, "creditapi.toml"), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "", reflect.ValueOf(server).Elem(), reflect.ValueOf(api.Default(noEnv)).Elem())
	everyKey(t, "creditapi.toml", reflect.TypeFor[api.Config]())
}

func sameKeys(t *testing.T, parent string, got, want reflect.Value) {
	t.Helper()
	for i := range got.NumField() {
		field := got.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		g, w := got.Field(i), want.Field(i)
		if g.Kind() == reflect.Slice && g.Len() == 0 && w.Len() == 0 {
			continue // [] and nothing
		}
		if !reflect.DeepEqual(g.Interface(), w.Interface()) {
			t.Errorf("%s%s: the file says %#v, the default is %#v", parent, field.Tag.Get("toml"), g.Interface(), w.Interface())
		}
	}
}

// everyKey wants each key of a struct once in the file, below a comment, save
// for node: its default is the host's name, so it stands there commented out.
func everyKey(t *testing.T, name string, config reflect.Type) {
	t.Helper()
	text, err := etc.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "\n[")
	for i := range config.NumField() {
		key := config.Field(i).Tag.Get("toml")
		if key == "" || key == "-" {
			continue
		}
		if keys := config.Field(i).Type; keys.Kind() == reflect.Struct && regexp.MustCompile(`(?m)^\[`+key+`\]$`).Match(text) {
			_, table, _ := strings.Cut(string(text), "\n["+key+"]\n")
			table, _, _ = strings.Cut(table, "\n[")
			for j := range keys.NumField() {
				once(t, name, table, `(?m)^`+keys.Field(j).Tag.Get("toml")+` = `)
			}
			continue
		}
		if key == "node" {
			key = "# node"
		}
		once(t, name, head, `(?m)^`+key+` = `)
	}
}

func once(t *testing.T, name, text, line string) {
	t.Helper()
	if found := regexp.MustCompile(line).FindAllString(text, -1); len(found) != 1 {
		t.Errorf("%s: %q is there %d times, want once", name, line, len(found))
	}
}
