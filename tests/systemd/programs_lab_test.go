//go:build lab

package systemd

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"adcredit/tests/pki"
)

// TestProgramsInTheirCage: creditapi serves over TLS from an SQLite file, is
// reloaded and ended, and adcredit -flush delivers to it, each under what its unit
// asks of the kernel.
func TestProgramsInTheirCage(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	build := exec.Command("go", "build", "-o", bin+"/", "adcredit/agi/adcredit", "adcredit/creditapi")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ca := pki.New(t, "ours")
	cert, key := ca.Pair(t, "127.0.0.1")
	write := func(name, format string, args ...any) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	server := write("creditapi.toml", "listen = \"127.0.0.1:8443\"\ndatabase = \"sqlite://%s/adcredit.db\"\ntls_cert = %q\ntls_key = %q\nmetrics_listen = \"unix://%[1]s/metrics.sock\"\n", dir, cert, key)
	run := func(cmd *exec.Cmd) string {
		t.Helper()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args[2:], err, out)
		}
		return string(out)
	}
	added, err := exec.Command(bin+"/creditapi", "-config", server, "key", "add", "-name", "ast1", "-scope", "agi", "-node", "ast1").Output()
	if err != nil {
		t.Fatal(err)
	}
	node := write("adcredit.toml", "node = \"ast1\"\nurls = [\"https://127.0.0.1:8443\"]\ntls_ca = %q\nkey_file = %q\nspool_dir = \"%s/spool\"\nlog = \"stderr\"\n",
		ca.File, write("key", "%s", added), dir)

	serve := in(t, "creditapi.service", bin+"/creditapi", "-config", server, "serve")
	stderr, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { serve.Process.Kill() }) // harmless once it has ended
	log := bufio.NewScanner(stderr)
	await := func(text string) {
		t.Helper()
		var all strings.Builder
		for log.Scan() {
			fmt.Fprintln(&all, log.Text())
			if strings.Contains(log.Text(), text) {
				return
			}
		}
		t.Fatalf("it ended before it said %q:\n%s", text, &all)
	}
	await("creditapi serves")
	if err := serve.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await("reload: new connections get the certificate")

	if out, _ := in(t, "adcredit-flush.service", bin+"/adcredit", "-config", node, "-check").CombinedOutput(); !strings.Contains(string(out), "answers to this key") { // sounds are missing
		t.Errorf("adcredit -check:\n%s", out)
	}
	if out := run(in(t, "adcredit-flush.service", bin+"/adcredit", "-config", node, "-flush")); !strings.Contains(out, "0 delivered") {
		t.Errorf("adcredit -flush:\n%s", out)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await("msg=stopped")
	if err := serve.Wait(); err != nil {
		t.Errorf("creditapi ended with %v", err)
	}
}
