//go:build lab

package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"adcredit/tests/lab"
)

// binEnv names the built creditapi inside the lab, where the tests run again
// and no module could be downloaded any more.
const binEnv = "ADCREDIT_CLUSTER_BIN"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(binEnv) == "" {
		dir, err := os.MkdirTemp("", "adcredit-cluster-")
		defer os.RemoveAll(dir)
		bin := filepath.Join(dir, "creditapi")
		if err == nil {
			var out []byte
			if out, err = exec.Command("go", "build", "-o", bin, "adcredit/creditapi").CombinedOutput(); err != nil {
				err = fmt.Errorf("%w\n%s", err, out)
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "cluster: build creditapi:", err)
			return 1
		}
		os.Setenv(binEnv, bin)
	}
	return lab.Main(m, lab.NeedGalera)
}
