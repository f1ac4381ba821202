//go:build lab

package calls

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A sample is a median with the middle half of what was measured.
type sample struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func sampleOf(values []float64) sample {
	return sample{median(values), percentile(values, 25), percentile(values, 75)}
}

func (s sample) String() string {
	return fmt.Sprintf("%s (%s to %s)", digits(s.Median), digits(s.Low), digits(s.High))
}

// digits writes a value with three of them.
func digits(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func median(values []float64) float64 { return percentile(values, 50) }

func percentile(values []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func mb(kb int) float64 { return float64(kb) * 1024 / 1e6 }

// figures are what Asterisks with one list of modules did.
type figures struct {
	Modules string       `json:"modules"`
	Ways    []wayFigures `json:"ways"`
	Aims    []aim        `json:"aims"`
}

// An aim is what a ratio should be at least.
type aim struct {
	What    string  `json:"what"`
	Value   float64 `json:"value"`
	AtLeast float64 `json:"at_least"`
	Met     bool    `json:"met"`
}

func atLeast(what string, value, bound float64) aim { return aim{what, value, bound, value >= bound} }

type wayFigures struct {
	Name    string `json:"name"`
	Rate    sample `json:"calls_per_second"`
	Ratio   sample `json:"ratio_to_no_agi"`
	ToEmpty sample `json:"ratio_to_empty_c"`
	CPU     cost   `json:"cpu_ms"`

	FreshMB float64 `json:"asterisk_fresh_mb"`
	WornMB  float64 `json:"asterisk_worn_mb"`
}

// keep writes what was found as JSON into the folder for results.
func keep(b *testing.B, name string, found any) {
	b.Helper()
	text, err := json.MarshalIndent(found, "", "  ")
	must(b, err)
	keepText(b, name, append(text, '\n'))
}

func keepText(b *testing.B, name string, text []byte) {
	b.Helper()
	dir := os.Getenv("ADCREDIT_BENCH_RESULTS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "bench-results")
	}
	must(b, os.MkdirAll(dir, 0o755))
	must(b, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	fmt.Printf("written: %s\n", filepath.Join(dir, name))
}
