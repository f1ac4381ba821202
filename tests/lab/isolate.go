package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideEnv marks the second run of a test binary, the one in its namespaces.
const insideEnv = "ADCREDIT_LAB_INSIDE"

// scratch is where the memory file system of a lab is mounted. The folder is on
// every Linux, and nobody keeps sources or test binaries there, so hiding it
// inside the lab hides nothing that a test could miss.
const scratch = "/dev/shm"

func isolated() bool { return os.Getenv(insideEnv) != "" }

// isolate runs this program again, with the same arguments and streams, as the
// first process of new namespaces, and returns its exit code. The kernel ends
// the whole namespace with its first process, and that one with us.
func isolate() (int, error) {
	// The child's death signal is tied to the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideEnv+"=1", "TMPDIR="+scratch)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		asRoot(cmd.SysProcAttr)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("make network, mount and process namespaces: %w; %s", err, isolateHint())
	}
	go func() {
		for s := range signals {
			if s == syscall.SIGQUIT { // go test's own timeout: let it print its goroutines
				_ = cmd.Process.Signal(s)
				continue
			}
			_ = cmd.Process.Kill()
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 0, fmt.Errorf("the tests ended by %w", err)
	}
	return 0, nil
}

// asRoot adds a user namespace in which an ordinary user is root.
func asRoot(attr *syscall.SysProcAttr) {
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
}

func isolateHint() string {
	if os.Geteuid() == 0 {
		return "a container needs the capability SYS_ADMIN for that"
	}
	return "run the tests as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0)"
}

// enter finishes the namespaces from inside: own mounts, own /proc, a scratch
// file system, and the loopback interface up.
func enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep our mounts to ourselves: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("tmpfs", scratch, "tmpfs", unix.MS_NOSUID, "mode=1777"); err != nil {
		return fmt.Errorf("mount a scratch file system on %s: %w", scratch, err)
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bring the loopback interface up: %w", err)
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}
