package fakeasterisk

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// With -race each of the many programs would sleep for a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		"asterisk": func() { os.Exit(Main()) },
		"agi":      func() { os.Exit(agi(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// agi is the AGI program of these tests. It reads the environment, does its
// arguments in order, and says on stderr what it read. An argument is a command,
// whose reply is awaited, or one of
//
//	!hup        catch SIGHUP, before the environment is read when it comes first
//	!env        say the environment
//	!sleep 1s   wait
//	!wait       wait for SIGHUP
//	!read       read one line of stdin without asking
//	!send TEXT  write text as Go writes it in quotes, and await nothing
//	!child      leave a child behind that holds stderr
//	!exit 3     exit
func agi(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	hup := make(chan os.Signal, 1)
	if len(args) > 0 && args[0] == "!hup" {
		signal.Notify(hup, syscall.SIGHUP)
	}
	r := bufio.NewReader(stdin)
	env, err := readEnvironment(r)
	if err != nil {
		fmt.Fprintln(stderr, "environment:", err)
		return 4
	}
	for _, arg := range args {
		verb, rest, _ := strings.Cut(arg, " ")
		switch verb {
		case "!hup":
		case "!env":
			fmt.Fprintf(stderr, "environment %q\n", env)
		case "!sleep":
			d, _ := time.ParseDuration(rest)
			time.Sleep(d)
		case "!wait":
			<-hup
			fmt.Fprintln(stderr, "SIGHUP")
		case "!read":
			readReply(r, stderr)
		case "!send":
			text, _ := strconv.Unquote(`"` + rest + `"`)
			io.WriteString(stdout, text)
		case "!child":
			c := exec.Command("sleep", "60")
			c.Stderr = stderr
			fmt.Fprintln(stderr, "child", c.Start())
			fmt.Fprintln(stderr, "pid", c.Process.Pid)
		case "!exit":
			code, _ := strconv.Atoi(rest)
			return code
		default:
			fmt.Fprintln(stdout, arg)
			readReply(r, stderr)
		}
	}
	return 0
}

// readEnvironment gives up after 1 MiB.
func readEnvironment(r *bufio.Reader) (string, error) {
	var env strings.Builder
	for env.Len() < 1<<20 {
		l, err := r.ReadString('\n')
		env.WriteString(l)
		if err != nil || l == "\n" {
			return env.String(), err
		}
	}
	return "", fmt.Errorf("no end after %d bytes", env.Len())
}

func readReply(r *bufio.Reader, stderr io.Writer) {
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			fmt.Fprintln(stderr, "got", err)
			return
		}
		fmt.Fprint(stderr, "got ", l)
		if !strings.HasPrefix(l, "520-") && !strings.HasPrefix(l, "Usage:") {
			return
		}
	}
}

// program is the AGI program: this test binary by its other name.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "agi")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// play plays c with the AGI program of these tests doing args.
func play(t *testing.T, c Call, args ...string) *Transcript {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c.Program, c.Args = program(t), args
	tr, err := Play(ctx, c)
	if err != nil {
		t.Fatalf("%v\n%s", err, tr.Stderr)
	}
	return tr
}

// writeWAV writes a sound of so many milliseconds for Asterisk to play.
func writeWAV(t *testing.T, path string, ms int) {
	t.Helper()
	data := uint32(ms) * 8 * 2
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, data+36)...)
	b = append(b, "WAVEfmt "...)
	for _, n := range []any{uint32(16), uint16(1), uint16(1), uint32(8000), uint32(16000), uint16(2), uint16(16)} {
		b, _ = binary.Append(b, binary.LittleEndian, n)
	}
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, data)
	b = append(b, make([]byte, data)...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// soundsDir has en/offer and fr/offer of 600 ms, en/only of 300 ms, and in no
// language ad of 400 ms and a shorter only.
func soundsDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeWAV(t, filepath.Join(dir, "en/offer.wav"), 600)
	writeWAV(t, filepath.Join(dir, "fr/offer.wav"), 600)
	writeWAV(t, filepath.Join(dir, "en/only.wav"), 300)
	writeWAV(t, filepath.Join(dir, "ad.wav"), 400)
	writeWAV(t, filepath.Join(dir, "only.wav"), 100)
	return dir
}

// wantReplies compares all replies; a want that ends in * is a beginning.
func wantReplies(t *testing.T, tr *Transcript, want ...string) {
	t.Helper()
	got := tr.Lines(Reply)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			t.Fatalf("replies %q, want %q", got, want)
		}
		beginning, open := strings.CutSuffix(want[i], "*")
		if got[i] != want[i] && !(open && strings.HasPrefix(got[i], beginning)) {
			t.Errorf("reply %d is %q, want %q", i+1, got[i], want[i])
		}
	}
}

// took says how long the nth command took to be answered.
func took(t *testing.T, tr *Transcript, nth int) time.Duration {
	t.Helper()
	var asked time.Duration
	n := 0
	for _, e := range tr.Events {
		switch e.Kind {
		case Command:
			asked = e.At
			n++
		case Reply:
			if n == nth {
				return e.At - asked
			}
		}
	}
	t.Fatalf("command %d was not answered", nth)
	return 0
}

// wantTime checks that the nth command took its time: a program must never be
// answered early, and a loaded machine may be late.
func wantTime(t *testing.T, tr *Transcript, nth int, nominal time.Duration) {
	t.Helper()
	if d := took(t, tr, nth); d < nominal || d > nominal+time.Second {
		t.Errorf("command %d took %v, want %v to %v", nth, d, nominal, nominal+time.Second)
	}
}

// endposOf is the endpos of the nth reply.
func endposOf(t *testing.T, tr *Transcript, nth int) int {
	t.Helper()
	reply := tr.Lines(Reply)[nth-1]
	_, digits, _ := strings.Cut(reply, "endpos=")
	n, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatalf("reply %q has no endpos", reply)
	}
	return n
}
