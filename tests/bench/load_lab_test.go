//go:build lab

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// client is one connection that asks and waits, as lean as it can be: it shares
// the machine with what it measures.
type client struct {
	net.Conn
	buffer []byte
}

func dial(b *testing.B, address string) *client {
	b.Helper()
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	must(b, err)
	return &client{c, make([]byte, 0, 64<<10)}
}

// ask sends a request and returns the body of its answer, which holds until the
// next. Only 200 and 201 are answers.
func (c *client) ask(request []byte) ([]byte, error) {
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	c.buffer = c.buffer[:0]
	for {
		if len(c.buffer) == cap(c.buffer) {
			c.buffer = slices.Grow(c.buffer, cap(c.buffer))
		}
		n, err := c.Read(c.buffer[len(c.buffer):cap(c.buffer)])
		if err != nil {
			return nil, fmt.Errorf("after %q: %w", c.buffer, err)
		}
		c.buffer = c.buffer[:len(c.buffer)+n]
		head, body, ok := bytes.Cut(c.buffer, []byte("\r\n\r\n"))
		if !ok {
			continue
		}
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 20")) {
			return nil, fmt.Errorf("answer: %q", c.buffer)
		}
		_, length, ok := bytes.Cut(head, []byte("Content-Length: "))
		if !ok {
			return nil, fmt.Errorf("an answer of unknown length: %q", head)
		}
		length, _, _ = bytes.Cut(length, []byte("\r\n"))
		if want, err := strconv.Atoi(string(length)); err != nil {
			return nil, err
		} else if len(body) >= want {
			return body, nil
		}
	}
}

// server is one that answers checks.
type server struct {
	name    string
	address string
	pid     int
	check   func() (request []byte, want string)
}

// load is what a server did in a span.
type load struct {
	requests int
	took     time.Duration
	cpu      time.Duration   // of the server's processes
	waits    []time.Duration // of each request, sorted
}

func (l load) perSecond() float64 { return float64(l.requests) / l.took.Seconds() }

// one asks for one check and looks at the answer.
func (s server) one(c *client) error {
	request, want := s.check()
	body, err := c.ask(request)
	if err == nil && !bytes.Contains(body, []byte(want)) {
		err = fmt.Errorf("no %s in %s", want, body)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", s.name, err)
	}
	return err
}

// full keeps connections busy for the span.
func (s server) full(b *testing.B, connections int, span time.Duration) load {
	b.Helper()
	return s.measure(b, connections, func(c *client, start time.Time, waits *[]time.Duration) error {
		for sent := start; time.Since(start) < span; {
			if err := s.one(c); err != nil {
				return err
			}
			now := time.Now()
			*waits = append(*waits, now.Sub(sent))
			sent = now
		}
		return nil
	})
}

// paced asks at random moments, so many times a second, whether or not answers
// have come; a wait begins when its request was due.
func (s server) paced(b *testing.B, connections int, perSecond float64, span time.Duration) load {
	b.Helper()
	var due []time.Duration
	for at := 0.0; at < span.Seconds(); at += rand.ExpFloat64() / perSecond {
		due = append(due, time.Duration(at*float64(time.Second)))
	}
	var next atomic.Int64
	return s.measure(b, connections, func(c *client, start time.Time, waits *[]time.Duration) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(due) {
				return nil
			}
			at := start.Add(due[i])
			time.Sleep(time.Until(at))
			if err := s.one(c); err != nil {
				return err
			}
			*waits = append(*waits, time.Since(at))
		}
	})
}

func (s server) measure(b *testing.B, connections int, work func(*client, time.Time, *[]time.Duration) error) (l load) {
	b.Helper()
	clients := make([]*client, connections)
	for i := range clients {
		clients[i] = dial(b, s.address)
		defer clients[i].Close()
		must(b, s.one(clients[i])) // also the server's side is ready then
	}
	waits, errs := make([][]time.Duration, connections), make([]error, connections)
	cpu, start := cpuOf(b, s.pid), time.Now()
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() { errs[i] = work(c, start, &waits[i]) })
	}
	all.Wait()
	l.took, l.cpu = time.Since(start), cpuOf(b, s.pid)-cpu
	must(b, errors.Join(errs...))
	l.waits = slices.Sorted(slices.Values(slices.Concat(waits...)))
	l.requests = len(l.waits)
	return l
}

// family is a process and its descendants.
func family(b *testing.B, pid int) []int {
	b.Helper()
	entries, err := os.ReadDir("/proc")
	must(b, err)
	children := map[int][]int{}
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			if fields := statOf(id); fields != nil {
				parent, _ := strconv.Atoi(fields[1])
				children[parent] = append(children[parent], id)
			}
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// statOf is /proc/PID/stat from the state on; nil of a process that is gone.
func statOf(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// tick is the unit of /proc/PID/stat's times (USER_HZ).
const tick = 10 * time.Millisecond

// cpuOf is the processor time that a process and its descendants have had.
func cpuOf(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	for _, id := range family(b, pid) {
		if fields := statOf(id); fields != nil {
			for _, field := range fields[11:13] { // utime and stime
				n, err := strconv.Atoi(field)
				must(b, err)
				sum += time.Duration(n) * tick
			}
		}
	}
	return sum
}
