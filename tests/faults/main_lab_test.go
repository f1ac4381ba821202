//go:build lab

package faults

import (
	"os"
	"testing"

	"adcredit/tests/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.MainWith(m, []string{"adcredit/agi/adcredit", "adcredit/creditapi"}, lab.NeedMariaDB))
}
