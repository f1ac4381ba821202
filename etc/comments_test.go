package etc

import (
	"reflect"
	"testing"

	"github.com/BurntSushi/toml"
)

// FuzzWithoutComments: a text says the same without its comments, is refused where
// it was refused, and at the same line.
func FuzzWithoutComments(f *testing.F) {
	for _, seed := range []string{
		"# a\n\n#b = 1\na = [1, # one\n# two\n2]\n#", "a = \"\"\"\n# no comment\n\"\"\"", "a = '''\n# no comment\n'''", "# \x00\na = 1", "#\xff\na = 1",
		"#é\n00\x00", "#\tb\r\na = 1\n# c\nb =", "a = \"#\n# b\"\n", "#\x7f", "# é\n[b]\n# c\nc = '#'", "\ufeff# a\n#b\na = 1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var with, without map[string]any
		_, refused := toml.Decode(text, &with)
		_, again := toml.Decode(string(withoutComments([]byte(text))), &without)
		if (refused == nil) != (again == nil) || refused == nil && !reflect.DeepEqual(with, without) {
			t.Fatalf("%q: %v, %v, and without comments %v, %v", text, with, refused, without, again)
		}
		first, ok := refused.(toml.ParseError)
		second, same := again.(toml.ParseError)
		if ok != same || ok && first.Position.Line != second.Position.Line {
			t.Errorf("%q: %v, and without comments %v", text, refused, again)
		}
	})
}
