package agi_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"adcredit/agi"
)

// TestTerminal: a person who types an environment has no time limit, unless the
// session is strict.
func TestTerminal(t *testing.T) {
	for _, lax := range []bool{true, false} {
		t.Run(fmt.Sprint("lax ", lax), func(t *testing.T) {
			person, terminal := pty(t)
			s := agi.New()
			defer s.Close()
			s.Lax = lax
			s.SetEnvironmentTime(5 * time.Millisecond)
			go func() {
				<-time.After(30 * time.Millisecond)
				io.WriteString(person, "agi_request: adcredit\n\n")
			}()
			within(t, func() {
				err := s.Attach(terminal, io.Discard)
				if lax && (err != nil || s.Env["request"] != "adcredit") {
					t.Errorf("lax: %v, %q", err, s.Env)
				}
				if !lax && !errors.Is(err, agi.ErrEnvironmentTime) {
					t.Errorf("strict: %v", err)
				}
			})
		})
	}
}

func pty(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	person = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { person.Close() })
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	fd, err = unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	terminal = os.NewFile(uintptr(fd), "pts")
	t.Cleanup(func() { terminal.Close() })
	return person, terminal
}
