//go:build lab

package systemd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"adcredit/tests/lab"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == caged {
		cage(os.Args[2], os.Args[3:]) // never comes back
	}
	os.Exit(lab.Main(m, lab.NeedSystemd))
}

const units = "../../etc/systemd/"

func services(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(units + "*.service")
	if err != nil || len(all) < 2 {
		t.Fatalf("services: %q, %v", all, err)
	}
	return all
}

// TestExposure: the score that systemd-analyze security gives, from 0 to 10.
func TestExposure(t *testing.T) {
	const most = 2.0
	for _, unit := range services(t) {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", unit).CombinedOutput()
		m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("%s: %v\n%s", unit, err, out)
		}
		score, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil || score >= most {
			t.Errorf("%s: exposure %s, want less than %.1f\n%s", filepath.Base(unit), m[1], most, out)
		}
		fmt.Printf("systemd: exposure of %s is %s of 10\n", filepath.Base(unit), m[1])
	}
}

// TestVerify: systemd knows every line of the units. It misses the programs, which
// are not installed here.
func TestVerify(t *testing.T) {
	all, err := filepath.Glob(units + "*")
	if err != nil || len(all) < 3 {
		t.Fatalf("units: %q, %v", all, err)
	}
	out, _ := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, all...)...).CombinedOutput() // fails for the programs
	missed := 0
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "/usr/local/bin/") && strings.Contains(line, "is not executable") {
			missed++
		} else if strings.Contains(line, "adcredit") || strings.Contains(line, "creditapi") {
			t.Error(line)
		}
	}
	if missed == 0 {
		t.Errorf("systemd-analyze verify looked at nothing: %s", out)
	}
}
