package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// soon is when signals are waited for. Most calls are decided earlier, and the two
// threads that package signal starts took a tenth of their processor time.
const soon = 20 * time.Millisecond

// untilTold ends with SIGHUP, which Asterisk sends at hangup, and with SIGTERM; a Go
// program dies of them otherwise. Where quick is set they are ignored until soon: who
// is gone by then is noticed by the next command, before anything is played.
func untilTold(quick bool) context.Context {
	if !quick {
		// It is never undone: the process ends with the call.
		ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGHUP, syscall.SIGTERM)
		return ctx
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(soon, func() {
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGHUP, syscall.SIGTERM)
		<-told
		cancel()
	})
	return ctx
}
