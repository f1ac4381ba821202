// Package fakeasterisk plays Asterisk 22 for one AGI call: it starts the real
// program as res_agi does, or connects to it over FastAGI, writes the environment, answers each command with the
// bytes that Asterisk would send and after the time that it would really take,
// and plays the caller too, who presses keys, hangs up, or forges.
//
// A second of sound takes a second. There is no faster clock: a program may
// compare the clock with what it is told, and a test that wants to be quick
// plays a short file.
//
// [Call] says who calls and what happens, [Act] what the caller or the wire
// does at which [Moment], and [Transcript] what came of it. [Run] is the same
// as a command, for scripts and for trying a program by hand.
//
// Bytes, times and order follow what was measured on Asterisk 22.10.1 with
// PJSIP; where nothing was measured, res/res_agi.c.
package fakeasterisk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Times of a real call, where [Call] says nothing.
const (
	AnswerTime   = 100 * time.Millisecond // ANSWER waits for the first RTP packet, 500 ms at most
	NumberTime   = 600 * time.Millisecond // one SAY NUMBER
	HangupNotice = time.Second            // from the caller's BYE to SIGHUP while no command is in progress
)

// A Call is one run of one AGI program. The zero value of each field but
// Program is usable. Strings are sent as they are: a newline in CallerID forges
// a line of the environment, as it does with Asterisk; see [SIPUser].
type Call struct {
	Program string   // path, a name that is looked up in PATH, or agi://host:port/script
	Args    []string // AGI arguments: argv and agi_arg_1, agi_arg_2, ...
	Environ []string // of a program that is started, beside AST_*; nil is os.Environ()

	CallerID     string // number; "" is sent as "unknown"; cut at 79 bytes
	CallerIDName string // "" is sent as "unknown"
	DNID         string // number dialled; "" is Extension
	RDNIS        string // who diverted the call; "" is sent as "unknown"
	Extension    string // default 2000; cut at 79 bytes
	Context      string // default "incoming"
	AccountCode  string
	Language     string // default "en"
	Channel      string // default "PJSIP/<caller>-00000001"; SIP/... is one of chan_sip
	UniqueID     string // default: the time and a number, never twice in one process
	Held         bool   // the caller has put the call on hold, and is sent nothing
	Presentation int    // agi_callingpres: 32 when the caller withholds the number

	Headers   map[string][]string // SIP headers of the INVITE, for PJSIP_HEADER(read,...) or SIP_HEADER(...)
	Variables map[string]string   // set by the dialplan before AGI(); AGISIGHUP and AGIEXITONHANGUP are obeyed
	Database  map[string]string   // the Asterisk database, by "family/key"
	Sounds    string              // folder of relative sound names

	AnswerTime   time.Duration // 0 is [AnswerTime], less than 0 is none; so are the next two
	NumberTime   time.Duration
	HangupNotice time.Duration
	HangupLine   bool // tell of a hangup by the line HANGUP, as FastAGI does, and not by SIGHUP

	EnvInstead []byte // sent in place of the whole environment
	EnvTail    []byte // sent right after the environment: queued as a reply to the first command
	EnvEndless bool   // the environment never ends

	Acts    []Act       // what the caller and the wire do, beside listening
	OnEvent func(Event) // called for each event as it happens, never twice at a time
}

// calls makes unique ids differ within one process.
var calls atomic.Int64

// maxNumber is where PJSIP cuts a caller ID and an extension, in bytes.
const maxNumber = 79

// withDefaults fills in what was left out.
func (c Call) withDefaults() Call {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	duration := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
		*d = max(*d, 0)
	}
	n := calls.Add(1)
	c.CallerID = cut(c.CallerID)
	def(&c.Extension, "2000")
	def(&c.DNID, c.Extension)
	c.Extension = cut(c.Extension)
	def(&c.Context, "incoming")
	def(&c.Language, "en")
	def(&c.Channel, fmt.Sprintf("PJSIP/caller-%08x", n))
	def(&c.UniqueID, strconv.FormatInt(time.Now().Unix(), 10)+"."+strconv.FormatInt(n, 10))
	duration(&c.AnswerTime, AnswerTime)
	duration(&c.NumberTime, NumberTime)
	duration(&c.HangupNotice, HangupNotice)
	return c
}

// driver is the channel's: what stands before the slash of its name.
func (c Call) driver() string {
	driver, _, _ := strings.Cut(c.Channel, "/")
	return driver
}

func cut(number string) string { return number[:min(len(number), maxNumber)] }

// Play plays the call until the program has ended and returns what happened. A
// program that can't be started, crashes or is hung up on is an outcome, not an
// error. An error means that the call could not be played to its end: a wrong
// Act, or ctx ended first. What happened until then is returned with it. However
// Play returns, the program and what it started are gone.
func Play(ctx context.Context, c Call) (*Transcript, error) {
	c = c.withDefaults()
	s := newSession(&c)
	for _, a := range c.Acts {
		if err := a.check(); err != nil {
			return s.rec.transcript(), err
		}
	}
	proc, status, err := c.run(ctx, s.rec)
	if err != nil {
		s.rec.note(err.Error())
	}
	if proc == nil {
		return s.unplayable(status), nil
	}
	defer proc.end()
	s.proc = proc
	s.await()
	s.writeEnvironment()
	s.run(ctx)
	if s.left {
		proc.leave()
	}
	exit, err := proc.wait(ctx)
	s.finish(exit)
	if err != nil {
		return s.rec.transcript(), fmt.Errorf("play the call: the program %s did not end in time and was killed: %w", c.Program, err)
	}
	return s.rec.transcript(), nil
}

// find looks for the program as Asterisk looks in its AGI folder; status is
// NotFound when it is absent, or empty.
func find(program string) (path, status string) {
	if _, err := os.Stat(program); err != nil || filepath.Base(program) == program {
		if path, err := lookPath(program); err == nil {
			return path, ""
		}
	}
	path, err := filepath.Abs(program)
	if err != nil {
		return "", NotFound
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return "", NotFound
	}
	return path, ""
}
