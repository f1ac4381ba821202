package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the model's answer into SCALE.md")

// TestThePageSaysWhatTheModelSays: the page can't tell of another run than the
// figures that are kept.
func TestThePageSaysWhatTheModelSays(t *testing.T) {
	const page, begin, end = "../SCALE.md", "```text\n", "```\n"
	var out, errs bytes.Buffer
	if code := run(nil, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	was, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no block of text", page)
	}
	says := trimmed(out.String())
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+says+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was != says {
		t.Errorf("SCALE.md is of other figures: go test ./tests/bench/scale -update\nit says\n%s\nthe model says\n%s", was, says)
	}
}

// trimmed has no blanks at the ends of lines.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// TestDemand: figures that one can check in one's head.
func TestDemand(t *testing.T) {
	f := figures{
		plain: call{CPU: cpu{Asterisk: 2}}, fast: call{CPU: cpu{Asterisk: 4, Creditapi: 1}},
		fastAds: listener{Listeners: 10, AdSeconds: 20, Packets: 10 * 30 * 50, CPU: cpu{Asterisk: 34, Creditapi: 6}}, // 30 s of audio each
	}
	m := model{Subscribers: 3600, Attempts: 1, Poor: 0.5, Heard: 0.4, AdSeconds: 40, BusyShare: 0.1, Processors: 10, MemoryGB: 1, Use: 0.5}
	d := m.demand(f)
	want := demand{calls: 1, listens: 0.2, starts: 0.2, listening: 10, yearly: 0.2 * 36000 * 365, grants: 0.2 * 36000 * 365}
	if !near(d.calls, want.calls) || !near(d.listens, want.listens) || !near(d.starts, want.starts) || !near(d.listening, want.listening) ||
		!near(d.yearly, want.yearly) || !near(d.grants, want.grants) {
		t.Errorf("demand is %+v, want %+v", d, want)
	}
	// A call 4 ms; of a listen 34-4 = 30 ms were 30 s of audio, so 50 s are 50 ms.
	if need := m.need(f, f.fast, f.fastAds, d); !near(need.Asterisk, (1*4+0.2*50)/1000) || !near(need.Creditapi, (1*1+0.2*6)/1000) {
		t.Errorf("need is %+v", need)
	}
}

func near(a, b float64) bool { return a > b*0.999999 && a < b*1.000001 }

func TestCount(t *testing.T) {
	for v, want := range map[float64]string{0.961: "0.96", 9.94: "9.9", 13.2: "13", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := count(v); got != want {
			t.Errorf("count(%v) = %q, want %q", v, got, want)
		}
	}
}

// TestWrongUse: nothing is computed of what can't be.
func TestWrongUse(t *testing.T) {
	empty := t.TempDir()
	half := t.TempDir()
	for _, name := range []string{"calls.json", "listeners.json", "tables.json"} {
		if err := os.WriteFile(filepath.Join(half, name), []byte("[]"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-poor", "1.5"}, 2, "-poor is a share"},
		{[]string{"-ad", "0"}, 2, "-ad must be above 0"},
		{[]string{"-subscribers", "NaN"}, 2, "-subscribers must be above 0"},
		{[]string{"-abandoned", "-1"}, 2, "-abandoned"},
		{[]string{"what"}, 2, "no flags"},
		{[]string{"-results", empty}, 1, "no such file"},
		{[]string{"-results", half}, 1, "lack a figure"},
	} {
		var out, errs bytes.Buffer
		if code := run(tt.args, &out, &errs); code != tt.code || !strings.Contains(errs.String(), tt.says) || out.Len() > 0 {
			t.Errorf("scale %v: exit code %d, want %d; says %q, want %q", tt.args, code, tt.code, errs.String(), tt.says)
		}
	}
}
