package fakeasterisk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const usage = `usage: asterisk [flags] program [AGI arguments]
       asterisk [flags] agi://host:port/script [AGI arguments]

Plays Asterisk for one AGI call, in real time, and prints a transcript:

  > a command of the program         < a reply
  playing NAME                       caller presses 1, caller hangs up
  signal SIGHUP                      note what a reader should know

and at the end lines such as

  heard NAME 1000 ms                 or: heard NAME 500 of 1000 ms
  silent NAME 1000 of 1000 ms        played, but neither answered nor in progress
  variable NAME=value                set by the program
  outlived 1203 ms                   how long it went on after the hangup
  exit 0                             or: killed SIGHUP
  agistatus SUCCESS                  or FAILURE, HANGUP, NOTFOUND

The program's stderr goes to stderr. The exit code is 0 when the call was played
to its end, whatever came of it; 1 when it was not; 2 for wrong usage.

A MOMENT of the call is one of

` + MomentHelp + `
A caller that is to answer a prompt: -press offer@1s=1, or one who presses what
was said: -press 'cmd:SAY DIGITS@end+300ms=?'. BYTES are written with
\n, \r, \t, \" and \x00 as in a Go string.

flags:
`

// Main is [Run] on this process's streams, and ends the program on SIGINT or
// SIGTERM. Give it to testscript to have the command in scripts:
//
//	testscript.Main(m, map[string]func(){
//		"asterisk": func() { os.Exit(fakeasterisk.Main()) },
//	})
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// options are what the flags say beside the Call.
type options struct {
	call    Call
	timeout time.Duration
	times   bool
	env     bool
}

// Run plays the call that args describe (see -help) and returns the exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		fmt.Fprintf(stderr, "asterisk: %v\nhint: asterisk -help lists the flags\n", err)
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	o.call.OnEvent = func(e Event) { o.print(e, stdout, stderr) }
	t, err := Play(ctx, o.call)
	if err != nil {
		fmt.Fprintf(stderr, "asterisk: %v\n", err)
		return 1
	}
	if err := t.WriteSummary(stdout); err != nil {
		fmt.Fprintf(stderr, "asterisk: write the summary: %v\n", err)
		return 1
	}
	return 0
}

func (o *options) print(e Event, stdout, stderr io.Writer) {
	switch {
	case e.Kind == Stderr:
		fmt.Fprintln(stderr, e.Text)
	case e.Kind == Env && !o.env:
	case o.times:
		fmt.Fprintf(stdout, "%8.3f %s\n", e.At.Seconds(), e)
	default:
		fmt.Fprintln(stdout, e)
	}
}

// parse reads the flags. Those with a form of their own check it as they are read.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{call: Call{Variables: map[string]string{}, Headers: map[string][]string{}}}
	c := &o.call
	fs := flag.NewFlagSet("asterisk", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // Run prints the error
	fs.Usage = func() {}

	number := func(name string, to *string, what string) {
		fs.Func(name, what+", as the user part of a SIP address: %0a is a newline", func(s string) error {
			*to = SIPUser(s)
			return nil
		})
	}
	number("callerid", &c.CallerID, "`number` of the caller")
	number("exten", &c.Extension, "`number` dialled (default 2000)")
	number("dnid", &c.DNID, "`number` first dialled (default: that of -exten)")
	number("rdnis", &c.RDNIS, "`number` that diverted the call")
	fs.StringVar(&c.CallerIDName, "callername", "", "`name` of the caller")
	fs.StringVar(&c.AccountCode, "accountcode", "", "account `code` of the channel")
	fs.StringVar(&c.Language, "language", "en", "`language` of the channel")
	fs.StringVar(&c.Context, "context", "incoming", "dialplan `context`")
	fs.StringVar(&c.Channel, "channel", "", "`name` of the channel")
	fs.StringVar(&c.UniqueID, "uniqueid", "", "`id` of the call")
	fs.IntVar(&c.Presentation, "pres", 0, "agi_callingpres: 32 when the number is withheld")
	fs.StringVar(&c.Sounds, "sounds", "", "`folder` of relative sound names")
	fs.Func("var", "`NAME=VALUE`: a variable that the dialplan sets before; AGISIGHUP=no and AGIEXITONHANGUP=yes are obeyed", c.addVariable)
	fs.Func("header", "`'NAME: VALUE'`: a SIP header of the INVITE", c.addHeader)

	fs.DurationVar(&c.AnswerTime, "answer-time", AnswerTime, "`time` that ANSWER takes")
	fs.DurationVar(&c.NumberTime, "number-time", NumberTime, "`time` that saying a number takes")
	fs.DurationVar(&c.HangupNotice, "hangup-notice", HangupNotice, "`time` from a hangup between commands to SIGHUP")
	fs.BoolVar(&c.Held, "held", false, "the caller has put the call on hold: nothing is sent")
	fs.BoolVar(&c.HangupLine, "hangup-line", false, "tell of a hangup by the line HANGUP, as FastAGI does")
	c.actFlags(fs)
	fs.DurationVar(&o.timeout, "timeout", time.Minute, "the longest `time` the call may take; then the program is killed")
	fs.BoolVar(&o.times, "times", false, "print seconds since the start of the call before each line")
	fs.BoolVar(&o.env, "env", false, "print the environment, too")

	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(stderr)
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
		return nil, err
	} else if err != nil {
		return nil, err
	}
	if fs.NArg() == 0 {
		return nil, errors.New("no AGI program is named")
	}
	c.Program, c.Args = fs.Arg(0), fs.Args()[1:]
	return o, c.settle()
}

// settle makes what was given on a command line fit a Call.
func (c *Call) settle() error {
	for _, d := range []*time.Duration{&c.AnswerTime, &c.NumberTime, &c.HangupNotice} {
		if *d == 0 {
			*d = -1 // asked for, not left out
		}
	}
	for _, a := range c.Acts {
		if err := a.check(); err != nil {
			return err
		}
	}
	if c.Sounds == "" {
		return nil
	}
	dir, err := filepath.Abs(c.Sounds)
	c.Sounds = dir
	return err
}

// actFlags are the flags of what happens during the call; each may be repeated.
func (c *Call) actFlags(fs *flag.FlagSet) {
	plain := func(name, what string, act func(Moment) Act) {
		fs.Func(name, "`MOMENT`: "+what, func(s string) error {
			m, err := ParseMoment(s)
			c.Acts = append(c.Acts, act(m))
			return err
		})
	}
	// The last = stands before keys and signals, the first before bytes.
	with := func(name, form, what string, last bool, act func(Moment, string) (Act, error)) {
		fs.Func(name, "`"+form+"`: "+what, func(s string) error {
			moment, value, ok := strings.Cut(s, "=")
			if last {
				moment, value, ok = cutLast(s, "=")
			}
			if !ok {
				return fmt.Errorf("%q has no =; write it like %s", s, form)
			}
			m, err := ParseMoment(moment)
			if err != nil {
				return err
			}
			a, err := act(m, value)
			c.Acts = append(c.Acts, a)
			return err
		})
	}
	bytesOf := func(act func(Moment, string) Act) func(Moment, string) (Act, error) {
		return func(m Moment, s string) (Act, error) {
			b, err := unescape(s)
			return act(m, b), err
		}
	}
	with("press", "MOMENT=KEYS", "the caller presses keys; ? is the figure said last", true,
		func(m Moment, keys string) (Act, error) { return Press(m, keys), nil })
	plain("hangup", "the caller hangs up", HangUp)
	with("signal", "MOMENT=NAME", "the program gets a signal, such as TERM", true, signalFlag)
	plain("close-stdin", "the program's stdin ends", CloseStdin)
	plain("close-stdout", "nobody reads the program's stdout any more: it gets SIGPIPE", CloseStdout)
	with("inject", "MOMENT=BYTES", "bytes beside the replies", false, bytesOf(Inject))
	with("forge", "cmd:COMMAND=REPLY", "a reply in place of the real one, at once or at its MOMENT; empty for none", false, bytesOf(Forge))
	fs.Func("env-tail", "`BYTES` right after the environment, as a forged caller ID queues them", func(s string) error {
		b, err := unescape(s)
		c.EnvTail = []byte(b)
		return err
	})
	fs.Func("env-instead", "`BYTES` in place of the environment", func(s string) error {
		b, err := unescape(s)
		c.EnvInstead = []byte(b)
		return err
	})
	fs.BoolVar(&c.EnvEndless, "env-endless", false, "an environment that never ends")
}

func (c *Call) addVariable(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q is no variable; write it like NAME=value", s)
	}
	c.Variables[name] = value
	return nil
}

func (c *Call) addHeader(s string) error {
	name, value, ok := strings.Cut(s, ":")
	if !ok || name == "" {
		return fmt.Errorf("%q is no header; write it like 'P-Asserted-Identity: <sip:1000@example.org>'", s)
	}
	c.Headers[name] = append(c.Headers[name], strings.TrimSpace(value))
	return nil
}

func signalFlag(m Moment, name string) (Act, error) {
	sig := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
	if sig == 0 {
		return Act{}, fmt.Errorf("%q is no signal; write it like TERM", name)
	}
	return Signal(m, sig), nil
}

// unescape reads \n and the like as Go does inside quotes; a quote needs no
// backslash.
func unescape(s string) (string, error) {
	var b strings.Builder
	for rest := s; rest != ""; {
		if rest[0] == '"' {
			b.WriteByte('"')
			rest = rest[1:]
			continue
		}
		r, multibyte, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			return "", fmt.Errorf("%q has a backslash that means nothing; write \\n, \\r, \\t, \\\\ or \\x00", s)
		}
		if r < 0x80 || multibyte {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r)) // \xe9 is one byte
		}
		rest = tail
	}
	return b.String(), nil
}
