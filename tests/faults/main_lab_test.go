//go:build lab

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"adcredit/tests/lab"
)

// binEnv brings the folder of the built programs into the lab, where the tests
// run again.
const binEnv = "ADCREDIT_FAULTS_BIN"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(binEnv) == "" {
		bin, err := build()
		defer os.RemoveAll(bin)
		if err != nil {
			fmt.Fprintln(os.Stderr, "faults: build the programs:", err)
			return 1
		}
		os.Setenv(binEnv, bin)
	}
	return lab.Main(m, lab.NeedMariaDB)
}

func build() (bin string, err error) {
	if bin, err = os.MkdirTemp("", "adcredit-faults-"); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "adcredit/agi/adcredit", "adcredit/creditapi")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return bin, fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
}

func program(name string) string { return filepath.Join(os.Getenv(binEnv), name) }
