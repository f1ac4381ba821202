package agi_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"adcredit/agi"
)

// counted counts what is read from a connection.
type counted struct {
	*net.TCPConn
	reads int
}

func (c *counted) Read(b []byte) (int, error) {
	c.reads++
	return c.TCPConn.Read(b)
}

// TestEnvironmentIsGathered: Asterisk writes it line by line over FastAGI, and
// most lines wake nobody.
func TestEnvironmentIsGathered(t *testing.T) {
	if least := agi.LeastOfAsterisk(); least <= agi.LeastEnvironment {
		t.Errorf("the shortest environment has %d bytes: it would be waited for in vain", least)
	}
	ours, asterisk := connection(t)
	go func() {
		for line := range strings.Lines(fastAGI) {
			io.WriteString(asterisk, line)
			time.Sleep(2 * time.Millisecond)
		}
		answerNoop(asterisk)
	}()
	conn, lines := &counted{TCPConn: ours}, strings.Count(fastAGI, "\n")
	s := agi.New()
	defer s.Close()
	if err := s.Attach(conn, ours); err != nil {
		t.Fatal(err)
	}
	if conn.reads > lines*3/4 {
		t.Errorf("%d lines took %d reads", lines, conn.reads)
	}
}

func answerNoop(asterisk io.ReadWriter) {
	io.ReadFull(asterisk, make([]byte, len("NOOP\n")))
	io.WriteString(asterisk, "200 result=0\n")
}

// TestShortEnvironment: one that is shorter than any of Asterisk's is judged when
// it has ended, and has no more time than others.
func TestShortEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		sent   string
		closes bool
		want   error
	}{
		"nothing, closed":             {"", true, agi.ErrClosed},
		"a line, closed":              {"agi_network: yes\n", true, agi.ErrClosed},
		"half a line, closed":         {"agi_netw", true, agi.ErrClosed},
		"an end at once, closed":      {"\n", true, agi.ErrNotAGI},
		"keys missing, closed":        {"agi_network: yes\nagi_request: x\n\n", true, agi.ErrForged},
		"nothing":                     {"", false, agi.ErrEnvironmentTime},
		"an end at once":              {"\n", false, agi.ErrEnvironmentTime},
		"keys missing":                {"agi_network: yes\nagi_request: x\n\n", false, agi.ErrEnvironmentTime},
		"keys missing, replies ahead": {"agi_network: yes\n\n" + strings.Repeat("200 result=0 endpos=160000\n", 20), false, agi.ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, asterisk := connection(t)
			io.WriteString(asterisk, c.sent)
			limit := 300 * time.Millisecond
			if c.closes {
				asterisk.CloseWrite()
				limit = patience
			}
			s := agi.New()
			s.SetEnvironmentTime(limit)
			defer s.Close()
			began := time.Now()
			if err := s.Attach(ours, ours); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if took := time.Since(began); c.closes && took > patience/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
}
