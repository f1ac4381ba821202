//go:build lab

package bench

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// contender is a program that is started for each call.
type contender struct {
	name string
	path string
	args []string
	sets int // how often it sets the status, last of all its outcome; 0: it speaks no AGI
}

// run is one call of a contender.
type run struct {
	took     time.Duration // from before the fork until it was reaped: so long Asterisk keeps the call
	cpu      time.Duration // user and system
	faults   int64         // pages that were brought in
	commands int
}

// mustCall is one call that must find the credit sufficient.
func (c contender) mustCall(b *testing.B, environment []byte) run {
	b.Helper()
	r, err := c.call(environment, func(int) {})
	if err != nil {
		b.Fatalf("%s: %v", c.name, err)
	}
	return r
}

// call starts the program as Asterisk does and answers each command when it has
// come, never ahead. The pipes block, and nothing runs beside: what this adds is
// small and the same for every contender. ending is told the process before the
// last command is answered.
func (c contender) call(environment []byte, ending func(pid int)) (r run, err error) {
	start := time.Now()
	replies, commands, p, err := c.start()
	if err != nil {
		return r, err
	}
	defer syscall.Close(replies)
	defer syscall.Close(commands)
	status := ""
	if _, err = syscall.Write(replies, environment); c.sets == 0 {
		err = nil // it may be gone already
	} else if err == nil {
		r.commands, status, err = answer(replies, commands, c.sets, func() { ending(p.Pid) })
	}
	if err == nil && c.sets > 0 {
		err = ended(commands)
	}
	if err != nil {
		_ = p.Kill() // it may wait for us
	}
	state, gone := p.Wait()
	r.took = time.Since(start)
	switch {
	case gone != nil:
		return r, gone
	case c.sets == 0 && state.Success():
	case err != nil:
		return r, fmt.Errorf("%v, after %d commands: %w", state, r.commands, err)
	case !state.Success() || status != "SUFFICIENT":
		return r, fmt.Errorf("%v with ADCREDIT_STATUS %q after %d commands", state, status, r.commands)
	}
	usage := state.SysUsage().(*syscall.Rusage)
	r.cpu, r.faults = state.UserTime()+state.SystemTime(), usage.Minflt
	return r, nil
}

// ended waits for the end of the output, before which nothing more may come.
func ended(commands int) error {
	var more [256]byte
	n, err := syscall.Read(commands, more[:])
	if err == nil && n > 0 {
		err = fmt.Errorf("after the last command: %q", more[:n])
	}
	return err
}

// start gives our ends of the program's streams.
func (c contender) start() (replies, commands int, p *os.Process, err error) {
	var in, out [2]int
	if err := syscall.Pipe2(in[:], syscall.O_CLOEXEC); err != nil {
		return 0, 0, nil, err
	}
	if err := syscall.Pipe2(out[:], syscall.O_CLOEXEC); err != nil {
		return 0, 0, nil, err
	}
	stdin, stdout := os.NewFile(uintptr(in[0]), "replies"), os.NewFile(uintptr(out[1]), "commands")
	defer stdin.Close()
	defer stdout.Close()
	p, err = os.StartProcess(c.path, append([]string{c.path}, c.args...), &os.ProcAttr{
		Dir: "/", Env: environ, Files: []*os.File{stdin, stdout, os.Stderr},
	})
	return in[1], out[0], p, err
}

// environ is what Asterisk passes on, and what the programs are told.
var environ = []string{"AST_VERSION=22.10.1", "AST_AGI_DIR=/usr/share/asterisk/agi-bin", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}

var statusSet = regexp.MustCompile(`ADCREDIT_STATUS(?:"? "|=)([A-Z]*)"\n$`)

// answer plays Asterisk until the status was set so often: the first thing that
// adcredit sets is ERROR, the last the outcome.
func answer(replies, commands, sets int, ending func()) (count int, status string, err error) {
	var line []byte
	for buffer := make([]byte, 4096); ; {
		n, err := syscall.Read(commands, buffer)
		if err != nil {
			return count, status, err
		}
		if n == 0 {
			return count, status, fmt.Errorf("it ended: %w", io.ErrUnexpectedEOF)
		}
		if line = append(line, buffer[:n]...); line[len(line)-1] != '\n' {
			continue
		}
		if bytes.Count(line, []byte("\n")) != 1 {
			return count, status, fmt.Errorf("commands without waiting for replies: %q", line)
		}
		count++
		reply := "200 result=1\n"
		if bytes.HasPrefix(line, []byte("EXEC ")) {
			reply = "200 result=0\n"
		}
		told := statusSet.FindSubmatch(line)
		line = line[:0]
		if told != nil {
			sets--
		}
		last := sets == 0
		if last {
			status = string(told[1])
			ending()
		}
		if _, err := syscall.Write(replies, []byte(reply)); err != nil || last {
			return count, status, err
		}
	}
}
