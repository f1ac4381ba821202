package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A distribution is a Debian system in a folder of its own, for a program that
// the machine's own Debian may lack.
type distribution struct {
	what     string // the program, as people call it
	name     string // starts the folder's name, and in capitals the environment's
	suite    string // of Debian, unless the environment names another
	packages string
	program  string // what makes it whole
	cost     string
}

// asteriskPackages: the prompts in asterisk-core-sounds-fr-wav are found under
// sounds/fr only through the links of asterisk-core-sounds-fr.
const asteriskPackages = "asterisk,asterisk-modules," +
	"asterisk-core-sounds-en,asterisk-core-sounds-en-wav," +
	"asterisk-core-sounds-fr,asterisk-core-sounds-fr-wav"

// distributions by need. Debian 11 has the last Asterisk with chan_sip (it is gone
// since Asterisk 21, and Debian 12 has none at all). MySQL is in no stable
// Debian; mysql-server-core holds the program alone.
var distributions = map[Need]distribution{
	NeedAsterisk: {
		what: "Asterisk", name: "asterisk", suite: "forky", program: "usr/sbin/asterisk",
		packages: asteriskPackages, cost: "400 MB, about a minute",
	},
	NeedAsterisk16: {
		what: "Asterisk 16", name: "asterisk16", suite: "bullseye", program: "usr/sbin/asterisk",
		packages: asteriskPackages, cost: "310 MB, about a minute",
	},
	NeedMySQL: {
		what: "MySQL", name: "mysql", suite: "sid", program: "usr/sbin/mysqld",
		packages: "mysql-server-core", cost: "500 MB, about half a minute",
	},
}

// attempts is how often a mirror's fault is forgiven.
const attempts = 3

// mirrorFault is how apt's complaints about a mirror read.
var mirrorFault = regexp.MustCompile(`(?i)failed to fetch|unable to fetch|hash sum mismatch|temporary failure|` +
	`could not (connect|resolve|handshake)|connection (failed|timed out|refused)|unexpected size|clearsigned file`)

// suitePattern is what may stand in a folder's name and in an argument.
var suitePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{1,30}$`)

// Prepare builds the root of a need, when it is absent, and returns its path:
// for the two Asterisks with English and French prompts. Progress goes to w. It
// needs the network and mmdebstrap; the result is kept between runs.
//
// The environment may say otherwise: ASTERISK_SUITE names the Debian suite
// (forky has Asterisk 22), ASTERISK_MIRROR the mirror (this machine's, as apt
// knows it), ASTERISK16_SUITE (bullseye), ASTERISK16_MIRROR (once the mirrors
// drop bullseye: http://archive.debian.org/debian), MYSQL_SUITE (sid) and
// MYSQL_MIRROR likewise, ADCREDIT_CACHE the folder to keep roots in
// (~/.cache/adcredit).
func Prepare(ctx context.Context, w io.Writer, need Need) (string, error) {
	d, ok := distributions[need]
	if !ok {
		return "", fmt.Errorf("need %d is met by this machine's own packages and has no root; %s", need, Remedy)
	}
	root, err := d.root()
	if err != nil || d.whole(root) {
		return root, err
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w; ADCREDIT_CACHE names another", err)
	}
	unlock, err := lock(ctx, root+".lock")
	if err != nil {
		return "", fmt.Errorf("wait for another build of %s: %w", root, err)
	}
	defer unlock()
	if d.whole(root) { // somebody else has built it meanwhile
		return root, nil
	}
	return root, d.build(ctx, w, root)
}

// env is a setting of this distribution's in the environment.
func (d distribution) env(name string) (key, value string) {
	key = strings.ToUpper(d.name) + "_" + name
	return key, os.Getenv(key)
}

// root is the path of the root, present or not.
func (d distribution) root() (string, error) {
	key, suite := d.env("SUITE")
	if suite == "" {
		suite = d.suite
	}
	if !suitePattern.MatchString(suite) {
		return "", fmt.Errorf("%s=%q is not the name of a Debian suite; write it like %s", key, suite, d.suite)
	}
	cache := os.Getenv("ADCREDIT_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache folder: %w; ADCREDIT_CACHE names one", err)
		}
		cache = filepath.Join(user, "adcredit")
	}
	cache, err := filepath.Abs(cache)
	return filepath.Join(cache, d.name+"-"+suite), err
}

// whole tells a finished root: only such a one ever has this name.
func (d distribution) whole(root string) bool {
	_, err := os.Stat(filepath.Join(root, d.program))
	return err == nil
}

// base is the root for a test under way, which must have been built.
func (d distribution) base() (string, error) {
	root, err := d.root()
	if err == nil && !d.whole(root) {
		err = fmt.Errorf("%s is not there: %s, or give lab.Main the need for %s", root, Remedy, d.what)
	}
	return root, err
}

// build makes the root beside its place and moves it there when it is whole.
func (d distribution) build(ctx context.Context, w io.Writer, root string) error {
	mmdebstrap, err := program("mmdebstrap")
	if err != nil {
		return err
	}
	mirror, err := d.mirror(ctx)
	if err != nil {
		return err
	}
	suite := strings.TrimPrefix(filepath.Base(root), d.name+"-")
	part := root + ".part"
	start := time.Now()
	fmt.Fprintf(w, "lab: building %s's root from Debian %s in %s (%s)\n", d.what, suite, root, d.cost)
	for attempt := 1; ; attempt++ {
		if err := os.RemoveAll(part); err != nil {
			return fmt.Errorf("remove what an earlier build left: %w", err)
		}
		cmd := exec.CommandContext(ctx, mmdebstrap, "--variant=minbase",
			`--aptopt=Acquire::Check-Valid-Until "false"`, "--include="+d.packages, suite, part, mirror)
		err := bootstrap(cmd, w, root+".log")
		if err == nil {
			break
		}
		mirrorsFault := errors.Is(err, errMirror)
		if !mirrorsFault || attempt == attempts || ctx.Err() != nil {
			_ = os.RemoveAll(part)
			return fmt.Errorf("build %s's root from Debian %s, attempt %d: %w", d.what, suite, attempt, errors.Join(err, ctx.Err()))
		}
		fmt.Fprintf(w, "lab: attempt %d of %d: %v\n", attempt, attempts, err)
	}
	if !d.whole(part) {
		return fmt.Errorf("build %s's root: %s has no %s; see %s.log", d.what, part, d.program, root)
	}
	if err := os.Rename(part, root); err != nil {
		return fmt.Errorf("put the finished root in its place: %w", err)
	}
	fmt.Fprintf(w, "lab: %s is ready after %.0f s\n", root, time.Since(start).Seconds())
	return nil
}

// errMirror marks a failure that trying again may cure.
var errMirror = errors.New("the Debian mirror failed")

// bootstrap runs mmdebstrap, shows its steps on w and keeps all it says in log.
func bootstrap(cmd *exec.Cmd, w io.Writer, log string) error {
	file, err := os.Create(log)
	if err != nil {
		return fmt.Errorf("open the build's log: %w", err)
	}
	defer file.Close()
	// It removes its mounts when asked to end, so it is asked, also when we die.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	done := make(chan struct{})
	var said bytes.Buffer
	go func() {
		defer close(done)
		lines := bufio.NewScanner(read)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Fprintln(file, lines.Text())
			fmt.Fprintln(&said, lines.Text())
			if step, ok := strings.CutPrefix(lines.Text(), "I: "); ok {
				fmt.Fprintln(w, "lab:   ", step)
			}
		}
		_, _ = io.Copy(io.Discard, read) // after a line beyond all measure, let it run on
	}()
	err = cmd.Run()
	_ = write.Close()
	<-done
	if err == nil {
		return nil
	}
	end := "see " + log + ", which ends:\n" + tail(log, 12)
	if mirrorFault.Match(said.Bytes()) {
		return fmt.Errorf("%w (mmdebstrap: %v); %s", errMirror, err, end)
	}
	return fmt.Errorf("mmdebstrap: %w; %s", err, end)
}

// mirror is the one that this machine's own apt uses.
func (d distribution) mirror(ctx context.Context) (string, error) {
	key, mirror := d.env("MIRROR")
	if mirror != "" {
		return mirror, nil
	}
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets",
		"--format", "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("ask apt for its mirror: %w; %s names a Debian mirror", err, key)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) == 4 && f[0] == "Debian" && f[1] == "Debian" && f[2] == "main" {
			return f[3], nil
		}
	}
	return "", fmt.Errorf("apt knows no Debian mirror; run apt-get update, or name one in %s", key)
}

// lock waits until no other process holds the file's lock, and takes it.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = file.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}
