package fakeasterisk

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Kind says who an [Event] comes from.
type Kind string

// The kinds, by the mark that stands before them in a printed transcript.
const (
	Env       Kind = "="       // a line of the environment
	Command   Kind = ">"       // a line of the program
	Reply     Kind = "<"       // a line of Asterisk
	Signalled Kind = "signal"  // Asterisk told the program of the hangup
	Caller    Kind = "caller"  // the caller presses a key or hangs up
	Wire      Kind = "wire"    // an Act that is not the caller's
	Playing   Kind = "playing" // a sound begins
	Stderr    Kind = "!"       // a line of the program's stderr
	Note      Kind = "note"    // what a reader should know, such as a fallback to English
)

// An Event is one thing that happened, in order.
type Event struct {
	At   time.Duration // since the start of the call
	Kind Kind
	Text string // one line, without its end; control characters as they were
}

// Heard is one sound that Asterisk played to the channel.
type Heard struct {
	Sound   string        // as the program named it; "number 50" for what is said
	File    string        // that was played; empty for what is said
	At      time.Duration // when it began, since the start of the call
	MS      int64         // milliseconds played
	Length  int64         // milliseconds of the whole
	Up      bool          // the call was answered
	Audible bool          // answered, or Progress was sent: the caller heard it
}

// Complete says whether the caller heard it to its end.
func (h Heard) Complete() bool { return h.Audible && h.MS >= h.Length }

// A Transcript is what came of a call.
type Transcript struct {
	Events    []Event
	Heard     []Heard
	Variables map[string]string // of the channel, as far as the program set them
	AGIStatus string            // [Success], [Failure], [NotFound] or [Hangup]
	ExitCode  int               // -1 when it did not run or was killed; 0 over FastAGI
	Killed    string            // the signal that ended the program, such as "SIGHUP"
	Stderr    string            // at most 1 MiB
	Answered  bool
	HungUp    bool          // before the program ended, by whomever
	Ended     time.Duration // when the program had ended, since the start of the call
	Outlived  time.Duration // from the hangup to the end of the program: extension h waits so long
}

// Lines gives the texts of one kind of event, in order.
func (t *Transcript) Lines(kind Kind) []string {
	var lines []string
	for _, e := range t.Events {
		if e.Kind == kind {
			lines = append(lines, e.Text)
		}
	}
	return lines
}

// String is the event as a line of a printed transcript, without its time.
func (e Event) String() string { return string(e.Kind) + " " + printable(e.Text) }

// WriteSummary writes what came of the call, a line each:
//
//	heard NAME 1000 ms          the caller heard so much of it
//	heard NAME 500 of 1000 ms   and no more
//	silent NAME 1000 of 1000 ms played, but not to be heard: neither ANSWER nor Progress
//	variable NAME=value
//	outlived 1203 ms            the program, after the hangup
//	exit 0                      or: killed SIGHUP
//	agistatus SUCCESS
func (t *Transcript) WriteSummary(w io.Writer) error {
	var b bytes.Buffer
	for _, h := range t.Heard {
		switch {
		case h.Complete():
			fmt.Fprintf(&b, "heard %s %d ms\n", printable(h.Sound), h.MS)
		case h.Audible:
			fmt.Fprintf(&b, "heard %s %d of %d ms\n", printable(h.Sound), h.MS, h.Length)
		default:
			fmt.Fprintf(&b, "silent %s %d of %d ms\n", printable(h.Sound), h.MS, h.Length)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Variables)) {
		fmt.Fprintf(&b, "variable %s=%s\n", printable(name), printable(t.Variables[name]))
	}
	if t.HungUp {
		fmt.Fprintf(&b, "outlived %d ms\n", t.Outlived.Milliseconds())
	}
	if t.Killed != "" {
		fmt.Fprintf(&b, "killed %s\n", t.Killed)
	} else {
		fmt.Fprintf(&b, "exit %d\n", t.ExitCode)
	}
	fmt.Fprintf(&b, "agistatus %s\n", t.AGIStatus)
	_, err := w.Write(b.Bytes())
	return err
}

// recorder collects events from the call and from the program's stderr.
type recorder struct {
	mu      sync.Mutex
	start   time.Time
	onEvent func(Event)
	t       Transcript
	stderr  lineWriter
}

func newRecorder(onEvent func(Event)) *recorder {
	return &recorder{start: time.Now(), onEvent: onEvent}
}

// transcript is only for when nothing is recorded any more, or before the start.
func (r *recorder) transcript() *Transcript { return &r.t }

func (r *recorder) event(kind Kind, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.locked(kind, text)
}

func (r *recorder) locked(kind Kind, text string) {
	e := Event{At: time.Since(r.start), Kind: kind, Text: text}
	r.t.Events = append(r.t.Events, e)
	if r.onEvent != nil {
		r.onEvent(e)
	}
}

func (r *recorder) note(text string) { r.event(Note, text) }

func (r *recorder) heard(h Heard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.t.Heard = append(r.t.Heard, h)
}

func (r *recorder) stderrWriter() io.Writer {
	r.stderr.rec = r
	return &r.stderr
}

// lineWriter keeps the program's stderr, and makes an event of each line.
type lineWriter struct {
	rec  *recorder
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	n := len(b)
	b = b[:min(n, maxStderr-len(w.rec.t.Stderr))]
	w.rec.t.Stderr += string(b)
	w.rest = append(w.rest, b...)
	for {
		l, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return n, nil
		}
		w.rec.locked(Stderr, string(l))
		w.rest = rest
	}
}

// flush makes an event of a last line without its end.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.rec.event(Stderr, string(w.rest))
		w.rest = nil
	}
}

// printable writes control characters and bytes that are not UTF-8 as Go does
// inside quotes, so that nothing a caller sends can forge a line of a transcript.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == '\uFFFD' }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return sig.String()
}

func (r *recorder) since() time.Duration { return time.Since(r.start) }
