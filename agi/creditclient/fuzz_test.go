package creditclient

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/tests/hostile"
)

// FuzzSpool: whatever a file in the spool holds and is called, it is either an
// entry that names the file and is kept and read again as it is, or it is set
// aside unchanged, or left alone when it is no entry by its name; nothing is
// ever lost, and nothing is written elsewhere.
func FuzzSpool(f *testing.F) {
	const listen = "01JD3Z6T9N8Q"
	whole := `{"version":1,"listen":"` + listen + `","account":"alias:1001","heard":{"endpos":44000,"played_ms":5500,"heard_at":"2026-11-24T10:00:10Z"},"attempts":3,"next":"2026-11-24T10:00:50Z"}`
	f.Add(listen+".json", []byte(whole))
	f.Add("other.json", []byte(whole))
	f.Add(listen+".json", []byte(whole[:60]))
	f.Add(listen+".json", []byte(strings.Replace(whole, `"version":1`, `"version":2`, 1)))
	f.Add(listen+".json", []byte(strings.Replace(whole, `"attempts":3`, `"attempts":-9223372036854775808`, 1)))
	f.Add(listen+".json", []byte(whole+strings.Repeat(" ", maxEntry)))
	f.Add(".new-1", []byte(whole))
	f.Add("...json", []byte(strings.Replace(whole, listen, "..", 1)))
	for _, v := range hostile.Values() {
		if quoted, err := json.Marshal(v.Text); err == nil {
			f.Add(v.Text+".json", bytes.Replace([]byte(whole), []byte(`"`+listen+`"`), quoted, 1))
			f.Add(listen+".json", bytes.Replace([]byte(whole), []byte(`"alias:1001"`), quoted, 1))
		}
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	parent := f.TempDir()
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		if name == "" || name == "." || name == ".." || len(name) > 200 || strings.ContainsAny(name, "/\x00") {
			return // no name of a file
		}
		s := &Spool{Dir: filepath.Join(parent, "spool")}
		if err := os.RemoveAll(s.Dir); err != nil {
			t.Fatal(err)
		}
		if err := s.ready(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		entries, err := s.Entries()
		if err != nil || len(entries) > 1 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		where := filepath.Join(s.Dir, name)
		if len(entries) == 0 && strings.HasSuffix(name, entrySuffix) {
			where = filepath.Join(s.Dir, corruptDir, name)
		}
		if there, err := os.ReadFile(where); err != nil || !bytes.Equal(there, text) {
			t.Errorf("%q, which holds %q, became %q, %v", name, text, there, err)
		}
		if len(entries) == 1 {
			again(t, s, name, entries[0])
		}
		if files, err := os.ReadDir(parent); err != nil || len(files) != 1 {
			t.Errorf("beside the spool there are %v, %v", files, err)
		}
	})
}

// again keeps an entry that was read, and notes an attempt.
func again(t *testing.T, s *Spool, name string, e Entry) {
	t.Helper()
	if e.name() != name || !isListen(e.Listen) {
		t.Errorf("%q is taken for %q", name, e.Listen)
	}
	if err := s.Put(e); err != nil {
		t.Fatal(err)
	}
	before, err := s.Entries()
	if err != nil || len(before) != 1 || !same(before[0], e) {
		t.Errorf("kept %+v, read %+v, %v", e, before, err)
	}
	s.Retry(e)
	after, err := s.Entries()
	if err != nil || len(after) != 1 || !after[0].Next.After(time.Now()) || after[0].Next.After(time.Now().Add(time.Hour)) {
		t.Fatalf("after an attempt there are %+v, %v", after, err)
	}
	e.Attempts, e.Next = after[0].Attempts, after[0].Next
	if !same(after[0], e) {
		t.Errorf("an attempt made %+v of %+v", after[0], before[0])
	}
}

// same compares entries by their instants, whatever their zones.
func same(a, b Entry) bool {
	if !a.Next.Equal(b.Next) || !a.Heard.HeardAt.Equal(b.Heard.HeardAt) {
		return false
	}
	a.Next, a.Heard.HeardAt = b.Next, b.Heard.HeardAt
	return a == b
}
