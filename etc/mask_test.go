package etc_test

import (
	"testing"

	"adcredit/etc"
)

func TestMask(t *testing.T) {
	for name, want := range map[string]string{
		"cid:+221771234567": "cid:+22********67",
		"card:8987344413":   "card:898*****13",
		"alias:1000":        "alias:****",
		"alias:10001":       "alias:*****",
		"100010":            "100*10",
		"cid:":              "cid:",
		"8987344413:x":      "898*******:x",
		"":                  "",
	} {
		if got := etc.Mask(name); got != want {
			t.Errorf("Mask(%q) = %q, want %q", name, got, want)
		}
	}
}
