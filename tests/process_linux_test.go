package tests

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

const nobody = 65534

// TestProcessKeepsToItself: of a process that may not be dumped the kernel gives
// /proc/PID/environ, mem and the like to root, whoever runs it (proc(5)), and
// writes no core. So a password in the environment is root's to read alone.
func TestProcessKeepsToItself(t *testing.T) {
	bin, dir := binaries(t), t.TempDir()
	// Another user than root, who could not be told from the kernel's root.
	var as *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := errors.Join(os.Chown(dir, nobody, nobody), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{"adcredit": nil, "creditapi": {"serve"}} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
			cmd.SysProcAttr, cmd.Dir = as, dir
			cmd.Env = []string{"HOME=" + dir, "CREDITAPI_LISTEN=unix://" + dir + "/api.sock", "CREDITAPI_DATABASE=sqlite://" + dir + "/adcredit.db"}
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer read.Close()
			cmd.Stdout, cmd.Stderr = write, write
			if err := errors.Join(cmd.Start(), write.Close()); err != nil {
				t.Fatal(err)
			}
			defer func() { cmd.Process.Kill(); cmd.Wait() }()
			if name == "adcredit" { // which then waits for the reply to its first command
				if _, err := io.WriteString(stdin, "agi_request: adcredit\n\n"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := read.Read(make([]byte, 1)); err != nil { // it is under way
				t.Fatal(err)
			}
			info, err := os.Stat(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 {
				t.Errorf("its environment belongs to user %d, not to root", uid)
			}
		})
	}
}
