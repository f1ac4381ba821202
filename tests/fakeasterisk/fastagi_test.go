package fakeasterisk

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"
)

// networked serves the AGI program of these tests, once; what it read comes when
// it has ended.
func networked(t *testing.T, args ...string) (url string, said <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		defer l.Close()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		var stderr bytes.Buffer
		agi(args, conn, conn, &stderr)
		conn.Close()
		done <- stderr.String()
	}()
	return Network + l.Addr().String() + "/script", done
}

func TestFastAGI(t *testing.T) {
	url, said := networked(t, "!env", "ANSWER", `SET VARIABLE A "b"`)
	tr, err := Play(t.Context(), Call{Program: url, Args: []string{"check"}, AnswerTime: -1})
	if err != nil || tr.AGIStatus != Success || tr.Variables["A"] != "b" || !tr.Answered {
		t.Errorf("%v, %+v", err, tr)
	}
	begin := "environment " + `"agi_network: yes\nagi_network_script: script\nagi_request: ` + url + `\nagi_channel: `
	if got := <-said; !strings.HasPrefix(got, begin) || !strings.Contains(got, `\nagi_arg_1: check\n\n"`) {
		t.Errorf("it read %s", got)
	}
}

// A hangup is told by a line, behind the reply under way.
func TestFastAGIHangup(t *testing.T) {
	url, said := networked(t, "WAIT FOR DIGIT 10000", "!read", "CHANNEL STATUS")
	tr, err := Play(t.Context(), Call{Program: url, Acts: []Act{HangUp(OnCommand("WAIT FOR DIGIT").Plus(20 * time.Millisecond))}})
	if err != nil || tr.AGIStatus != Hangup {
		t.Errorf("%v, AGISTATUS %s", err, tr.AGIStatus)
	}
	if got, want := <-said, "got 200 result=-1\ngot HANGUP\ngot "+refused+"\n"; got != want {
		t.Errorf("it read %q, want %q", got, want)
	}
}

// A program that does not end is left when the call's time is over.
func TestFastAGIThatStays(t *testing.T) {
	url, said := networked(t, "!read", "NOOP", "NOOP")
	tr, err := Play(t.Context(), Call{Program: url, Acts: []Act{CloseStdout(At(20 * time.Millisecond))}})
	if err != nil || tr.AGIStatus != Success {
		t.Errorf("%v, AGISTATUS %s", err, tr.AGIStatus)
	}
	<-said // it has seen the end
}

func TestFastAGINobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	tr, err := Play(t.Context(), Call{Program: Network + l.Addr().String() + "/script"})
	if err != nil || tr.AGIStatus != Failure {
		t.Errorf("%v, AGISTATUS %s", err, tr.AGIStatus)
	}
}
