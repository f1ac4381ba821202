package agi

import (
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unwatched is how long nobody looks. Most waits end within it, and what a watch
// costs, a goroutine and two wakings, is spared.
const unwatched = 20 * time.Millisecond

// WatchHangup calls gone when Asterisk says HANGUP or closes the connection
// while no command is under way: a program that waits for something else, such
// as a database, learns of it within 20 ms and not with its next command. It is
// for FastAGI; a program that Asterisk started gets SIGHUP, and there it does
// nothing, nor does it in a lax session.
//
// stop ends the watch and must be called before the next command; afterwards
// gone is not called any more. gone runs in a goroutine of its own, once at most.
//
// Nothing is read: the bytes are peeked at (recv(2), MSG_PEEK) and stay where
// they were, so that the next command finds all that a caller forged. What is
// neither a whole line HANGUP nor the end is left for it to judge.
func (s *Session) WatchHangup(gone func()) (stop func()) {
	var watch sync.WaitGroup
	if s.HungUp() {
		watch.Go(gone)
		return watch.Wait
	}
	conn, isConn := s.connection()
	if !isConn || !s.strict || s.r.Buffered() > 0 {
		return watch.Wait
	}
	watch.Add(1)
	begin := time.AfterFunc(unwatched, func() {
		defer watch.Done()
		if awaitHangup(conn) {
			gone()
		}
	})
	return func() {
		if begin.Stop() {
			return
		}
		s.setOwnDeadline(time.Unix(1, 0)) // ends the wait, and reads nothing either
		watch.Wait()
		s.setOwnDeadline(time.Time{})
	}
}

// connection is where Asterisk's bytes come from, if that can be peeked at.
func (s *Session) connection() (syscall.RawConn, bool) {
	if s.fatal != nil || s.src == nil || s.src.raw == nil {
		return nil, false
	}
	_, isConn := s.src.Reader.(net.Conn)
	return s.src.raw, isConn
}

// awaitHangup waits until the connection is at its end or HANGUP has come, or
// something else, or its read deadline.
func awaitHangup(conn syscall.RawConn) (hungUp bool) {
	var front [len(hangupLine) + 1]byte // one more than HANGUP alone
	err := conn.Read(func(fd uintptr) (done bool) {
		n, _, err := unix.Recvfrom(int(fd), front[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			return false
		case err != nil || n == 0: // reset, or closed
			hungUp = true
			return true
		}
		// Half a line, and the rest is to come: Go asks again with the next bytes.
		hungUp = string(front[:n]) == hangupLine
		return hungUp || n >= len(hangupLine) || string(front[:n]) != hangupLine[:n]
	})
	return err == nil && hungUp
}
