// Package chart draws ratios as bars, in SVG that reads well on light and on dark
// paper and refers to nothing outside itself.
package chart

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
)

// A Chart is groups of horizontal bars on one logarithmic scale.
type Chart struct {
	Title  string
	Note   string // below the title: what was measured, where
	Groups []Group
}

// A Group is bars that are compared with each other.
type Group struct {
	Name string
	Bars []Bar
}

// A Bar is a value above 0, the spread around it, and what it should be.
type Bar struct {
	Name      string
	Value     float64
	Low, High float64 // the spread; 0: none
	Aim       float64 // a mark; 0: none
	Text      string  // behind the bar; "": the value
}

// Sizes in pixels.
const (
	width   = 760
	left    = 250 // where bars begin
	right   = 150 // what is kept free for the text behind them
	row     = 22
	heading = 30
	top     = 58
)

const style = `text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:15px}.g{font-weight:600}` +
	`.n,.a{fill:#59636e;font-size:11px}.b{fill:#3a78c3}.s{stroke:#1f2328;stroke-width:1.5}.m{stroke:#c4432b;stroke-width:2}.l{stroke:#59636e;stroke-opacity:.3}` +
	`@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n,.a{fill:#9198a1}.b{fill:#5b9bef}.s{stroke:#e6edf3}.m{stroke:#ff7b5e}}`

// WriteTo writes the SVG.
func (c Chart) WriteTo(w io.Writer) (int64, error) {
	low, high := c.span()
	x := func(v float64) float64 {
		v = min(max(v, low), high)
		return left + (width-left-right)*math.Log(v/low)/math.Log(high/low)
	}
	var body strings.Builder
	y := top
	for _, g := range c.Groups {
		y += heading
		text(&body, 12, y-8, "g", "start", g.Name)
		for _, b := range g.Bars {
			c.bar(&body, b, x, y)
			y += row
		}
	}
	var grid strings.Builder
	for v := low; v <= high*1.0001; v *= 10 {
		line(&grid, "l", x(v), top, x(v), float64(y)+4)
		text(&grid, int(x(v)), y+20, "a", "middle", number(v))
	}
	y += 34
	n, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img"><title>%[3]s</title><style>%[4]s</style>`,
		width, y, escape(c.Title), style)
	if err != nil {
		return int64(n), err
	}
	var head strings.Builder
	text(&head, 12, 24, "t", "start", c.Title)
	text(&head, 12, 44, "n", "start", c.Note)
	m, err := io.WriteString(w, head.String()+grid.String()+body.String()+"</svg>\n")
	return int64(n + m), err
}

func (c Chart) bar(w *strings.Builder, b Bar, x func(float64) float64, y int) {
	middle := float64(y) + 8
	text(w, left-8, y+12, "", "end", b.Name)
	fmt.Fprintf(w, `<rect class="b" x="%d" y="%d" width="%.1f" height="14" rx="2"/>`, left, y+1, max(x(b.Value)-left, 1))
	end := x(b.Value)
	if b.Low > 0 && b.High > 0 {
		line(w, "s", x(b.Low), middle, x(b.High), middle)
		end = max(end, x(b.High))
	}
	if b.Aim > 0 {
		line(w, "m", x(b.Aim), middle-9, x(b.Aim), middle+9)
		end = max(end, x(b.Aim))
	}
	text(w, int(end)+6, y+12, "", "start", cmp.Or(b.Text, number(b.Value)))
}

// span is whole powers of ten around all values, two different ones.
func (c Chart) span() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, g := range c.Groups {
		for _, b := range g.Bars {
			for _, v := range []float64{b.Value, b.Low, b.High, b.Aim} {
				if v > 0 {
					low, high = min(low, v), max(high, v)
				}
			}
		}
	}
	if low > high {
		return 1, 10
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	return low, max(high, 10*low)
}

func text(w *strings.Builder, x, y int, class, anchor, s string) {
	fmt.Fprintf(w, `<text x="%d" y="%d" class="%s" text-anchor="%s">%s</text>`, x, y, class, anchor, escape(s))
}

func line(w *strings.Builder, class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(w, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x1, y1, x2, y2)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// number is a value in three digits.
func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
