package store

import (
	"context"
	"net"
	"syscall"
	"time"
)

// A line is a connection to the server that keeps the deadline of what is done on
// it. The driver would watch each statement's context from another goroutine, to
// which it hands over and back; with a caller who has the machine to itself that
// costs a seventh of a grant. A read that fails at the deadline ends the connection,
// as the driver does, and with it the transaction.
type line struct {
	net.Conn
	until time.Time // of the statement, and of those of its transaction; zero: none
}

// SetReadDeadline implements net.Conn.
func (l *line) SetReadDeadline(t time.Time) error { return l.Conn.SetReadDeadline(l.earlier(t)) }

// SetWriteDeadline implements net.Conn.
func (l *line) SetWriteDeadline(t time.Time) error { return l.Conn.SetWriteDeadline(l.earlier(t)) }

func (l *line) earlier(t time.Time) time.Time {
	if !l.until.IsZero() && l.until.Before(t) {
		return l.until
	}
	return t
}

// SyscallConn implements syscall.Conn: so the driver sees whether the server has
// closed a connection that was idle.
func (l *line) SyscallConn() (syscall.RawConn, error) { return l.Conn.(syscall.Conn).SyscallConn() }

// keep takes over the deadline of a context, and returns the one for the driver. A
// context without a deadline stays the driver's to watch.
func (l *line) keep(ctx context.Context) context.Context {
	deadline, ok := ctx.Deadline()
	l.until = deadline
	if !ok || ctx.Err() != nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

type lineKey struct{}

// dialLine dials for a context that waits for a line.
func dialLine(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	plain, err := d.DialContext(ctx, network, address)
	l, _ := ctx.Value(lineKey{}).(*line)
	if err != nil || l == nil {
		return plain, err
	}
	l.Conn = plain
	return l, nil
}
