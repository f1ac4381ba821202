//go:build lab

package ims_test

import (
	"os"
	"testing"

	"adcredit/tests/ims"
	"adcredit/tests/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.MainWith(m, ims.Programs, append(ims.Needs, lab.NeedSIPp)...))
}
