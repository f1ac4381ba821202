//go:build lab

package e2e_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// fastAGI is where Asterisk finds it with nothing but a host in the URL.
const (
	fastAGI      = "127.0.0.1:4573"
	localFastAGI = "agi://127.0.0.1/adcredit"
)

// A switchboard is adcredit -fastagi on Asterisk's host.
type switchboard struct {
	house *house
	at    string
	cmd   *exec.Cmd
	ended chan struct{}
}

// start starts it and waits until it listens.
func (s *switchboard) start(t *testing.T) {
	t.Helper()
	s.cmd, s.ended = exec.Command(agiBin+"adcredit", "-fastagi", s.at), make(chan struct{})
	s.house.asAsterisk(t, s.cmd)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	s.house.eventually(t, "FastAGI", func() bool { return answersAt(s.at) })
}

// answersAt reports whether somebody listens there.
func answersAt(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// drain tells it to end.
func (s *switchboard) drain(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// wait waits until it has ended, in order.
func (s *switchboard) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		t.Fatal("adcredit -fastagi does not end")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("adcredit -fastagi has ended with exit code %d", code)
	}
}

// kill ends it as a crash would.
func (s *switchboard) kill() {
	_ = s.cmd.Process.Kill() // harmless once it has ended
	<-s.ended
}

// TestFastAGI: the same calls, served by one process.
func TestFastAGI(t *testing.T) {
	h := newHouse(t, options{plan: openPlan, fast: localFastAGI})
	callee := lab.Callee{At: calleeAt, Calls: 2, Ring: 500 * time.Millisecond, HangUp: 2 * time.Second}.Start(t)
	rec := lab.Record(t)
	lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt}.Start(t).Wait(t)
	rec.Stop()
	h.wantStatus(t, "SUFFICIENT")
	wantOneCall(t, rec, richAt)
	wantTalk(t, rec, richAt)
	wantNoAnswerBeforeTheCallees(t, rec, richAt)
	h.wantBooks(t, untouched("0.00000"))
	figure(t, "FastAGI: the callee's phone is called %.0f ms after the INVITE of a caller with credit", ms(postDial(t, rec, richAt)))

	rec = lab.Record(t)
	lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys: []lab.Key{{After: 2 * time.Second, Digit: "1"}}}.Start(t).Wait(t)
	callee.Wait(t)
	rec.Stop()
	h.wantStatus(t, "GRANTED")
	h.wantBooks(t, credited("50.00000"))
	h.wantAdHeard(t, rec)
	wantOneCall(t, rec, poorAt)
	wantTalk(t, rec, poorAt)
	h.wantNoAGI(t, "adcredit") // nothing was started
	if out, code := h.adcredit(t, "-check", "-fastagi", fastAGI); code != 0 || !strings.Contains(out, "greets this host") {
		t.Errorf("adcredit -check -fastagi: exit code %d\n%s", code, out)
	}
	h.fast.drain(t)
	h.fast.wait(t)
}

// TestFastAGIHangups: in mid-ad, and while creditapi is asked, which Asterisk tells
// by a line HANGUP.
func TestFastAGIHangups(t *testing.T) {
	h := newHouse(t, options{plan: openPlan, engine: lab.InnoDB, fast: localFastAGI})
	lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys:   []lab.Key{{After: time.Second, Digit: "1"}},
		HangUp: h.recorded(t, "en/accepted").length() + adLength/2}.Start(t).Wait(t)
	h.eventually(t, "the listen's end", func() bool {
		return h.value(t, `SELECT GROUP_CONCAT(state) FROM adcredit_listen`) == "abandoned"
	})
	h.eventually(t, "ADCREDIT_STATUS", func() bool { return h.status(t) == "ABANDONED" })
	h.wantBooks(t, untouched("0.00000"))

	conf := h.pbx.Path("/etc/adcredit/adcredit.toml")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte(strings.Replace(string(text), `timeout = "2s"`, `timeout = "20s"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	h.fast.kill()
	h.fast.start(t)
	asked := make(chan struct{}, 1)
	defer instead(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done() // it never answers
	})(t, h)()
	before, began := len(h.log(t)), time.Now()
	lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt, Cancel: 200 * time.Millisecond}.Start(t).Wait(t)
	<-asked
	h.eventually(t, "the end of the wait", func() bool {
		return strings.Contains(h.log(t)[before:], `SET VARIABLE "ADCREDIT_CAUSE" "hangup"`)
	})
	if took := time.Since(began); took > 15*time.Second { // of 20
		t.Errorf("the hangup was noticed after %v", took)
	}
}

// TestFastAGIDrain: a caller in mid-ad hears it to its end and is credited, while
// whoever comes now goes the way of a program that is not there.
func TestFastAGIDrain(t *testing.T) {
	h := newHouse(t, options{plan: openPlan, fast: localFastAGI})
	rec := lab.Record(t)
	callee := lab.Callee{At: calleeAt, HangUp: 2 * time.Second}.Start(t)
	caller := lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
		Keys: []lab.Key{{After: time.Second, Digit: "1"}}}.Start(t)
	h.eventually(t, "the ad", func() bool { return strings.Contains(h.log(t), "AGI Rx << STREAM FILE "+quoted("ads/mangalou-en")) })
	h.fast.drain(t)
	h.eventually(t, "the drain", func() bool { return !answersAt(fastAGI) })
	lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt, Status: 403}.Start(t).Wait(t)
	h.fast.wait(t)
	caller.Wait(t)
	callee.Wait(t)
	rec.Stop()
	h.wantStatus(t, "GRANTED")
	h.wantBooks(t, credited("50.00000"))
	h.wantAdHeard(t, rec)
	wantTalk(t, rec, poorAt)
}

// TestFastAGIIsDown: both plans go their ways without a status.
func TestFastAGIIsDown(t *testing.T) {
	t.Run("the open plan refuses", func(t *testing.T) {
		h := newHouse(t, options{plan: openPlan, fast: localFastAGI})
		h.fast.kill()
		lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt, Status: 403}.Start(t).Wait(t)
		h.wantBooks(t, untouched("0.00000"))
	})
	t.Run("the guarded plan goes on, and so it does when it crashes in mid-ad", func(t *testing.T) {
		h := newHouse(t, options{plan: guardedPlan, fast: localFastAGI})
		rec := lab.Record(t)
		callee := lab.Callee{At: calleeAt, HangUp: 2 * time.Second}.Start(t)
		phone := lab.Caller{User: "1000", Dial: "2000", At: richAt, PBX: pbxAt}
		h.fast.kill()
		phone.Start(t).Wait(t)
		callee.Wait(t)
		rec.Stop()
		wantNoAnswerBeforeTheCallees(t, rec, richAt)
		wantTalk(t, rec, richAt)

		h.fast.start(t)
		caller := lab.Caller{User: "1001", Dial: "2000", At: poorAt, PBX: pbxAt,
			Keys: []lab.Key{{After: time.Second, Digit: "1"}}}.Start(t)
		h.eventually(t, "the ad", func() bool { return strings.Contains(h.log(t), "AGI Rx << STREAM FILE "+quoted("ads/mangalou-en")) })
		h.fast.kill()
		caller.Wait(t) // A2Billing has judged, as of every caller
		if status := h.status(t); status != "ERROR" {
			t.Errorf("the crash left the status %q", status)
		}
		if credit := h.books(t).Credit; credit != "0.00000" {
			t.Errorf("the caller has %s", credit)
		}
	})
}
