package main

import (
	"io"
	"log/slog"
	"log/syslog"
	"os"

	"adcredit/agi/config"
	"adcredit/etc"
)

// logTo makes the logger: never standard output, where each line would be taken
// for a command. Without a configuration, or where the log can't be opened,
// standard error is left.
func logTo(cfg *config.Config, stderr io.Writer) *slog.Logger {
	if cfg == nil {
		if w, err := syslog.New(syslog.LOG_ERR|syslog.LOG_USER, "adcredit"); err == nil {
			return slog.New(slog.NewTextHandler(w, nil))
		}
		return slog.New(slog.DiscardHandler) // the message stands on standard error already
	}
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // checked when the file was read
	return slog.New(slog.NewTextHandler(&lateLog{cfg: cfg, stderr: stderr}, &slog.HandlerOptions{Level: level, ReplaceAttr: etc.LogAttr(cfg.LogNumbers)}))
}

// lateLog opens its target with the first line: most calls write none or one.
type lateLog struct {
	cfg    *config.Config
	stderr io.Writer
	to     io.Writer
}

func (l *lateLog) Write(line []byte) (int, error) {
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
