//go:build lab

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"adcredit/tests/lab"
)

// binEnv brings the folder of the built programs into the lab, where the tests
// run again and no module could be downloaded any more.
const binEnv = "ADCREDIT_E2E_BIN"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(binEnv) == "" {
		bin, err := build()
		defer os.RemoveAll(bin)
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e: build the programs:", err)
			return 1
		}
		os.Setenv(binEnv, bin)
	}
	return lab.Main(m, lab.NeedMariaDB, lab.NeedAsterisk, lab.NeedSIPp)
}

// build makes static programs, since Asterisk's root has other libraries.
func build() (bin string, err error) {
	if bin, err = os.MkdirTemp("", "adcredit-e2e-"); err != nil {
		return "", err
	}
	if err := os.Chmod(bin, 0o755); err != nil { // user asterisk runs them
		return bin, err
	}
	cmd := exec.Command("go", "build", "-o", bin+string(filepath.Separator),
		"adcredit/agi/adcredit", "adcredit/creditapi", "adcredit/tests/e2e/billing")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return bin, fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
}

func program(name string) string { return filepath.Join(os.Getenv(binEnv), name) }
