package main

import (
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"sync/atomic"

	"adcredit/agi/config"
	"adcredit/etc"
)

// logTo makes the logger: never standard output, where each line would be taken
// for a command. Where the log can't be opened, standard error is left.
func logTo(cfg *config.Config, stderr io.Writer) (*slog.Logger, *lateLog) {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // checked when the file was read
	to := &lateLog{cfg: cfg, stderr: stderr}
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level, ReplaceAttr: etc.LogAttr(cfg.LogNumbers)})), to
}

// logConfig is for a configuration that is refused: the message stands on
// standard error already, and goes to syslog as well.
func logConfig() *slog.Logger {
	if w, err := syslog.New(syslog.LOG_ERR|syslog.LOG_USER, "adcredit"); err == nil {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// lateLog opens its target with the first line: most calls write none or one. Its
// handler writes one line at a time.
type lateLog struct {
	cfg    *config.Config
	stderr io.Writer
	to     io.Writer
	reopen atomic.Bool // before the next line
}

func (l *lateLog) Write(line []byte) (int, error) {
	if l.reopen.Swap(false) {
		if old, ok := l.to.(io.Closer); ok && l.to != l.stderr {
			_ = old.Close() // each line was written when it was logged
		}
		l.to = nil
	}
	if l.to == nil {
		l.to = l.open()
	}
	return l.to.Write(line)
}

func (l *lateLog) open() io.Writer {
	switch l.cfg.Log {
	case config.LogStderr:
		return l.stderr
	case config.LogSyslog:
		if w, err := syslog.New(syslog.LOG_INFO|syslog.LOG_USER, "adcredit"); err == nil {
			return w
		}
	default:
		if f, err := os.OpenFile(l.cfg.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640); err == nil {
			return f
		}
	}
	return l.stderr
}
