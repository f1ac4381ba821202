//go:build lab

package bench

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// memory is what a process holds, in KiB, as /proc/PID/status tells it.
type memory struct{ now, most, own int }

func (m memory) String() string {
	return fmt.Sprintf("%.1f MB (at most %.1f, of them its own %.1f)", mb(m.now), mb(m.most), mb(m.own))
}

func mb(kib int) float64 { return float64(kib) * 1024 / 1e6 }

var statusLine = regexp.MustCompile(`(?m)^(VmHWM|VmRSS|RssAnon):\s+(\d+) kB$`)

func memoryOf(b *testing.B, pid int) (m memory) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(b, err)
	for _, line := range statusLine.FindAllStringSubmatch(string(text), -1) {
		kib, err := strconv.Atoi(line[2])
		must(b, err)
		switch line[1] {
		case "VmRSS":
			m.now = kib
		case "VmHWM":
			m.most = kib
		case "RssAnon":
			m.own = kib
		}
	}
	if m.now == 0 || m.most == 0 || m.own == 0 {
		b.Fatalf("/proc/%d/status tells no memory:\n%s", pid, text)
	}
	return m
}

// memory is what the program holds when it has sent its last command. A
// process's own account of it (getrusage) would count the parent that it was
// forked from.
func (c contender) memory(b *testing.B, environment []byte) (m memory) {
	b.Helper()
	if _, err := c.call(environment, func(pid int) { m = memoryOf(b, pid) }); err != nil {
		b.Fatal(err)
	}
	return m
}
