//go:build lab

package ims_test

import (
	"os"
	"testing"

	"adcredit/tests/ims"
	"adcredit/tests/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.MainWith(m, append(ims.Programs, "adcredit/tests/ims/imslab"), append(ims.Needs, lab.NeedSIPp)...))
}
