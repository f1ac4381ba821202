package etc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxKey is the most that a file with a secret may hold, in bytes.
const maxKey = 4 << 10

// Secret is a key or a password. It prints as "(secret)" whatever the format;
// string(s) is the secret itself.
type Secret string

// String hides the secret; an empty one stays visible as empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText hides the secret from JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// KeyFile reads a secret from a file: at most 4 KiB, a newline at the end not
// counted. A file that its group or others may read, or that belongs to somebody
// else (root excepted), is refused with the command that mends it; files that
// systemd passed by LoadCredential= are systemd's own business. What is refused
// comes back as an *Error that never shows the content.
func KeyFile(path string) (Secret, error) {
	// Without O_NONBLOCK a named pipe would keep us waiting for a writer.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", keyNotOpened(path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", refuse(path, "cannot be examined: %v", err)
	}
	if err := private(path, info); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKey+1))
	if err != nil {
		return "", refuse(path, "cannot be read: %v", err)
	}
	if len(text) > maxKey {
		return "", refuse(path, "is longer than %d KiB; it must hold the secret and nothing else", maxKey>>10)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 {
		return "", refuse(path, "is empty; put the secret into it")
	}
	if bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", refuse(path, "holds more than one line, or control characters; it must hold the secret and nothing else")
	}
	return Secret(text), nil
}

// Unshared refuses a private key that every user can read. A group may: Debian
// keeps such keys for the group ssl-cert. Whether it can be read at all is for
// whoever reads it to say.
func Unshared(path string) error {
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 == 0 {
		return nil
	}
	return fmt.Errorf("every user can read %s; run: chmod o-rwx %s", path, path)
}

// keyNotOpened says why a file with a secret could not be opened, and what helps.
func keyNotOpened(path string, err error) error {
	me := loginName(os.Geteuid())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(path, "there is no such file; put the secret alone into it, then run: chmod 600 %s", path)
	case errors.Is(err, fs.ErrPermission):
		return refuse(path, "user %s may not read it; run: chown %s %s", me, me, path)
	}
	return refuse(path, "cannot be opened: %v", errors.Unwrap(err))
}

// private refuses a file that somebody else could read or replace.
func private(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return refuse(path, "is not a plain file; put the secret into a file of its own")
	}
	// With User= systemd lets the service in by an access list, which looks like
	// a right of the group; the folder is the service's alone.
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" && filepath.Dir(filepath.Clean(path)) == filepath.Clean(dir) {
		return nil
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if me := os.Geteuid(); ok && int(stat.Uid) != me && stat.Uid != 0 {
		return refuse(path, "belongs to %s, but this runs as %s; run this as %s, or: chown %s %s",
			loginName(int(stat.Uid)), loginName(me), loginName(int(stat.Uid)), loginName(me), path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return refuse(path, "can be read or written by other users (mode %04o); run: chmod 600 %s", info.Mode().Perm(), path)
	}
	return nil
}

// loginName is the name of a user, or the number when there is no name.
func loginName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}
