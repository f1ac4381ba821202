package fakeasterisk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	lineSize   = 2048                   // res_agi.c AGI_BUF_LEN: a longer line becomes two commands
	writeTime  = 100 * time.Millisecond // how long Asterisk tries to write (ast_carefulwrite)
	strayTime  = 200 * time.Millisecond // for what the program started to let go of its stderr
	maxStderr  = 1 << 20                // bytes kept
	killedExit = -1                     // ExitCode of a program that a signal ended
)

// lookPath finds a program as a shell does, and gives an absolute path.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// A line is one command as it was read. Early ones had come together with the
// line before: Asterisk's poll does not see them, since stdio has read them.
type line struct {
	text  string
	early bool
}

// stream is one end of a pipe, or of a connection.
type stream interface {
	io.ReadWriteCloser
	SetWriteDeadline(time.Time) error
}

// process is the running program, at the ends of its three streams; over FastAGI
// a connection to it.
type process struct {
	cmd    *exec.Cmd // nil over FastAGI
	stdin  stream    // replies
	stdout stream    // commands
	lines  chan line
	gone   chan struct{} // closed by end: the reader gives up
	exited chan struct{} // closed when the program was reaped
	at     time.Time     // when it was; valid after exited
	once   sync.Once
	writer sync.WaitGroup // of an endless environment, and of moments from outside
}

// start runs the program as launch_script of res_agi.c does: cwd "/", pipes on
// stdin and stdout, stderr shared with Asterisk, the name in the dialplan as
// argv[0]. It gets a process group of its own, so that all of it can be ended.
func start(path string, c *Call, rec *recorder) (*process, error) {
	childIn, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stdout, childOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, childIn.Close(), stdin.Close())
	}
	environ := c.Environ
	if environ == nil {
		environ = os.Environ()
	}
	p := &process{
		stdin: stdin, stdout: stdout,
		lines: make(chan line), gone: make(chan struct{}), exited: make(chan struct{}),
	}
	p.cmd = &exec.Cmd{
		Path:        path,
		Args:        append([]string{filepath.Base(path)}, c.Args...),
		Dir:         "/",
		Env:         append(append([]string{}, environ...), processEnvironment(path)...),
		Stdin:       childIn,
		Stdout:      childOut,
		Stderr:      rec.stderrWriter(),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
		WaitDelay:   strayTime,
	}
	err = errors.Join(p.cmd.Start(), childIn.Close(), childOut.Close())
	if err != nil {
		return nil, errors.Join(err, stdin.Close(), stdout.Close())
	}
	go p.read()
	go p.reap()
	return p, nil
}

// read hands on the lines of the program, one at a time, and closes lines at
// the end of the stream.
func (p *process) read() {
	defer close(p.lines)
	// Of a size that makes ReadSlice stop where fgets does.
	r := bufio.NewReaderSize(p.stdout, lineSize-1)
	for {
		early := r.Buffered() > 0
		text, err := r.ReadSlice('\n')
		if n := len(text); n > 0 && text[n-1] == '\n' {
			text = text[:n-1]
		} else if n == 0 {
			return
		}
		select {
		case p.lines <- line{string(text), early}:
		case <-p.gone:
			return
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// reap waits for the program. Wait's error says how it ended or that something
// it left behind kept its stderr; ProcessState has what counts.
func (p *process) reap() {
	_ = p.cmd.Wait()
	p.at = time.Now()
	close(p.exited)
}

// write sends bytes to the program. A program that does not read is given as
// long as Asterisk gives it.
func (p *process) write(b []byte) error { return writeInTime(p.stdin, b) }

// writeInTime tries before it looks at the clock, as Asterisk does: on a busy
// machine our deadline may have passed before Go tries at all.
func writeInTime(w interface {
	io.Writer
	SetWriteDeadline(time.Time) error
}, b []byte) error {
	for tries := 1; ; tries++ {
		if err := w.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		n, err := w.Write(b)
		if n > 0 || tries == 3 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.Join(err, w.SetWriteDeadline(time.Time{}))
		}
	}
}

// writeEndless writes begin and then lines of environment until the program is
// gone, beside everything else.
func (p *process) writeEndless(begin string) {
	p.writer.Go(func() {
		_, err := io.WriteString(p.stdin, begin)
		for n := 1; err == nil || errors.Is(err, os.ErrDeadlineExceeded); n++ {
			_, err = fmt.Fprintf(p.stdin, "agi_arg_%d: there is more\n", n)
		}
	})
}

// signal is sent to the program alone, as Asterisk does, and not to what it started.
// Over FastAGI there is none to send.
func (p *process) signal(sig syscall.Signal) error {
	if p.cmd == nil {
		return errors.New("FastAGI knows no signals")
	}
	return p.cmd.Process.Signal(sig)
}

// leave closes both pipes: Asterisk goes on with the dialplan.
func (p *process) leave() {
	// Closed twice at worst: here and by an Act.
	_ = p.stdin.Close()
	_ = p.stdout.Close()
	if p.cmd == nil { // the end of what is read is the end of the program
		go func() {
			for range p.lines {
				// Nobody carries it out any more.
			}
		}()
	}
}

// wait waits for the program to end; it is killed when ctx ends first.
func (p *process) wait(ctx context.Context) (*os.ProcessState, error) {
	var err error
	select {
	case <-p.exited:
	case <-ctx.Done():
		err = context.Cause(ctx)
		p.kill()
		<-p.exited
	}
	if p.cmd == nil {
		return nil, err
	}
	return p.cmd.ProcessState, err
}

// kill ends the program and all that it started and left in its group.
func (p *process) kill() {
	if p.cmd == nil { // closing is all that can be done
		p.leave()
		return
	}
	// The one error, no such process, is the aim.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// end leaves nothing behind; it may be called at any time, more than once.
func (p *process) end() {
	p.once.Do(func() {
		p.kill()
		p.leave()
		close(p.gone)
		<-p.exited
		p.writer.Wait()
		for range p.lines {
			// Until the reader is gone.
		}
	})
}
