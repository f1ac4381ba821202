package fastagi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// firstFD is where systemd puts the first socket (sd_listen_fds(3)).
const firstFD = 3

// Listen gives the sockets that systemd has handed over, or else listens on
// address, IP:PORT; without an IP on all addresses. The sockets are not inherited
// by programs that this one starts. It is to be called once.
func Listen(ctx context.Context, address string, getenv func(string) string) ([]Listener, error) {
	handed, err := handedOver(getenv)
	if err != nil || len(handed) > 0 {
		return handed, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return []Listener{{TCPListener: l.(*net.TCPListener)}}, nil
}

// handedOver takes the sockets of LISTEN_FDS, where LISTEN_PID is this process.
func handedOver(getenv func(string) string) (all []Listener, err error) {
	if getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 1 || n > 100 {
		return nil, fmt.Errorf("LISTEN_FDS is %q: systemd hands over 1 to 100 sockets", getenv("LISTEN_FDS"))
	}
	defer func() {
		for _, l := range all {
			if err != nil {
				l.Close()
			}
		}
	}()
	for fd := firstFD; fd < firstFD+n; fd++ {
		unix.CloseOnExec(fd)
		file := os.NewFile(uintptr(fd), "socket "+strconv.Itoa(fd))
		l, err := net.FileListener(file) // has a duplicate
		if err = errors.Join(err, file.Close()); err != nil {
			return all, fmt.Errorf("socket %d that systemd has handed over: %w", fd, err)
		}
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			return all, errors.Join(fmt.Errorf("socket %d that systemd has handed over is no ListenStream= of TCP: Asterisk knows no other", fd), l.Close())
		}
		all = append(all, Listener{TCPListener: tcp, Inherited: true})
	}
	return all, nil
}

// Notify tells systemd of a change of state, such as READY=1 (sd_notify(3)); a
// process that systemd did not start tells nobody.
func Notify(state string, getenv func(string) string) error {
	path := getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	// net takes a leading @ for the abstract name space, as systemd does.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell systemd %s: %w", state, err)
	}
	_, err = conn.Write([]byte(state))
	return errors.Join(err, conn.Close())
}

// Address reads IP:PORT, IP, :PORT or localhost:PORT.
func Address(s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, strconv.Itoa(Port)
	}
	switch host {
	case "localhost":
		host = "127.0.0.1"
	case "":
		host = "::" // and 0.0.0.0
	}
	at, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil || s == "" || at.Addr().Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address; write it like 127.0.0.1:%d", s, Port)
	}
	return at, nil
}
