// Command demo plays adcredit's main job for somebody who has two minutes: the
// paper's three accounts on an embedded store, a real creditapi, the real
// adcredit for each call, and an Asterisk that is played in real time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"adcredit/sounds"
	"adcredit/tests/fakeasterisk"
)

func main() { os.Exit(run()) }

func run() int {
	bin := flag.String("bin", "bin", "folder of the binaries adcredit and creditapi")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, *bin); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}

func demo(ctx context.Context, bin string) error {
	dir, err := os.MkdirTemp("", "adcredit-demo.")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := sounds.CopyTo(filepath.Join(dir, "sounds")); err != nil {
		return err
	}
	show := newScreen(os.Stdout)
	house, err := build(ctx, bin, dir, show)
	if err != nil {
		return err
	}
	defer house.stop()
	for _, scene := range scenes {
		if err := house.play(ctx, scene); err != nil {
			return err
		}
	}
	show.title("The accounts afterwards")
	if err := house.accounts(); err != nil {
		return err
	}
	show.text("")
	show.text("Try next:  bin/creditapi serve        your own, with a key it tells you how to make")
	show.text("           make test                  everything, on a real Asterisk and MariaDB")
	show.text("           README.md                  ten minutes to your own Asterisk and A2Billing")
	return nil
}

// scene is one way that a call can go.
type scene struct {
	title  string
	before func(*house) error
	call   fakeasterisk.Call
	status string // what must come of it
}

// language is what the demo's callers hear: their terminal's, if we have it.
var language = func() string {
	if strings.HasPrefix(os.Getenv("LANG"), "fr") {
		return "fr"
	}
	return "en"
}()

var accept = fakeasterisk.Press(fakeasterisk.During("offer").Plus(time.Second), "1")

var scenes = []scene{
	{
		title:  "1. Caller 1000 has credit: nothing is played, nothing is lost",
		call:   fakeasterisk.Call{CallerID: "1000", AccountCode: "8987344413", Extension: "2000"},
		status: "SUFFICIENT",
	},
	{
		title:  "2. Caller 1001 has none, and hangs up in the middle of the ad: nothing is granted",
		before: (*house).empty,
		call: fakeasterisk.Call{CallerID: "1001", AccountCode: "9700203963", Extension: "2000",
			Acts: []fakeasterisk.Act{accept, fakeasterisk.HangUp(fakeasterisk.During("ads/mangalou-" + language).Percent(35))}},
		status: "ABANDONED",
	},
	{
		title: "3. Caller 1001 again, and listens to the end: credited once, and the call goes on",
		call: fakeasterisk.Call{CallerID: "1001", AccountCode: "9700203963", Extension: "2000",
			Acts: []fakeasterisk.Act{accept}},
		status: "GRANTED",
	},
	{
		title:  "4. creditapi is down: the dialplan is told so at once, and decides",
		before: func(h *house) error { h.stop(); return nil },
		call:   fakeasterisk.Call{CallerID: "1002", AccountCode: "3377949903", Extension: "2000"},
		status: "UNKNOWN",
	},
}

// play plays one call and makes sure that it went as the title says.
func (h *house) play(ctx context.Context, s scene) error {
	h.show.title(s.title)
	if s.before != nil {
		if err := s.before(h); err != nil {
			return err
		}
	}
	h.show.line(fromCaller, "dials "+s.call.Extension+" from "+s.call.CallerID)
	s.call.Program = h.adcredit
	s.call.Environ = h.environ()
	s.call.OnEvent = h.show.event
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	t, err := fakeasterisk.Play(ctx, s.call)
	if err != nil {
		return err
	}
	status := t.Variables["ADCREDIT_STATUS"]
	h.show.line(toDialplan, verdict(status, t))
	if status != s.status {
		return errors.New("the call was to end with " + s.status + "; what the program said: " + t.Stderr)
	}
	return nil
}

func verdict(status string, t *fakeasterisk.Transcript) string {
	said := "ADCREDIT_STATUS=" + status
	switch status {
	case "SUFFICIENT":
		return said + ": Dial"
	case "GRANTED":
		return said + ", " + t.Variables["ADCREDIT_GRANTED"] + " " + t.Variables["ADCREDIT_CURRENCY"] + " granted: Dial, in the same call"
	case "UNKNOWN":
		return said + " (" + t.Variables["ADCREDIT_CAUSE"] + "): as ADCREDIT_FAIL says, refuse or Dial"
	}
	return said + " (" + t.Variables["ADCREDIT_CAUSE"] + "), " + "nothing granted"
}
