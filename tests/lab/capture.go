package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Recording is what goes over the loopback interface, as it goes.
type Recording struct {
	fd   int
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu      sync.Mutex
	packets []Packet
	tcp     []Packet
	lost    error
	news    chan struct{} // closed and replaced when packets come in
}

// Record captures all UDP and TCP over IPv4 on the loopback interface of this lab
// until [Recording.Stop] or the end of the test. Where the environment names a folder
// in ADCREDIT_LAB_KEEP, a test's recording is kept there as a pcap file.
func Record(tb testing.TB) *Recording {
	tb.Helper()
	if !isolated() {
		tb.Fatal("lab: a recording would take this machine's own packets; call lab.Main from TestMain")
	}
	fd, err := packetSocket()
	if err != nil {
		tb.Fatalf("lab: capture on the loopback interface: %v", err)
	}
	r := &Recording{fd: fd, stop: make(chan struct{}), done: make(chan struct{}), news: make(chan struct{})}
	go r.run()
	tb.Cleanup(func() {
		r.Stop()
		if r.lost != nil {
			tb.Errorf("lab: the recording is not whole: %v", r.lost)
		}
		if err := r.keep(tb.Name()); err != nil {
			tb.Errorf("lab: keep the recording: %v", err)
		}
	})
	return r
}

// packetSocket opens a socket that sees every IPv4 frame of lo, with its time.
func packetSocket() (int, error) {
	ip := binary.NativeEndian.Uint16([]byte{0x08, 0x00}) // ETH_P_IP in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(ip))
	if err != nil {
		return 0, err
	}
	addr := &unix.SockaddrLinklayer{Protocol: ip, Ifindex: 1} // lo is the first of every network
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
		unix.Bind(fd, addr),
	)
	if err != nil {
		_ = unix.Close(fd)
	}
	return fd, err
}

// run reads until it is told to stop, and then what had come in before.
func (r *Recording) run() {
	defer close(r.done)
	buf, control := make([]byte, maxFrame), make([]byte, 128)
	var end time.Time
	for {
		select {
		case <-r.stop:
			if end.IsZero() {
				end = time.Now()
			}
		default:
		}
		n, cn, _, from, err := unix.Recvmsg(r.fd, buf, control, 0)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			if !end.IsZero() {
				return
			}
			continue
		case err != nil:
			r.lost = err
			return
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if ok && link.Pkttype == unix.PACKET_OUTGOING {
			continue // lo shows each frame going out and coming in
		}
		at := stamp(control[:cn])
		if !end.IsZero() && at.After(end) {
			return
		}
		if p, ok := parseFrame(append([]byte(nil), buf[:n]...)); ok {
			p.Time = at
			r.add(p)
		}
	}
}

func (r *Recording) add(p Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.tcp {
		r.tcp = append(r.tcp, p)
		return
	}
	r.packets = append(r.packets, p)
	close(r.news)
	r.news = make(chan struct{})
}

// stamp is the kernel's time of a frame, which the reader's delay doesn't touch.
func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err == nil {
		for _, m := range messages {
			if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS &&
				len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
				ts := (*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
				return time.Unix(ts.Unix())
			}
		}
	}
	return time.Now()
}

// Stop ends the recording; all that was sent before is in it.
func (r *Recording) Stop() {
	r.once.Do(func() {
		close(r.stop)
		<-r.done
		if stats, err := unix.GetsockoptTpacketStats(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil && stats.Drops > 0 {
			r.lost = fmt.Errorf("%d of %d frames came faster than they were read", stats.Drops, stats.Packets)
		}
		_ = unix.Close(r.fd)
	})
}

// TCP are the TCP segments with something in them captured so far, in the order
// in which they came.
func (r *Recording) TCP() []Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tcp[:len(r.tcp):len(r.tcp)]
}

// Packets are the UDP datagrams captured so far.
func (r *Recording) Packets() []Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.packets[:len(r.packets):len(r.packets)]
}

// SIP are the SIP messages captured so far.
func (r *Recording) SIP() []SIP { return SIPMessages(r.Packets()) }

// RTP are the media streams captured so far.
func (r *Recording) RTP() []Stream { return RTPStreams(r.Packets()) }

// AwaitSIP waits for a SIP message that fits, past ones included, and fails the
// test when none comes within the time.
func (r *Recording) AwaitSIP(tb testing.TB, within time.Duration, what string, fits func(SIP) bool) SIP {
	tb.Helper()
	timeout := time.After(within)
	seen := 0
	for {
		r.mu.Lock()
		packets, news := r.packets, r.news
		r.mu.Unlock()
		for _, m := range SIPMessages(packets[seen:]) {
			if fits(m) {
				return m
			}
		}
		seen = len(packets)
		select {
		case <-news:
		case <-timeout:
			tb.Fatalf("lab: no %s on the wire within %s; there were:\n%s", what, within, Ladder(r.SIP()))
		}
	}
}

// keep writes the recording where the environment asks for it.
func (r *Recording) keep(test string) error {
	dir := os.Getenv("ADCREDIT_LAB_KEEP")
	if dir == "" {
		return nil
	}
	file, err := os.Create(filepath.Join(dir, strings.ReplaceAll(test, "/", "-")+".pcap"))
	if err != nil {
		return err
	}
	return errors.Join(WritePcap(file, r.Packets()), file.Close())
}
