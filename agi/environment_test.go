package agi_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"adcredit/agi"
)

func TestEnvironmentAccepted(t *testing.T) {
	for _, c := range []struct {
		name, env string
		want      map[string]string
	}{
		{"Asterisk 22", asterisk22, map[string]string{"callerid": "1000", "calleridname": "Caller Mille", "accountcode": "ACC1000", "threadid": "139815287580352"}},
		{"Asterisk 16 with arguments, no account", asterisk16, map[string]string{"accountcode": "", "arg_1": "env", "arg_2": "arg two", "arg_3": "arg,three"}},
		{"EAGI", with(asterisk22, "enhanced: 0.0", "enhanced: 1.0"), map[string]string{"enhanced": "1.0"}},
		{"number with a space and quotes", caller(`10 "00"`), map[string]string{"callerid": `10 "00"`}},
		{"number with CR", caller("10\r00"), map[string]string{"callerid": "10\r00"}},
		{"name that is not UTF-8", with(asterisk22, "Caller Mille", "Ren\xe9"), map[string]string{"calleridname": "Ren\xe9"}},
		{"value that looks like a line", caller("agi_accountcode: ROOT"), map[string]string{"callerid": "agi_accountcode: ROOT", "accountcode": "ACC1000"}},
		{"extension 77&PJSIP/1002", with(asterisk22, "extension: 2001", "extension: 77&PJSIP/1002"), map[string]string{"extension": "77&PJSIP/1002"}},
		{"a key of a later Asterisk", with(asterisk22, "agi_threadid", "agi_tenantid: 7\nagi_threadid"), map[string]string{"tenantid": "7"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := newWire(t).attach(c.env)
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range c.want {
				if got, ok := s.Env[key]; !ok || got != want {
					t.Errorf("Env[%q] = %q, %t; want %q", key, got, ok, want)
				}
			}
			if len(s.Env) != strings.Count(c.env, "\n")-1 {
				t.Errorf("%d keys: %q", len(s.Env), s.Env)
			}
		})
	}
}

func TestEnvironmentRefused(t *testing.T) {
	for _, c := range []struct {
		name, env string
		want      error
	}{
		{"account forged by From 10%0aagi_accountcode: ROOT", caller("10\nagi_accountcode: ROOT"), agi.ErrForged},
		{"the same, the real line before it", with(asterisk22, "agi_threadid", "agi_accountcode: ROOT\nagi_threadid"), agi.ErrForged},
		{"reply queued behind an early end", caller("10\n\n200 result=0 endpos=160000"), agi.ErrForged},
		{"early end alone", caller("10\n\n"), agi.ErrForged},
		{"a line HELLO", caller("10\nHELLO"), agi.ErrForged},
		{"a reply in place of a line", caller("10\n200 result=0 endpos=160000"), agi.ErrForged},
		{"a line HANGUP", caller("10\nHANGUP"), agi.ErrForged},
		{"through the request URI", with(asterisk22, "agi_dnid: 2001", "agi_dnid: 2001\nagi_callerid: 1001"), agi.ErrForged},
		{"argument forged when none was given", caller("10\nagi_arg_1: debug"), agi.ErrForged},
		{"argument out of turn", with(asterisk22, "580352\n", "580352\nagi_arg_2: x\n"), agi.ErrForged},
		{"FastAGI forged", caller("10\nagi_network: yes"), agi.ErrForged},
		{"key with a space", caller("10\nagi_account code: x"), agi.ErrForged},
		{"key in capitals", caller("10\nagi_ACCOUNTCODE: x"), agi.ErrForged},
		{"no key", caller("10\nagi_: x"), agi.ErrForged},
		{"no space after the colon", caller("10\nagi_x:y"), agi.ErrForged},
		{"NUL", caller("10\x0000"), agi.ErrForged},
		{"no thread id", with(asterisk22, "agi_threadid: 139815287580352\n", ""), agi.ErrForged},
		{"one line only", "agi_request: adcredit\n\n", agi.ErrForged},
		{"empty", "\n", agi.ErrNotAGI},
		{"HTTP", "GET / HTTP/1.1\nHost: x\n\n", agi.ErrNotAGI},
		{"CR LF", strings.ReplaceAll(asterisk22, "\n", "\r\n") + "\n", agi.ErrForged},
		{"closed at once", "", agi.ErrClosed},
		{"closed in the middle of a line", asterisk22[:100], agi.ErrClosed},
		{"closed before the empty line", asterisk22[:len(asterisk22)-1], agi.ErrClosed},
		{"one line of 70000 bytes", caller(strings.Repeat("1", 70000)), agi.ErrEnvironmentSize},
		{"many lines", with(asterisk22, "\n\n", "\n"+strings.Repeat("agi_x: y\n", 9000)), agi.ErrEnvironmentSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(t)
			go func() { io.WriteString(w.toUs, c.env); w.toUs.Close() }() // more than a pipe takes at once
			s := agi.New()
			t.Cleanup(func() { s.Close() })
			err := s.Attach(w.in, w.out)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if len(s.Env) != 0 {
				t.Errorf("a refused environment left %q", s.Env)
			}
			if _, again := s.SetVariable("ADCREDIT_STATUS", "ERROR"); again != err {
				t.Errorf("a command afterwards gave %v, not the same error", again)
			}
			if lines := w.written(); len(lines) != 0 {
				t.Errorf("written after a refusal: %q", lines)
			}
		})
	}
}

// endless never stops sending lines, or bytes.
type endless struct{ piece string }

func (e endless) Read(p []byte) (int, error) { return copy(p, e.piece), nil }

func TestEnvironmentWithoutEnd(t *testing.T) {
	for _, piece := range []string{"agi_x: y\n", "x"} {
		rw := bufio.NewReadWriter(bufio.NewReader(endless{piece}), bufio.NewWriter(io.Discard))
		if err := agi.New().Init(rw); !errors.Is(err, agi.ErrEnvironmentSize) {
			t.Errorf("%q without end: %v", piece, err)
		}
	}
}

func TestEnvironmentTooSlow(t *testing.T) {
	for name, lax := range map[string]bool{"strict": false, "lax, on a pipe": true} {
		t.Run(name, func(t *testing.T) {
			within(t, func() {
				w := newWire(t)
				w.write(asterisk22[:200])
				s := agi.New()
				s.Lax = lax
				s.SetEnvironmentTime(20 * time.Millisecond)
				if err := s.Attach(w.in, w.out); !errors.Is(err, agi.ErrEnvironmentTime) || errors.Is(err, agi.ErrDeadline) {
					t.Errorf("got %v", err)
				}
				s.Close()
			})
		})
	}
}

func TestEnvironmentTimeEndsWithIt(t *testing.T) {
	within(t, func() {
		w := newWire(t)
		w.write(asterisk22)
		s := agi.New()
		defer s.Close()
		s.SetEnvironmentTime(30 * time.Millisecond)
		if err := s.Attach(w.in, w.out); err != nil {
			t.Error(err)
			return
		}
		go func() {
			<-w.commands
			<-time.After(60 * time.Millisecond) // an ad lasts longer than the environment may
			io.WriteString(w.toUs, "200 result=0 endpos=24000\n")
		}()
		if _, err := s.StreamFile("ad", ""); err != nil {
			t.Error(err)
		}
	})
}

func TestLaxEnvironment(t *testing.T) {
	open := func(env string) (*agi.Session, *bytes.Buffer, error) {
		var out bytes.Buffer
		s := agi.New()
		s.Lax = true
		return s, &out, s.Attach(strings.NewReader(env), &out)
	}
	t.Run("typed in a shell, replies piped ahead", func(t *testing.T) {
		s, out, err := open("agi_request: adcredit\r\nagi_callerid:1000\nagi_callerid: 1001\n\n200 result=1\r\n200 result=0 endpos=9\n")
		if err != nil {
			t.Fatal(err)
		}
		if s.Env["request"] != "adcredit" || s.Env["callerid"] != "1001" {
			t.Errorf("%q", s.Env)
		}
		if r, err := s.Verbose("x"); err != nil || r.Res != 1 {
			t.Errorf("%v, %v", r, err)
		}
		r, err := s.StreamFile("ad", "")
		if n, ok := r.Endpos(); err != nil || n != 9 || !ok {
			t.Errorf("%v, %v", r, err)
		}
		if out.String() != "VERBOSE \"x\"\nSTREAM FILE \"ad\" \"\"\n" {
			t.Errorf("%q", out)
		}
	})
	for env, want := range map[string]error{
		"\n":                          agi.ErrNotAGI,
		"":                            agi.ErrClosed,
		"agi_request: x\nhello\n\n":   agi.ErrNotAGI,
		"agi_request: x\nkey: v\n\n":  agi.ErrNotAGI,
		"agi_request: x\n":            agi.ErrClosed,
		"agi_network: yes\n\n":        agi.ErrForged, // FastAGI is strict all the same
		strings.Repeat("a", 70000):    agi.ErrEnvironmentSize,
		"agi_request: x\nagi_: y\n\n": agi.ErrNotAGI,
	} {
		if _, _, err := open(env); !errors.Is(err, want) {
			t.Errorf("%.40q: got %v, want %v", env, err, want)
		}
	}
}

func TestErrorNamesTheLine(t *testing.T) {
	_, err := newWire(t).attach(caller("10\nHELLO\x1b[2J" + strings.Repeat("!", 500)))
	for _, want := range []string{"line 8", `HELLO\x1b[2J`} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if len(err.Error()) > 300 {
		t.Errorf("a log line of %d bytes made by a caller", len(err.Error()))
	}
}
