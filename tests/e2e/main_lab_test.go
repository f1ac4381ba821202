//go:build lab

package e2e_test

import (
	"os"
	"testing"

	"adcredit/tests/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.MainWith(m, []string{"adcredit/agi/adcredit", "adcredit/creditapi", "adcredit/tests/e2e/billing"},
		lab.NeedMariaDB, lab.NeedAsterisk, lab.NeedAsterisk16, lab.NeedSIPp))
}
