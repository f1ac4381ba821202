package creditclient

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"adcredit/agi/callflow"
	"adcredit/creditapi/wire"
)

// spool is a spool whose clock the test sets.
func spool(t *testing.T) *Spool {
	t.Helper()
	s := newSpool(filepath.Join(t.TempDir(), "spool"))
	now := time.Now()
	s.now = func() time.Time { return now }
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// later is the same spool after some time.
func (s *Spool) later(d time.Duration) {
	now := s.now().Add(d)
	s.now = func() time.Time { return now }
}

func put(t *testing.T, s *Spool, listen, account string) *Claim {
	t.Helper()
	c, err := s.Put(Entry{Version: 1, Listen: listen, Account: account, Heard: wire.Heard{Endpos: 44000, PlayedMS: 5500, HeardAt: s.now()}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// logged collects what is logged during the test.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	t.Cleanup(func() { slog.SetDefault(old) })
	return &b
}

const whole = `{"version":1,"listen":"l1","account":"cid:1","heard":{"endpos":44000,"played_ms":5500,"heard_at":"2026-11-24T10:00:10Z"}}`

// What lies in the spool under the name of an entry, and what becomes of it.
func TestWhatIsAnEntry(t *testing.T) {
	file := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for _, row := range []struct {
		name, file string
		make       func(path string) error
		want       error
	}{
		{"whole", kept1, file(whole), nil},
		{"of the first version, with attempts and without a tag", "l1.json", file(strings.Replace(whole, `"heard"`, `"attempts":3,"next":"2026-11-24T11:00:00Z","heard"`, 1)), nil},
		{"with a field that is not known", kept1, file(strings.Replace(whole, `"heard"`, `"node":"ast1","heard"`, 1)), nil},
		{"empty", kept1, file(""), errNotOurs},
		{"truncated", kept1, file(whole[:60]), errNotOurs},
		{"with more behind it", kept1, file(whole + whole), errNotOurs},
		{"not JSON", kept1, file("heard to its end"), errNotOurs},
		{"larger than an entry can be", kept1, file(whole + strings.Repeat(" ", maxEntry)), errNotOurs},
		{"without a listen", kept1, file(`{"version":1,"account":"cid:1"}`), errNotOurs},
		{"whose listen is a path", kept1, file(strings.Replace(whole, "l1", "../l1", 1)), errNotOurs},
		{"of another listen than its name", "l2" + kept1[2:], file(whole), errNotOurs},
		{"of another account than its name", "l1.00000000.json", file(whole), errNotOurs},
		{"of a later version", kept1, file(`{"version":2,"listen":["l1"]}`), errLater},
		{"of another user", kept1, func(path string) error {
			return errors.Join(file(whole)(path), os.Chown(path, 4711, -1))
		}, errNotOurs},
		{"a symbolic link", kept1, func(path string) error {
			return errors.Join(file(whole)(path+"~"), os.Symlink(path+"~", path))
		}, errNotOurs},
		{"a folder", kept1, func(path string) error { return os.Mkdir(path, 0o700) }, errNotOurs},
		{"a pipe that nobody writes", kept1, func(path string) error { return unix.Mkfifo(path, 0o600) }, errNotOurs},
		{"delivered meanwhile", kept1, func(string) error { return nil }, fs.ErrNotExist},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.name == "of another user" && os.Geteuid() != 0 {
				row.make = func(path string) error { return os.Symlink("/etc/passwd", path) } // root's, in our name
			}
			s := spool(t)
			if err := row.make(filepath.Join(s.Dir, row.file)); err != nil {
				t.Fatal(err)
			}
			c, err := s.claim(row.file)
			if row.want == nil && err != nil || !errors.Is(err, row.want) {
				t.Fatalf("got %v; want %v", err, row.want)
			}
			if err == nil {
				c.end()
				if c.Listen != "l1" || c.Account != "cid:1" || c.Heard.Endpos != 44000 || c.Heard.PlayedMS != 5500 {
					t.Errorf("%+v", c.Entry)
				}
			}
		})
	}
}

func TestTheFolderOfTheSpool(t *testing.T) {
	s := spool(t)
	for _, row := range []struct {
		name   string
		change func() error
		want   string
	}{
		{"writable by others", func() error { return os.Chmod(s.Dir, 0o777) }, "chmod 700 " + s.Dir},
		{"readable by others", func() error { return os.Chmod(s.Dir, 0o750) }, "chmod 700 " + s.Dir},
		{"a symbolic link", func() error {
			return errors.Join(os.Rename(s.Dir, s.Dir+"~"), os.Symlink(s.Dir+"~", s.Dir))
		}, "is not a folder"},
		{"a file", func() error { return errors.Join(os.Remove(s.Dir), os.WriteFile(s.Dir, nil, 0o600)) }, "install -d -m 700"},
	} {
		if err := row.change(); err != nil {
			t.Fatal(err)
		}
		c, err := s.Put(Entry{Version: 1, Listen: "l1"})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v; want %s", row.name, err, row.want)
		}
		c.delivered() // what was not kept has nothing to end
	}
	foreign := spool(t)
	if os.Geteuid() == 0 {
		if err := os.Chown(foreign.Dir, 4711, -1); err != nil {
			t.Fatal(err)
		}
	} else {
		foreign.Dir = "/etc/ssl/private" // root's, 0700 or so
	}
	if _, err := foreign.Put(Entry{Version: 1, Listen: "l1"}); os.Geteuid() == 0 && (err == nil || !strings.Contains(err.Error(), "sudo -u '#4711'")) {
		t.Errorf("of another user: got %v", err)
	}
}

func TestNoNumberIsInAFilesName(t *testing.T) {
	s := spool(t)
	put(t, s, "l1", "card:9700203963").end()
	if left := files(t, s.Dir); strings.Contains(left, "9700203963") || !strings.HasPrefix(left, "l1.") {
		t.Errorf("the spool holds %s", left)
	}
}

func TestAnEntryIsSyncedBeforeAndAfterItHasItsName(t *testing.T) {
	s := spool(t)
	var synced []string
	s.sync = func(f *os.File) error {
		_, err := os.Stat(filepath.Join(s.Dir, kept1))
		synced = append(synced, filepath.Base(f.Name())[:4]+map[bool]string{true: " named", false: ""}[err == nil])
		return f.Sync()
	}
	put(t, s, "l1", "cid:1").end()
	if got := strings.Join(synced, ", "); got != ".new, spoo named" {
		t.Errorf("synced: %s; want the file before its name, and the folder after", got)
	}
}

func TestWhatCannotBeSyncedIsSentAndStaysUntilThen(t *testing.T) {
	for _, what := range []string{"file", "folder"} {
		t.Run(what, func(t *testing.T) {
			log := logged(t)
			c := client(t, time.Second, serve(t, problem(wire.Unavailable)))
			c.spool.sync = func(f *os.File) error {
				if info, err := f.Stat(); err != nil || info.IsDir() == (what == "folder") {
					return unix.EIO
				}
				return nil
			}
			_, err := c.Complete(t.Context(), "cid:1", wire.Listen{ID: "l1"}, wire.Heard{Endpos: 44000})
			if !errors.Is(err, wire.Unavailable) || errors.Is(err, callflow.ErrPending) {
				t.Errorf("got %v; want that creditapi is away, and no promise that it is kept", err)
			}
			if left := files(t, c.cfg.SpoolDir); left != kept1 {
				t.Errorf("left: %q", left)
			}
			if !strings.Contains(log.String(), "input/output error") || !strings.Contains(log.String(), "listen=l1 endpos=44000") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestWhatACrashHasLeftHalfWritten(t *testing.T) {
	log := logged(t)
	s := spool(t)
	for name, text := range map[string]string{".new-" + kept1 + "-1": whole, ".new-l2.x-2": whole[:50], ".new-l3.x-3": ""} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if names, _, err := s.waiting(true, 0); len(names) > 0 || err != nil || strings.Count(files(t, s.Dir), ".new") != 3 {
		t.Errorf("what may still be under way was touched: %v, %v", names, err)
	}
	s.later(2 * abandonedAfter)
	names, _, err := s.waiting(true, 0)
	if strings.Join(names, " ") != kept1 || err != nil {
		t.Errorf("entries %v, %v; want the one that is whole", names, err)
	}
	if left := files(t, s.Dir); left != "corrupt/new-l2.x-2 corrupt/new-l3.x-3 "+kept1 {
		t.Errorf("left: %s", left)
	}
	if strings.Count(log.String(), "level=ERROR") != 2 {
		t.Errorf("log: %s", log)
	}
}

func TestWhatIsSetAsideOverwritesNothing(t *testing.T) {
	s := spool(t)
	for _, text := range []string{"first", "second"} {
		if err := os.WriteFile(filepath.Join(s.Dir, "x.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.setAside("x.json", corruptDir)
	}
	s.setAside("x.json", corruptDir) // another process was faster
	if held, err := s.Look(); held != (Held{Corrupt: 2}) || err != nil {
		t.Errorf("%+v, %v in %s", held, err, files(t, s.Dir))
	}
}

func TestRest(t *testing.T) {
	for _, row := range []struct {
		name   string
		waited time.Duration
		err    error
		rests  time.Duration
	}{
		{"the first time", 0, wire.Forbidden, leastRest},
		{"doubles", 3 * time.Minute, wire.Forbidden, 3 * time.Minute},
		{"at most an hour", 30 * time.Hour, wire.Forbidden, time.Hour},
		{"at most a minute when creditapi is away", 30 * time.Hour, ErrNoAnswer, time.Minute},
		{"and when it fails", 30 * time.Hour, wire.Unavailable, time.Minute},
		{"a clock that was set back", -time.Hour, wire.Forbidden, leastRest},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := spool(t)
			c := put(t, s, "l1", "cid:1")
			s.later(row.waited)
			if code, ok := row.err.(wire.Code); ok {
				row.err = &wire.Error{Code: code}
			}
			c.failed(row.err)
			due := func() int { names, _, _ := s.waiting(false, 0); return len(names) }
			s.later(row.rests - time.Millisecond)
			if due() != 0 {
				t.Errorf("due before %v", row.rests)
			}
			s.later(2 * time.Millisecond)
			if due() != 1 {
				t.Errorf("not due after %v", row.rests)
			}
			s.later(-100 * time.Hour)
			if due() != 1 {
				t.Error("an entry whose time is wrong waits for days")
			}
		})
	}
}
