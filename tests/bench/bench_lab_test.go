//go:build lab

// Package bench measures what a caller with credit waits for adcredit, against a
// floor in the same run: a static C program that does the same and nothing
// around it. Only ratios are worth comparing between machines.
//
//	go test -tags lab -run '^$' -bench . ./tests/bench
//
// creditapi runs on loopback over a MariaDB with A2Billing's tables; both
// programs are built here as make builds them.
package bench

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"adcredit/tests/lab"
)

const (
	rounds = 400 // each calls every contender once, in an order of its own
	warmUp = 20  // rounds that are not counted
	cards  = 20_000
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.NeedMariaDB)) }

// BenchmarkCall is the whole benchmark: it makes its own rounds, whatever b.N
// is, and reports the ratios.
func BenchmarkCall(b *testing.B) {
	h := newHouse(b)
	first := h.counted(b, func() { h.adcredit.mustCall(b, h.caller(0)) })
	commands := h.adcredit.mustCall(b, h.caller(1)).commands
	contenders := []contender{h.floor(b, commands), h.empty(b), h.adcredit}

	times := h.interleave(b, contenders)
	each := h.counted(b, func() {
		for i := range rounds {
			h.adcredit.mustCall(b, h.caller(i))
		}
	})
	program := h.adcredit.memory(b, h.caller(2))
	idle := memoryOf(b, h.server.Process.Pid)
	h.load(b)
	loaded := memoryOf(b, h.server.Process.Pid)

	ratios := ratiosTo(times[0], times[2])
	b.ReportMetric(0, "ns/op") // of all rounds together: it means nothing
	b.ReportMetric(median(ratios), "x-floor")
	b.ReportMetric(float64(each.requests)/rounds, "requests/call")
	b.ReportMetric(float64(each.statements)/rounds, "statements/call")

	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\na caller with credit, %d AGI commands, %d rounds\tmedian\tmiddle half\tmiddle 90 %%\tx floor\tCPU\tpage faults\t\n", commands, rounds)
	for i, c := range contenders {
		wall, cpu, faults := columns(times[i])
		fmt.Fprintf(w, "%s\t%.2f ms\t%s\t%s\t%.2f\t%.2f ms\t%.0f\t\n", c.name, median(wall),
			spread(wall, 25), spread(wall, 5), median(ratiosTo(times[0], times[i])), median(cpu), median(faults))
	}
	fmt.Fprintf(w, "adcredit / floor, round by round\t%.2f\t%s\t%s\t\t\t\t\n", median(ratios), spread(ratios, 25), spread(ratios, 5))
	must(b, w.Flush())
	fmt.Printf("\nper call: %.2f HTTP requests, %.2f SQL statements; the first call of a fresh creditapi: %d and %d\n",
		float64(each.requests)/rounds, float64(each.statements)/rounds, first.requests, first.statements)
	fmt.Printf("binaries: adcredit %.1f MB, creditapi %.1f MB, floor %.1f MB, empty Go %.1f MB\n",
		size(b, h.adcredit.path), size(b, h.server.Path), size(b, contenders[0].path), size(b, contenders[1].path))
	fmt.Printf("resident: adcredit in a call %v; creditapi before load %v, after %d requests on %d connections %v\n\n",
		program, idle, loadRequests, loadConnections, loaded)
}

// interleave calls every contender once per round, in random order, so that
// what else the machine does meets all alike.
func (h *house) interleave(b *testing.B, contenders []contender) [][]run {
	b.Helper()
	times := make([][]run, len(contenders))
	for round := range warmUp + rounds {
		for _, i := range rand.Perm(len(contenders)) {
			if r := contenders[i].mustCall(b, h.caller(round)); round >= warmUp {
				times[i] = append(times[i], r)
			}
		}
	}
	return times
}

// ratiosTo divides round by round.
func ratiosTo(floor, other []run) []float64 {
	ratios := make([]float64, len(floor))
	for i := range floor {
		ratios[i] = float64(other[i].took) / float64(floor[i].took)
	}
	return ratios
}

// columns are wall time and processor time in ms, and page faults.
func columns(runs []run) (wall, cpu, faults []float64) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	for _, r := range runs {
		wall = append(wall, ms(r.took))
		cpu = append(cpu, ms(r.cpu))
		faults = append(faults, float64(r.faults))
	}
	return wall, cpu, faults
}

func median(values []float64) float64 { return percentile(values, 50) }

func percentile(values []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

// spread is where the values lie when as many percent are cut off at each end.
func spread(values []float64, cut int) string {
	return fmt.Sprintf("%.2f to %.2f", percentile(values, cut), percentile(values, 100-cut))
}

func size(b *testing.B, path string) float64 {
	b.Helper()
	info, err := os.Stat(path)
	must(b, err)
	return float64(info.Size()) / 1e6
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// replaced changes lines of a configuration as an operator would, and fails when
// a key isn't there to be changed.
func replaced(b *testing.B, text string, values map[string]string) string {
	b.Helper()
	lines := strings.Split(text, "\n")
	for key, value := range values {
		at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, key+" = ") })
		if at < 0 {
			b.Fatalf("etc/adcredit.toml has no line %s =", key)
		}
		lines[at] = fmt.Sprintf("%s = %s", key, value)
	}
	return strings.Join(lines, "\n")
}
