//go:build lab

package cluster

import (
	"os"
	"testing"

	"adcredit/tests/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.MainWith(m, []string{"adcredit/creditapi"}, lab.NeedGalera))
}
