// Package lab gives tests the real parts that adcredit works with: MariaDB and
// MySQL with A2Billing's tables, Asterisk 22 and 16, Kamailio, SIPp, and a capture of
// what went over the wire. A test package takes part by handing its tests to [Main]:
//
//	func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.NeedMariaDB)) }
//
// Main runs them again in a network, mount and process namespace of their own.
// So every test owns all ports of 127.0.0.0/8, nothing reaches the outside, and
// when the tests end, also by kill -9, the kernel takes every process and mount
// with them. Inside, [os.TempDir] is a memory file system of that namespace.
//
// A part that is missing fails the tests and names the way out; it is never
// skipped. Linux only.
package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Need is a part that a test package uses; [Main] looks for it before the
// first test runs.
type Need int

// The parts.
const (
	NeedMariaDB    Need = iota // mariadbd, mariadb-install-db
	NeedAsterisk               // Asterisk's own root, built when absent: see [Prepare]
	NeedSIPp                   // sipp
	NeedMySQL                  // MySQL's own root, built when absent: see [Prepare]
	NeedGalera                 // MariaDB and Galera's provider
	NeedSystemd                // systemd-analyze; nothing of systemd runs
	NeedAsterisk16             // an older Asterisk's own root, with chan_sip: see [Prepare]
	NeedKamailio               // kamailio with its IMS modules
	NeedPeers                  // what the benchmark compares with: PHP, Perl, Python, gunicorn, a C compiler
)

// Remedy is the way out when a part is missing.
const Remedy = "run tests/install (as root, on Debian)"

// python is where Debian's packages of Python lie.
const python = "/usr/lib/python3/dist-packages/"

// programs of a need; Asterisk and MySQL bring their own roots.
var programs = map[Need][]string{
	NeedMariaDB: {"mariadbd", "mariadb-install-db", "my_print_defaults"},
	NeedSIPp:    {"sipp"},
	NeedSystemd: {"systemd-analyze"},
	NeedGalera:  {"mariadbd", "mariadb-install-db", "my_print_defaults", galeraProvider},
	NeedPeers: {
		"gcc", "php", "perl", "python3", "gunicorn", "/usr/share/perl5/Asterisk/AGI.pm", "/usr/share/perl5/LWP/UserAgent.pm",
		python + "requests", python + "flask_restful", python + "MySQLdb",
	},
	// The last is a module of a third package, which the S-CSCF needs too.
	NeedKamailio: {"kamailio", kamailioModules + "ims_isc.so", kamailioModules + "presence.so"},
}

// Main runs m's tests in namespaces of their own and returns the exit code for
// [os.Exit]. Flags, output and exit code of the tests pass through. Of a missing
// part it says what and why on stderr, and returns 1.
func Main(m *testing.M, needs ...Need) int {
	if isolated() {
		if err := enter(); err != nil {
			fmt.Fprintln(os.Stderr, "lab:", err)
			return 1
		}
		return m.Run()
	}
	if err := ready(needs); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	code, err := isolate()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	return code
}

// ready checks that what the tests need is on this machine, and builds the
// roots, which needs the network that the tests won't have.
func ready(needs []Need) error {
	var missing []string
	for _, need := range needs {
		for _, name := range programs[need] {
			if _, err := program(name); err != nil {
				missing = append(missing, name)
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the tests need %s, which this machine lacks: %s", strings.Join(missing, ", "), Remedy)
	}
	for _, need := range needs {
		d, ok := distributions[need]
		if !ok {
			continue
		}
		if os.Geteuid() != 0 {
			return fmt.Errorf("the tests need %s, whose files have owners that only root can give them: run them as root", d.what)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 9*time.Minute)
		defer cancel()
		if _, err := Prepare(ctx, os.Stderr, need); err != nil {
			return err
		}
	}
	return nil
}

// program finds a program also where only root's PATH would look.
func program(name string) (string, error) {
	if filepath.IsAbs(name) { // a library, which nobody executes
		if _, err := os.Stat(name); err == nil {
			return name, nil
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: %s", name, Remedy)
}

// mustProgram is program for a test that is under way.
func mustProgram(tb testing.TB, name string) string {
	tb.Helper()
	if !isolated() {
		tb.Fatalf("lab: %s would run on this machine's own network; call lab.Main from TestMain", name)
	}
	path, err := program(name)
	if err != nil {
		tb.Fatal("lab: ", err)
	}
	return path
}

// tail gives the last lines of a log for a failure message.
func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
