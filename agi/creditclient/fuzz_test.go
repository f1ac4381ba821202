package creditclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"adcredit/tests/hostile"
)

// FuzzSpool: whatever a file in the spool holds and is called, it is either an
// entry that names the file and is kept and read again as it is, or it is set
// aside unchanged, or left alone when it is no entry by its name or a later
// version's; nothing is ever lost, and nothing is written elsewhere.
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
	f.Add(".new-2", []byte(whole[:60]))
	f.Add(".new-3", []byte(`{"version":2}`))
	f.Add(Entry{Listen: listen, Account: "alias:1001"}.name(), []byte(whole))
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
		c := &Client{spool: newSpool(filepath.Join(parent, "spool"))}
		s := c.spool
		s.later(2 * abandonedAfter)
		if err := os.RemoveAll(s.Dir); err != nil {
			t.Fatal(err)
		}
		if err := s.ready(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		names, _, err := s.waiting(true, 0)
		if err != nil || len(names) > 1 {
			t.Fatalf("entries %q, %v", names, err)
		}
		var done Flushed
		var e *Claim
		if len(names) == 1 {
			e = c.take(names[0], &done)
		}
		where := filepath.Join(s.Dir, name)
		switch {
		case e != nil:
			where = filepath.Join(s.Dir, e.name)
		case strings.HasSuffix(name, entrySuffix) && done.Left() == 0, strings.HasPrefix(name, newPrefix):
			where = filepath.Join(s.Dir, corruptDir, strings.TrimPrefix(name, "."))
		}
		there, err := os.ReadFile(where)
		if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, newPrefix) { // a later version's
			there, err = os.ReadFile(filepath.Join(s.Dir, name))
		}
		if err != nil || !bytes.Equal(there, text) {
			t.Errorf("%q, which holds %q, became %q, %v", name, text, there, err)
		}
		if e != nil {
			again(t, c, e)
		}
		if files, err := os.ReadDir(parent); err != nil || len(files) != 1 {
			t.Errorf("beside the spool there are %v, %v", files, err)
		}
	})
}

// again notes an attempt, and keeps an entry that was read.
func again(t *testing.T, c *Client, e *Claim) {
	t.Helper()
	if !isListen(e.Listen) || e.name != e.Entry.name() && e.name != e.Listen+entrySuffix {
		t.Errorf("%q is taken for %q", e.name, e.Listen)
	}
	e.failed(ErrNoAnswer)
	if due, resting, err := c.spool.waiting(false, 0); len(due) > 0 || resting != 1 || err != nil {
		t.Errorf("after an attempt %v are due and %d rest, %v", due, resting, err)
	}
	kept, err := c.spool.Put(e.Entry)
	if err != nil {
		t.Fatal(err)
	}
	kept.end()
	if read := c.take(kept.name, &Flushed{}); read == nil || !same(read.Entry, e.Entry) {
		t.Errorf("kept %+v, read %+v", e.Entry, read)
	} else {
		read.end()
	}
}

// same compares entries by their instants, whatever their zones.
func same(a, b Entry) bool {
	if !a.Heard.HeardAt.Equal(b.Heard.HeardAt) {
		return false
	}
	a.Heard.HeardAt = b.Heard.HeardAt
	return a == b
}
