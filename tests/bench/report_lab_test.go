//go:build lab

package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"text/tabwriter"

	"adcredit/tests/bench/chart"
)

// resultsEnv names the folder for results.json and a chart for each table.
const resultsEnv = "ADCREDIT_BENCH_RESULTS"

// A sample is a value with the middle half of what was measured.
type sample struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func sampleOf(values []float64) sample {
	return sample{median(values), percentile(values, 25), percentile(values, 75)}
}

func (s sample) String() string {
	return number(s.Median) + " (" + number(s.Low) + " to " + number(s.High) + ")"
}

// number is a value in three digits.
func number(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// A row is one contender of a table. The ratio is of rounds to the same rounds.
type row struct {
	Name  string `json:"name"`
	Value sample `json:"value"`
	Ratio sample `json:"ratio"`
	More  string `json:"more,omitempty"` // for people
}

// A table compares contenders that ran interleaved.
type table struct {
	Name  string `json:"name"` // also of its chart's file
	What  string `json:"what"`
	Unit  string `json:"unit"`
	Base  string `json:"base"` // whom ratios are to
	Rows  []row  `json:"rows"`
	Notes string `json:"notes,omitempty"`
}

// An aim is what a figure should be: at most, or at least.
type aim struct {
	What    string  `json:"what"`
	Value   float64 `json:"value"`
	AtMost  float64 `json:"at_most,omitempty"`
	AtLeast float64 `json:"at_least,omitempty"`
	Met     bool    `json:"met"`
}

// report is all that a run finds out.
type report struct {
	mu      sync.Mutex
	Machine string  `json:"machine"`
	Cards   int     `json:"cards"`
	Tables  []table `json:"tables"`
	Aims    []aim   `json:"aims"`
}

var results report

// add prints a table and keeps it.
func (r *report) add(t table) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Tables = append(r.Tables, t)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%s\t%s\tx %s\t\t\n", t.What, t.Unit, t.Base)
	for _, row := range t.Rows {
		fmt.Fprintf(w, "%s\t%v\t%v\t%s\t\n", row.Name, row.Value, row.Ratio, row.More)
	}
	_ = w.Flush() // to standard output
	if t.Notes != "" {
		fmt.Println(t.Notes)
	}
}

func (r *report) atMost(what string, value, bound float64) {
	r.aim(aim{What: what, Value: value, AtMost: bound, Met: value <= bound})
}

func (r *report) atLeast(what string, value, bound float64) {
	r.aim(aim{What: what, Value: value, AtLeast: bound, Met: value >= bound})
}

func (r *report) aim(a aim) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Aims = append(r.Aims, a)
}

// finish prints the aims and writes the files. Without a table it does nothing.
func (r *report) finish() error {
	if len(r.Tables) == 0 {
		return nil
	}
	r.Machine, r.Cards = machine(), cards()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w)
	for _, a := range r.Aims {
		word, bound := "at most", a.AtMost
		if a.AtLeast > 0 {
			word, bound = "at least", a.AtLeast
		}
		verdict := "met"
		if !a.Met {
			verdict = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\n", verdict, a.What, word, number(bound), number(a.Value))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	dir := os.Getenv(resultsEnv)
	if dir == "" {
		dir = filepath.Join("..", "..", "bench-results")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder for results: %w; %s names another", err, resultsEnv)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "results.json"), append(text, '\n'), 0o644)
	}
	for _, t := range r.Tables {
		if err == nil {
			err = t.draw(filepath.Join(dir, t.Name+".svg"), r.Machine)
		}
	}
	if err == nil {
		fmt.Printf("\n%s\nwritten to %s: results.json, and a chart for each table\n", r.Machine, dir)
	}
	return err
}

// draw makes the table's chart, of ratios.
func (t table) draw(path, note string) error {
	group := chart.Group{Name: t.What}
	for _, row := range t.Rows {
		group.Bars = append(group.Bars, chart.Bar{Name: row.Name, Value: row.Ratio.Median, Low: row.Ratio.Low, High: row.Ratio.High,
			Text: fmt.Sprintf("%s  (%s %s)", number(row.Ratio.Median), number(row.Value.Median), t.Unit)})
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = chart.Chart{Title: "ratio to " + t.Base, Note: note, Groups: []chart.Group{group}}.WriteTo(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// machine says on what the figures were found.
func machine() string {
	model := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(io.LimitReader(f, 1<<16)); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d x %s, %s, %d cards", runtime.NumCPU(), model, runtime.Version(), cards())
}
