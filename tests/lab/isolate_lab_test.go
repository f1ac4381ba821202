//go:build lab

package lab_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// helperEnv makes TestHelper play a test package of its own, in a lab within
// this lab.
const helperEnv = "LAB_TEST_HELPER"

func TestHelper(t *testing.T) {
	switch os.Getenv(helperEnv) {
	case "fail":
		t.Error("as asked")
	case "hang":
		lab.MariaDB(t)
		asterisk(t)
		lab.Callee{At: calleeAt}.Start(t)
		os.Stdout.WriteString("all up\n")
		select {}
	}
}

// helper prepares a run of TestHelper from outside of any lab.
func helper(task string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestHelper$", "-test.v")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "ADCREDIT_LAB_INSIDE=") || strings.HasPrefix(e, "TMPDIR=")
	}), helperEnv+"="+task)
	return cmd
}

func TestTheLabIsAlone(t *testing.T) {
	if os.Getpid() != 1 {
		t.Errorf("we are process %d of our namespace, want 1", os.Getpid())
	}
	faces, err := net.Interfaces()
	if err != nil || len(faces) != 1 || faces[0].Flags&net.FlagUp == 0 {
		t.Errorf("interfaces %v, %v; want lo alone, up", faces, err)
	}
	if _, err := net.Listen("tcp", "127.7.7.7:80"); err != nil {
		t.Errorf("listen where one likes: %v", err)
	}
}

func TestExitCodeAndFlagsPassThrough(t *testing.T) {
	out, err := helper("fail").CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 || !strings.Contains(string(out), "--- FAIL: TestHelper") {
		t.Errorf("a failing test ended as %v:\n%s", err, out)
	}
	out, err = helper("succeed").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestHelper") {
		t.Errorf("a passing test ended as %v:\n%s", err, out)
	}
}

// Nothing may be left of a lab, however it ends.
func TestNothingIsLeftBehind(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"interrupt": syscall.SIGINT, "kill -9": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			mounts, processes := mountsHere(t), len(running(t))
			cmd := helper("hang")
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said := bufio.NewScanner(out)
			for said.Scan() && said.Text() != "all up" {
			}
			during := running(t)
			for _, part := range []string{"mariadbd", "asterisk", "sipp"} {
				if !slices.Contains(during, part) {
					t.Fatalf("%s is not up; there are %v", part, during)
				}
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed, that is no news
			deadline := time.Now().Add(5 * time.Second)
			for len(running(t)) > processes && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond) // the kernel ends a namespace in its own time
			}
			if left := running(t); len(left) > processes {
				t.Errorf("processes left: %v", left)
			}
			if now := mountsHere(t); now != mounts {
				t.Errorf("mounts before:\n%s\nand after:\n%s", mounts, now)
			}
		})
	}
}

func mountsHere(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return string(mounts)
}

// running are the names of all processes in our namespace and those below it,
// but for those that have ended.
func running(t *testing.T) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // gone meanwhile
		}
		_, rest, _ := strings.Cut(string(stat), "(")
		name, rest, _ := strings.Cut(rest, ") ")
		if !strings.HasPrefix(rest, "Z") {
			names = append(names, name)
		}
	}
	return names
}
