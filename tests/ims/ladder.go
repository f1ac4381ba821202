package ims

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"adcredit/tests/ims/diameter"
	"adcredit/tests/lab"
)

// A Step is one message that went from one part to another, or the beginning of
// audio.
type Step struct {
	Time     time.Time
	From, To string // names of Columns
	Text     string // "INVITE 1001", "200 OK BYE", "MAR 1000 SIP Digest", "♪ audio"
	Kind     Kind
}

// A Kind of step has a colour of its own.
type Kind int

// The kinds.
const (
	Request Kind = iota
	Provisional
	Success
	Refusal
	Cx // Diameter
	Audio
)

// Columns are the parts that a ladder shows, from left to right.
var Columns = []string{"UE 1000", "UE 1001", "P-CSCF", "I-CSCF", "S-CSCF", "HSS", "AS"}

// columnAt is the part that has an address; the CSCFs connect to the HSS from
// any, so there it is the Origin-Host that says who it is.
var columnAt = map[string]string{
	"127.0.0.11": "UE 1000", "127.0.0.12": "UE 1001", "127.0.0.4": "P-CSCF", "127.0.0.3": "I-CSCF",
	"127.0.0.2": "S-CSCF", "127.0.0.5": "HSS", "127.0.0.9": "AS",
}

// Steps are what went over the wire between two moments, in order: SIP but for
// 100, which each hop says by itself; Cx; and where audio began.
func (l *Lab) Steps(from, to time.Time) []Step {
	during := func(t time.Time) bool { return !t.Before(from) && t.Before(to) }
	var steps []Step
	for _, m := range l.Rec.SIP() {
		if during(m.Time) && m.Status() != 100 {
			steps = append(steps, sipStep(m))
		}
	}
	for _, s := range l.cx() {
		if during(s.Time) {
			steps = append(steps, s)
		}
	}
	type way struct{ from, to netip.Addr }
	begun := map[way]bool{}
	for _, s := range l.Rec.RTP() {
		w := way{s.From.Addr(), s.To.Addr()}
		if first := s.Packets[0].Time; during(first) && !begun[w] {
			begun[w] = true
			steps = append(steps, Step{first, columnAt[w.from.String()], columnAt[w.to.String()], "♪ audio", Audio})
		}
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return a.Time.Compare(b.Time) })
	return steps
}

func sipStep(m lab.SIP) Step {
	s := Step{Time: m.Time, From: columnAt[m.From.Addr().String()], To: columnAt[m.To.Addr().String()]}
	switch status := m.Status(); {
	case status == 0:
		s.Text, s.Kind = m.Method(), Request
		if !strings.Contains(m.Header("To"), "tag=") {
			s.Text += " " + userOf(m.Header("To"))
		}
		if s.From != s.To && strings.Contains(strings.Join(m.Headers("Route"), ","), "iscmark@") {
			s.Text += " " + Mark
		}
	default:
		// Some say more than the reason: "Unauthorized - Challenging the UE".
		reason, _, _ := strings.Cut(strings.TrimPrefix(m.Start, "SIP/2.0 "), " - ")
		s.Text = reason
		if method := m.Method(); method != "INVITE" && method != "REGISTER" {
			s.Text += " " + method
		}
		s.Kind = []Kind{1: Provisional, 2: Success, 3: Refusal, 4: Refusal, 5: Refusal, 6: Refusal}[status/100]
	}
	return s
}

// Mark stands behind a request whose Route holds the S-CSCF's mark: it knows by it
// where in the user's criteria the call is.
const Mark = "⚑"

// userOf is the user part of an address, e.g. 1000 of <sip:1000@ims.test>.
func userOf(address string) string {
	_, rest, _ := strings.Cut(address, "sip:")
	user, _, _ := strings.Cut(rest, "@")
	return user
}

// cx are the Diameter messages but for the watchdog's.
func (l *Lab) cx() (steps []Step) {
	clients := map[netip.AddrPort]string{}
	for _, p := range l.Rec.TCP() {
		from, to := columnAt[p.From.Addr().String()], columnAt[p.To.Addr().String()]
		if from != "HSS" && to != "HSS" {
			continue
		}
		for _, m := range diameter.Messages(p.Payload) {
			if to == "HSS" && m.AVPs.Text(diameter.OriginHost) != "" {
				clients[p.From] = columnAt[m.AVPs.Text(diameter.OriginHost)]
			}
			from, to := cmp.Or(clients[p.From], from), cmp.Or(clients[p.To], to)
			if m.Command == watchdog {
				continue
			}
			text := strings.ReplaceAll(strings.ReplaceAll(m.Summary(), "sip:", ""), "@"+Domain, "")
			if !m.IsRequest() { // of whom the request said
				code, vendor, _ := m.AVPs.Result()
				text = m.Name() + " " + diameter.ResultName(code, vendor)
			}
			steps = append(steps, Step{p.Time, from, to, text, Cx})
		}
	}
	return steps
}

const watchdog = 280 // Device-Watchdog (RFC 6733, 5.5)

const (
	timeWidth = 11
	pitch     = 21
)

// Draw writes steps as a ladder of at most 160 columns, with the milliseconds
// since its first step.
func Draw(w io.Writer, steps []Step, colour bool) {
	head := strings.Repeat(" ", timeWidth)
	for _, name := range Columns {
		left := (pitch - len(name)) / 2
		head += strings.Repeat(" ", left) + name + strings.Repeat(" ", pitch-len(name)-left)
	}
	fmt.Fprintln(w, paint(colour, "1", strings.TrimRight(head, " ")))
	for _, s := range steps {
		fmt.Fprintf(w, "%9.1f  %s\n", float64(s.Time.Sub(steps[0].Time).Microseconds())/1000, rung(s, colour))
	}
}

// rung draws one step between the lines of the parts.
func rung(s Step, colour bool) string {
	row := []rune(strings.Repeat(" ", pitch*len(Columns)))
	middle := func(name string) int { return slices.Index(Columns, name)*pitch + pitch/2 }
	for _, name := range Columns {
		row[middle(name)] = '│'
	}
	from, to := middle(s.From), middle(s.To)
	left, right := min(from, to), max(from, to)
	if !slices.Contains(Columns, s.From) || !slices.Contains(Columns, s.To) {
		return strings.TrimRight(string(row), " ") + "  " + s.Text // somebody who isn't of the lab
	}
	label := []rune(" " + s.Text + " ")
	var at int
	if left == right { // to itself
		label = append([]rune("↩"), label...)
		at = left + 1
		right = at + len(label)
	} else {
		line := '─'
		if s.Kind == Audio {
			line = '┄'
		}
		for i := left + 1; i < right; i++ {
			row[i] = line
		}
		if row[from], row[to] = '├', '│'; to < from {
			row[from] = '┤'
		}
		if to > from {
			row[to-1] = '▶'
		} else {
			row[to+1] = '◀'
		}
		room := right - left - 2 // beside the arrow's head
		if len(label) > room {
			label = append([]rune{' ', map[bool]rune{true: '→', false: '←'}[to > from]}, label...)
		}
		at = max(0, left+1+(room-len(label))/2)
		if to < from {
			at++
		}
	}
	at = min(at, len(row)-len(label))
	copy(row[at:], label)
	begin, end := min(left, at), max(right+1, at+len(label))
	text := string(row[:begin]) + paint(colour, colours[s.Kind], string(row[begin:min(end, len(row))]))
	return text + strings.TrimRight(string(row[min(end, len(row)):]), " ")
}

var colours = map[Kind]string{Request: "36", Provisional: "33", Success: "32", Refusal: "31", Cx: "35", Audio: "34"}

func paint(colour bool, code, text string) string {
	if !colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
