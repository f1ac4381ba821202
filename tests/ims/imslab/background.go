package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"adcredit/creditapi/wire"
)

// The lab that is up keeps a folder with a socket, by which it is asked, and what
// it has said. It is taken away when the lab ends.
func home() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = "/run"
	}
	return filepath.Join(dir, fmt.Sprintf("adcredit-ims-%d", os.Getuid()))
}

func socket() string { return filepath.Join(home(), "socket") }

// up starts the lab and returns when it is ready.
func up(stdout, stderr io.Writer) int {
	if conn, err := net.Dial("unix", socket()); err == nil {
		_ = conn.Close()
		fmt.Fprintln(stderr, "imslab: it is up already; imslab down ends it")
		return 1
	}
	if err := os.RemoveAll(home()); err != nil { // of one that was killed
		fmt.Fprintln(stderr, "imslab:", err)
		return 1
	}
	if err := os.MkdirAll(home(), 0o700); err != nil {
		fmt.Fprintln(stderr, "imslab:", err)
		return 1
	}
	log, err := os.Create(filepath.Join(home(), "log"))
	if err != nil {
		fmt.Fprintln(stderr, "imslab:", err)
		return 1
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe", "serve")
	cmd.Args[0] = os.Args[0]
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(stderr, "imslab:", err)
		return 1
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			text, _ := os.ReadFile(log.Name())
			fmt.Fprintf(stderr, "imslab: it ended instead of starting: %v\n%s", err, text)
			_ = os.RemoveAll(home())
			return 1
		case <-time.After(50 * time.Millisecond):
		}
		if conn, err := net.Dial("unix", socket()); err == nil {
			_ = conn.Close()
			break
		}
	}
	code := ask([]string{"parts"}, stdout, stderr)
	first, err := firstProcess()
	if err != nil {
		fmt.Fprintln(stderr, "imslab:", err)
		return 1
	}
	me := filepath.Join(folder(), filepath.Base(os.Args[0]))
	fmt.Fprintf(stdout, `
Play with it:
  %[1]s call 1001 1000      1001 calls 1000: the first time with the ad
  %[1]s accounts 1001 0     take the credit away again
  %[1]s ladder              all calls so far, as they went over the wire
An account earns one ad a minute and five a day, and is refused in between (creditapi.toml).

Look inside: all of it is in the namespaces of process %[2]d.
  nsenter -t %[2]d -a bash                       a shell in there, with its network
  nsenter -t %[2]d -a sh -c 'chroot /dev/shm/asterisk-*/root asterisk -r'    Asterisk's console
  nsenter -t %[2]d -n tcpdump -i lo -w all.pcap  for Wireshark
  nsenter -t %[2]d -n sipp ...                   your own phone: P-CSCF 127.0.0.4:5060, domain ims.test,
                                                  users 1000 and 1001, passwords secret1000 and secret1001
  its log: %[3]s

End it:
  make ims-down
`, me, first, log.Name())
	return code
}

// firstProcess is the first of the lab's namespaces, numbered as out here.
func firstProcess() (int, error) {
	conn, err := net.Dial("unix", socket())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var who *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { who, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, failed
	}
	return int(who.Pid), nil
}

// down ends the lab that is up, and waits for its end.
func down(stdout, stderr io.Writer) int {
	first, err := firstProcess()
	if err != nil {
		fmt.Fprintln(stdout, "imslab: no lab is up")
		_ = os.RemoveAll(home())
		return 0
	}
	if code := ask([]string{"down"}, io.Discard, stderr); code != 0 {
		return code
	}
	for deadline := time.Now().Add(20 * time.Second); syscall.Kill(first, 0) == nil; {
		if time.Now().After(deadline) {
			_ = syscall.Kill(first, syscall.SIGKILL) // and with it all that is in there
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := os.RemoveAll(home()); err != nil {
		fmt.Fprintln(stderr, "imslab:", err)
		return 1
	}
	fmt.Fprintln(stdout, "imslab: the lab is down, nothing is left")
	return 0
}

// failed begins the last line of an answer to a question that could not be done.
const failed = "imslab: "

// ask puts a question to the lab that is up and prints the answer.
func ask(args []string, stdout, stderr io.Writer) int {
	conn, err := net.Dial("unix", socket())
	if err != nil {
		fmt.Fprintln(stderr, "imslab: no lab is up: start one with imslab up")
		return 1
	}
	defer conn.Close()
	if f, ok := stdout.(*os.File); ok && colour(f) {
		args = append(args, "-colour")
	}
	fmt.Fprintln(conn, strings.Join(args, " "))
	code := 0
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), failed) {
			fmt.Fprintln(stderr, lines.Text())
			code = 1
			continue
		}
		fmt.Fprintln(stdout, lines.Text())
	}
	return code
}

// serve is the lab in the background: it answers one question after the other.
func serve(tb testing.TB) {
	n := start(tb)
	n.register(tb)
	began := n.mark()
	listener, err := net.Listen("unix", socket())
	if err != nil {
		tb.Fatal(failed, err)
	}
	defer listener.Close()
	for !tb.Failed() {
		conn, err := listener.Accept()
		if err != nil {
			tb.Fatal(failed, err)
		}
		line, _ := bufio.NewReader(io.LimitReader(conn, 1<<10)).ReadString('\n')
		args := strings.Fields(line)
		colour := slices.Contains(args, "-colour")
		args = slices.DeleteFunc(args, func(a string) bool { return a == "-colour" })
		if len(args) == 1 && args[0] == "down" {
			_ = conn.Close()
			return
		}
		if len(args) > 0 { // else somebody has only looked whether we are here
			n.answer(tb, screen{conn, colour}, args, began)
		}
		_ = conn.Close()
	}
}

// answer does what was asked.
func (n *network) answer(tb testing.TB, s screen, args []string, began time.Time) {
	switch {
	case args[0] == "parts" && len(args) == 1:
		s.parts(n.lab)
	case args[0] == "ladder" && len(args) == 1:
		s.ladder(n, began)
	case args[0] == "call" && len(args) == 3 && n.phones[args[1]] != nil && n.phones[args[2]] != nil && args[1] != args[2]:
		n.show(tb, s, args[1], args[2])
	case args[0] == "accounts" && (len(args) == 1 || len(args) == 3):
		if len(args) == 3 {
			amount, err := wire.ParseMoney(args[2])
			if err != nil {
				s.say("%s%v", failed, err)
				return
			}
			n.lab.Exec(tb, `UPDATE cc_card SET credit = ? WHERE useralias = ?`, amount.String(), args[1])
		}
		credit := n.credit(tb)
		for _, user := range users {
			s.say("  %s  %12s", user, credit[user])
		}
	default:
		s.say("%sI don't know how to %s; imslab help lists what I know", failed, strings.Join(args, " "))
	}
}
