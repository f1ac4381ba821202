// Command scale says how many machines a region of subscribers needs, from what
// the benchmark of calls has measured, and what one machine holds. It multiplies
// and divides, no more: each line names what it is made of.
//
//	go run ./tests/bench/scale -subscribers 10000000 -results bench-results
//
// The figures are calls.json, listeners.json and tables.json, as the benchmark
// tests/bench/calls writes them; without -results those of the run that
// SCALE.md tells of.
package main

import (
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
)

//go:embed figures/*.json
var kept embed.FS

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit code: 2 for wrong usage, 1 for figures that are no such.
func run(args []string, stdout, stderr io.Writer) int {
	m := model{
		Subscribers: 10e6, Attempts: 0.8, Poor: 0.05, Heard: 0.5, AdSeconds: 20, BusyShare: 0.1,
		Processors: 16, MemoryGB: 64, Use: 0.5, Refusals: 0.2,
	}
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Float64Var(&m.Subscribers, "subscribers", m.Subscribers, "`number` of prepaid subscribers of the region")
	flags.Float64Var(&m.Attempts, "attempts", m.Attempts, "`calls` that a subscriber makes in the busy hour")
	flags.Float64Var(&m.Poor, "poor", m.Poor, "`share` of calls whose caller has no credit")
	flags.Float64Var(&m.Heard, "heard", m.Heard, "`share` of those that hear an ad to its end")
	flags.Float64Var(&m.Refusals, "abandoned", m.Refusals, "`share` of started ads that are not heard to their end, on top")
	flags.Float64Var(&m.AdSeconds, "ad", m.AdSeconds, "`seconds` of an ad")
	flags.Float64Var(&m.BusyShare, "busy", m.BusyShare, "`share` of a day's calls that the busy hour has")
	flags.Float64Var(&m.Processors, "processors", m.Processors, "`number` in a machine")
	flags.Float64Var(&m.MemoryGB, "memory", m.MemoryGB, "`GB` in a machine")
	flags.Float64Var(&m.Use, "use", m.Use, "`share` of a machine's processors that may be busy in the busy hour")
	results := flags.String("results", "", "`folder` with the benchmark's calls.json, listeners.json and tables.json")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := m.check(flags.NArg()); err != nil {
		fmt.Fprintln(stderr, "scale:", err)
		return 2
	}
	files, err := fs.Sub(kept, "figures")
	if *results != "" {
		files = os.DirFS(*results)
	}
	var f figures
	if err == nil {
		f, err = read(files)
	}
	if err != nil {
		fmt.Fprintln(stderr, "scale: read the figures:", err)
		return 1
	}
	m.write(stdout, f)
	return 0
}

// cpu is processor time in ms, by who spends it.
type cpu struct {
	Asterisk  float64 `json:"asterisk"` // with the programs that it starts
	Adcredit  float64 `json:"adcredit_fastagi"`
	Creditapi float64 `json:"creditapi"`
	MariaDB   float64 `json:"mariadb"`
}

// figures are what was measured.
type figures struct {
	plain, exec, fast call
	execAds, fastAds  listener
	table             upkeep // of 10^8 rows
}

type call struct {
	Name string `json:"name"`
	CPU  cpu    `json:"cpu_ms"`
}

type listener struct {
	Way       string  `json:"way"`
	Listeners float64 `json:"listeners"`
	AdSeconds float64 `json:"ad_seconds"`
	Packets   float64 `json:"packets"`
	Asterisk  float64 `json:"asterisk_kb"`
	Adcredit  float64 `json:"adcredit_kb"`
	Creditapi float64 `json:"creditapi_kb"`
	CPU       cpu     `json:"cpu_ms"`
}

// seconds are those of audio that each heard: the ad and the prompts around it.
func (l listener) seconds() float64 { return l.Packets * 0.02 / l.Listeners }

type upkeep struct {
	Rows        float64 `json:"rows"`
	BytesPerRow float64 `json:"bytes_per_row"`
	Scan        float64 `json:"purge_nothing_s"`
	Purge       float64 `json:"purge_us_per_row"`
	Archive     float64 `json:"archive_us_per_row"`
}

// read finds the figures that the model needs.
func read(files fs.FS) (f figures, err error) {
	var lists []struct {
		Modules string `json:"modules"`
		Ways    []call `json:"ways"`
	}
	var listeners []listener
	var tables []upkeep
	for name, into := range map[string]any{"calls.json": &lists, "listeners.json": &listeners, "tables.json": &tables} {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return f, err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return f, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, list := range lists {
		for _, c := range list.Ways {
			if list.Modules != "few modules" {
				continue
			}
			switch c.Name {
			case "no AGI":
				f.plain = c
			case "exec adcredit":
				f.exec = c
			case "FastAGI adcredit":
				f.fast = c
			}
		}
	}
	for _, l := range listeners {
		switch l.Way {
		case "exec adcredit":
			f.execAds = l
		case "FastAGI adcredit":
			f.fastAds = l
		}
	}
	for _, t := range tables {
		if t.Rows == 1e8 {
			f.table = t
		}
	}
	if f.plain.CPU.Asterisk <= 0 || f.exec.CPU.Asterisk <= 0 || f.fast.CPU.Asterisk <= 0 || f.execAds.Packets <= 0 || f.fastAds.Packets <= 0 || f.table.BytesPerRow <= 0 {
		return f, fmt.Errorf("calls.json, listeners.json and tables.json lack a figure; run the whole benchmark tests/bench/calls")
	}
	return f, nil
}
