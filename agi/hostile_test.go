package agi_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"adcredit/agi"
	"adcredit/tests/hostile"
)

// callersChoice are the lines of asterisk22 whose value a caller may choose.
var callersChoice = map[string]string{
	"callerid": "1000", "calleridname": "Caller Mille", "dnid": "2001", "rdnis": "unknown", "extension": "2001",
}

// TestHostileEnvironment: wherever a hostile value stands, the call is either
// refused, and nothing was written that a forged reply could answer, or it is
// that one value, and every other is Asterisk's.
func TestHostileEnvironment(t *testing.T) {
	for key, honest := range callersChoice {
		for _, v := range hostile.Values() {
			forge := func(env string) string {
				return strings.Replace(env, "agi_"+key+": "+honest+"\n", "agi_"+key+": "+v.Text+"\n", 1)
			}
			t.Run(key+"/"+v.Name+"/exec", func(t *testing.T) {
				in, toUs := pipe(t)
				fromUs, out := pipe(t)
				commands := play(forge(asterisk22), fromUs, toUs)
				s, err := ask(in, out)
				out.Close()
				judge(t, s, err, key, v.Text, <-commands, "")
			})
			t.Run(key+"/"+v.Name+"/FastAGI", func(t *testing.T) {
				ours, asterisks := connection(t)
				commands := play(forge(fastAGI), asterisks, asterisks)
				s, err := ask(ours, ours)
				ours.CloseWrite()
				judge(t, s, err, key, v.Text, <-commands, "NOOP\n")
			})
		}
	}
}

// play is Asterisk: it sends the environment, answers each command, and gives
// all of them once the other side closes.
func play(env string, from io.Reader, to io.Writer) <-chan string {
	commands := make(chan string, 1)
	go func() {
		var all strings.Builder
		_, err := io.WriteString(to, env)
		for lines := bufio.NewScanner(from); err == nil && lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			_, err = io.WriteString(to, "200 result=0\n")
		}
		commands <- all.String()
	}()
	return commands
}

// ask opens a session and sends one command.
func ask(in io.Reader, out io.Writer) (*agi.Session, error) {
	s := agi.New()
	defer s.Close()
	err := s.Attach(in, out)
	if err == nil {
		_, err = s.Answer()
	}
	return s, err
}

// judge compares a session with what it may be; greeting is what a forged
// environment may have been answered before it was seen through.
func judge(t *testing.T, s *agi.Session, err error, key, text, commands, greeting string) {
	t.Helper()
	if strings.ContainsAny(text, "\n\x00") {
		if !errors.Is(err, agi.ErrForged) && !errors.Is(err, agi.ErrNotAGI) || commands != "" && commands != greeting {
			t.Errorf("got %v, after the commands %q", err, commands)
		}
		return
	}
	if err != nil || commands != greeting+"ANSWER\n" {
		t.Errorf("got %v, after the commands %q", err, commands)
	}
	for name, want := range callersChoice {
		if name == key {
			want = text
		}
		if s.Env[name] != want {
			t.Errorf("agi_%s is %q, want %q", name, s.Env[name], want)
		}
	}
	if s.Env["accountcode"] != "ACC1000" || s.Env["arg_1"] != "" {
		t.Errorf("the account code is %q, the argument %q", s.Env["accountcode"], s.Env["arg_1"])
	}
}

// connection is both ends of one over TCP.
func connection(t *testing.T) (ours, asterisks *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return accepted.(*net.TCPConn), dialled.(*net.TCPConn)
}
