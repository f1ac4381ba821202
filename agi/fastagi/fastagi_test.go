package fastagi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"adcredit/agi/fastagi"
)

// patience is what a busy machine may need for what comes at once.
const patience = 20 * time.Second

// served is a server under test.
type served struct {
	*testing.T
	address string
	stop    context.CancelFunc
	ended   chan struct{}
	log     *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func serve(t *testing.T, s *fastagi.Server, inherited bool) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &served{T: t, address: l.Addr().String(), ended: make(chan struct{}), log: &lockedBuffer{}}
	s.Log = slog.New(slog.NewTextHandler(v.log, nil))
	if s.Allow == nil {
		s.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	if s.Most == 0 {
		s.Most = 10
	}
	if s.Grace == 0 {
		s.Grace = patience
	}
	if s.CallTime == 0 {
		s.CallTime = patience
	}
	ctx, stop := context.WithCancel(t.Context())
	v.stop = stop
	go func() {
		defer close(v.ended)
		s.Serve(ctx, fastagi.Listener{TCPListener: l.(*net.TCPListener), Inherited: inherited})
	}()
	t.Cleanup(func() { stop(); v.wait() })
	return v
}

// wait waits until Serve has returned.
func (v *served) wait() {
	v.Helper()
	select {
	case <-v.ended:
	case <-time.After(patience):
		v.Fatal("it does not end")
	}
}

// call connects.
func (v *served) call() *net.TCPConn {
	v.Helper()
	conn, err := net.Dial("tcp", v.address)
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		v.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// refused connects in vain: it is reset, mostly before a byte can be read.
func (v *served) refused() {
	v.Helper()
	conn, err := net.Dial("tcp", v.address)
	if err == nil {
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		var n int
		if n, err = conn.Read(make([]byte, 1)); n > 0 {
			v.Error("it was served")
		}
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		v.Errorf("a call that is to be refused: %v", err)
	}
}

// said is all that comes until the other side closes; a reset is no failure.
func (v *served) said(conn io.Reader) string {
	v.Helper()
	all, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		v.Error(err)
	}
	return string(all)
}

// echo says what it is told, a line at a time, until the context ends.
func echo(ctx context.Context, conn *net.TCPConn) {
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	io.WriteString(conn, "hello\n")
	io.Copy(conn, conn)
	io.WriteString(conn, "bye\n")
}

func TestServe(t *testing.T) {
	v := serve(t, &fastagi.Server{Handle: echo}, false)
	conn := v.call()
	io.WriteString(conn, "some\n")
	conn.CloseWrite()
	if got := v.said(conn); got != "hello\nsome\nbye\n" {
		t.Errorf("got %q", got)
	}
}

func TestOnlyAllowedHosts(t *testing.T) {
	v := serve(t, &fastagi.Server{Handle: echo, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}, false)
	v.refused()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := dialer.Dial("tcp", v.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.(*net.TCPConn).CloseWrite()
	if got := v.said(conn); got != "hello\nbye\n" {
		t.Errorf("127.0.0.2 was told %q", got)
	}
	if !strings.Contains(v.log.String(), "remote=127.0.0.1") {
		t.Errorf("the log says %s", v.log)
	}
}

// TestMost: one call too many is closed, and its place is free when one ends.
func TestMost(t *testing.T) {
	v := serve(t, &fastagi.Server{Handle: echo, Most: 2}, false)
	hello := make([]byte, 6)
	first, second := v.call(), v.call()
	for _, conn := range []net.Conn{first, second} {
		if _, err := io.ReadFull(conn, hello); err != nil {
			t.Fatal(err)
		}
	}
	if v.refused(); !strings.Contains(v.log.String(), "too many") {
		t.Errorf("the log says %s", v.log)
	}
	first.Close()
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", v.address)
		if err == nil {
			defer conn.Close()
			if _, err = io.ReadFull(conn, hello); err == nil {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("no place was given back")
		}
	}
}

// TestDrain: a call in progress ends in its own time, and nobody else gets in:
// refused where the socket is ours, closed where somebody else holds it, too.
func TestDrain(t *testing.T) {
	for _, inherited := range []bool{false, true} {
		t.Run("inherited "+strconv.FormatBool(inherited), func(t *testing.T) {
			v := serve(t, &fastagi.Server{Handle: echo, DrainTime: patience}, inherited)
			conn := v.call()
			if _, err := io.ReadFull(conn, make([]byte, 6)); err != nil {
				t.Fatal(err)
			}
			v.stop()
			for deadline := time.Now().Add(patience); ; {
				other, err := net.Dial("tcp", v.address)
				if err == nil {
					other.SetDeadline(time.Now().Add(patience))
					_, err = other.Read(make([]byte, 1))
					other.Close()
					if err == nil && time.Now().Before(deadline) {
						continue // the drain has not begun
					}
				}
				refused := errors.Is(err, syscall.ECONNREFUSED)
				if refused == !inherited {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("a new call ended with %v", err)
				}
			}
			io.WriteString(conn, "still here\n")
			conn.CloseWrite()
			if got := v.said(conn); got != "still here\nbye\n" {
				t.Errorf("the call in progress was told %q", got)
			}
			v.wait()
		})
	}
}

// TestDrainHasAnEnd: the context of a call that takes too long ends, and its
// connection is closed when that does not help.
func TestDrainHasAnEnd(t *testing.T) {
	v := serve(t, &fastagi.Server{Handle: echo, DrainTime: time.Millisecond, Grace: patience}, false)
	conn := v.call()
	if _, err := io.ReadFull(conn, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	v.stop()
	if got := v.said(conn); got != "bye\n" {
		t.Errorf("it was told %q", got)
	}
	v.wait()

	v = serve(t, &fastagi.Server{Handle: func(_ context.Context, conn *net.TCPConn) {
		io.WriteString(conn, "hello\n")
		io.Copy(io.Discard, conn)
	}, DrainTime: time.Millisecond, Grace: time.Millisecond}, false)
	conn = v.call()
	if _, err := io.ReadFull(conn, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	v.stop()
	v.wait()
}

func TestCallTime(t *testing.T) {
	v := serve(t, &fastagi.Server{Handle: echo, CallTime: time.Millisecond}, false)
	if got := v.said(v.call()); got != "hello\nbye\n" {
		t.Errorf("it was told %q", got)
	}
}

// TestPanic: a defect ends one call, and is in the log with its place.
func TestPanic(t *testing.T) {
	v := serve(t, &fastagi.Server{Handle: func(_ context.Context, conn *net.TCPConn) {
		line := make([]byte, 4)
		if io.ReadFull(conn, line); string(line) == "fail" {
			panic("oops")
		}
		conn.Write(line)
	}}, false)
	good, bad := v.call(), v.call()
	io.WriteString(bad, "fail")
	if got := v.said(bad); got != "" {
		t.Errorf("the failing call was told %q", got)
	}
	io.WriteString(good, "good")
	if got := v.said(good); got != "good" {
		t.Errorf("the other call was told %q", got)
	}
	if log := v.log.String(); !strings.Contains(log, "panic=oops") || !strings.Contains(log, "fastagi_test.go") {
		t.Errorf("the log says %s", log)
	}
}

// TestTheLastWordArrives although bytes of the other side were never read, which
// would reset a connection that is closed.
func TestTheLastWordArrives(t *testing.T) {
	v := serve(t, &fastagi.Server{Handle: func(_ context.Context, conn *net.TCPConn) {
		conn.Read(make([]byte, 1))
		io.WriteString(conn, "the last word\n")
	}}, false)
	for range 20 {
		conn := v.call()
		io.WriteString(conn, strings.Repeat("unread ", 1000))
		if got, err := io.ReadAll(conn); err != nil || string(got) != "the last word\n" {
			t.Fatalf("it was told %q, %v", got, err)
		}
		conn.Close()
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("HAND_OVER") != "" {
		os.Exit(handedOver())
	}
	os.Exit(m.Run())
}

// handedOver is a program that systemd has started with sockets.
func handedOver() int {
	getenv := func(name string) string {
		if name == "LISTEN_PID" { // which only this process knows
			return strconv.Itoa(os.Getpid())
		}
		return os.Getenv(name)
	}
	all, err := fastagi.Listen(context.Background(), "192.0.2.1:1", getenv)
	if err != nil {
		os.Stdout.WriteString("error: " + err.Error() + "\n")
		return 0
	}
	for _, l := range all {
		os.Stdout.WriteString(l.Addr().String() + " " + strconv.FormatBool(l.Inherited) + "\n")
	}
	if err := fastagi.Notify("READY=1", getenv); err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
	}
	return 0
}

// TestSystemd: its sockets count and not the address, and it is told.
func TestSystemd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stream, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	packets, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	datagrams, err := packets.File()
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	run := func(fds string, files ...*os.File) string {
		t.Helper()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "HAND_OVER=1", "LISTEN_FDS="+fds, "NOTIFY_SOCKET="+packets.LocalAddr().String())
		cmd.ExtraFiles = files
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if got := run("1", stream); got != l.Addr().String()+" true\n" {
		t.Errorf("got %q", got)
	}
	packets.SetReadDeadline(time.Now().Add(patience))
	told := make([]byte, 100)
	if n, err := packets.Read(told); err != nil || string(told[:n]) != "READY=1" {
		t.Errorf("systemd was told %q, %v", told[:n], err)
	}
	for fds, files := range map[string][]*os.File{"2": {stream, datagrams}, "0": nil, "x": nil} {
		if got := run(fds, files...); !strings.HasPrefix(got, "error: ") {
			t.Errorf("LISTEN_FDS=%s: %q", fds, got)
		}
	}
}

func TestListenWithoutSystemd(t *testing.T) {
	env := map[string]string{"LISTEN_FDS": "1", "LISTEN_PID": "1"} // of a process that has started us
	all, err := fastagi.Listen(t.Context(), "127.0.0.1:0", func(name string) string { return env[name] })
	if err != nil || len(all) != 1 || all[0].Inherited {
		t.Fatalf("%v, %v", all, err)
	}
	all[0].Close()
	if err := fastagi.Notify("READY=1", func(string) string { return "" }); err != nil {
		t.Error(err)
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:4573": "127.0.0.1:4573", "127.0.0.1": "127.0.0.1:4573", "localhost:7": "127.0.0.1:7", "localhost": "127.0.0.1:4573",
		":4573": "[::]:4573", "[::1]:4573": "[::1]:4573", "::1": "[::1]:4573", "0.0.0.0:1": "0.0.0.0:1", "[::1]": "", "": "", ":": "",
		"ast1:4573": "", "127.0.0.1:x": "", "127.0.0.1:65536": "", "agi://127.0.0.1": "",
	} {
		got, err := fastagi.Address(text)
		if want == "" && err == nil || want != "" && (err != nil || got.String() != want) {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}

// FuzzAddress: what is taken is an address that reads the same again.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:4573", ":1", "::1", "localhost", "[::1%lo]:4573"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := fastagi.Address(text)
		if err != nil {
			return
		}
		if again, err := fastagi.Address(at.String()); err != nil || again != at {
			t.Errorf("%q: %v, and again %v, %v", text, at, again, err)
		}
	})
}
