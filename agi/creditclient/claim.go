package creditclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Claim is an entry in the hands of this process, which no other delivers
// meanwhile. One of its methods ends it. An entry that could not be kept on disk
// has a claim too, whose end changes nothing.
type Claim struct {
	Entry
	spool *Spool
	name  string   // of its file; "" when there is none
	file  *os.File // locked
}

// Why a file was not claimed, beside fs.ErrNotExist (delivered by another
// process) and failures to read, which say nothing about the entry.
var (
	errBusy    = errors.New("another process delivers it now")
	errLater   = errors.New("a later version of adcredit has written it")
	errNotOurs = errors.New("it is not a completion of ours")
)

// claim reads an entry and locks it.
func (s *Spool) claim(name string) (*Claim, error) {
	path := filepath.Join(s.Dir, name)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	owner, foreign := foreigner(info)
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is no plain file (%s)", errNotOurs, info.Mode().Type())
	case foreign:
		return nil, fmt.Errorf("%w: it belongs to user %d", errNotOurs, owner)
	case info.Size() > maxEntry:
		return nil, fmt.Errorf("%w: it has %d bytes", errNotOurs, info.Size())
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	c := &Claim{spool: s, name: name, file: file}
	if err := c.read(path); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// read fills the entry, once it is sure that the file is still there: who had
// the lock before may have delivered it.
func (c *Claim) read(path string) error {
	if err := lock(c.file); err != nil {
		return err
	}
	here, err := c.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Lstat(path); err != nil {
		return err
	} else if !os.SameFile(here, there) {
		return fs.ErrNotExist
	}
	text, err := io.ReadAll(io.LimitReader(c.file, maxEntry+1))
	if err != nil {
		return err
	}
	c.Entry, err = parse(text)
	if err == nil && !strings.HasPrefix(c.name, newPrefix) && c.name != c.Entry.name() && c.name != c.Listen+entrySuffix {
		err = fmt.Errorf("%w: its name is another listen's", errNotOurs)
	}
	return err
}

// parse looks at the version first: what follows may have changed with it.
func parse(text []byte) (e Entry, err error) {
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return e, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	if v.Version > entryVersion {
		return e, fmt.Errorf("%w: version %d", errLater, v.Version)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	if e.Version < 1 || !isListen(e.Listen) {
		return e, fmt.Errorf("%w: it has no version or no listen", errNotOurs)
	}
	return e, nil
}

// lock takes the file for as long as it is open here. On a file system without
// locks two processes may send an entry at once, which creditapi takes for one.
func lock(file *os.File) error {
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errBusy
	}
	return nil
}

// end lets go of the entry as it is.
func (c *Claim) end() {
	if c.file != nil {
		_ = c.file.Close() // only read, or synced before
	}
}

// delivered removes an entry that creditapi has taken. One that stays is
// harmless: sending it again answers the same grant.
func (c *Claim) delivered() {
	defer c.end()
	if c.name == "" {
		return
	}
	if err := os.Remove(filepath.Join(c.spool.Dir, c.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Warn("a delivered completion stays in the spool", "listen", c.Listen, "error", err)
	}
}

// refused sets the entry aside for a person.
func (c *Claim) refused() {
	defer c.end()
	if c.name != "" {
		c.spool.setAside(c.name, refusedDir)
	}
}

// How long an entry rests after an attempt: as long as it has waited already,
// so that the pauses double.
const (
	leastRest      = 5 * time.Second
	mostUnanswered = time.Minute // creditapi is away: credit follows soon after it is back
	mostRest       = time.Hour   // it has answered, and the same answer is likely
)

// failed notes an attempt by when the next one is due.
func (c *Claim) failed(err error) {
	defer c.end()
	if c.name == "" {
		return
	}
	most := mostRest
	if unanswered(err) {
		most = mostUnanswered
	}
	now := c.spool.now()
	next := now.Add(min(max(now.Sub(c.Heard.HeardAt), leastRest), most))
	err = os.Chtimes(filepath.Join(c.spool.Dir, c.name), next, next)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Warn("an attempt could not be noted in the spool", "listen", c.Listen, "error", err)
	}
}

// of lists the entries of one account, without reading any.
func (s *Spool) of(account string) ([]string, error) {
	names, err := s.names()
	own := "." + tag(account) + entrySuffix
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, own) })
	slices.Sort(names)
	return names, err
}

// waiting lists the entries, those first that have rested longest: fresh ones,
// then those that failed. Unless all is set, those that are not due are counted
// alone. With most, it looks at so many files and at others the next time: each
// costs a moment, and there may be ten thousand.
func (s *Spool) waiting(all bool, most int) (due []string, resting int, err error) {
	type file struct {
		name string
		at   time.Time
	}
	names, err := s.names()
	if most > 0 && len(names) > most {
		from := rand.N(len(names) - most + 1)
		names = names[from : from+most]
	}
	now := s.now()
	files := make([]file, 0, len(names))
	for _, name := range names {
		if strings.HasPrefix(name, newPrefix) {
			name = s.recover(name)
		}
		if !strings.HasSuffix(name, entrySuffix) {
			continue
		}
		info, err := os.Lstat(filepath.Join(s.Dir, name))
		if err != nil {
			continue // delivered by another process
		}
		// No rest is longer than mostRest: the clock was wrong when it was noted.
		at := info.ModTime()
		if rest := at.Sub(now); !all && rest > 0 && rest <= mostRest {
			resting++
			continue
		}
		files = append(files, file{name, at})
	}
	slices.SortFunc(files, func(a, b file) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	for _, f := range files {
		due = append(due, f.name)
	}
	return due, resting, err
}

// abandonedAfter is the age at which a file that was being written is left over
// from a crash.
const abandonedAfter = time.Minute

// recover puts what a crash has left into its place when it is whole: an ad was
// heard. Otherwise a person sees to it. It returns the entry's name, if any.
func (s *Spool) recover(name string) string {
	info, err := os.Lstat(filepath.Join(s.Dir, name))
	if err != nil || s.now().Sub(info.ModTime()) < abandonedAfter {
		return ""
	}
	c, err := s.claim(name)
	if errors.Is(err, errNotOurs) {
		slog.Error("a completion was being written when this host or adcredit stopped: it is set aside", "file", name, "error", err)
		s.setAside(name, corruptDir)
	}
	if err != nil {
		return ""
	}
	defer c.end()
	if err := os.Rename(filepath.Join(s.Dir, name), filepath.Join(s.Dir, c.Entry.name())); err != nil {
		slog.Warn("a completion that a crash has left could not be put into its place", "file", name, "error", err)
		return ""
	}
	slog.Info("a completion that a crash has left is put into its place", "listen", c.Listen)
	return c.Entry.name()
}
