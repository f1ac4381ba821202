package fakeasterisk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestHangupInMidAd(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t), AnswerTime: -1, Acts: []Act{HangUp(During("ad").Percent(50))}},
		"!hup", "ANSWER", `STREAM FILE ad ""`, "CHANNEL STATUS", `STREAM FILE ad ""`, "HANGUP",
		"SET VARIABLE ADCREDIT_STATUS ABANDONED", "GET VARIABLE ADCREDIT_STATUS", "EXEC Playback ad", "NOOP")
	dead := "511 Command Not Permitted on a dead channel or intercept routine"
	wantReplies(t, tr, "200 result=0", "200 result=-1 endpos=*", dead, dead, dead,
		"200 result=1", "200 result=1 (ABANDONED)", "200 result=0", "200 result=0")
	if pos := endposOf(t, tr, 2); pos < 1600 || pos >= 3200 {
		t.Errorf("endpos %d, want half of 3200", pos)
	}
	if len(tr.Heard) != 1 || tr.Heard[0].Complete() || tr.Heard[0].MS < 200 {
		t.Errorf("heard %+v, want half of the ad and nothing after the hangup", tr.Heard)
	}
	var order []Kind
	for _, e := range tr.Events {
		if e.Kind == Caller || e.Kind == Signalled || e.Kind == Reply && strings.HasPrefix(e.Text, "200 result=-1") {
			order = append(order, e.Kind)
		}
	}
	if !slices.Equal(order, []Kind{Caller, Signalled, Reply}) {
		t.Errorf("order %q, want hangup, SIGHUP, reply", order)
	}
	if tr.AGIStatus != Hangup || tr.ExitCode != 0 || tr.Variables["ADCREDIT_STATUS"] != "ABANDONED" {
		t.Errorf("AGISTATUS %s, exit %d, variables %v", tr.AGIStatus, tr.ExitCode, tr.Variables)
	}
}

func TestHangupKillsWhoDoesNotCatchIt(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t), Acts: []Act{HangUp(During("ad").Percent(25))}},
		"ANSWER", `STREAM FILE ad ""`, "!sleep 10s")
	if tr.Killed != "SIGHUP" || tr.ExitCode != -1 || tr.AGIStatus != Hangup {
		t.Errorf("killed by %q, exit %d, AGISTATUS %s; want SIGHUP, -1, HANGUP", tr.Killed, tr.ExitCode, tr.AGIStatus)
	}
}

func TestHangupBetweenCommands(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{HangupNotice: 300 * time.Millisecond, Acts: []Act{HangUp(AfterCommand("NOOP"))}},
		"!hup", "NOOP", "!wait", "CHANNEL STATUS", "!sleep 200ms")
	wantReplies(t, tr, "200 result=0", "511 *")
	var hung, told time.Duration
	for _, e := range tr.Events {
		switch e.Kind {
		case Caller:
			hung = e.At
		case Signalled:
			told = e.At
		}
	}
	if d := told - hung; d < 300*time.Millisecond || d > 1300*time.Millisecond {
		t.Errorf("SIGHUP %v after the hangup, want 300 ms", d)
	}
	if tr.Outlived < 500*time.Millisecond || tr.Outlived > 3*time.Second {
		t.Errorf("outlived the hangup by %v, want 500 ms", tr.Outlived)
	}
}

func TestHangupBeforeAnswer(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Acts: []Act{HangUp(At(0))}}, "!hup", "ANSWER", "CHANNEL STATUS")
	wantReplies(t, tr, "511 *", "511 *")
	if tr.Answered || tr.AGIStatus != Hangup {
		t.Errorf("answered %v, AGISTATUS %s", tr.Answered, tr.AGIStatus)
	}
	tr = play(t, Call{Acts: []Act{HangUp(OnCommand("answer"))}}, "!hup", "ANSWER")
	wantReplies(t, tr, "200 result=-1")
	if tr.Answered {
		t.Error("answered a caller who was gone")
	}
}

func TestHangupAfterTheAd(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t), Acts: []Act{HangUp(AfterSound("ad"))}},
		"!hup", "ANSWER", `STREAM FILE ad ""`, "CHANNEL STATUS")
	wantReplies(t, tr, "200 result=0", "200 result=0 endpos=3200", "511 *")
	if !tr.Heard[0].Complete() {
		t.Errorf("heard %+v, want all of it", tr.Heard[0])
	}
}

func TestHowHangupIsTold(t *testing.T) {
	t.Parallel()
	hang := []Act{HangUp(During("ad").Percent(25))}
	t.Run("HANGUP line", func(t *testing.T) {
		t.Parallel()
		tr := play(t, Call{Sounds: soundsDir(t), HangupLine: true, Acts: hang},
			"ANSWER", `STREAM FILE ad ""`, "!read", "CHANNEL STATUS")
		wantReplies(t, tr, "200 result=0", "200 result=-1 endpos=*", "HANGUP", "511 *")
	})
	t.Run("AGISIGHUP=no", func(t *testing.T) {
		t.Parallel()
		tr := play(t, Call{Sounds: soundsDir(t), Acts: hang, Variables: map[string]string{"AGISIGHUP": "no"}},
			"ANSWER", `STREAM FILE ad ""`, "CHANNEL STATUS")
		wantReplies(t, tr, "200 result=0", "200 result=-1 endpos=*", "511 *")
		if tr.Killed != "" || tr.AGIStatus != Hangup {
			t.Errorf("killed by %q, AGISTATUS %s", tr.Killed, tr.AGIStatus)
		}
	})
	t.Run("AGIEXITONHANGUP=yes", func(t *testing.T) {
		t.Parallel()
		tr := play(t, Call{Sounds: soundsDir(t), Acts: hang, Variables: map[string]string{"AGIEXITONHANGUP": "yes"}},
			"!hup", "ANSWER", `STREAM FILE ad ""`, "!read")
		wantReplies(t, tr, "200 result=0", "200 result=-1 endpos=*")
		if !strings.HasSuffix(tr.Stderr, "got EOF\n") {
			t.Errorf("stderr %q, want an end of stdin after the reply", tr.Stderr)
		}
	})
	t.Run("HANGUP command", func(t *testing.T) {
		t.Parallel()
		tr := play(t, Call{}, "!hup", "HANGUP", "!wait", "CHANNEL STATUS")
		wantReplies(t, tr, "200 result=1", "511 *")
		if tr.AGIStatus != Failure {
			t.Errorf("AGISTATUS %s, want FAILURE", tr.AGIStatus)
		}
	})
}

func TestAGIStatus(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, program, arg, want string
		exit                     int
	}{
		{"exit 0", "", "!exit 0", Success, 0},
		{"exit 3", "", "!exit 3", Failure, 3},
		{"a line without an end", "", "!send NOOP", Success, 0},
		{"absent", "/nonexistent/agi", "", NotFound, -1},
		{"absent from PATH", "no-such-agi", "", NotFound, -1},
		{"not executable", plain, "", Failure, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Call{Program: tt.program, Args: []string{tt.arg}}
			if c.Program == "" {
				c.Program = program(t)
			}
			tr, err := Play(t.Context(), c)
			if err != nil || tr.AGIStatus != tt.want || tr.ExitCode != tt.exit {
				t.Errorf("AGISTATUS %s, exit %d, error %v; want %s, %d", tr.AGIStatus, tr.ExitCode, err, tt.want, tt.exit)
			}
		})
	}
}

func TestAMomentFromOutside(t *testing.T) {
	t.Parallel()
	happened := make(chan struct{})
	var once sync.Once
	tr := play(t, Call{Acts: []Act{HangUp(When(happened))}, HangupNotice: -1, OnEvent: func(e Event) {
		if e.Kind == Stderr { // what the program says is none of Asterisk's business
			once.Do(func() { close(happened) })
		}
	}}, "!hup", "NOOP", "!env", "!wait", "CHANNEL STATUS")
	if !tr.HungUp || tr.Ended < tr.Outlived || tr.Ended == 0 {
		t.Errorf("hung up %v, ended after %v, outlived %v", tr.HungUp, tr.Ended, tr.Outlived)
	}
	play(t, Call{Acts: []Act{HangUp(When(make(chan struct{})))}}, "NOOP") // one that never comes
}

func TestClosedStreamsAndSignals(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Acts: []Act{CloseStdin(OnCommand("NOOP"))}}, "NOOP", "VERBOSE more 1")
	if !strings.Contains(tr.Stderr, "got EOF") || len(tr.Lines(Command)) != 2 {
		t.Errorf("stdin closed: stderr %q, commands %q; want EOF, and commands still read", tr.Stderr, tr.Lines(Command))
	}
	tr = play(t, Call{Acts: []Act{CloseStdout(AfterCommand("NOOP"))}}, "NOOP", "!read", `!send NOOP\n`, "!sleep 10s")
	if tr.Killed != "SIGPIPE" {
		t.Errorf("stdout closed: killed by %q, want SIGPIPE", tr.Killed)
	}
	tr = play(t, Call{Acts: []Act{Signal(AfterCommand("NOOP"), syscall.SIGTERM)}}, "NOOP", "!sleep 10s")
	if tr.Killed != "SIGTERM" || tr.AGIStatus != Failure {
		t.Errorf("killed by %q, AGISTATUS %s; want SIGTERM, FAILURE", tr.Killed, tr.AGIStatus)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 700*time.Millisecond, errors.New("the test is over"))
	defer cancel()
	tr, err := Play(ctx, Call{Program: program(t), Args: []string{"!hup", "!child", "!sleep 30s"}})
	if err == nil || !strings.Contains(err.Error(), "the test is over") || tr.Killed != "SIGKILL" {
		t.Errorf("error %v, killed by %q; want the cause of the context and SIGKILL", err, tr.Killed)
	}
	wantGone(t, tr)
	// One that ends by itself and leaves a child is cleaned up after, too.
	wantGone(t, play(t, Call{}, "!child"))
}

// wantGone checks that the child the program started is dead: gone, or a zombie
// that nobody of ours can reap.
func wantGone(t *testing.T, tr *Transcript) {
	t.Helper()
	_, after, found := strings.Cut(tr.Stderr, "pid ")
	pid, err := strconv.Atoi(strings.TrimSpace(after))
	if !found || err != nil {
		t.Fatalf("stderr %q names no child", tr.Stderr)
	}
	for range 200 {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond) // the kernel is ending it
	}
	t.Errorf("process %d is still there", pid)
}
