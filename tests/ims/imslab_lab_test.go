//go:build lab

package ims_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// imslab prepares the command as somebody would run it who is in no lab.
func imslab(t *testing.T, home string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, lab.Program("imslab"), args...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "ADCREDIT_LAB_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+home)
	return cmd
}

// runtimeDir is a folder that is seen inside and outside of a lab.
func runtimeDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "imslab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// running are the processes of this machine, as far as a lab sees it, but for our
// own, by number.
func running(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		status, err := os.ReadFile(folder + "/status")
		// Who has ended stays a zombie here: the lab's first process is no init.
		if err == nil && !bytes.Contains(status, []byte("State:\tZ")) {
			name, _, _ := strings.Cut(string(status), "\n")
			all[folder] = name
		}
	}
	return all
}

// wantNothingLeft compares processes, mounts and files with what there was.
func wantNothingLeft(t *testing.T, home string, before map[string]string, mounts []byte) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second) // the kernel's own time to end a namespace
	for {
		after := running(t)
		maps.DeleteFunc(after, func(pid, name string) bool { return before[pid] == name })
		if len(after) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("processes are left: %v", after)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if now, err := os.ReadFile("/proc/self/mounts"); err != nil || !bytes.Equal(now, mounts) {
		t.Errorf("mounts are left: %v\n%s", err, now)
	}
	if left, err := filepath.Glob(home + "/*"); err != nil || len(left) > 0 {
		t.Errorf("files are left: %q, %v", left, err)
	}
}

func mounts(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The essential lines of what make ims shows, in their order; the arrows' heads
// say which way.
var essential = []string{
	`P-CSCF +127\.0\.0\.4:5060 +\d+ `, `AS +127\.0\.0\.9:5060`, `UE 1001 +127\.0\.0\.12:5060`,
	`REGISTER 1000`, `UAR 1000`, `MAR 1000`, `MAA SUCCESS`, `401 Unauthorized`, `SAR 1000 REGISTRATION`, `SAA SUCCESS`, `200 OK`,
	`1\. 1000 has credit`,
	`INVITE 1001 ⚑ ─+▶`, `◀─+ INVITE 1001 ⚑`, `LIR 1001`, `LIA SUCCESS`, `180 Ringing`, `200 OK`, `♪ audio`, `BYE`,
	`credit of 1000: +2000\.00000 +before, +2000\.00000 +after`,
	`2\. 1001 has none`,
	`INVITE 1000 ⚑ ─+▶`, `◀─+ 200 OK ─+┤\n`, `♪ audio`, `◀─+ INVITE 1000 ⚑`, `LIR 1000`, `180 Ringing`, `BYE`,
	`credit of 1001: +0\.00000 +before, +50\.00000 +after`,
}

func TestShow(t *testing.T) {
	home, before, mounted := runtimeDir(t), running(t), mounts(t)
	out, err := imslab(t, home, "show").CombinedOutput()
	if err != nil {
		t.Fatalf("imslab show: %v\n%s", err, out)
	}
	rest := string(out)
	for _, line := range essential {
		at := regexp.MustCompile(line).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("imslab show has no %q where it is due:\n%s", line, out)
		}
		rest = rest[at[1]:]
	}
	for line := range strings.Lines(string(out)) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 160 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	wantNothingLeft(t, home, before, mounted)
}

func TestShowInterrupted(t *testing.T) {
	home, before, mounted := runtimeDir(t), running(t), mounts(t)
	cmd := imslab(t, home, "show")
	var out bytes.Buffer
	read, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for !strings.Contains(out.String(), "1000 has credit") { // everything runs
		n, err := read.Read(buf)
		if err != nil {
			t.Fatalf("imslab show ended: %v\n%s", err, out.String())
		}
		out.Write(buf[:n])
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("imslab show, interrupted: %v, want exit code 130", err)
	}
	wantNothingLeft(t, home, before, mounted)
}

func TestUpCallDown(t *testing.T) {
	home, before, mounted := runtimeDir(t), running(t), mounts(t)
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"call", "1000", "1001"}, 1, "no lab is up"},
		{[]string{"up"}, 0, `nsenter -t \d+`},
		{[]string{"up"}, 1, "up already"},
		{[]string{"accounts", "1001", "7.5"}, 0, `1001 +7\.50000`},
		{[]string{"call", "1000", "1001"}, 0, `INVITE 1001 ⚑(?s:.*)credit of 1000`},
		{[]string{"call", "1000", "1000"}, 1, "don't know"},
		{[]string{"accounts", "1001", "x"}, 1, "amount"},
		{[]string{"down"}, 0, "nothing is left"},
		{[]string{"down"}, 0, "no lab is up"},
	} {
		out, err := imslab(t, home, step.args...).CombinedOutput()
		var exit *exec.ExitError
		code := 0
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != step.code || !regexp.MustCompile(step.want).Match(out) {
			t.Fatalf("imslab %s: exit code %d, want %d and %q:\n%s", step.args, code, step.code, step.want, out)
		}
	}
	wantNothingLeft(t, home, before, mounted)
}
