package creditclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"adcredit/creditapi/wire"
)

// Spool keeps completions until creditapi has taken them: one file each,
// written, synced and renamed before the first attempt to send it. It holds no
// key, so that keys can be rotated while entries wait.
//
// A file is never written again: who delivers it holds its lock ([Claim]), and
// when it is due next is its time of modification. So two processes never send
// the same entry at once, a full disk keeps no attempt from being noted, and
// nothing that was delivered comes back.
type Spool struct {
	Dir  string // 0700, made when it is first needed
	now  func() time.Time
	sync func(*os.File) error
}

func newSpool(dir string) *Spool { return &Spool{Dir: dir, now: time.Now, sync: (*os.File).Sync} }

const (
	entryVersion = 1
	entrySuffix  = ".json"
	newPrefix    = ".new-"   // being written
	refusedDir   = "refused" // refused for good: for a person to look at
	corruptDir   = "corrupt" // not an entry of ours
	maxEntry     = 64 << 10
)

// Entry is one completion that waits. Other fields of its file are ignored.
type Entry struct {
	Version int        `json:"version"`
	Listen  string     `json:"listen"`
	Account string     `json:"account"`
	Heard   wire.Heard `json:"heard"`
}

// name begins with the listen, by which a person repairs what is lost, and ends
// in the account's tag, so that the entries of one account are found without
// reading the others. The first version had no tag.
func (e Entry) name() string { return e.Listen + "." + tag(e.Account) + entrySuffix }

// tag tells accounts apart, in 32 bits: two may share one. The number itself
// stands only in the file.
func tag(account string) string {
	sum := fnv.New32a()
	sum.Write([]byte(account))
	return fmt.Sprintf("%08x", sum.Sum32())
}

// Put keeps an entry and claims it. Without an error it survives a power cut;
// with one it may be on disk all the same, and the claim knows.
func (s *Spool) Put(e Entry) (*Claim, error) {
	c := &Claim{Entry: e, spool: s}
	if !isListen(e.Listen) {
		return c, errors.New("spool: the listen's id is not one")
	}
	if err := s.ready(); err != nil {
		return c, err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return c, fmt.Errorf("spool: encode: %w", err)
	}
	if c.file, err = s.write(e.name(), text); c.file != nil {
		c.name = e.name()
	}
	if err != nil {
		return c, fmt.Errorf("spool: keep a completion in %s: %w", s.Dir, err)
	}
	return c, nil
}

// write makes the file whole or not at all, and returns it locked. What could
// not be synced stays: it outlives everything but a power cut.
func (s *Spool) write(name string, text []byte) (*os.File, error) {
	tmp, err := os.CreateTemp(s.Dir, newPrefix+name+"-*")
	if err != nil {
		return nil, err
	}
	_ = lock(tmp) // nobody else knows the file
	if _, err = tmp.Write(text); err != nil {
		return nil, errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
	}
	unsynced := s.sync(tmp)
	if err := os.Rename(tmp.Name(), filepath.Join(s.Dir, name)); err != nil {
		return nil, errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
	}
	return tmp, errors.Join(unsynced, s.syncDir())
}

func (s *Spool) syncDir() error {
	d, err := os.Open(s.Dir)
	if err != nil {
		return err
	}
	return errors.Join(s.sync(d), d.Close())
}

// ready makes the folder, and refuses one that others could write to: whoever
// writes there makes money.
func (s *Spool) ready() error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("spool: %w; make it with: install -d -m 700 -o asterisk %s", err, s.Dir)
	}
	return s.Check()
}

// Check reports what is wrong with the folder, and how to mend it.
func (s *Spool) Check() error {
	info, err := os.Lstat(s.Dir)
	if err != nil {
		return fmt.Errorf("spool: %w; make it with: install -d -m 700 -o asterisk %s", err, s.Dir)
	}
	if !info.IsDir() {
		return fmt.Errorf("spool: %s is not a folder", s.Dir)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("spool: %s is open to others; mend it with: chmod 700 %s", s.Dir, s.Dir)
	}
	if owner, foreign := foreigner(info); foreign {
		return fmt.Errorf("spool: %s belongs to user %d and this runs as user %d: run it as the owner (sudo -u '#%d'), or mend it with: chown -R %d %s",
			s.Dir, owner, os.Geteuid(), owner, os.Geteuid(), s.Dir)
	}
	return nil
}

// foreigner says whose a file is when it is not ours.
func foreigner(info fs.FileInfo) (owner uint32, foreign bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Uid, int(stat.Uid) != os.Geteuid()
}

// names lists the folder in no order. A folder that is not there is empty.
func (s *Spool) names() ([]string, error) {
	d, err := os.Open(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return names, nil
}

// Held counts what a spool has.
type Held struct{ Waiting, Refused, Corrupt int }

// Look counts, and changes nothing.
func (s *Spool) Look() (h Held, err error) {
	for _, folder := range []struct {
		name string
		n    *int
	}{{".", &h.Waiting}, {refusedDir, &h.Refused}, {corruptDir, &h.Corrupt}} {
		names, wrong := (&Spool{Dir: filepath.Join(s.Dir, folder.name)}).names()
		err = errors.Join(err, wrong)
		for _, name := range names {
			if folder.n != &h.Waiting || strings.HasSuffix(name, entrySuffix) {
				*folder.n++
			}
		}
	}
	return h, err
}

// setAside moves a file out of the way, beside what lies there under its name.
func (s *Spool) setAside(name, folder string) {
	from, to := filepath.Join(s.Dir, name), filepath.Join(s.Dir, folder, strings.TrimPrefix(name, "."))
	err := os.MkdirAll(filepath.Dir(to), 0o700)
	if _, taken := os.Lstat(to); taken == nil {
		to += "." + s.now().UTC().Format("20060102T150405.000000000")
	}
	if err == nil {
		err = os.Rename(from, to)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // absent: another process was faster
		slog.Error("a file of the spool could not be set aside", "file", from, "to", to, "error", err)
	}
}
