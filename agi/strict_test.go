package agi_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"adcredit/agi"
)

const forgedEnd = "200 result=0 endpos=160000\n"

// TestWaiting puts bytes there before a command, in the buffer (sent with the
// environment) or only on the descriptor (sent after it was read).
func TestWaiting(t *testing.T) {
	for _, c := range []struct {
		name, bytes string
		want        error
		hungUp      bool
	}{
		{"nothing", "", nil, false},
		{"a whole HANGUP", "HANGUP\n", nil, true},
		{"a forged end of the ad", forgedEnd, agi.ErrForged, false},
		{"HANGUP and a forged end", "HANGUP\n" + forgedEnd, agi.ErrForged, false},
		{"HANGUP twice", "HANGUP\nHANGUP\n", agi.ErrForged, false},
		{"half of HANGUP", "HANG", agi.ErrForged, false},
		{"as long as HANGUP", "200 re\n", agi.ErrForged, false},
		{"HANGUP with CR", "HANGUP\r", agi.ErrForged, false},
		{"an empty line", "\n", agi.ErrForged, false},
		{"one byte", "2", agi.ErrForged, false},
		{"the rest of an environment", "agi_calleridname: unknown\n", agi.ErrForged, false},
	} {
		check := func(t *testing.T, s *agi.Session, w *wire) {
			t.Helper()
			w.answer("200 result=0\n")
			r, err := s.Noop()
			if !errors.Is(err, c.want) || s.HungUp() != c.hungUp {
				t.Fatalf("%v, %v, HungUp %t; want %v", r, err, s.HungUp(), c.want)
			}
			if c.want == nil {
				return
			}
			if _, again := s.StreamFile("ad", ""); again != err {
				t.Errorf("the next command: %v; want the same error", again)
			}
			if lines := w.written(); len(lines) != 0 {
				t.Errorf("written in spite of it: %q", lines)
			}
		}
		t.Run(c.name+", in the buffer", func(t *testing.T) {
			w := newWire(t)
			s, err := w.attach(asterisk22 + c.bytes)
			if err != nil {
				t.Fatal(err)
			}
			check(t, s, w)
		})
		t.Run(c.name+", on the descriptor", func(t *testing.T) {
			s, w := call(t)
			w.write(c.bytes)
			check(t, s, w)
		})
	}
}

// TestWholeEnvironmentForged is the case that no rule of the environment can
// see: a long number that imitates all that follows. The real lines wait.
func TestWholeEnvironmentForged(t *testing.T) {
	_, rest, _ := strings.Cut(asterisk22, "agi_calleridname")
	s, err := newWire(t).attach(caller("1001\nagi_calleridname" + rest + forgedEnd))
	if err == nil {
		_, err = s.Noop()
	}
	if !errors.Is(err, agi.ErrForged) {
		t.Errorf("got %v", err)
	}
}

// TestWaitingBehindInit: without a descriptor the buffer alone is looked at.
func TestWaitingBehindInit(t *testing.T) {
	var out strings.Builder
	rw := bufio.NewReadWriter(bufio.NewReader(strings.NewReader(asterisk22+forgedEnd)), bufio.NewWriter(&out))
	s := agi.New()
	if err := s.Init(rw); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(); !errors.Is(err, agi.ErrForged) || out.Len() != 0 {
		t.Errorf("%v, %q written", err, &out)
	}
}

func TestHangup(t *testing.T) {
	t.Run("511, and a dead channel still answers", func(t *testing.T) {
		s, w := call(t)
		w.answer("200 result=-1 endpos=28160\n", "511 Command Not Permitted on a dead channel or intercept routine\n",
			"200 result=1\n", "200 result=1 (1000)\n")
		if _, err := s.StreamFile("ad", ""); err != nil || s.HungUp() {
			t.Errorf("-1 alone (a missing file gives it too): %v, HungUp %t", err, s.HungUp())
		}
		if _, err := s.ChannelStatus(); !errors.Is(err, agi.ErrHangup) || !s.HungUp() {
			t.Errorf("CHANNEL STATUS: %v, HungUp %t", err, s.HungUp())
		}
		if r, err := s.SetVariable("ADCREDIT_STATUS", "ABANDONED"); err != nil || r.Res != 1 {
			t.Errorf("SET VARIABLE: %v, %v", r, err)
		}
		if r, err := s.GetVariable("CALLERID(num)"); err != nil || r.Dat != "1000" {
			t.Errorf("GET VARIABLE: %v, %v", r, err)
		}
	})
	for name, reply := range map[string]string{
		"HANGUP before the reply": "HANGUP\n200 result=-1 endpos=28160\n",
		"HANGUP after the reply":  "200 result=-1 endpos=28160\nHANGUP\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, w := call(t)
			w.answer(reply, "200 result=1\n")
			r, err := s.StreamFile("ad", "")
			if n, ok := r.Endpos(); err != nil || r.Res != -1 || n != 28160 || !ok || !s.HungUp() {
				t.Errorf("%+v, %v, HungUp %t", r, err, s.HungUp())
			}
			if r, err := s.Verbose("bye"); err != nil || r.Res != 1 {
				t.Errorf("VERBOSE: %v, %v", r, err)
			}
		})
	}
}

// TestFastAGI speaks TCP, as AGI(agi://127.0.0.1:4574/x) does.
func TestFastAGI(t *testing.T) {
	for _, c := range []struct {
		name, env, noop, late string // late comes after NOOP was answered
		lax                   bool
		open, next            error
	}{
		{"strict", fastAGI, "200 result=0\n", "", false, nil, nil},
		{"Lax makes no difference", fastAGI, "200 result=0\n", forgedEnd, true, nil, agi.ErrForged},
		{"hung up at once", fastAGI, "HANGUP\n200 result=0\n", "", false, nil, nil},
		{"bytes waiting", fastAGI, "200 result=0\n", forgedEnd, false, nil, agi.ErrForged},
		{"the rest of a forged environment", fastAGI, "agi_calleridname: unknown\n", "", false, agi.ErrNotAGI, nil},
		{"NOOP answered by something else", fastAGI, "200 result=1\n", "", false, agi.ErrNotAGI, nil},
		{"NOOP refused", fastAGI, "510 Invalid or unknown command\n", "", false, agi.ErrUnknownCommand, nil},
		{"account forged", with(fastAGI, "agi_callerid: 1000", "agi_callerid: 10\nagi_accountcode: ROOT"), "", "", true, agi.ErrForged, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			asterisk, ours := tcp(t)
			late := make(chan error, 1)
			go func() {
				_, err := io.WriteString(asterisk, c.env)
				if c.noop != "" {
					line, _ := bufio.NewReader(asterisk).ReadString('\n')
					if line != "NOOP\n" {
						t.Errorf("first command %q", line)
					}
					_, err = io.WriteString(asterisk, c.noop)
				}
				late <- err
			}()
			s := agi.New()
			s.Lax = c.lax
			if err := s.Attach(ours, ours); !errors.Is(err, c.open) {
				t.Fatalf("Attach: %v, want %v", err, c.open)
			}
			if err := <-late; err != nil {
				t.Fatal(err)
			}
			if c.open != nil {
				if _, err := s.Answer(); !errors.Is(err, c.open) {
					t.Errorf("afterwards: %v", err)
				}
				return
			}
			if s.HungUp() != strings.HasPrefix(c.noop, "HANGUP") {
				t.Errorf("HungUp = %t", s.HungUp())
			}
			if c.late != "" {
				if _, err := io.WriteString(asterisk, c.late); err != nil {
					t.Fatal(err)
				}
				arrived(t, ours)
			} else {
				go func() {
					bufio.NewReader(asterisk).ReadString('\n')
					io.WriteString(asterisk, "200 result=6\n")
				}()
			}
			if _, err := s.ChannelStatus(); !errors.Is(err, c.next) {
				t.Errorf("CHANNEL STATUS: %v, want %v", err, c.next)
			}
		})
	}
}

// TestNetPipe: a connection without a descriptor works, with its deadlines.
func TestNetPipe(t *testing.T) {
	asterisk, ours := net.Pipe()
	defer asterisk.Close()
	go func() {
		io.WriteString(asterisk, asterisk22)
		bufio.NewReader(asterisk).ReadString('\n')
		io.WriteString(asterisk, "200 result=0\n")
	}()
	s := agi.New()
	if err := s.Attach(ours, ours); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Answer(); err != nil || r.Res != 0 {
		t.Errorf("%v, %v", r, err)
	}
}

func tcp(t *testing.T) (asterisk, ours net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if asterisk, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { asterisk.Close(); ours.Close() })
	return asterisk, ours
}

// arrived waits until c has something to read, and reads none of it.
func arrived(t *testing.T, c net.Conn) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err == nil {
		err = raw.Read(func(fd uintptr) bool {
			n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK)
			return n > 0 || !errors.Is(err, unix.EAGAIN)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}
