//go:build lab

package creditclient

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"adcredit/agi/callflow"
	"adcredit/creditapi/wire"
	"adcredit/tests/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// The spool is on a disk of 64 KiB, which something else fills.
func TestAFullDisk(t *testing.T) {
	log := logged(t)
	handler := problem(wire.Unavailable)
	var sent string
	c := client(t, 2*time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent = listenOf(r)
		handler(w, r)
	}))
	if err := os.Mkdir(c.spool.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", c.spool.Dir, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(c.spool.Dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	put(t, c.spool, "l0", "cid:1").end()
	ballast := filepath.Join(c.spool.Dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	heard := wire.Heard{Endpos: 44000, PlayedMS: 5500, HeardAt: time.Now()}

	// Neither kept nor sent: the log is all that is left.
	_, err := c.Complete(t.Context(), "cid:1", wire.Listen{ID: "l1"}, heard)
	if err == nil || errors.Is(err, callflow.ErrPending) || sent != "l1" {
		t.Errorf("full and away: %v, sent %q; want no promise that it is kept", err, sent)
	}
	for _, want := range []string{"no space left on device", "listen=l1", "endpos=44000", "played_ms=5500", "heard_at="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	// An attempt is noted on a full disk, too.
	if done, err := c.Flush(t.Context(), false, silently); done.Waiting[string(wire.Unavailable)] != 1 || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	if due, resting, err := c.spool.waiting(false, 0); len(due) > 0 || resting != 1 || err != nil {
		t.Errorf("%v are due, %d rest, %v", due, resting, err)
	}
	// Not kept, but sent; then what waits is delivered, and room makes it keep again.
	handler = granting
	if _, err := c.Complete(t.Context(), "cid:1", wire.Listen{ID: "l2"}, heard); err != nil || sent != "l2" {
		t.Errorf("full: %v, sent %q", err, sent)
	}
	if done, err := c.Flush(t.Context(), true, silently); done.Delivered != 1 || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	handler = problem(wire.Unavailable)
	if _, err := c.Complete(t.Context(), "cid:1", wire.Listen{ID: "l3"}, heard); !errors.Is(err, callflow.ErrPending) {
		t.Errorf("with room again: %v", err)
	}
	if left := files(t, c.spool.Dir); !strings.HasPrefix(left, "l3.") || strings.Contains(left, " ") {
		t.Errorf("left: %s", left)
	}
}
