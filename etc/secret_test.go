package etc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestKeyFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		name, text string
		mode       fs.FileMode
		want       string // the secret, or the error
	}{
		{"plain", "adc_1_x", 0o600, "adc_1_x"},
		{"newline", "adc_1_x\n", 0o400, "adc_1_x"},
		{"windows newline", "adc_1_x\r\n", 0o400, "adc_1_x"},
		{"spaces are part of it", " x ", 0o600, " x "},
		{"group", "hunter2", 0o640, "key: can be read or written by other users (mode 0640); run: chmod 600 key"},
		{"others", "hunter2", 0o604, "key: can be read or written by other users (mode 0604); run: chmod 600 key"},
		{"others write", "hunter2", 0o602, "key: can be read or written by other users (mode 0602); run: chmod 600 key"},
		{"empty", "\n", 0o600, "key: is empty; put the secret into it"},
		{"two lines", "hunter2\nhunter3\n", 0o600, "key: holds more than one line, or control characters; it must hold the secret and nothing else"},
		{"NUL", "hunter2\x00", 0o600, "key: holds more than one line, or control characters; it must hold the secret and nothing else"},
		{"longest", strings.Repeat("x", 4096), 0o600, strings.Repeat("x", 4096)},
		{"too long", strings.Repeat("x", 4097), 0o600, "key: is longer than 4 KiB; it must hold the secret and nothing else"},
	} {
		t.Run(c.name, func(t *testing.T) {
			os.Remove("key")
			if err := os.WriteFile("key", []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod("key", c.mode); err != nil {
				t.Fatal(err)
			}
			checkKey(t, "key", c.want)
		})
	}
}

// checkKey wants a secret or an error, and never both.
func checkKey(t *testing.T, path, want string) {
	t.Helper()
	secret, err := KeyFile(path)
	got := string(secret)
	if err != nil {
		if secret != "" {
			t.Errorf("%v, and a secret as well", err)
		}
		var refused *Error
		if !errors.As(err, &refused) {
			t.Errorf("%v is not an *Error", err)
		}
		got = err.Error()
	}
	if got != want {
		t.Errorf("got %.200q, want %.200q", got, want)
	}
}

func TestKeyFileThatIsNone(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := errors.Join(os.Mkdir("folder", 0o700), syscall.Mkfifo("pipe", 0o600), os.WriteFile("file", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	checkKey(t, "none", "none: there is no such file; put the secret alone into it, then run: chmod 600 none")
	checkKey(t, "folder", "folder: is not a plain file; put the secret into a file of its own")
	checkKey(t, "pipe", "pipe: is not a plain file; put the secret into a file of its own")
	checkKey(t, "file/x", "file/x: cannot be opened: not a directory")
}

// Root may read everything, so that these are tried without a file.
func TestNoRight(t *testing.T) {
	me := loginName(os.Geteuid())
	denied := &fs.PathError{Op: "open", Path: "key", Err: syscall.EACCES}
	want := fmt.Sprintf("key: user %s may not read it; run: chown %s key", me, me)
	if got := keyNotOpened("key", denied).Error(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want = fmt.Sprintf("sample.toml: user %s may not read it; give it to a group of that user and run: chmod 640 sample.toml", me)
	if got := (File{Path: "sample.toml"}).notOpened(denied).Error(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// info is a file of another user, which a test can't make without being root.
type info struct {
	uid  uint32
	mode fs.FileMode
}

func (i info) Name() string       { return "key" }
func (i info) Size() int64        { return 1 }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return &syscall.Stat_t{Uid: i.uid} }

func TestKeyFileOwner(t *testing.T) {
	const nobody = 4242001 // no such user
	me := os.Geteuid()
	name := loginName(me)
	want := fmt.Sprintf("key: belongs to 4242001, but this runs as %s; run this as 4242001, or: chown %s key", name, name)
	if err := private("key", info{nobody, 0o600}); err == nil || err.Error() != want {
		t.Errorf("somebody else's: got %v, want %s", err, want)
	}
	for _, uid := range []uint32{uint32(me), 0} {
		if err := private("key", info{uid, 0o600}); err != nil {
			t.Errorf("owner %d: %v", uid, err)
		}
	}
}

// systemd lets a service in by an access list, seen as a right of the group.
func TestKeyFileOfSystemd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chmod(path, 0o440)); err != nil {
		t.Fatal(err)
	}
	checkKey(t, path, path+": can be read or written by other users (mode 0440); run: chmod 600 "+path)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	checkKey(t, path, "x")
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(dir))
	checkKey(t, path, path+": can be read or written by other users (mode 0440); run: chmod 600 "+path)
}

func TestSecretIsNotPrinted(t *testing.T) {
	type config struct{ Key Secret }
	c := config{"hunter2"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("loaded", "config", c, "key", c.Key)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Key, c.Key), string(asJSON), log.String()} {
		if strings.Contains(shown, "hunter2") || !strings.Contains(shown, "(secret)") {
			t.Errorf("%s", shown)
		}
	}
	if got := fmt.Sprint(Secret("")); got != "" {
		t.Errorf("an empty secret prints as %q", got)
	}
}

func TestUnshared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tls.key")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[fs.FileMode]bool{0o600: true, 0o640: true, 0o644: false, 0o602: false, 0o601: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := Unshared(path); (err == nil) != want {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if err := Unshared("/nowhere"); err != nil {
		t.Errorf("no file: %v", err)
	}
}
