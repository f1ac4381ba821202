package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Command is [MainWith] for a program that shows the lab to people: it runs show
// as a test would run, in namespaces of its own, and returns the exit code. Bin is
// the folder of the programs that [Program] finds. What a test would log goes to
// log. When this process ends, however it ends, nothing of the lab is left; ended by
// a signal it returns 130.
func Command(bin string, log io.Writer, show func(tb testing.TB), needs ...Need) int {
	run := func() (int, error) {
		if !isolated() {
			os.Setenv(programsEnv, bin)
			if err := ready(needs); err != nil {
				return 1, err
			}
			code, err := isolate()
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				return 130, nil // somebody has asked it to end
			}
			return code, err
		}
		if err := enter(); err != nil {
			return 1, err
		}
		return asTest(log, show), nil
	}
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return 1
	}
	return code
}

// asTest runs show to its end or its first Fatal, and then what it left to be
// cleaned up.
func asTest(log io.Writer, show func(tb testing.TB)) int {
	t := &command{log: log}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.do(func() { show(t) })
	t.cancel()
	for len(t.cleanups) > 0 {
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		t.do(last)
	}
	if t.Failed() {
		return 1
	}
	return 0
}

// A command stands in for a test. The embedded interface is nil: it is there for
// the method by which package testing keeps others from implementing it, and a
// method that a lab has never called would be called through it in vain.
type command struct {
	testing.TB
	log      io.Writer
	ctx      context.Context
	cancel   context.CancelFunc
	mu       sync.Mutex
	failed   bool
	cleanups []func()
}

// do runs f so that a Fatal ends it alone.
func (c *command) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (c *command) Helper()                  {}
func (c *command) Name() string             { return "ims" }
func (c *command) Context() context.Context { return c.ctx }

func (c *command) Cleanup(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cleanups = append(c.cleanups, f)
}

func (c *command) Failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

func (c *command) Fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = true
}

func (c *command) FailNow() {
	c.Fail()
	runtime.Goexit()
}

func (c *command) say(w io.Writer, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(w, strings.TrimRight(text, "\n"))
}

func (c *command) Log(args ...any)            { c.say(c.log, fmt.Sprintln(args...)) }
func (c *command) Logf(f string, args ...any) { c.say(c.log, fmt.Sprintf(f, args...)) }

func (c *command) Error(args ...any) {
	c.say(os.Stderr, fmt.Sprintln(args...))
	c.Fail()
}

func (c *command) Errorf(f string, args ...any) {
	c.say(os.Stderr, fmt.Sprintf(f, args...))
	c.Fail()
}

func (c *command) Fatal(args ...any) {
	c.say(os.Stderr, fmt.Sprintln(args...))
	c.FailNow()
}

func (c *command) Fatalf(f string, args ...any) {
	c.say(os.Stderr, fmt.Sprintf(f, args...))
	c.FailNow()
}

func (c *command) TempDir() string {
	dir, err := os.MkdirTemp("", "ims-")
	if err != nil {
		c.Fatal("lab: ", err)
	}
	c.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
