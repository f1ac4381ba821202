//go:build lab

// Package bench measures how near adcredit is to what the machine can do, and how
// far ahead of what others would write: contenders of peers/ run interleaved in
// one run with ours, over one MariaDB with A2Billing's tables. Only ratios are
// worth comparing between machines.
//
//	make bench
//
// It prints tables and which aims are met, and writes results.json with a chart
// for each table. Settings in the environment:
//
//	ADCREDIT_BENCH_CARDS    how many cards A2Billing has (1000000)
//	ADCREDIT_BENCH_ROUNDS   calls per program (200); of servers a tenth, in spans of 1 s
//	ADCREDIT_BENCH_DATA     an empty folder for the database's files (in memory)
//	ADCREDIT_BENCH_RESULTS  where results go (bench-results)
package bench

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"adcredit/tests/lab"
)

const (
	cardsEnv  = "ADCREDIT_BENCH_CARDS"
	roundsEnv = "ADCREDIT_BENCH_ROUNDS"
	dataEnv   = "ADCREDIT_BENCH_DATA"
)

// setting is a number above 0 from the environment.
func setting(name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		panic(fmt.Sprintf("%s=%q is no number above 0", name, text))
	}
	return n
}

func cards() int { return setting(cardsEnv, 1_000_000) }

// rounds of programs; each calls every contender once, in an order of its own.
func rounds() int { return setting(roundsEnv, 200) }

// spans is how many rounds servers are measured for, a second each.
func spans() int { return max(rounds()/10, 3) }

func TestMain(m *testing.M) {
	code := lab.Main(m, lab.NeedMariaDB, lab.NeedPeers)
	if err := results.finish(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		code = 1
	}
	os.Exit(code)
}

// BenchmarkCredit measures all that stands on one database; each part makes its
// own rounds, whatever b.N is.
func BenchmarkCredit(b *testing.B) {
	h := newHouse(b)
	b.Run("call", h.benchmarkCall)
	b.Run("checks", h.benchmarkChecks)
	b.Run("cards", h.benchmarkCards)
	b.Run("grants", h.benchmarkGrants)
}

// benchmarkCall measures a caller with credit, from before the program is started
// until it is gone: so long he waits.
func (h *house) benchmarkCall(b *testing.B) {
	first := h.counted(b, h.api, func() { h.adcredit.mustCall(b, h.caller(0)) })
	commands := h.adcredit.mustCall(b, h.caller(1)).commands
	contenders := append([]contender{h.floor(b, commands), h.adcredit, h.empty(b)}, h.peers(b)...)

	times := h.interleave(b, contenders)
	each := h.counted(b, h.api, func() {
		for i := range rounds() {
			h.adcredit.mustCall(b, h.caller(i))
		}
	})
	program := h.adcredit.memory(b, h.caller(2))

	t := table{Name: "call", What: fmt.Sprintf("a caller with credit, from exec to exit, %d rounds", rounds()), Unit: "ms", Base: contenders[0].name}
	for i, c := range contenders {
		wall, cpu, faults := columns(times[i])
		t.Rows = append(t.Rows, row{c.name, sampleOf(wall), sampleOf(ratiosTo(times[0], times[i])),
			fmt.Sprintf("CPU %.2f ms, %.0f page faults, %d AGI commands", median(cpu), median(faults), times[i][0].commands)})
	}
	t.Notes = fmt.Sprintf("adcredit: %d AGI commands, as the floor; %.2f HTTP requests and %.2f SQL statements per call (the first of a fresh creditapi: %d and %d); resident %v; binary %.1f MB",
		commands, float64(each.requests)/float64(rounds()), float64(each.statements)/float64(rounds()), first.requests, first.statements, program, size(b, h.adcredit.path))
	results.add(t)
	results.atMost("a call: adcredit / floor in C", t.Rows[1].Ratio.Median, 2.2)
	results.atLeast("a call: PHP / adcredit", median(ratiosTo(times[1], times[3])), 5)
	results.atLeast("a call: Python / adcredit", median(ratiosTo(times[1], times[5])), 25)
	b.ReportMetric(0, "ns/op") // of all rounds together: it means nothing
	b.ReportMetric(t.Rows[1].Ratio.Median, "x-floor")
	b.ReportMetric(float64(each.requests)/float64(rounds()), "requests/call")
	b.ReportMetric(float64(each.statements)/float64(rounds()), "statements/call")
}

// interleave calls every contender once per round, in random order, so that
// what else the machine does meets all alike.
func (h *house) interleave(b *testing.B, contenders []contender) [][]run {
	b.Helper()
	times := make([][]run, len(contenders))
	const warmUp = 3 // rounds that are not counted
	for round := range warmUp + rounds() {
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
	for _, r := range runs {
		wall = append(wall, ms(r.took))
		cpu = append(cpu, ms(r.cpu))
		faults = append(faults, float64(r.faults))
	}
	return wall, cpu, faults
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(values []float64) float64 { return percentile(values, 50) }

func percentile[V float64 | time.Duration](values []V, p int) V {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
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
