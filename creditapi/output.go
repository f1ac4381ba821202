package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"
)

// printJSON writes a value for programs.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table prints rows with aligned columns for people.
func (e *environment) table(header []string, rows [][]string) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	first, rest, _ := strings.Cut(b.String(), "\n")
	_, err := fmt.Fprintf(e.stdout, "%s\n%s", e.paint(bold, first), rest)
	return err
}

// Colours, as ANSI codes.
const (
	bold  = "1"
	green = "32"
	red   = "31"
)

// paint colours a text if standard output is a terminal that wants it.
func (e *environment) paint(code, text string) string {
	file, ok := e.stdout.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || e.getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// when writes an instant for people.
func when(t *time.Time, zone *time.Location) string {
	if t == nil {
		return ""
	}
	return t.In(zone).Format("2006-01-02 15:04")
}

// day reads a date in the zone, as its first instant.
func day(text string, zone *time.Location) (time.Time, error) {
	t, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return t, wrongUsage("%q is not a date; write it like 2027-01-31", text)
	}
	return t, nil
}
