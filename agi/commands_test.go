package agi_test

import (
	"bufio"
	"errors"
	"strings"
	"testing"

	"adcredit/agi"
)

// zaf is the interface of github.com/zaf/agi, method by method: the compiler
// checks that ours is the same.
type zaf interface {
	Init(rw *bufio.ReadWriter) error
	Answer() (agi.Reply, error)
	AsyncagiBreak() (agi.Reply, error)
	ChannelStatus(channel ...string) (agi.Reply, error)
	ControlStreamFile(file, escape string, params ...interface{}) (agi.Reply, error)
	DatabaseDel(family, key string) (agi.Reply, error)
	DatabaseDelTree(family string, keytree ...string) (agi.Reply, error)
	DatabaseGet(family, key string) (agi.Reply, error)
	DatabasePut(family, key, value string) (agi.Reply, error)
	Exec(app, options string) (agi.Reply, error)
	Failure() (agi.Reply, error)
	GetData(file string, params ...int) (agi.Reply, error)
	GetFullVariable(variable string, channel ...string) (agi.Reply, error)
	GetOption(filename, escape string, timeout ...int) (agi.Reply, error)
	GetVariable(variable string) (agi.Reply, error)
	GoSub(context, extension, priority, args string) (agi.Reply, error)
	Hangup(channel ...string) (agi.Reply, error)
	Noop(params ...interface{}) (agi.Reply, error)
	RawCommand(params ...interface{}) (agi.Reply, error)
	ReceiveChar(timeout int) (agi.Reply, error)
	ReceiveText(timeout int) (agi.Reply, error)
	RecordFile(file, format, escape string, timeout int, params ...interface{}) (agi.Reply, error)
	SayAlpha(str, escape string) (agi.Reply, error)
	SayDate(date int64, escape string) (agi.Reply, error)
	SayDateTime(time int64, escape string, params ...string) (agi.Reply, error)
	SayDigits(digit int, escape string) (agi.Reply, error)
	SayNumber(num int, escape string, gender ...string) (agi.Reply, error)
	SayPhonetic(str, escape string) (agi.Reply, error)
	SayTime(time int64, escape string) (agi.Reply, error)
	SendImage(image string) (agi.Reply, error)
	SendText(text string) (agi.Reply, error)
	SetAutohangup(time int) (agi.Reply, error)
	SetCallerid(cid string) (agi.Reply, error)
	SetContext(context string) (agi.Reply, error)
	SetExtension(ext string) (agi.Reply, error)
	SetMusic(opt string, class ...string) (agi.Reply, error)
	SetPriority(priority string) (agi.Reply, error)
	SetVariable(variable string, value interface{}) (agi.Reply, error)
	SpeechActivateGrammar(grammar string) (agi.Reply, error)
	SpeechCreate(engine string) (agi.Reply, error)
	SpeechDeactivateGrammar(grammar string) (agi.Reply, error)
	SpeechDestroy() (agi.Reply, error)
	SpeechLoadGrammar(grammar, path string) (agi.Reply, error)
	SpeechRecognize(prompt, timeout, offset string) (agi.Reply, error)
	SpeechSet(name, value string) (agi.Reply, error)
	SpeechUnloadGrammar(grammar string) (agi.Reply, error)
	StreamFile(file, escape string, offset ...int) (agi.Reply, error)
	TddMode(mode string) (agi.Reply, error)
	Verbose(msg interface{}, level ...int) (agi.Reply, error)
	WaitForDigit(timeout int) (agi.Reply, error)
}

var (
	_ zaf               = agi.New()
	_ map[string]string = agi.Session{}.Env
	_                   = struct {
		int
		string
	}{agi.Reply{}.Res, agi.Reply{}.Dat}
	_ func() *agi.Session = agi.New
)

type made struct {
	reply agi.Reply
	err   error
}

func run(r agi.Reply, err error) made { return made{r, err} }

// TestCommands calls every method and reads what Asterisk would.
func TestCommands(t *testing.T) {
	s, w := call(t)
	for want, command := range map[string]func() made{
		`ANSWER`:                                     func() made { return run(s.Answer()) },
		`ASYNCAGI BREAK`:                             func() made { return run(s.AsyncagiBreak()) },
		`CHANNEL STATUS`:                             func() made { return run(s.ChannelStatus()) },
		`CHANNEL STATUS "PJSIP/1"`:                   func() made { return run(s.ChannelStatus("PJSIP/1")) },
		`CONTROL STREAM FILE "f" "5"`:                func() made { return run(s.ControlStreamFile("f", "5")) },
		`CONTROL STREAM FILE "f" "" 3000 "#" "*"`:    func() made { return run(s.ControlStreamFile("f", "", 3000, "#", "*")) },
		`DATABASE DEL "f" "k"`:                       func() made { return run(s.DatabaseDel("f", "k")) },
		`DATABASE DELTREE "f"`:                       func() made { return run(s.DatabaseDelTree("f")) },
		`DATABASE DELTREE "f" "t"`:                   func() made { return run(s.DatabaseDelTree("f", "t")) },
		`DATABASE GET "f" "k"`:                       func() made { return run(s.DatabaseGet("f", "k")) },
		`DATABASE PUT "f" "k" "v w"`:                 func() made { return run(s.DatabasePut("f", "k", "v w")) },
		`EXEC "Playback" "a,noanswer"`:               func() made { return run(s.Exec("Playback", "a,noanswer")) },
		`FAILURE`:                                    func() made { return run(s.Failure()) },
		`GET DATA "f"`:                               func() made { return run(s.GetData("f")) },
		`GET DATA "f" 5000 1`:                        func() made { return run(s.GetData("f", 5000, 1)) },
		`GET FULL VARIABLE "${X}"`:                   func() made { return run(s.GetFullVariable("${X}")) },
		`GET FULL VARIABLE "${X}" "C"`:               func() made { return run(s.GetFullVariable("${X}", "C")) },
		`GET OPTION "f" "12"`:                        func() made { return run(s.GetOption("f", "12")) },
		`GET OPTION "f" "12" 500`:                    func() made { return run(s.GetOption("f", "12", 500)) },
		`GET VARIABLE "X"`:                           func() made { return run(s.GetVariable("X")) },
		`GOSUB "c" "e" "1" "a,b"`:                    func() made { return run(s.GoSub("c", "e", "1", "a,b")) },
		`HANGUP`:                                     func() made { return run(s.Hangup()) },
		`HANGUP "C"`:                                 func() made { return run(s.Hangup("C")) },
		`NOOP`:                                       func() made { return run(s.Noop()) },
		`NOOP "a" 1 "true"`:                          func() made { return run(s.Noop("a", 1, true)) },
		`VERBOSE a 3`:                                func() made { return run(s.RawCommand("VERBOSE", "a", 3)) },
		`RECEIVE CHAR 10`:                            func() made { return run(s.ReceiveChar(10)) },
		`RECEIVE TEXT 10`:                            func() made { return run(s.ReceiveText(10)) },
		`RECORD FILE "f" "wav" "#" -1`:               func() made { return run(s.RecordFile("f", "wav", "#", -1)) },
		`RECORD FILE "f" "wav" "#" 9 0 "BEEP" "s=2"`: func() made { return run(s.RecordFile("f", "wav", "#", 9, 0, "BEEP", "s=2")) },
		`SAY ALPHA "ab" ""`:                          func() made { return run(s.SayAlpha("ab", "")) },
		`SAY DATE 1700000000 "#"`:                    func() made { return run(s.SayDate(1700000000, "#")) },
		`SAY DATETIME 1700000000 ""`:                 func() made { return run(s.SayDateTime(1700000000, "")) },
		`SAY DATETIME 1 "" "IMp" "UTC"`:              func() made { return run(s.SayDateTime(1, "", "IMp", "UTC")) },
		`SAY DIGITS 71 ""`:                           func() made { return run(s.SayDigits(71, "")) },
		`SAY NUMBER 71 ""`:                           func() made { return run(s.SayNumber(71, "")) },
		`SAY NUMBER -1 "" "f"`:                       func() made { return run(s.SayNumber(-1, "", "f")) },
		`SAY PHONETIC "ab" ""`:                       func() made { return run(s.SayPhonetic("ab", "")) },
		`SAY TIME 1700000000 ""`:                     func() made { return run(s.SayTime(1700000000, "")) },
		`SEND IMAGE "i"`:                             func() made { return run(s.SendImage("i")) },
		`SEND TEXT "é"`:                              func() made { return run(s.SendText("é")) },
		`SET AUTOHANGUP 60`:                          func() made { return run(s.SetAutohangup(60)) },
		`SET CALLERID "\"A\" <1>"`:                   func() made { return run(s.SetCallerid(`"A" <1>`)) },
		`SET CONTEXT "c"`:                            func() made { return run(s.SetContext("c")) },
		`SET EXTENSION "e"`:                          func() made { return run(s.SetExtension("e")) },
		`SET MUSIC "on"`:                             func() made { return run(s.SetMusic("on")) },
		`SET MUSIC "on" "jazz"`:                      func() made { return run(s.SetMusic("on", "jazz")) },
		`SET PRIORITY "1"`:                           func() made { return run(s.SetPriority("1")) },
		`SET VARIABLE "A" "say \"x\" and \\ y"`:      func() made { return run(s.SetVariable("A", `say "x" and \ y`)) },
		`SET VARIABLE "A" "1.5"`:                     func() made { return run(s.SetVariable("A", 1.5)) },
		`SET VARIABLE "A" 7`:                         func() made { return run(s.SetVariable("A", 7)) },
		`SET VARIABLE "A" ""`:                        func() made { return run(s.SetVariable("A", "")) },
		`SPEECH ACTIVATE GRAMMAR "g"`:                func() made { return run(s.SpeechActivateGrammar("g")) },
		`SPEECH CREATE "e"`:                          func() made { return run(s.SpeechCreate("e")) },
		`SPEECH DEACTIVATE GRAMMAR "g"`:              func() made { return run(s.SpeechDeactivateGrammar("g")) },
		`SPEECH DESTROY`:                             func() made { return run(s.SpeechDestroy()) },
		`SPEECH LOAD GRAMMAR "g" "/p"`:               func() made { return run(s.SpeechLoadGrammar("g", "/p")) },
		`SPEECH RECOGNIZE "p" "5" "0"`:               func() made { return run(s.SpeechRecognize("p", "5", "0")) },
		`SPEECH SET "n" "v"`:                         func() made { return run(s.SpeechSet("n", "v")) },
		`SPEECH UNLOAD GRAMMAR "g"`:                  func() made { return run(s.SpeechUnloadGrammar("g")) },
		`STREAM FILE "w3 x" ""`:                      func() made { return run(s.StreamFile("w3 x", "")) },
		`STREAM FILE "f" "5#" 8000`:                  func() made { return run(s.StreamFile("f", "5#", 8000)) },
		`TDD MODE "on"`:                              func() made { return run(s.TddMode("on")) },
		`VERBOSE "x"`:                                func() made { return run(s.Verbose("x")) },
		`VERBOSE "x" 3`:                              func() made { return run(s.Verbose("x", 3)) },
		`WAIT FOR DIGIT 700`:                         func() made { return run(s.WaitForDigit(700)) },
	} {
		got := make(chan string, 1)
		go func() {
			got <- <-w.commands
			w.toUs.WriteString("200 result=1 (v)\n")
		}()
		if m := command(); m.err != nil || m.reply.Res != 1 || m.reply.Dat != "v" {
			t.Errorf("%s: %+v, %v", want, m.reply, m.err)
		}
		if line := <-got; line != want {
			t.Errorf("sent %s, want %s", line, want)
		}
	}
}

func TestArgumentsRefused(t *testing.T) {
	long := strings.Repeat("x", 2047-len("VERBOSE \"\"\n"))
	many := make([]any, 119)
	for name, c := range map[string]struct {
		command func(*agi.Session) made
		ok      bool
	}{
		"newline":              {func(s *agi.Session) made { return run(s.SetVariable("A", "x\nSET VARIABLE ADCREDIT granted")) }, false},
		"newline in the name":  {func(s *agi.Session) made { return run(s.SetVariable("A\nHANGUP", "x")) }, false},
		"carriage return":      {func(s *agi.Session) made { return run(s.Verbose("a\rb")) }, false},
		"NUL":                  {func(s *agi.Session) made { return run(s.Exec("Log", "a\x00b")) }, false},
		"newline in a raw one": {func(s *agi.Session) made { return run(s.RawCommand("NOOP\nHANGUP")) }, false},
		"newline in any other": {func(s *agi.Session) made { return run(s.Noop([]byte("a"), errors.New("b\nc"))) }, false},
		"longest command":      {func(s *agi.Session) made { return run(s.Verbose(long)) }, true},
		"one byte longer":      {func(s *agi.Session) made { return run(s.Verbose(long + "x")) }, false},
		"one byte longer, raw": {func(s *agi.Session) made { return run(s.RawCommand(strings.Repeat("x", 2047))) }, false},
		"longest once quoted":  {func(s *agi.Session) made { return run(s.Verbose(long[2:] + `"`)) }, true},
		"too long once quoted": {func(s *agi.Session) made { return run(s.Verbose(long[1:] + `"`)) }, false},
		"most words":           {func(s *agi.Session) made { return run(s.Noop(many...)) }, true},
		"one word more":        {func(s *agi.Session) made { return run(s.Noop(append(many, 1)...)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := call(t)
			first := make(chan string, 1)
			go func() {
				first <- <-w.commands
				w.toUs.WriteString("200 result=1\n")
				<-w.commands
				w.toUs.WriteString("200 result=1\n")
			}()
			if m := c.command(s); c.ok != (m.err == nil) || !c.ok && !errors.Is(m.err, agi.ErrArgument) {
				t.Fatalf("got %v", m.err)
			}
			if _, err := s.Noop("next"); err != nil { // a refusal leaves the session usable
				t.Error(err)
			}
			if line := <-first; !c.ok && line != `NOOP "next"` {
				t.Errorf("refused, and yet written: %q", line)
			}
		})
	}
}
