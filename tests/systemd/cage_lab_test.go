//go:build lab

package systemd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// caged marks a run of this program that goes into the cage of a unit and becomes
// another program there: caged NUMBERS PROGRAM ARGUMENTS. NUMBERS are the system
// calls that are allowed.
const caged = "adcredit-caged"

// allowed are the numbers of the system calls that a unit's SystemCallFilter=
// lines leave: the first is a list of what is allowed, and a ~ takes away.
func allowed(t *testing.T, unit string) string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^SystemCallFilter=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		sets, takes := strings.CutPrefix(line[1], "~")
		for _, set := range strings.Fields(sets) {
			for _, name := range members(t, set) {
				names[name] = !takes
			}
		}
	}
	numbers := []string{}
	for name, number := range systemCalls(t) {
		if names[name] {
			numbers = append(numbers, number)
		}
	}
	if len(numbers) < 100 || names["mount"] || names["ptrace"] || !names["openat"] {
		t.Fatalf("%d system calls are allowed: %v", len(numbers), names)
	}
	return strings.Join(numbers, ",")
}

// members asks systemd for the system calls of a set.
func members(t *testing.T, set string) (names []string) {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "--no-pager", "syscall-filter", set).CombinedOutput()
	if err != nil {
		t.Fatalf("syscall-filter %s: %v\n%s", set, err, out)
	}
	for line := range strings.Lines(string(out)) {
		word := strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, " ") || strings.HasPrefix(word, "#") || word == "":
		case strings.HasPrefix(word, "@"):
			names = append(names, members(t, word)...)
		default:
			names = append(names, word)
		}
	}
	return names
}

// systemCalls reads names and numbers out of golang.org/x/sys.
func systemCalls(t *testing.T) map[string]string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+runtime.GOARCH+".go"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`SYS_(\w+)\s+= (\d+)`).FindAllStringSubmatch(string(text), -1) {
		all[strings.ToLower(m[1])] = m[2]
	}
	return all
}

// cage puts this thread under a unit's restrictions and becomes the program.
func cage(numbers string, command []string) {
	runtime.LockOSThread()
	check := func(what string, err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "cage: %s: %v\n", what, err)
			os.Exit(125)
		}
	}
	check("NoNewPrivileges=", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	for capability := uintptr(0); unix.Prctl(unix.PR_CAPBSET_READ, capability, 0, 0, 0) == nil; capability++ {
		check("CapabilityBoundingSet=", unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0))
	}
	check("MemoryDenyWriteExecute=", unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
	check("UMask=, LimitCORE=", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
	unix.Umask(0o077)
	filter := program(strings.Split(numbers, ","))
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	check("SystemCallFilter=", unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0))
	check(command[0], syscall.Exec(command[0], command, os.Environ()))
}

// program is the filter: what is not allowed fails with EPERM, as
// SystemCallErrorNumber= says, and a socket of another family than
// RestrictAddressFamilies= has with EAFNOSUPPORT.
func program(numbers []string) (p []unix.SockFilter) {
	add := func(code uint16, k uint32, jt, jf uint8) {
		p = append(p, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
	}
	load := func(offset uint32) { add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset, 0, 0) }
	answer := func(k uint32) { add(unix.BPF_RET|unix.BPF_K, k, 0, 0) }
	const equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	load(0) // seccomp_data.nr
	add(equal, unix.SYS_SOCKET, 0, 6)
	load(16) // the low half of its first argument
	for i, family := range []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6} {
		add(equal, family, uint8(3-i), 0)
	}
	answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT))
	answer(unix.SECCOMP_RET_ALLOW)
	for _, number := range numbers {
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			panic(err)
		}
		add(equal, uint32(n), 0, 1)
		answer(unix.SECCOMP_RET_ALLOW)
	}
	answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	return p
}

// in is a command in the cage of a unit.
func in(t *testing.T, unit string, command ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), self, slices.Concat([]string{caged, allowed(t, units+unit)}, command)...)
}

// TestCageHolds: the cage is one; else that the programs live in it says nothing.
func TestCageHolds(t *testing.T) {
	for what, command := range map[string][]string{
		"mount":  {"/bin/mount", "-t", "tmpfs", "x", t.TempDir()},
		"chroot": {"/usr/sbin/chroot", "/", "/bin/true"},
		"nice":   {"/usr/bin/nice", "-n", "-5", "/bin/cat", "/dev/full/x"},
	} {
		if out, err := in(t, "creditapi.service", command...).CombinedOutput(); err == nil {
			t.Errorf("%s was possible: %s", what, out)
		}
	}
	out, err := in(t, "creditapi.service", "/bin/cat", "/proc/self/status").Output()
	for _, line := range []string{"CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if err != nil || !strings.Contains(string(out), line) {
			t.Errorf("no line %q, %v:\n%s", line, err, out)
		}
	}
}
