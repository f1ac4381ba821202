package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/term"

	"adcredit/sounds"
	"adcredit/tests/fakeasterisk"
)

// Who says something to whom, with a colour each.
type who struct{ name, colour string }

var (
	fromCaller = who{"caller", "33"}
	toCaller   = who{"caller hears", "36"}
	fromAGI    = who{"adcredit", "32"}
	fromAPI    = who{"creditapi", "35"}
	toDialplan = who{"dialplan gets", "1;34"}
)

// screen prints the transcript.
type screen struct {
	mu     sync.Mutex
	out    io.Writer
	colour bool
	texts  map[string]string // of the prompts
}

func newScreen(f *os.File) *screen {
	return &screen{out: f, colour: term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "", texts: texts()}
}

// texts is what each sound says.
func texts() map[string]string {
	said := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(sounds.Texts)); lines.Scan(); {
		if field := strings.Split(lines.Text(), "\t"); len(field) == 4 {
			said[field[0]] = field[3]
		}
	}
	return said
}

func (s *screen) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (s *screen) title(text string) { s.text("\n%s", s.paint("1", text)) }

func (s *screen) text(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *screen) line(w who, text string) {
	s.text("  %s  %s", s.paint(w.colour, fmt.Sprintf("%13s", w.name)), text)
}

// event shows what a person would notice of a call, and of the AGI commands
// those that make the difference.
func (s *screen) event(e fakeasterisk.Event) {
	switch e.Kind {
	case fakeasterisk.Playing:
		s.line(toCaller, s.sound(e.Text))
	case fakeasterisk.Caller:
		s.line(fromCaller, e.Text)
	case fakeasterisk.Signalled:
		s.line(fromAGI, "is told of the hangup by "+e.Text)
	case fakeasterisk.Command:
		if word, _, _ := strings.Cut(e.Text, " "); word == "ANSWER" {
			s.line(fromAGI, "answers the call: only now, since an ad is on offer")
		}
	}
}

// sound gives a sound's text, or its name.
func (s *screen) sound(name string) string {
	for _, key := range []string{path.Base(path.Dir(name)) + "/" + path.Base(name), name} {
		if text, ok := s.texts[key]; ok {
			return "“" + text + "”"
		}
	}
	return name
}
