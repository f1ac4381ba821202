package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kamailioModules is where Debian keeps them on amd64.
const kamailioModules = "/usr/lib/x86_64-linux-gnu/kamailio/modules/"

// kamailioEtc is where the configurations say that they lie.
const kamailioEtc = "/etc/kamailio"

// A Kamailio is a running Kamailio: one process that has started the others.
type Kamailio struct {
	Name string
	Log  string // the path of its log

	cmd  *exec.Cmd
	gone chan struct{} // closed when the first process has ended
}

// KamailioEtc makes a folder appear as /etc/kamailio in this lab, until the test
// ends: so the files run as an operator installs them.
func KamailioEtc(tb testing.TB, folder string) {
	tb.Helper()
	if !isolated() {
		tb.Fatal("lab: /etc/kamailio would be this machine's own; call lab.Main from TestMain")
	}
	if err := bind(folder, kamailioEtc); err != nil {
		tb.Fatal("lab: ", err)
	}
	tb.Cleanup(func() {
		if err := unix.Unmount(kamailioEtc, unix.MNT_DETACH); err != nil {
			tb.Errorf("lab: take %s away: %v", kamailioEtc, err)
		}
	})
}

// StartKamailio starts one with NAME.cfg of /etc/kamailio and returns at once:
// see [Kamailio.Await]. It is stopped when the test ends, and a failed test shows
// the end of its log.
func StartKamailio(tb testing.TB, name string) *Kamailio {
	tb.Helper()
	program := mustProgram(tb, "kamailio")
	dir, err := os.MkdirTemp("", name+"-") // short: it has sockets in there
	if err != nil {
		tb.Fatal("lab: ", err)
	}
	k := &Kamailio{Name: name, Log: filepath.Join(dir, "log")}
	log, err := os.Create(k.Log)
	if err != nil {
		tb.Fatal("lab: ", err)
	}
	defer log.Close()
	// -DD: in the foreground; -m and -M: MB shared by all and for each process.
	k.cmd = exec.Command(program, "-DD", "-E", "-m", "32", "-M", "8",
		"-f", filepath.Join(kamailioEtc, name+".cfg"), "-Y", dir, "-w", dir)
	k.cmd.Stdout, k.cmd.Stderr = log, log
	// Its children are a group, which ends together whatever became of the first.
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := k.cmd.Start(); err != nil {
		tb.Fatalf("lab: start Kamailio %s: %v", name, err)
	}
	k.gone = make(chan struct{})
	go func() {
		_ = k.cmd.Wait() // how it ended stands in its log
		close(k.gone)
	}()
	tb.Cleanup(func() {
		k.Stop()
		if tb.Failed() {
			tb.Logf("the end of the log of %s:\n%s", name, tail(k.Log, 40))
		}
		_ = os.RemoveAll(dir)
	})
	return k
}

// Await waits until something has come true of it, for half a minute at most;
// Kamailio has no word by which it would say that it is ready.
func (k *Kamailio) Await(tb testing.TB, what string, ready func() bool) {
	tb.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-k.gone:
			tb.Fatalf("lab: Kamailio %s ended before: %s; its log:\n%s", k.Name, what, tail(k.Log, 40))
		case <-deadline:
			tb.Fatalf("lab: Kamailio %s, not within 30 s: %s; its log:\n%s", k.Name, what, tail(k.Log, 40))
		case <-tick.C:
		}
	}
}

// PID is that of its first process, whose number is its group's as well.
func (k *Kamailio) PID() int { return k.cmd.Process.Pid }

// Stop ends all its processes.
func (k *Kamailio) Stop() {
	_ = k.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-k.gone:
	case <-time.After(5 * time.Second): // it hangs: no reason for the tests to
	}
	_ = syscall.Kill(-k.PID(), syscall.SIGKILL)
	<-k.gone
}
