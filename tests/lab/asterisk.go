package lab

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// AsteriskConfig says what an Asterisk is made of.
type AsteriskConfig struct {
	// ChanSIP takes the Asterisk of NeedAsterisk16, with chan_sip in the place of
	// PJSIP; otherwise it is that of NeedAsterisk.
	ChanSIP bool
	// Etc holds files of /etc/asterisk at its top, e.g. os.DirFS of adcredit's
	// etc/asterisk; Files come over them, by name, e.g. "pjsip.conf". Where
	// neither has asterisk.conf, modules.conf, logger.conf or rtp.conf, the
	// lab's own are taken.
	Etc   fs.FS
	Files map[string]string
	// Modules are loaded beyond the lab's own modules.conf, e.g. "app_echo.so".
	Modules []string
	// Mounts brings binaries, sounds and sockets in: path inside, such as
	// /usr/share/asterisk/agi-bin/adcredit, to file or folder outside.
	Mounts map[string]string
	// Env is added to Asterisk's environment, which its AGI programs inherit.
	Env []string
}

// A PBX is a running Asterisk in a throw-away root.
type PBX struct {
	Root    string // its file system as seen from outside
	Version string // as Asterisk prints it, e.g. "Asterisk 22.10.1"

	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended

	uid, gid int // of user asterisk inside
	env      []string
}

// kept are the files of Debian's own /etc/asterisk that stay: without them
// Asterisk complains, and a failed test's log should hold the cause alone.
var kept = []string{
	"acl.conf", "ccss.conf", "cdr.conf", "cel.conf", "cli.conf", "cli_permissions.conf", "codecs.conf",
	"features.conf", "indications.conf", "pjproject.conf", "stasis.conf", "udptl.conf",
}

//go:embed modules.conf
var modulesConf string

// need is which Asterisk it is.
func (c AsteriskConfig) need() Need {
	if c.ChanSIP {
		return NeedAsterisk16
	}
	return NeedAsterisk
}

// modules is the modules.conf of an Asterisk that brings none.
func (c AsteriskConfig) modules() string {
	text, extra := modulesConf, c.Modules
	if c.ChanSIP {
		text = pjsipModules.ReplaceAllString(text, "")
		extra = append([]string{"chan_sip.so"}, extra...)
	}
	for _, m := range extra {
		text += "load=" + m + "\n"
	}
	return text
}

var pjsipModules = regexp.MustCompile(`(?m)^load=\w*pjsip\w*\.so\n`)

// ownFiles stand in for files of /etc/asterisk that the test doesn't bring.
func (c AsteriskConfig) ownFiles() map[string]string {
	return map[string]string{
		"asterisk.conf": "[options]\nverbose = 3\nentityid = 02:00:00:00:00:01\n",
		"modules.conf":  c.modules(),
		"logger.conf":   "[logfiles]\nfull => notice,warning,error,verbose\n",
		"rtp.conf":      "[general]\nrtpstart=10000\nrtpend=19999\n",
	}
}

// Asterisk starts an Asterisk of the test's own and waits until it is fully
// booted. The cached root stays as it is: a layer in memory takes what is
// written. It is stopped when the test ends, and a failed test shows the end of
// its log. Two at once need addresses and rtp.conf ranges of their own.
func Asterisk(tb testing.TB, c AsteriskConfig) *PBX {
	tb.Helper()
	if !isolated() {
		tb.Fatal("lab: Asterisk would run on this machine's own network; call lab.Main(m, lab.NeedAsterisk) from TestMain")
	}
	base, err := distributions[c.need()].base()
	if err != nil {
		tb.Fatal("lab: ", err)
	}
	p := &PBX{env: c.Env}
	tb.Cleanup(func() { p.end(tb) })
	if err := p.assemble(base, c); err != nil {
		tb.Fatal("lab: lay out Asterisk's root: ", err)
	}
	p.Start(tb)
	version := p.CLI(tb, "core show version")
	p.Version, _, _ = strings.Cut(version[max(0, strings.Index(version, "Asterisk ")):], " built by")
	tb.Logf("lab: %s", p.Version)
	return p
}

// assemble makes the root and fills it.
func (p *PBX) assemble(base string, c AsteriskConfig) error {
	root, err := mountRoot(base, "asterisk-")
	if err != nil {
		return err
	}
	p.Root = root
	if p.uid, p.gid, err = asteriskUser(root); err != nil {
		return err
	}
	for inside, outside := range c.Mounts {
		if err := bind(outside, p.Path(inside)); err != nil {
			return err
		}
	}
	if err := p.configure(filepath.Join(base, "etc/asterisk"), c); err != nil {
		return err
	}
	run := p.Path("/run/asterisk")
	if err := os.MkdirAll(run, 0o755); err != nil {
		return err
	}
	return p.Own(run)
}

// configure writes /etc/asterisk: the last that names a file gives it.
func (p *PBX) configure(debians string, c AsteriskConfig) error {
	etc := p.Path("/etc/asterisk")
	if err := os.RemoveAll(etc); err != nil {
		return err
	}
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return err
	}
	files := c.ownFiles()
	for _, name := range kept {
		if text, err := os.ReadFile(filepath.Join(debians, name)); err == nil { // another suite may lack it
			files[name] = string(text)
		}
	}
	if c.Etc != nil {
		names, err := fs.Glob(c.Etc, "*.conf")
		if err != nil {
			return err
		}
		for _, name := range names {
			text, err := fs.ReadFile(c.Etc, name)
			if err != nil {
				return err
			}
			files[name] = string(text)
		}
	}
	maps.Copy(files, c.Files)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Start starts the program, also once more after [PBX.Stop], and waits until it is
// fully booted.
func (p *PBX) Start(tb testing.TB) {
	tb.Helper()
	out, err := os.Create(p.Path("/run/console.log"))
	if err != nil {
		tb.Fatal("lab: ", err)
	}
	defer out.Close()
	p.cmd = p.inside(context.Background(), "/usr/sbin/asterisk", "-f", "-U", "asterisk", "-G", "asterisk")
	p.cmd.Env = append(p.cmd.Env, p.env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		tb.Fatal("lab: start Asterisk: ", err)
	}
	p.gone = make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // how it ended stands in its log
		close(p.gone)
	}()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.gone:
			tb.Fatalf("lab: Asterisk ended instead of booting\n%s", p.logs())
		case <-deadline:
			tb.Fatalf("lab: Asterisk was not fully booted within a minute\n%s", p.logs())
		case <-tick.C:
			if out, err := p.cli("core waitfullybooted"); err == nil && strings.Contains(out, "fully booted") {
				return
			}
		}
	}
}

// inside prepares a command that runs in the PBX's root.
func (p *PBX) inside(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: p.Root}
	return cmd
}

// Path is a path of the PBX's file system as seen from outside.
func (p *PBX) Path(inside string) string { return filepath.Join(p.Root, inside) }

// Log is the path of Asterisk's full log.
func (p *PBX) Log() string { return p.Path("/var/log/asterisk/full") }

// PID is the number of Asterisk's process.
func (p *PBX) PID() int { return p.cmd.Process.Pid }

// Own gives a file or folder, named from outside, to the user whom Asterisk and
// its AGI programs run as.
func (p *PBX) Own(path string) error {
	return os.Chown(path, p.uid, p.gid)
}

// CLI runs a command of Asterisk's command line and returns what it says.
func (p *PBX) CLI(tb testing.TB, command string) string {
	tb.Helper()
	out, err := p.cli(command)
	if err != nil {
		tb.Fatalf("lab: asterisk -rx %q: %v\n%s", command, err, out)
	}
	return out
}

func (p *PBX) cli(command string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := p.inside(ctx, "/usr/sbin/asterisk", "-rx", command)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// Stop shuts Asterisk down at once, hanging up what is up; its files stay until
// the test ends.
func (p *PBX) Stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(10 * time.Second): // it hangs: no reason for the tests to
		_ = p.cmd.Process.Kill()
		<-p.gone
	}
	p.cmd = nil
}

// end is what happens when the test is over.
func (p *PBX) end(tb testing.TB) {
	p.Stop()
	if tb.Failed() && p.Root != "" {
		tb.Log(p.logs())
	}
	if err := unmountRoot(p.Root); err != nil {
		tb.Errorf("lab: take Asterisk's root down: %v", err)
	}
}

// logs is the end of what Asterisk has to say.
func (p *PBX) logs() string {
	return fmt.Sprintf("the end of Asterisk's log:\n%s\nits console:\n%s",
		tail(p.Log(), 80), tail(p.Path("/run/console.log"), 20))
}

// asteriskUser reads whom Asterisk runs as from the root's passwd.
func asteriskUser(root string) (uid, gid int, err error) {
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(passwd)) {
		if rest, ok := strings.CutPrefix(line, "asterisk:x:"); ok {
			if _, err := fmt.Sscanf(rest, "%d:%d", &uid, &gid); err == nil {
				return uid, gid, nil
			}
		}
	}
	return 0, 0, errors.New("the root's /etc/passwd has no user asterisk")
}
