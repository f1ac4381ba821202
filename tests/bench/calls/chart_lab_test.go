//go:build lab

package calls

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
)

const chartStyle = `text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:15px}.n{fill:#59636e;font-size:11px}` +
	`.l{stroke:#59636e;stroke-opacity:.3}.c0{stroke:#59636e}.c1{stroke:#c4432b}.c2{stroke:#3a78c3}.m{stroke:#c4432b;stroke-dasharray:4 4}` +
	`polyline{fill:none;stroke-width:2.5}circle{stroke-width:2.5;fill:none}` +
	`@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}.c0{stroke:#9198a1}.c1,.m{stroke:#ff7b5e}.c2{stroke:#5b9bef}}`

// keepChart draws what share of this machine calls with credit take, by how many
// come a second: lines by what each costs, as far as that many were sustained.
func keepChart(b *testing.B, name string, f figures) {
	b.Helper()
	keepText(b, name, []byte(draw(f)))
}

func draw(f figures) string {
	const left, right, top, bottom, wide, high = 60, 170, 70, 50, 760, 400
	shown := []wayFigures{f.Ways[0], f.Ways[2], f.Ways[3]}
	cores := float64(runtime.NumCPU())
	most := 0.0
	for _, w := range shown {
		most = max(most, w.Rate.Median)
	}
	low, most := 1.0, math.Pow(10, math.Ceil(math.Log10(most)))
	x := func(rate float64) float64 {
		return left + (wide-left-right)*math.Log(max(rate, low)/low)/math.Log(most/low)
	}
	y := func(share float64) float64 { return high - bottom - (high-bottom-top)*min(share, 1) }

	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img"><title>When to use FastAGI</title><style>%[3]s</style>`, wide, high, chartStyle)
	write := func(x, y float64, class, anchor, text string) {
		fmt.Fprintf(&s, `<text x="%.0f" y="%.0f" class="%s" text-anchor="%s">%s</text>`, x, y, class, anchor, text)
	}
	write(12, 24, "t", "start", "What calls with credit take of a machine, by calls a second")
	write(12, 44, "n", "start", fmt.Sprintf("Asterisk 22, %s, %d processors; a ring is the most that was sustained (the load runs on the same processors)", f.Modules, int(cores)))
	for share := 0.0; share <= 1; share += 0.25 {
		fmt.Fprintf(&s, `<line class="l" x1="%d" y1="%.1f" x2="%d" y2="%.1[2]f"/>`, left, y(share), wide-right)
		write(left-8, y(share)+4, "n", "end", fmt.Sprintf("%.0f %%", 100*share))
	}
	for rate := low; rate <= most; rate *= 10 {
		fmt.Fprintf(&s, `<line class="l" x1="%.1f" y1="%d" x2="%.1[1]f" y2="%[3]d"/>`, x(rate), top, high-bottom)
		write(x(rate), high-bottom+18, "n", "middle", digits(rate))
	}
	write((left+wide-right)/2, high-12, "n", "middle", "calls a second")
	for i, w := range shown {
		share := func(rate float64) float64 { return rate * w.CPU.sum() / 1000 / cores }
		var line strings.Builder
		for rate := low; rate < w.Rate.Median; rate *= 1.1 {
			fmt.Fprintf(&line, "%.1f,%.1f ", x(rate), y(share(rate)))
		}
		endX, endY := x(w.Rate.Median), y(share(w.Rate.Median))
		fmt.Fprintf(&s, `<polyline class="c%d" points="%s%.1f,%.1f"/><circle class="c%[1]d" cx="%.1[3]f" cy="%.1[4]f" r="4"/>`, i, line.String(), endX, endY)
		at, anchor := endX+10, "start"
		if i > 0 { // others go on at its right
			at, anchor = endX-10, "end"
		}
		write(at, endY+4, "", anchor, fmt.Sprintf("%s: %s/s", strings.TrimSuffix(w.Name, " adcredit"), digits(w.Rate.Median)))
	}
	change := shown[1].Rate.Median / 2
	fmt.Fprintf(&s, `<line class="m" x1="%.1f" y1="%d" x2="%.1[1]f" y2="%[3]d"/>`, x(change), top, high-bottom)
	write(x(change)-6, y(0.66), "n", "end", fmt.Sprintf("FastAGI from %.0f calls/s on", change))
	s.WriteString("</svg>\n")
	return s.String()
}
