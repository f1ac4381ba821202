// Package fastagi accepts the connections that Asterisk makes for
// AGI(agi://host/script), and keeps the limits of a server that answers only to
// those hosts that it was told to: how many connections, how long, and from where.
// What is said on a connection is the handler's, such as an agi.Session.
//
// A connection that is refused is closed at once. Asterisk then goes on with the
// dialplan, and no variable was set. A listener that is closed refuses to connect,
// which makes AGI(hagi://…) try the next host of its SRV record (res_agi.c,
// launch_ha_netscript); on a connection that was accepted it would not.
package fastagi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// Port is where Asterisk connects when the URL names no other.
const Port = 4573

const (
	lingerTime = time.Second            // for the other side to close, too
	retryTime  = 100 * time.Millisecond // after a failure to accept, such as no free descriptor
	tellEvery  = time.Minute            // spares the log a line for each connection of a flood
)

// Server serves calls. Its fields are not changed while it serves.
type Server struct {
	// Handle serves one call. Its context ends when the call has had CallTime, or
	// when DrainTime is over. It need not close the connection.
	Handle func(ctx context.Context, conn *net.TCPConn)
	// Allow are the networks that may connect; others are closed without a word.
	Allow []netip.Prefix
	// Most is how many calls are served at once.
	Most int
	// CallTime bounds a call, and DrainTime what calls in progress have once Serve
	// is to end; Grace is how long a handler then has to return, before its
	// connection is closed under it.
	CallTime, DrainTime, Grace time.Duration
	Log                        *slog.Logger

	mu       sync.Mutex
	calls    map[*net.TCPConn]struct{}
	draining bool
	all      sync.WaitGroup       // of calls
	told     map[string]time.Time // when the log was last told of a reason to refuse
}

// Listener is a place where calls come in.
type Listener struct {
	*net.TCPListener
	// Inherited: another process, such as systemd, holds the socket, too. Closing
	// it here would leave callers waiting in its queue for whoever serves it next.
	Inherited bool
}

// Serve accepts calls until ctx ends. Then it drains: new calls are refused (a
// listener that is ours is closed, on an inherited one they are accepted and
// closed), those in progress have DrainTime, and it returns when all have ended.
func (s *Server) Serve(ctx context.Context, listeners ...Listener) {
	s.mu.Lock()
	s.calls, s.draining, s.told = map[*net.TCPConn]struct{}{}, false, map[string]time.Time{}
	s.mu.Unlock()
	calls, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var accepting sync.WaitGroup
	stop := context.AfterFunc(ctx, func() {
		for _, l := range listeners {
			if !l.Inherited {
				l.Close()
			}
		}
	})
	defer stop()
	for _, l := range listeners {
		accepting.Go(func() { s.accept(calls, l) })
	}
	<-ctx.Done()
	s.drain(end)
	for _, l := range listeners {
		l.Close() // also the inherited ones: this process serves no more
	}
	accepting.Wait()
}

// drain waits for the calls, and ends those that take too long.
func (s *Server) drain(end context.CancelFunc) {
	s.mu.Lock()
	s.draining = true
	s.Log.Info("no more calls are taken", "in_progress", len(s.calls))
	s.mu.Unlock()
	gone := make(chan struct{})
	go func() { s.all.Wait(); close(gone) }()
	if within(gone, s.DrainTime) {
		return
	}
	s.mu.Lock()
	s.Log.Warn("calls in progress are ended: they took longer than a drain may", "calls", len(s.calls), "limit", s.DrainTime)
	s.mu.Unlock()
	end()
	if within(gone, s.Grace) {
		return
	}
	s.mu.Lock()
	for conn := range s.calls {
		conn.Close()
	}
	s.mu.Unlock()
	<-gone
}

func within(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// accept takes calls from one listener until it is closed.
func (s *Server) accept(calls context.Context, l Listener) {
	for {
		conn, err := l.AcceptTCP()
		switch {
		case err == nil:
			s.take(calls, conn)
		case errors.Is(err, net.ErrClosed):
			return
		default: // no free descriptor, most likely: calls that end give theirs back
			s.tell("a connection could not be accepted", "error", err)
			time.Sleep(retryTime)
		}
	}
}

// take serves a connection, or refuses it.
func (s *Server) take(calls context.Context, conn *net.TCPConn) {
	remote, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	if !s.allowed(remote.Addr()) {
		s.tell("a connection from a host that fastagi_allow does not name is refused", "remote", remote.Addr().Unmap())
	} else if s.add(conn) {
		go s.serve(calls, conn)
		return
	}
	_ = conn.SetLinger(0) // no state is kept for it
	conn.Close()
}

func (s *Server) allowed(a netip.Addr) bool {
	for _, network := range s.Allow {
		if network.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// add counts a call, unless there are too many or calls are drained.
func (s *Server) add(conn *net.TCPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	if len(s.calls) >= s.Most {
		s.locked("a call is refused: there are too many", "most", s.Most)
		return false
	}
	s.calls[conn] = struct{}{}
	s.all.Add(1)
	return true
}

// serve hands one call to the handler. One that panics ends its call alone.
func (s *Server) serve(calls context.Context, conn *net.TCPConn) {
	defer func() {
		if failure := recover(); failure != nil {
			s.Log.Error("a call has failed: this is a defect of adcredit", "panic", fmt.Sprint(failure), "stack", string(debug.Stack()))
		}
		conn.Close()
		s.mu.Lock()
		delete(s.calls, conn)
		s.mu.Unlock()
		s.all.Done()
	}()
	room()
	ctx, cancel := context.WithTimeout(calls, s.CallTime)
	defer cancel()
	// A peer that reads nothing can't hold a call for longer either.
	_ = conn.SetWriteDeadline(time.Now().Add(s.CallTime + s.Grace))
	s.Handle(ctx, conn)
	linger(conn)
}

// room grows the goroutine's stack to what a call needs, while it is empty. Step by
// step it would be copied with more on it each time.
//
//go:noinline
func room() {
	var space [9 << 10]byte
	reserve(&space)
}

//go:noinline
func reserve(*[9 << 10]byte) {}

// linger lets Asterisk read what was written last: a connection that is closed
// with bytes unread is reset, and what is under way may be lost.
func linger(conn *net.TCPConn) {
	if conn.CloseWrite() != nil || conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(conn, 1<<20)) // until it closes, or for a while
}

// tell logs, each message once in a while.
func (s *Server) tell(message string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked(message, args...)
}

// locked is tell for who holds mu.
func (s *Server) locked(message string, args ...any) {
	if now := time.Now(); now.Sub(s.told[message]) >= tellEvery {
		s.told[message] = now
		s.Log.Warn(message, args...)
	}
}
