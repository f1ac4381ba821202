package faults

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Fault is what a network does to its connections.
type Fault int32

// The faults.
const (
	None       Fault = iota
	Cut              // connections are reset, and new ones too
	Delayed          // what passes comes up to maxDelay later
	Stuck            // nothing passes while it lasts; then all of it does
	Deaf             // requests pass and answers are lost
	HalfClosed       // as Deaf, and the client sees the end of the stream
	faults
)

func (f Fault) String() string {
	return [...]string{"none", "cut", "delayed", "stuck", "deaf", "half closed"}[f]
}

const maxDelay = 300 * time.Millisecond

// A Proxy passes TCP connections on to a server, with faults. Bytes are never
// changed, and never lost from the middle of a stream: a connection that has
// lost some is reset when the fault ends.
type Proxy struct {
	Addr     string
	Answered atomic.Int64 // connections whose client has got an answer

	listener net.Listener
	target   string
	done     sync.WaitGroup
	mu       sync.Mutex
	fault    Fault
	changed  chan struct{} // closed when the fault changes
	links    map[*link]bool
}

// A link is one connection from end to end.
type link struct {
	client, server *net.TCPConn
	lost           atomic.Bool // bytes
	answered       atomic.Bool
}

// NewProxy listens on a free port of 127.0.0.1.
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{Addr: l.Addr().String(), listener: l, target: target, changed: make(chan struct{}), links: map[*link]bool{}}
	p.done.Go(p.accept)
	return p, nil
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.Set(Cut)
	p.done.Wait()
}

// Set begins a fault, or ends it with None.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.changed)
	p.changed = make(chan struct{})
	for l := range p.links {
		switch {
		case f == Cut, l.lost.Load():
			l.reset()
		case f == HalfClosed:
			l.lost.Store(true)
			_ = l.client.CloseWrite()
		}
	}
}

// now is the fault, and what is closed when it changes.
func (p *Proxy) now() (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.changed
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(client.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	l := &link{client: client}
	defer l.reset()
	if fault, _ := p.now(); fault == Cut {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return // the client sees a reset, as from a host without that service
	}
	l.server = server.(*net.TCPConn)
	p.mu.Lock()
	p.links[l] = true
	cut := p.fault == Cut // meanwhile
	p.mu.Unlock()
	if cut {
		l.reset()
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, l.server, l.client, false) })
	both.Go(func() { p.pass(l, l.client, l.server, true) })
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// pass copies one direction until its end.
func (p *Proxy) pass(l *link, to, from *net.TCPConn, answers bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !p.suffer(l, answers) {
			n = 0 // lost
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				l.reset()
				return
			}
			if answers && !l.answered.Swap(true) {
				p.Answered.Add(1)
			}
		}
		if err != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

// suffer waits as the fault says, and reports whether what was read passes.
func (p *Proxy) suffer(l *link, answers bool) bool {
	for {
		fault, changed := p.now()
		switch {
		case l.lost.Load() && answers:
			return false
		case fault == Stuck:
			<-changed
			continue
		case fault == Delayed:
			select {
			case <-time.After(rand.N(maxDelay)):
			case <-changed:
			}
		case fault == HalfClosed && answers:
			l.lost.Store(true)
			_ = l.client.CloseWrite()
			return false
		case fault == Deaf && answers:
			l.lost.Store(true)
			return false
		}
		return true
	}
}

// reset ends the connection at both ends as a reset, without a farewell.
func (l *link) reset() {
	for _, c := range []*net.TCPConn{l.client, l.server} {
		if c != nil {
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
}
