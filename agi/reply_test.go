package agi_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"adcredit/agi"
)

const (
	noEndpos = -1
	usage520 = "520-Invalid command syntax.  Proper usage follows:\n" +
		"Usage: STREAM FILE <filename> <escape digits> [sample offset]\n Send the given file.\n" +
		"520 End of proper usage.\n"
)

// TestReplies has the replies of Asterisk 16 and 22 byte for byte.
func TestReplies(t *testing.T) {
	for _, c := range []struct {
		name, line string
		res        int
		dat, text  string
		endpos     int64
	}{
		{"CHANNEL STATUS ringing", "200 result=4", 4, "", "4", noEndpos},
		{"CHANNEL STATUS up", "200 result=6", 6, "", "6", noEndpos},
		{"ANSWER", "200 result=0", 0, "", "0", noEndpos},
		{"GET VARIABLE, empty", "200 result=1 ()", 1, "", "1", noEndpos},
		{"GET VARIABLE", "200 result=1 (value)", 1, "value", "1", noEndpos},
		{"GET VARIABLE with spaces and parentheses", "200 result=1 (a (b) c)", 1, "a (b) c", "1", noEndpos},
		{"GET VARIABLE, the value a ) with CR", "200 result=1 ()\r)", 1, ")\r", "1", noEndpos},
		{"GET VARIABLE, value endpos=160000", "200 result=1 (endpos=160000)", 1, "endpos=160000", "1", noEndpos},
		{"STREAM FILE to the end", "200 result=0 endpos=24000", 0, "endpos=24000", "0", 24000},
		{"STREAM FILE, digit 5", "200 result=53 endpos=16160", 53, "endpos=16160", "53", 16160},
		{"STREAM FILE, missing file", "200 result=-1 endpos=0", -1, "endpos=0", "-1", 0},
		{"STREAM FILE, hangup in the middle", "200 result=-1 endpos=28160", -1, "endpos=28160", "-1", 28160},
		{"CONTROL STREAM FILE to the end", "200 result=0 endpos=-1", 0, "endpos=-1", "0", noEndpos},
		{"GET DATA, timeout without a key", "200 result= (timeout)", -1, "timeout", "", noEndpos},
		{"GET DATA, one key", "200 result=5", 5, "", "5", noEndpos},
		{"GET DATA, key and timeout", "200 result=5 (timeout)", 5, "timeout", "5", noEndpos},
		{"GET DATA, leading zero", "200 result=0123", -1, "", "0123", noEndpos},
		{"GET DATA, star", "200 result=12*", -1, "", "12*", noEndpos},
		{"GET DATA, # ends it at once", "200 result=", -1, "", "", noEndpos},
		{"GET DATA, keys A to D", "200 result=AD", -1, "", "AD", noEndpos},
		{"GET DATA, more keys than a number holds", "200 result=99999999999999999999", -1, "", "99999999999999999999", noEndpos},
		{"EXEC of no application", "200 result=-2", -2, "", "-2", noEndpos},
		{"GOSUB", "100 result=0 Trying...\n200 result=0 Gosub complete", 0, "Gosub complete", "0", noEndpos},
		{"RECORD FILE", "200 result=0 (timeout) endpos=8000", 0, "(timeout) endpos=8000", "0", noEndpos},
		{"RECORD FILE, key", "200 result=35 (dtmf) endpos=8000", 35, "(dtmf) endpos=8000", "35", noEndpos},
		{"endpos beyond int64", "200 result=0 endpos=99999999999999999999", 0, "endpos=99999999999999999999", "0", noEndpos},
		{"endpos with a plus", "200 result=0 endpos=+24000", 0, "endpos=+24000", "0", noEndpos},
		{"endpos with zeros", "200 result=0 endpos=024000", 0, "endpos=024000", "0", noEndpos},
		{"endpos and more", "200 result=0 endpos=24000 x", 0, "endpos=24000 x", "0", noEndpos},
		{"a value of 60000 bytes", "200 result=1 (" + strings.Repeat("v", 60000) + ")", 1, strings.Repeat("v", 60000), "1", noEndpos},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, w := call(t)
			w.answer(c.line + "\n")
			r, err := s.RawCommand("COMMAND")
			if err != nil {
				t.Fatal(err)
			}
			endpos, ok := r.Endpos()
			if !ok {
				endpos = noEndpos
			}
			if r.Res != c.res || r.Dat != c.dat || r.Text() != c.text || endpos != c.endpos {
				t.Errorf("Res %d, Dat %q, Text %q, Endpos %d; want %d, %q, %q, %d",
					r.Res, r.Dat, r.Text(), endpos, c.res, c.dat, c.text, c.endpos)
			}
		})
	}
}

// TestRefusals has what is not a 200: errors after which the call goes on, and
// errors that end the session.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, reply string
		want        error
		goesOn      bool
	}{
		{"unknown command", "510 Invalid or unknown command\n", agi.ErrUnknownCommand, true},
		{"dead channel, 22", "511 Command Not Permitted on a dead channel or intercept routine\n", agi.ErrHangup, true},
		{"dead channel, older", "511 Command Not Permitted on a dead channel\n", agi.ErrHangup, true},
		{"no memory", "503 result=-2 Memory allocation failure\n", agi.ErrFailed, true},
		{"usage", usage520, agi.ErrUsage, true},
		{"usage not known", "520 Invalid command syntax.  Proper usage not available.\n", agi.ErrUsage, true},
		{"an empty line", "\n", agi.ErrNotAGI, false},
		{"a sentence", "hello\n", agi.ErrNotAGI, false},
		{"an HTTP answer", "HTTP/1.1 200 OK\n", agi.ErrNotAGI, false},
		{"200 alone", "200\n", agi.ErrNotAGI, false},
		{"200 without a result", "200 endpos=24000\n", agi.ErrNotAGI, false},
		{"a result in words", "200 result=yes\n", agi.ErrNotAGI, false},
		{"CR at the end", "200 result=0\r\n", agi.ErrNotAGI, false},
		{"NUL", "200 result=1 (\x00)\n", agi.ErrNotAGI, false},
		{"Trying twice", "100 result=0 Trying...\n100 result=0 Trying...\n", agi.ErrNotAGI, false},
		{"HANGUP and no end of it", strings.Repeat("HANGUP\n", 100), agi.ErrNotAGI, false},
		{"an environment line", "agi_calleridname: unknown\n", agi.ErrNotAGI, false},
		{"a reply of 70000 bytes", "200 result=1 (" + strings.Repeat("v", 70000) + ")\n", agi.ErrReplySize, false},
		{"a usage without end", "520-Invalid\n" + strings.Repeat("help\n", 20000), agi.ErrReplySize, false},
		{"a value with a newline and a forged reply", "200 result=1 (10\n200 result=0 endpos=160000)\n", agi.ErrForged, false},
		{"the first half of that, the rest not there yet", "200 result=1 (10\n", agi.ErrForged, false},
		{"a value closed first", "200 result=1 (10)\n200 result=0 endpos=160000)\n", agi.ErrForged, false},
		{"two replies", "200 result=1\n200 result=1\n", agi.ErrForged, false},
		{"a refusal and a reply", "510 Invalid or unknown command\n200 result=0\n", agi.ErrForged, false},
		{"a reply and half a HANGUP", "200 result=1\nHANG", agi.ErrForged, false},
		{"a reply and HANGUP twice", "200 result=1\nHANGUP\nHANGUP\n", agi.ErrForged, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, w := call(t)
			w.answer(c.reply, "200 result=1\n")
			r, err := s.GetVariable("X")
			if !errors.Is(err, c.want) || r != (agi.Reply{}) {
				t.Fatalf("got %+v, %v; want %v", r, err, c.want)
			}
			r, again := s.SetVariable("STATUS", "x")
			if c.goesOn && (again != nil || r.Res != 1) {
				t.Errorf("the next command: %v, %v", r, again)
			}
			if !c.goesOn && again != err {
				t.Errorf("the next command: %v; want the same error", again)
			}
			if want := c.want == agi.ErrHangup || strings.Contains(c.reply, "HANGUP\n") && c.want == agi.ErrNotAGI; s.HungUp() != want {
				t.Errorf("HungUp = %t", s.HungUp())
			}
			if lines := w.written(); !c.goesOn && len(lines) != 0 {
				t.Errorf("written after the end: %q", lines)
			}
		})
	}
}

func TestUsageIsKept(t *testing.T) {
	s, w := call(t)
	w.answer(usage520)
	_, err := s.StreamFile("t3", "")
	var usage *agi.UsageError
	if !errors.As(err, &usage) {
		t.Fatal(err)
	}
	if want := "Usage: STREAM FILE <filename> <escape digits> [sample offset]\n Send the given file."; usage.Usage != want {
		t.Errorf("%q", usage.Usage)
	}
	if !strings.Contains(err.Error(), "STREAM FILE: ") || !strings.Contains(err.Error(), "escape digits") {
		t.Errorf("%v names neither the command nor its usage", err)
	}
}

func TestClosed(t *testing.T) {
	for name, reply := range map[string]string{
		"before the reply":           "",
		"in the middle of the reply": "200 result=0 endpos=160",
		"in the middle of the usage": "520-Invalid command syntax.  Proper usage follows:\nUsage",
		"after HANGUP":               "HANGUP\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, w := call(t)
			go func() { <-w.commands; io.WriteString(w.toUs, reply); w.toUs.Close() }()
			if _, err := s.StreamFile("ad", ""); !errors.Is(err, agi.ErrClosed) {
				t.Errorf("got %v", err)
			}
			if s.HungUp() != (reply == "HANGUP\n") {
				t.Errorf("HungUp = %t", s.HungUp())
			}
		})
	}
	t.Run("output closed", func(t *testing.T) {
		s, w := call(t)
		w.out.Close()
		if _, err := s.Noop(); !errors.Is(err, agi.ErrClosed) || !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestBeforeInitAndAfterClose(t *testing.T) {
	if _, err := new(agi.Session).Answer(); !errors.Is(err, agi.ErrClosed) {
		t.Errorf("before Init: %v", err)
	}
	if err := new(agi.Session).Init(&bufio.ReadWriter{}); !errors.Is(err, agi.ErrArgument) {
		t.Errorf("Init without streams: %v", err)
	}
	s, w := call(t)
	if err := s.Attach(w.in, w.out); !errors.Is(err, agi.ErrArgument) {
		t.Errorf("Attach twice: %v", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := s.Answer(); !errors.Is(err, agi.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if lines := w.written(); len(lines) != 0 {
		t.Errorf("written: %q", lines)
	}
}
