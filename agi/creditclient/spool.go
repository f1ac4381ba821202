package creditclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
type Spool struct {
	Dir string // 0700, made when it is first needed
}

const (
	entryVersion = 1
	entrySuffix  = ".json"
	refusedDir   = "refused" // refused for good: for a person to look at
	corruptDir   = "corrupt" // not an entry of ours
	maxEntry     = 4 << 10
)

// Entry is one completion that waits.
type Entry struct {
	Version  int        `json:"version"`
	Listen   string     `json:"listen"`
	Account  string     `json:"account"`
	Heard    wire.Heard `json:"heard"`
	Attempts int        `json:"attempts"`
	Next     time.Time  `json:"next"` // not before
}

func (e Entry) name() string { return e.Listen + entrySuffix }

// due grows from 5 s to an hour between attempts.
func (e Entry) due() time.Duration {
	return min(5*time.Second<<min(uint(e.Attempts), 10), time.Hour) // a count that is no count waits longest
}

// Put keeps an entry. When it returns nil the entry survives a power cut.
func (s *Spool) Put(e Entry) error {
	if !isListen(e.Listen) {
		return fmt.Errorf("spool: the listen's id is not one")
	}
	if err := s.ready(); err != nil {
		return err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("spool: encode: %w", err)
	}
	if err := s.write(e.name(), text); err != nil {
		return fmt.Errorf("spool: keep a completion in %s: %w", s.Dir, err)
	}
	return nil
}

// write makes the file whole or not at all.
func (s *Spool) write(name string, text []byte) error {
	tmp, err := os.CreateTemp(s.Dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(s.Dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return syncDir(s.Dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
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
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("spool: %s belongs to another user; mend it with: chown %d %s", s.Dir, os.Geteuid(), s.Dir)
	}
	return nil
}

// Remove lets an entry go that creditapi has taken. One that stays is harmless:
// sending it again answers the same grant.
func (s *Spool) Remove(e Entry) {
	if err := os.Remove(filepath.Join(s.Dir, e.name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Warn("a delivered completion stays in the spool", "listen", e.Listen, "error", err)
	}
}

// Refuse sets an entry aside for a person.
func (s *Spool) Refuse(e Entry) { s.setAside(e.name(), refusedDir) }

func (s *Spool) setAside(name, folder string) {
	to := filepath.Join(s.Dir, folder)
	err := os.MkdirAll(to, 0o700)
	if err == nil {
		err = os.Rename(filepath.Join(s.Dir, name), filepath.Join(to, name))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Error("a completion could not be set aside", "file", filepath.Join(s.Dir, name), "to", to, "error", err)
	}
}

// Retry notes an attempt that failed and when the next is due.
func (s *Spool) Retry(e Entry) {
	if _, err := os.Stat(filepath.Join(s.Dir, e.name())); err != nil {
		return // another process has delivered it meanwhile, or it was never kept
	}
	e.Attempts++
	e.Next = time.Now().Add(e.due()).UTC()
	text, err := json.Marshal(e)
	if err == nil {
		err = s.write(e.name(), text)
	}
	if err != nil {
		slog.Warn("an attempt could not be noted in the spool", "listen", e.Listen, "error", err)
	}
}

// Entries reads what waits. What is not an entry of ours is set aside.
func (s *Spool) Entries() ([]Entry, error) {
	files, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var entries []Entry
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), entrySuffix) || file.IsDir() {
			continue
		}
		e, err := s.read(file.Name())
		switch {
		case errors.Is(err, fs.ErrNotExist): // delivered by another process
		case err != nil:
			slog.Error("a file in the spool is not a completion of ours: it is set aside", "file", file.Name(), "error", err)
			s.setAside(file.Name(), corruptDir)
		default:
			entries = append(entries, e)
		}
	}
	return entries, nil
}

func (s *Spool) read(name string) (e Entry, err error) {
	path := filepath.Join(s.Dir, name)
	info, err := os.Lstat(path)
	if err != nil {
		return e, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || info.Size() > maxEntry || ok && int(stat.Uid) != os.Geteuid() {
		return e, errors.New("it is not a small file of this user's")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, err
	}
	if e.Version != entryVersion || e.name() != name || !isListen(e.Listen) {
		return e, errors.New("its version or its listen does not fit")
	}
	return e, nil
}

// deliverOwn delivers the account's completions within one step, however often
// they failed: the caller waits for their own money.
func (c *Client) deliverOwn(ctx context.Context, account string) {
	entries, err := c.spool.Entries()
	if err != nil {
		slog.Warn("the spool could not be read", "error", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	for _, e := range entries {
		if e.Account == account && ctx.Err() == nil {
			c.report(e, c.flushOne(ctx, e))
		}
	}
}

// Flushed counts what a flush has done.
type Flushed struct{ Delivered, Refused, Waiting int }

// Flush delivers what is due until ctx ends; all of it when force is set.
func (c *Client) Flush(ctx context.Context, force bool) (Flushed, error) {
	var done Flushed
	entries, err := c.spool.Entries()
	for _, e := range entries {
		if ctx.Err() != nil || !force && time.Now().Before(e.Next) {
			done.Waiting++
			continue
		}
		switch err := c.flushOne(ctx, e); {
		case err == nil || errors.Is(err, wire.InDoubt):
			done.Delivered++
		case settled(err):
			done.Refused++
		default:
			c.report(e, err)
			done.Waiting++
		}
	}
	return done, err
}

func (c *Client) flushOne(ctx context.Context, e Entry) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	_, err := c.deliver(ctx, e)
	return err
}

func (c *Client) report(e Entry, err error) {
	if err != nil {
		slog.Warn("a completion still waits", "listen", e.Listen, "error", err)
	}
}
