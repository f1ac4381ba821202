package etc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"sort"
	"strconv"

	"github.com/BurntSushi/toml"
)

// maxFile is far more than any configuration needs, and little enough that
// nothing nested in it exhausts the parser.
const maxFile = 64 << 10

// Defaulter is an entry of a map that does not begin as its zero value.
type Defaulter interface {
	SetDefaults()
}

// File says which configuration to read.
type File struct {
	Path    string // where it is
	Named   bool   // a person named it, so it must exist; else defaults do
	Example string // its commented example in etc, for who has none yet
}

// Checker is a configuration that can tell what no single type can: values out
// of range, and values that do not go together. Each Problem it returns holds
// Key and What; File and Line are added by Load. Check is called only when every
// value could be read.
type Checker interface {
	Check() []Problem
}

// Load reads the file into the struct that into points to; what the file does
// not mention keeps the value it has. Fields are found by their toml tag. After
// the file come the environment variables named by env tags; an empty variable
// counts as absent, and a list is separated by commas there.
//
// Beside the plain types a field, or an element of a list, may be an
// encoding.TextUnmarshaler: its error is shown with the line, and should say
// what to write instead. A field tagged secret:"true" is never quoted in an
// error. A tag like:"..." is an example for a field whose default is empty.
//
// A struct is a TOML table. A map from names to structs is a table of tables,
// [users.anna], [users."b.b"]; each begins as its zero value, or as a Defaulter
// makes it. A list of structs is a list of tables, whose problems are placed at
// the line of the list, and counted from 1: rules.2.prefix.
//
// Whatever is refused comes back as an *Error.
func (f File) Load(into any, getenv func(string) string) error {
	l := &loader{file: f.Path, root: reflect.ValueOf(into).Elem(), variables: map[string]string{}}
	text, err := f.read()
	if err != nil {
		return err
	}
	if err := l.decode(withoutComments(text)); err != nil {
		return err
	}
	l.environment(l.root, getenv)
	if c, ok := into.(Checker); ok && len(l.problems) == 0 {
		for _, p := range c.Check() {
			l.report(p.Key, "%s", p.What)
		}
	}
	if len(l.problems) == 0 {
		return nil
	}
	sort.SliceStable(l.problems, func(i, j int) bool { return l.problems[i].Line < l.problems[j].Line })
	return &Error{Problems: l.problems}
}

// read returns the text of the file; a default file may be absent.
func (f File) read() ([]byte, error) {
	file, err := os.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) && !f.Named {
		return nil, nil
	} else if err != nil {
		return nil, f.notOpened(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		return nil, refuse(f.Path, "is a folder; name the file in it, like %s/%s", f.Path, f.Example)
	}
	var text bytes.Buffer
	if err == nil {
		text.Grow(int(min(info.Size(), maxFile)) + bytes.MinRead)
	}
	_, err = text.ReadFrom(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, refuse(f.Path, "cannot be read: %v", err)
	}
	if text.Len() > maxFile {
		return nil, refuse(f.Path, "is longer than %d KiB; a configuration is far shorter, so this is another file: compare it with etc/%s", maxFile>>10, f.Example)
	}
	return text.Bytes(), nil
}

// notOpened says why os.Open failed, and what helps.
func (f File) notOpened(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(f.Path, "there is no such file; copy the example etc/%s there and edit it", f.Example)
	case errors.Is(err, fs.ErrPermission):
		return refuse(f.Path, "user %s may not read it; give it to a group of that user and run: chmod 640 %s", loginName(os.Geteuid()), f.Path)
	}
	return refuse(f.Path, "cannot be opened: %v", errors.Unwrap(err))
}

// Source says where the values of a loaded configuration came from, for people:
// its path, or that the default file is absent.
func Source(path string) string {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "defaults, as there is no " + path
	}
	return path
}

// loader is one run of Load.
type loader struct {
	file      string
	text      []byte
	root      reflect.Value
	variables map[string]string // by the keys whose values they gave
	lines     map[string]int    // of the keys in the file, once a problem asks for one
	problems  []Problem
}

// report adds a problem and places it where the value of the key came from.
func (l *loader) report(key, format string, args ...any) {
	p := Problem{File: l.file, Key: key, What: fmt.Sprintf(format, args...)}
	if variable, given := l.variables[key]; given {
		p.File, p.Key = "", variable
	} else if p.Line = l.line(key); p.Line == 0 && isVariable(l.root, key) { // by its own name
		p.File = ""
	}
	l.problems = append(l.problems, p)
}

// decode puts the values of a TOML text into the root. Only what is not TOML at
// all is returned; other problems are reported and the next key is read.
func (l *loader) decode(text []byte) error {
	l.text = text
	var keys any // into which the toml package puts its own tables as they are
	if err := toml.Unmarshal(text, &keys); err != nil {
		return l.syntax(string(text), err)
	}
	l.table(l.root, keys.(map[string]any), nil)
	return nil
}

// withoutComments empties the lines that are comments alone, and keeps their
// number: the parser walks through each character of our long ones, which takes a
// process that is started for each call longer than all values (measured: 0.1 of
// 3.5 ms). Where a text may go over several lines, or is none (a zero byte), nothing
// is touched. What it returns lies where the text was.
func withoutComments(text []byte) []byte {
	if bytes.Contains(text, []byte(`"""`)) || bytes.Contains(text, []byte("'''")) || bytes.IndexByte(text, 0) >= 0 {
		return text
	}
	kept := text[:0]
	for line := range bytes.Lines(text) {
		// A control character is refused in comments, too: the parser says so.
		if line[0] == '#' && plain(line) {
			line = line[len(line)-1:]
		}
		kept = append(kept, line...)
	}
	return kept
}

// plain says whether the line of a comment holds nothing that TOML forbids
// (toml.io, v1.0); of what is not ASCII the parser knows more.
func plain(line []byte) bool {
	line, ended := bytes.CutSuffix(line, []byte("\n"))
	for _, c := range line {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return ended
}

// table puts the keys of one TOML table into one struct.
func (l *loader) table(into reflect.Value, keys map[string]any, parent toml.Key) {
	fields := fieldsOf(into.Type())
	for name, value := range keys {
		key := below(parent, name)
		i := slices.Index(fields, name)
		if i < 0 || name == noKey {
			l.report(key.String(), "%s", l.unknown(into, name, parent))
			continue
		}
		field := into.Field(i)
		switch t := field.Type(); {
		case isTable(t):
			if inner, ok := value.(map[string]any); ok {
				l.table(field, inner, key)
			} else {
				l.report(key.String(), "is %s; write the keys of %s below a line [%s]", kindOf(value), key, key)
			}
		case isTableList(t):
			l.tableList(field, value, key)
		case isTableMap(t):
			l.tableMap(field, value, key)
		default:
			if err := assign(field, value, into.Type().Field(i).Tag); err != nil {
				l.report(key.String(), "%v", err)
			}
		}
	}
}

// below is the key of a name in a table.
func below(parent toml.Key, name string) toml.Key {
	return append(parent[:len(parent):len(parent)], name)
}

// tableMap puts tables into a map, by their names.
func (l *loader) tableMap(into reflect.Value, value any, key toml.Key) {
	entries, ok := value.(map[string]any)
	if !ok {
		l.report(key.String(), "is %s; write the keys of each below a line [%s.NAME]", kindOf(value), key)
		return
	}
	made := reflect.MakeMapWithSize(into.Type(), len(entries))
	for name, entry := range entries {
		entryKey := below(key, name)
		keys, ok := entry.(map[string]any)
		if !ok {
			l.report(entryKey.String(), "is %s; write the keys of %s below a line [%s]", kindOf(entry), entryKey, entryKey)
			continue
		}
		v := reflect.New(into.Type().Elem())
		if d, ok := v.Interface().(Defaulter); ok {
			d.SetDefaults()
		}
		l.table(v.Elem(), keys, entryKey)
		made.SetMapIndex(reflect.ValueOf(name), v.Elem())
	}
	into.Set(made)
}

// tableList puts a list of tables into a slice.
func (l *loader) tableList(into reflect.Value, value any, key toml.Key) {
	tables, ok := tablesOf(value)
	if !ok {
		l.report(key.String(), "is %s; write a list of tables between brackets, like [{ name = value }]", kindOf(value))
		return
	}
	made := reflect.MakeSlice(into.Type(), len(tables), len(tables))
	for i, keys := range tables {
		l.table(made.Index(i), keys, below(key, strconv.Itoa(i+1)))
	}
	into.Set(made)
}

// environment lets environment variables override fields with an env tag.
func (l *loader) environment(into reflect.Value, getenv func(string) string) {
	for i := range into.NumField() {
		tag := into.Type().Field(i).Tag
		name := tag.Get("env")
		if name == "" {
			continue
		}
		text := getenv(name)
		if text == "" {
			continue
		}
		l.variables[tag.Get("toml")] = name
		var value any = text
		if into.Field(i).Kind() == reflect.Slice {
			value = splitList(text)
		}
		if err := assign(into.Field(i), value, tag); err != nil {
			l.report(tag.Get("toml"), "%v", err)
		}
	}
}

// line is where the value of a key stands in the file, or 0. The toml package
// tells that in errors alone, so this decodes the text again, into values that can
// be decoded once more into something that refuses them.
func (l *loader) line(key string) int {
	if l.lines == nil {
		l.lines = map[string]int{}
		var keys map[string]toml.Primitive
		if meta, err := toml.Decode(string(l.text), &keys); err == nil {
			l.index(&meta, keys, nil, 0)
		}
	}
	return l.lines[key]
}

// index notes the lines of a table's keys. Of the elements of a list the toml
// package knows no line, so all are placed at the list's.
func (l *loader) index(meta *toml.MetaData, keys map[string]toml.Primitive, parent toml.Key, list int) {
	for name, value := range keys {
		key, line := below(parent, name), list
		var refused toml.ParseError
		if list == 0 && errors.As(meta.PrimitiveDecode(value, &refusal{}), &refused) {
			line = refused.Position.Line
		}
		l.lines[key.String()] = line
		var inner map[string]toml.Primitive
		var elements []map[string]toml.Primitive
		if meta.PrimitiveDecode(value, &inner) == nil && inner != nil {
			l.index(meta, inner, key, list)
		} else if meta.PrimitiveDecode(value, &elements) == nil {
			for i, element := range elements {
				at := below(key, strconv.Itoa(i+1))
				l.lines[at.String()] = line
				l.index(meta, element, at, line)
			}
		}
	}
}

type refusal struct{}

func (*refusal) UnmarshalTOML(any) error { return errors.New("refused to learn the line") }
