package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programsEnv brings the folder of built programs into the lab, where the tests
// run again and no module could be downloaded any more.
const programsEnv = "ADCREDIT_LAB_PROGRAMS"

// MainWith is [Main] for tests that run programs of this project: they are built
// before the lab begins, and static, since Asterisk's root has other libraries.
// Packages are import paths, such as adcredit/creditapi; [Program] finds what
// was built of them.
func MainWith(m *testing.M, packages []string, needs ...Need) int {
	if !isolated() {
		bin, err := buildAll(packages)
		defer os.RemoveAll(bin)
		if err != nil {
			fmt.Fprintln(os.Stderr, "lab: build the programs:", err)
			return 1
		}
		os.Setenv(programsEnv, bin)
	}
	return Main(m, needs...)
}

func buildAll(packages []string) (bin string, err error) {
	if bin, err = os.MkdirTemp("", "adcredit-programs-"); err != nil {
		return "", err
	}
	if err := os.Chmod(bin, 0o755); err != nil { // user asterisk runs them
		return bin, err
	}
	cmd := exec.Command("go", append([]string{"build", "-o", bin + string(filepath.Separator)}, packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return bin, fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
}

// Program is the path of a program that [MainWith] has built.
func Program(name string) string { return filepath.Join(os.Getenv(programsEnv), name) }

// CreditAPI runs one command of creditapi, built by [MainWith], with settings in
// its environment such as CREDITAPI_DATABASE=…, and returns what it prints. It
// must do what it is told, within a minute.
func CreditAPI(tb testing.TB, settings []string, args ...string) string {
	tb.Helper()
	out, remarks, err := TryCreditAPI(settings, args...)
	if err != nil {
		tb.Fatalf("creditapi %s: %v\n%s%s", strings.Join(args, " "), err, out, remarks)
	}
	return out
}

// TryCreditAPI is [CreditAPI] for who expects an error, an *exec.ExitError where
// the command failed, or wants its remarks.
func TryCreditAPI(settings []string, args ...string) (out, remarks string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Program("creditapi"), args...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, settings...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}
