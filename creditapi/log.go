package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"adcredit/creditapi/config"
	"adcredit/etc"
)

// logs are two loggers on one writer. What log is told is written at once. Of
// requests, one line each, those that report nothing wrong are written together,
// a moment later: to write each by itself costs more than to make it.
type logs struct {
	log, requests *slog.Logger
	lines         *lines
}

func newLogs(c *config.Config, w io.Writer) logs {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		panic(fmt.Sprint("the configuration was not checked: ", err))
	}
	l := &lines{to: w}
	write := func(options slog.HandlerOptions) slog.Handler {
		options.Level = level
		if c.LogFormat == "json" {
			return slog.NewJSONHandler(l, &options)
		}
		return slog.NewTextHandler(l, &options)
	}
	h := handler{Handler: write(slog.HandlerOptions{}), masking: write(slog.HandlerOptions{ReplaceAttr: etc.LogAttr(c.LogNumbers)}), lines: l}
	h.urgent = level
	log := slog.New(h)
	if level > slog.LevelDebug { // who looks for a fault wants to see them come
		h.urgent = slog.LevelWarn
	}
	return logs{log, slog.New(h), l}
}

// handler writes records to lines, those with something to mask by another
// handler: one that looks at each value takes half as long again.
type handler struct {
	slog.Handler
	masking slog.Handler
	lines   *lines
	urgent  slog.Level // from which on a record is written at once
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	write := h.Handler
	r.Attrs(func(a slog.Attr) bool {
		switch a.Value.Kind() {
		case slog.KindAny, slog.KindGroup, slog.KindLogValuer:
			write = h.masking
		}
		return true
	})
	err := write.Handle(ctx, r)
	if r.Level >= h.urgent {
		h.lines.flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.masking = h.masking.WithAttrs(attrs)
	h.Handler = h.masking
	return h
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	h.Handler, h.masking = h.Handler.WithGroup(name), h.masking.WithGroup(name)
	return h
}

const (
	linesAfter = 100 * time.Millisecond // a line is written at the latest
	linesBytes = 16 << 10               // are written without waiting longer
)

// lines gathers lines of a log. They are written whole.
type lines struct {
	to io.Writer

	mu     sync.Mutex
	buffer []byte
}

// Write implements io.Writer.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buffer) == 0 {
		time.AfterFunc(linesAfter, l.flush)
	}
	l.buffer = append(l.buffer, line...)
	if len(l.buffer) >= linesBytes {
		l.write()
	}
	return len(line), nil
}

// flush writes what there is.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write()
}

func (l *lines) write() {
	if len(l.buffer) > 0 {
		_, _ = l.to.Write(l.buffer) // a log that can't be written can't be told of
		l.buffer = l.buffer[:0]
	}
}
