package faults

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo answers each line.
func echo(t *testing.T) (address string, lines <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	heard := make(chan string, 8)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for scan := bufio.NewScanner(conn); scan.Scan(); {
					heard <- scan.Text()
					if _, err := io.WriteString(conn, scan.Text()+"\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), heard
}

func TestProxy(t *testing.T) {
	for _, c := range []struct {
		fault            Fault
		request, answer  bool // get there while the fault lasts
		afterwards       bool // the answer gets there once it is over
		endOfStream, hup bool // what the client sees instead
	}{
		{fault: None, request: true, answer: true},
		{fault: Delayed, request: true, answer: true},
		{fault: Cut, hup: true},
		{fault: Stuck, afterwards: true},
		{fault: Deaf, request: true},
		{fault: HalfClosed, request: true, endOfStream: true},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			address, lines := echo(t)
			p, err := NewProxy(address)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			conn, err := net.Dial("tcp", p.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			answers := bufio.NewReader(conn)
			ask := func(line string) error {
				_, err := io.WriteString(conn, line+"\n")
				return err
			}
			answer := func(within time.Duration) error {
				if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
					return err
				}
				_, err := answers.ReadString('\n')
				return err
			}
			if err := errors.Join(ask("before"), answer(5*time.Second)); err != nil {
				t.Fatal(err)
			}
			<-lines
			// What must come is waited for; what must not, for as long as a delay may be.
			patience := func(expected bool) time.Duration {
				if expected {
					return 5 * time.Second
				}
				return 2 * maxDelay
			}
			p.Set(c.fault)
			asked := ask("during")
			got := false
			select {
			case <-lines:
				got = true
			case <-time.After(patience(c.request)):
			}
			if got != c.request {
				t.Errorf("the request got there: %v, want %v", got, c.request)
			}
			err = errors.Join(asked, answer(patience(c.answer || c.endOfStream || c.hup)))
			switch {
			case c.answer && err == nil, c.endOfStream && errors.Is(err, io.EOF):
			case c.hup && err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			case !c.answer && !c.endOfStream && !c.hup && errors.Is(err, os.ErrDeadlineExceeded):
			default:
				t.Errorf("the client sees %v", err)
			}
			p.Set(None)
			if c.answer {
				return
			}
			if err := answer(5 * time.Second); (err == nil) != c.afterwards || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("once it is over the client sees %v", err)
			}
		})
	}
}
