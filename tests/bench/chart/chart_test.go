package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
)

var sample = Chart{Title: "a & b", Note: `<i> "quoted"`, Groups: []Group{
	{"calls", []Bar{{Name: "floor", Value: 1}, {Name: "adcredit", Value: 2.5, Low: 2, High: 3, Aim: 2.2}, {Name: "python", Value: 64, Text: "64 x"}}},
	{"checks", []Bar{{Name: "flask", Value: 0.25}}},
}}

// draw returns the SVG's elements, and fails when it is not well-formed.
func draw(t *testing.T, c Chart) (text string, elements []xml.StartElement) {
	t.Helper()
	var b strings.Builder
	n, err := c.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatal(n, b.Len(), err)
	}
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String(), elements
		} else if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if e, ok := token.(xml.StartElement); ok {
			elements = append(elements, e)
		}
	}
}

func TestChart(t *testing.T) {
	text, elements := draw(t, sample)
	widths := []float64{}
	for _, e := range elements {
		for _, a := range e.Attr {
			if e.Name.Local == "rect" && a.Name.Local == "width" {
				w, err := strconv.ParseFloat(a.Value, 64)
				if err != nil {
					t.Error(err)
				}
				widths = append(widths, w)
			}
			if strings.Contains(a.Name.Local, "href") {
				t.Errorf("%s refers to %s", e.Name.Local, a.Value)
			}
		}
	}
	if len(widths) != 4 || !(widths[3] < widths[0] && widths[0] < widths[1] && widths[1] < widths[2]) {
		t.Errorf("bars as wide as %v; want them in the order of their values 1, 2.5, 64, 0.25", widths)
	}
	if strings.Count(text, `class="m"`) != 1 || strings.Count(text, `class="s"`) != 1 {
		t.Error("want one mark of an aim and one spread")
	}
	for _, want := range []string{"a &amp; b", "&lt;i&gt;", "64 x", ">2.5<", "prefers-color-scheme:dark"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in it", want)
		}
	}
}

// Without a value there is nothing to scale by.
func TestEmptyChart(t *testing.T) {
	for _, c := range []Chart{{}, {Groups: []Group{{Name: "one", Bars: []Bar{{Name: "same", Value: 1, Low: 1, High: 1}}}}}} {
		if text, _ := draw(t, c); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Error(text)
		}
	}
}
