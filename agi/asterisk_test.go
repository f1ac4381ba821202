package agi_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"adcredit/agi"
)

// asterisk22 is the environment that Asterisk 22.10.1 sent for a call from 1000
// to 2001; asterisk16 is that of 16.28.0 with arguments.
const asterisk22 = `agi_request: lab.pl
agi_channel: PJSIP/1000-00000002
agi_language: en
agi_type: PJSIP
agi_uniqueid: 1795492582.2
agi_version: 22.10.1+dfsg+~cs6.17.60671434-1
agi_callerid: 1000
agi_calleridname: Caller Mille
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: 2001
agi_rdnis: unknown
agi_context: incoming
agi_extension: 2001
agi_priority: 2
agi_enhanced: 0.0
agi_accountcode: ACC1000
agi_threadid: 139815287580352

`

var (
	asterisk16 = with(asterisk22, "PJSIP/1000-00000002", "SIP/1000-00000000", "agi_type: PJSIP", "agi_type: SIP",
		"22.10.1+dfsg+~cs6.17.60671434-1", "16.28.0~dfsg-0+deb11u4", "ACC1000", "",
		"139815287580352\n", "140187\nagi_arg_1: env\nagi_arg_2: arg two\nagi_arg_3: arg,three\n")
	fastAGI = "agi_network: yes\nagi_network_script: x\n" + with(asterisk22, "lab.pl", "agi://127.0.0.1:4574/x")
)

// with replaces pairs in an environment; callers of forged ones use it to put in
// what Asterisk makes of a %0a.
func with(env string, oldnew ...string) string { return strings.NewReplacer(oldnew...).Replace(env) }

// caller is the environment for a SIP user part, unescaped as Asterisk does it.
func caller(user string) string {
	return with(asterisk22, "agi_callerid: 1000", "agi_callerid: "+user)
}

// wire is Asterisk's end of an exec AGI: two pipes.
type wire struct {
	t        *testing.T
	toUs     *os.File // what Asterisk writes
	commands chan string
	in, out  *os.File // the session's ends
}

// newWire makes the pipes; commands has every line the session writes and is
// closed with its output.
func newWire(t *testing.T) *wire {
	t.Helper()
	in, toUs := pipe(t)
	fromUs, out := pipe(t)
	w := &wire{t: t, toUs: toUs, commands: make(chan string, 256), in: in, out: out}
	go func() {
		defer close(w.commands)
		for lines := bufio.NewScanner(fromUs); lines.Scan(); {
			w.commands <- lines.Text()
		}
	}()
	return w
}

// pipe is made as a shell or Asterisk makes it: with blocking descriptors, to
// which Go gives no deadlines.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(fds[0]), "in"), os.NewFile(uintptr(fds[1]), "out")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func (w *wire) write(s string) {
	w.t.Helper()
	if _, err := io.WriteString(w.toUs, s); err != nil {
		w.t.Fatal(err)
	}
}

// answer takes one command per reply and writes that reply.
func (w *wire) answer(replies ...string) {
	go func() {
		for _, reply := range replies {
			if _, ok := <-w.commands; !ok {
				return
			}
			if _, err := io.WriteString(w.toUs, reply); err != nil {
				return
			}
		}
	}()
}

// written closes the session's output and gives the lines not yet taken.
func (w *wire) written() []string {
	w.out.Close()
	var lines []string
	for line := range w.commands {
		lines = append(lines, line)
	}
	return lines
}

// attach opens a strict session on the wire with the environment env.
func (w *wire) attach(env string) (*agi.Session, error) {
	w.t.Helper()
	w.write(env)
	s := agi.New()
	w.t.Cleanup(func() { s.Close() })
	return s, s.Attach(w.in, w.out)
}

// call is a session of an ordinary call.
func call(t *testing.T) (*agi.Session, *wire) {
	t.Helper()
	w := newWire(t)
	s, err := w.attach(asterisk22)
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

// within fails the test when f takes longer than any of these should.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it hangs")
	}
}

// piped is a session whose one reply comes over a connection after its command.
func piped(reply string) (*agi.Session, io.Closer) {
	asterisk, ours := net.Pipe()
	go func() {
		io.WriteString(asterisk, asterisk22)
		bufio.NewReader(asterisk).ReadString('\n')
		io.WriteString(asterisk, reply)
	}()
	s := agi.New()
	if err := s.Attach(ours, ours); err != nil {
		panic(err)
	}
	return s, asterisk
}
