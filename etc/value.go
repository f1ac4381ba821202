package etc

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	duration        = reflect.TypeFor[time.Duration]()
)

// fieldOf finds the field whose toml tag is name.
func fieldOf(in reflect.Value, name string) (reflect.Value, reflect.StructTag, bool) {
	for i := range in.NumField() {
		if tag := in.Type().Field(i).Tag; name != noKey && tag.Get("toml") == name {
			return in.Field(i), tag, true
		}
	}
	return reflect.Value{}, "", false
}

// noKey stands in fieldsOf for a field that no key of a file sets.
const noKey = "-"

// fieldsOf are the toml tags of a struct's fields, in their order.
func fieldsOf(t reflect.Type) []string {
	fields := make([]string, t.NumField())
	for i := range fields {
		if fields[i] = t.Field(i).Tag.Get("toml"); fields[i] == "" {
			fields[i] = noKey
		}
	}
	return fields
}

// isTable says whether a field is written as a TOML table.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textUnmarshaler)
}

// isVariable says whether name is an environment variable of the root struct.
func isVariable(root reflect.Value, name string) bool {
	for i := range root.NumField() {
		if root.Type().Field(i).Tag.Get("env") == name && name != "" {
			return true
		}
	}
	return false
}

// isTableMap says whether a field is written as tables with names.
func isTableMap(t reflect.Type) bool { return t.Kind() == reflect.Map && isTable(t.Elem()) }

// isTableList says whether a field is written as a list of tables.
func isTableList(t reflect.Type) bool { return t.Kind() == reflect.Slice && isTable(t.Elem()) }

// tablesOf are the tables of a TOML list, if it holds nothing else.
func tablesOf(value any) (tables []map[string]any, ok bool) {
	switch list := value.(type) {
	case []map[string]any: // written as [[name]]
		return list, true
	case []any:
		for _, element := range list {
			table, ok := element.(map[string]any)
			if !ok {
				return nil, false
			}
			tables = append(tables, table)
		}
		return tables, true
	}
	return nil, false
}

// assign puts a value as TOML gave it into a field, or says why it can't and
// what to write instead. A field is left as it was when that fails.
func assign(field reflect.Value, value any, tag reflect.StructTag) error {
	mismatch := func() error {
		return fmt.Errorf("is %s; write %s", kindOf(value), example(field, tag))
	}
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := value.(string); ok {
			return u.UnmarshalText([]byte(text))
		}
		return mismatch()
	}
	switch v := value.(type) {
	case []any:
		if field.Kind() == reflect.Slice {
			return assignList(field, v, tag)
		}
	case string:
		if field.Type() == duration {
			return assignDuration(field, v, tag)
		}
		if field.Kind() == reflect.String {
			field.SetString(v)
			return nil
		}
	case int64:
		if field.CanInt() && field.Type() != duration {
			if field.OverflowInt(v) {
				return fmt.Errorf("%d is too large; write %s", v, example(field, tag))
			}
			field.SetInt(v)
			return nil
		}
		if field.CanFloat() {
			field.SetFloat(float64(v))
			return nil
		}
	case float64:
		if field.CanFloat() {
			field.SetFloat(v)
			return nil
		}
	case bool:
		if field.Kind() == reflect.Bool {
			field.SetBool(v)
			return nil
		}
	}
	return mismatch()
}

// assignList fills a list; our lists hold texts, or what is read from one.
func assignList(field reflect.Value, list []any, tag reflect.StructTag) error {
	made := reflect.MakeSlice(field.Type(), len(list), len(list))
	for i, value := range list {
		if _, ok := value.(string); !ok {
			return fmt.Errorf("holds %s; write %s", kindOf(value), example(field, tag))
		}
		if err := assign(made.Index(i), value, tag); err != nil {
			return err
		}
	}
	field.Set(made)
	return nil
}

func assignDuration(field reflect.Value, text string, tag reflect.StructTag) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a length of time; write a number with its unit (ms, s, m or h), like %s", text, literal(field, tag))
	}
	field.SetInt(int64(d))
	return nil
}

// splitList reads a list from an environment variable.
func splitList(text string) []any {
	var list []any
	for part := range strings.SplitSeq(text, ",") {
		list = append(list, strings.TrimSpace(part))
	}
	return list
}

// kindOf says in words what a TOML value is; never the value, it may be a secret.
func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "text"
	case int64:
		return "a whole number"
	case float64:
		return "a number with decimals"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date"
	case []any, []map[string]any:
		return "a list"
	}
	return "a table"
}

// example says in words what belongs into a field, with its default or the
// like tag to show how that looks.
func example(field reflect.Value, tag reflect.StructTag) string {
	shown := literal(field, tag)
	if _, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok || field.Type() == duration {
		return "text between quotes, like " + shown
	}
	switch {
	case field.Kind() == reflect.Slice:
		return "a list between brackets, like " + shown
	case field.Kind() == reflect.String:
		return "text between quotes, like " + shown
	case field.Kind() == reflect.Bool:
		return "true or false, without quotes"
	case field.CanFloat():
		return "a number without quotes, like " + shown
	}
	return "a whole number without quotes, like " + shown
}

// literal writes a field as TOML.
func literal(field reflect.Value, tag reflect.StructTag) string {
	if like := tag.Get("like"); like != "" {
		return like
	}
	if field.Kind() == reflect.Slice {
		parts := make([]string, field.Len())
		for i := range parts {
			parts[i] = literal(field.Index(i), "")
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if field.Type() == duration {
		return strconv.Quote(shortDuration(time.Duration(field.Int())))
	}
	if m, ok := field.Interface().(encoding.TextMarshaler); ok {
		text, _ := m.MarshalText() // of a default: cannot fail
		return strconv.Quote(string(text))
	}
	if field.Kind() == reflect.String {
		return strconv.Quote(field.String())
	}
	return fmt.Sprint(field.Interface())
}

// shortDuration writes 24h0m0s as 24h.
func shortDuration(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
