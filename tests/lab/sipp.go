package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A Scenario is one run of SIPp.
type Scenario struct {
	Name  string            // for messages, and unlike any other of the test
	XML   string            // the scenario, in SIPp's own language
	At    string            // our address and port, e.g. "127.0.0.11:5060"
	PBX   string            // where calls go to; empty for a callee
	Calls int               // calls to make or take; 0 means 1
	Args  []string          // further arguments of sipp
	Files map[string][]byte // laid into its working folder, e.g. a raw µ-law file to play
	Limit time.Duration     // fails when not done by then; 0 means a minute
	Quiet bool              // keeps no trace of messages: where calls are counted, it would cost
}

// A Phone is a running SIPp.
type Phone struct {
	name string
	at   netip.AddrPort
	dir  string
	cmd  *exec.Cmd
	once sync.Once
	gone chan struct{} // closed when the process has ended
	err  error         // how it ended; valid once gone is closed
	told bool          // its logs have been shown
}

// rtpPorts counts phones, so that each has media ports of its own: SIPp counts
// up from its first, on all addresses.
var rtpPorts atomic.Int32

// StartSIPp starts a scenario and, for a callee, waits until it listens. It is
// stopped when the test ends.
func StartSIPp(tb testing.TB, s Scenario) *Phone {
	tb.Helper()
	sipp := mustProgram(tb, "sipp")
	at, err := netip.ParseAddrPort(s.At)
	if err != nil {
		tb.Fatalf("lab: phone %s: At is %q; write it like 127.0.0.11:5060", s.Name, s.At)
	}
	p := &Phone{name: s.Name, at: at, dir: filepath.Join(tb.TempDir(), s.Name), gone: make(chan struct{})}
	if err := p.layOut(s); err != nil {
		tb.Fatalf("lab: phone %s: %v", s.Name, err)
	}
	p.cmd = exec.Command(sipp, p.args(s, at)...)
	p.cmd.Dir = p.dir
	p.cmd.Env = append(os.Environ(), "TERM=dumb")
	screen, err := os.Create(filepath.Join(p.dir, "screen.log"))
	if err != nil {
		tb.Fatalf("lab: phone %s: %v", s.Name, err)
	}
	defer screen.Close()
	p.cmd.Stdout, p.cmd.Stderr = screen, screen
	if err := p.cmd.Start(); err != nil {
		tb.Fatalf("lab: start sipp for %s: %v", s.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.gone)
	}()
	tb.Cleanup(func() {
		p.Stop()
		if tb.Failed() && p.err != nil && !p.told {
			tb.Log(p.logs())
		}
	})
	if s.PBX == "" {
		p.awaitPort(tb, at)
	}
	return p
}

// layOut writes the scenario and its files.
func (p *Phone) layOut(s Scenario) error {
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		return err
	}
	files := map[string][]byte{"scenario.xml": []byte(s.XML)}
	for name, data := range s.Files {
		files[name] = data
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// args are sipp's arguments.
func (p *Phone) args(s Scenario, at netip.AddrPort) []string {
	limit := s.Limit
	if limit == 0 {
		limit = time.Minute
	}
	rtp := 20000 + 200*(rtpPorts.Add(1)%200)
	args := []string{
		"-sf", "scenario.xml", "-m", strconv.Itoa(max(1, s.Calls)), "-nostdin",
		"-i", at.Addr().String(), "-p", strconv.Itoa(int(at.Port())), "-mi", at.Addr().String(),
		"-mp", strconv.Itoa(int(rtp)),
		"-timeout", fmt.Sprint(int(limit.Seconds()), "s"), "-timeout_error",
		"-trace_err", "-error_file", "errors.log",
	}
	if !s.Quiet {
		args = append(args, "-trace_msg", "-message_file", "messages.log")
	}
	args = append(args, s.Args...)
	if s.PBX != "" {
		args = append(args, s.PBX)
	}
	return args
}

// awaitPort waits until sipp listens at its UDP address.
func (p *Phone) awaitPort(tb testing.TB, at netip.AddrPort) {
	tb.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.gone:
			tb.Fatalf("lab: phone %s ended before it listened\n%s", p.name, p.logs())
		case <-deadline:
			tb.Fatalf("lab: phone %s does not listen at %s\n%s", p.name, at, p.logs())
		case <-tick.C:
			if Listening(at) {
				return
			}
		}
	}
}

// Listening says whether a UDP socket of this lab is bound to the address.
func Listening(at netip.AddrPort) bool {
	ip := at.Addr().As4()
	entry := fmt.Sprintf(" %02X%02X%02X%02X:%04X ", ip[3], ip[2], ip[1], ip[0], at.Port())
	bound, err := os.ReadFile("/proc/self/net/udp")
	return err == nil && strings.Contains(string(bound), entry)
}

// Wait waits until all calls are done, and fails the test unless each went as
// the scenario says.
func (p *Phone) Wait(tb testing.TB) {
	tb.Helper()
	<-p.gone // sipp has a time limit of its own
	var exit *exec.ExitError
	switch {
	case p.err == nil:
	case errors.As(p.err, &exit):
		p.told = true
		tb.Fatalf("lab: a call of phone %s went otherwise than its scenario (sipp: %v)\n%s", p.name, p.err, p.logs())
	default:
		tb.Fatalf("lab: phone %s: %v", p.name, p.err)
	}
}

// Done is closed when the phone is done or stopped.
func (p *Phone) Done() <-chan struct{} { return p.gone }

// Stop ends sipp at once, without a word to the other side.
func (p *Phone) Stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGKILL)
		<-p.gone
	})
}

// Messages is sipp's own trace of all SIP messages sent and received.
func (p *Phone) Messages() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "messages.log")) // none yet: empty
	return string(text)
}

func (p *Phone) logs() string {
	return fmt.Sprintf("phone %s, errors:\n%s\nmessages:\n%s\nscreen:\n%s", p.name,
		tail(filepath.Join(p.dir, "errors.log"), 20), tail(filepath.Join(p.dir, "messages.log"), 60),
		tail(filepath.Join(p.dir, "screen.log"), 10))
}
