package etc_test

import (
	"errors"
	"log/slog"
	"strings"
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

func TestMaskNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"Error 1062 (23000): Duplicate entry '221771234567' for key 'cid'": "Error 1062 (23000): Duplicate entry '221*******67' for key 'cid'",
		"Duplicate entry '1000' for key 'useralias'":                       "Duplicate entry '****' for key 'useralias'",
		"near 'cid:+221771234567' AND 8987344413.":                         "near 'cid:+22********67' AND 898*****13.",
		"Get /v1/accounts/card%3A8987344413/credit":                        "Get /v1/accounts/card%3A898*****13/credit",
		"agi_callerid: 221771234567":                                       "agi_callerid: 221*******67",
		"dial tcp 192.168.100.200:3306: connect: connection refused":       "dial tcp 192.168.100.200:3306: connect: connection refused",
		"listen 550e8400-e29b-41d4-a716-446655440000 of ast1/1795492582.2": "listen 550e8400-e29b-41d4-a716-446655440000 of ast1/1795492582.2",
		"100% of it, '', é":                                                "100% of it, '', é",
	} {
		if got := etc.MaskNumbers(text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestLogAttr(t *testing.T) {
	for whole, want := range map[bool]string{
		false: "level=WARN msg=x error=\"no 221*******67\" n=123456789\n",
		true:  "level=WARN msg=x error=\"no 221771234567\" n=123456789\n",
	} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: etc.LogAttr(whole)})).Warn("x", "error", errors.New("no 221771234567"), "n", 123456789)
		if _, got, _ := strings.Cut(log.String(), " "); got != want {
			t.Errorf("whole %v: %s", whole, got)
		}
	}
}

// FuzzMaskNumbers: no word of six digits or more is left, and nothing else goes.
func FuzzMaskNumbers(f *testing.F) {
	f.Add("Duplicate entry '221771234567' for key 'cid'")
	f.Add("card%3A8987344413/+221.")
	f.Fuzz(func(t *testing.T, text string) {
		got := etc.MaskNumbers(text)
		if len(got) != len(text) || etc.MaskNumbers(got) != got {
			t.Errorf("%q became %q", text, got)
		}
		for i := range got {
			if got[i] != text[i] && (got[i] != '*' || strings.IndexByte("+0123456789", text[i]) < 0) {
				t.Errorf("%q became %q", text, got)
			}
		}
	})
}
