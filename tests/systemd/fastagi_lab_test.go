//go:build lab

package systemd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"adcredit/tests/fakeasterisk"
)

// TestFastAGIInItsCage: started with the socket of its unit, under what the unit
// asks of the kernel, adcredit tells that it is ready, serves calls and drains. A
// call before it was there waits for it.
func TestFastAGIInItsCage(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "adcredit")
	build := exec.Command("go", "build", "-o", program, "adcredit/agi/adcredit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	config := filepath.Join(dir, "adcredit.toml")
	text := fmt.Sprintf("node = \"ast1\"\nkey = \"adc_1_x\"\nurls = [\"http://127.0.0.1:9\"]\nspool_dir = \"%[1]s/spool\"\nlog = \"%[1]s/log\"\n", dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	told := func(want string) {
		t.Helper()
		state := make([]byte, 100)
		if err := notify.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if n, err := notify.Read(state); err != nil || string(state[:n]) != want {
			t.Fatalf("systemd was told %q, %v; want %s", state[:n], err, want)
		}
	}
	const address = "127.0.0.1:4573" // this namespace is ours
	inCage := in(t, "adcredit-fastagi.service", program, "-config", config, "-fastagi", "192.0.2.1:1")
	serve := exec.Command("systemd-socket-activate", append([]string{"-E", "NOTIFY_SOCKET=" + notify.LocalAddr().String(), "-l", address}, inCage.Args...)...)
	serve.Stderr = os.Stderr
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Process.Kill() // harmless once it has ended
	for range 100 {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close() // the first call
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	told("READY=1")
	for range 2 {
		tr, err := fakeasterisk.Play(t.Context(), fakeasterisk.Call{Program: fakeasterisk.Network + address + "/adcredit", CallerID: "1000"})
		if err != nil || tr.Variables["ADCREDIT_STATUS"] != "UNKNOWN" || tr.AGIStatus != fakeasterisk.Success {
			t.Errorf("%v, %v, AGISTATUS %s", err, tr.Variables, tr.AGIStatus)
		}
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told("STOPPING=1")
	if err := serve.Wait(); err != nil {
		t.Errorf("it has ended with %v", err)
	}
	if log, err := os.ReadFile(filepath.Join(dir, "log")); err != nil || !strings.Contains(string(log), "inherited=true") {
		t.Errorf("%v, the log says\n%s", err, log)
	}
}
