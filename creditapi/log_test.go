package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"adcredit/creditapi/config"
)

// newLog is a log of which a test sees what is written.
func newLog(format, level string) (logs, *watched) {
	written := watch("")
	return newLogs(&config.Config{LogFormat: format, LogLevel: level}, written), written
}

// A request's line may wait for others, but not long, and not with what is urgent.
func TestLogWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, written := newLog("text", "info")
		want := func(messages ...string) {
			t.Helper()
			var got []string
			for line := range strings.Lines(written.String()) {
				_, message, _ := strings.Cut(line, "msg=")
				got = append(got, strings.TrimSpace(message))
			}
			if fmt.Sprint(got) != fmt.Sprint(messages) {
				t.Errorf("written is %q, want %q", got, messages)
			}
		}
		l.requests.Info("a")
		l.requests.Info("b")
		l.requests.Debug("never")
		want()
		time.Sleep(linesAfter)
		synctest.Wait()
		want("a", "b")
		l.requests.Info("c")
		l.requests.Warn("d")
		want("a", "b", "c", "d")
		l.requests.Info("e")
		l.log.Info("f")
		want("a", "b", "c", "d", "e", "f")
		l.requests.With("n", 1).Info("g")
		l.lines.flush()
		want("a", "b", "c", "d", "e", "f", "g n=1")
		before := len(written.String())
		for len(written.String()) == before {
			l.requests.Info("many")
		}
		if n := len(written.String()) - before; n < linesBytes || n > linesBytes+100 || !strings.HasSuffix(written.String(), "\n") {
			t.Errorf("%d bytes are written at once", n)
		}
	})
}

// At level debug nothing waits.
func TestLogDebug(t *testing.T) {
	l, written := newLog("text", "debug")
	l.requests.Info("a")
	if !strings.Contains(written.String(), "msg=a") {
		t.Errorf("written is %q", written.String())
	}
}

// Numbers in errors are masked, wherever the errors are.
func TestLogMasks(t *testing.T) {
	err := errors.New("no 221771234567")
	for _, format := range []string{"text", "json"} {
		l, written := newLog(format, "info")
		l.log.Info("x", "n", 123456789, "error", err)
		l.log.Info("x", slog.Group("group", "error", err))
		l.log.With("error", err).Info("x", "n", 123456789)
		l.log.WithGroup("group").With("error", err).Info("x", "n", 123456789)
		if text := written.String(); strings.Contains(text, "1771234") || strings.Count(text, "no 221*******67") != 4 ||
			strings.Count(text, "123456789") != 3 {
			t.Errorf("written is %s", text)
		}
	}
}
