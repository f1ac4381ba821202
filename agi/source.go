package agi

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// source is where Asterisk's lines come from, and what it can do besides
// reading. The zero source can do nothing.
type source struct {
	io.Reader
	raw         syscall.RawConn       // nil when there is no descriptor to ask
	setDeadline func(time.Time) error // nil when waits cannot be bounded
	closer      func() error
	terminal    bool
}

func newSource(in io.Reader) *source {
	src := &source{Reader: in}
	if c, ok := in.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			src.raw = raw
		}
	}
	file, isFile := in.(*os.File)
	if isFile {
		info, err := file.Stat()
		src.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	// Connections, and files that Go polls itself, know deadlines.
	if d, ok := in.(interface{ SetReadDeadline(time.Time) error }); ok && d.SetReadDeadline(time.Time{}) == nil {
		src.setDeadline = d.SetReadDeadline
	} else if isFile && src.raw != nil {
		if p, err := newPollReader(file, src.raw); err == nil {
			src.Reader, src.setDeadline, src.closer = p, p.setDeadline, p.close
		}
	}
	return src
}

// waiting is how many bytes can be read without waiting; it reads none.
func (src *source) waiting() (n int, err error) {
	if src.raw == nil {
		return 0, nil
	}
	gone := src.raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), fionread) })
	switch {
	case gone != nil:
		return 0, gone
	case errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL): // such as /dev/null
		return 0, nil
	}
	return n, err
}

// gather waits until at least n bytes can be read from a connection, its end has
// come, or the deadline. It reads none. Asterisk writes the environment line by
// line, and each line would wake us.
func (src *source) gather(n int) {
	if _, isConn := src.Reader.(net.Conn); !isConn || src.raw == nil || src.wakeAt(n) != nil {
		return
	}
	_ = src.raw.Read(func(fd uintptr) (done bool) { // whoever reads next meets its error
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return ready > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	_ = src.wakeAt(1)
}

// wakeAt says how many bytes make a connection readable (SO_RCVLOWAT).
func (src *source) wakeAt(n int) (err error) {
	gone := src.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, n) })
	return errors.Join(gone, err)
}

func (src *source) close() error {
	if src.closer == nil {
		return nil
	}
	return src.closer()
}

// pollReader gives deadlines to a file whose reads block, by asking poll(2)
// first. Setting O_NONBLOCK instead would reach everyone who shares the open
// file: on a terminal the shell, on a socket our own standard output.
type pollReader struct {
	file *os.File
	raw  syscall.RawConn

	mu       sync.Mutex
	deadline time.Time
	wake     [2]int // a pipe: a byte in it ends a poll whose deadline was changed
	closed   bool
}

func newPollReader(file *os.File, raw syscall.RawConn) (*pollReader, error) {
	p := &pollReader{file: file, raw: raw}
	if err := unix.Pipe(p.wake[:]); err != nil {
		return nil, err
	}
	for _, fd := range p.wake {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	return p, nil
}

// Read waits until there is something to read, or the deadline.
func (p *pollReader) Read(b []byte) (int, error) {
	for {
		timeout, err := p.timeout()
		if err != nil {
			return 0, err
		}
		readable := false
		gone := p.raw.Control(func(fd uintptr) { readable, err = p.poll(int32(fd), timeout) })
		if err = errors.Join(gone, err); err != nil {
			return 0, err
		}
		if readable {
			return p.file.Read(b)
		}
	}
}

// timeout is what poll may wait, in ms, -1 without end; at least 1 so that the
// loop does not spin in the deadline's last millisecond.
func (p *pollReader) timeout() (ms int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, os.ErrClosed
	}
	if p.deadline.IsZero() {
		return -1, nil
	}
	left := time.Until(p.deadline)
	if left <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return int(min(left, time.Hour)/time.Millisecond) + 1, nil
}

// poll waits for fd, the timeout or a changed deadline.
func (p *pollReader) poll(fd int32, timeout int) (readable bool, err error) {
	fds := []unix.PollFd{
		{Fd: fd, Events: unix.POLLIN},
		{Fd: int32(p.wake[0]), Events: unix.POLLIN},
	}
	if _, err := unix.Poll(fds, timeout); err != nil && !errors.Is(err, unix.EINTR) {
		return false, err
	}
	if fds[1].Revents != 0 { // look at the deadline anew before reading
		var drain [16]byte
		_, err := unix.Read(p.wake[0], drain[:])
		return false, err
	}
	return fds[0].Revents != 0, nil // also at the end, where Read gives io.EOF
}

func (p *pollReader) setDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return os.ErrClosed
	}
	p.deadline = t
	_, err := unix.Write(p.wake[1], []byte{0})
	if errors.Is(err, unix.EAGAIN) { // full of wakings: one more adds nothing
		return nil
	}
	return err
}

func (p *pollReader) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	return errors.Join(unix.Close(p.wake[0]), unix.Close(p.wake[1]))
}
