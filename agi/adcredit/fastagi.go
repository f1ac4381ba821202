package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"adcredit/agi"
	"adcredit/agi/callflow"
	"adcredit/agi/config"
	"adcredit/agi/creditclient"
	"adcredit/agi/fastagi"
	"adcredit/creditapi/wire"
)

const (
	// A call: offers, some ads and what is said after them, with room to spare.
	fastAGICall = 30 * time.Minute
	// What callers have who are in the middle of an ad; TimeoutStopSec= of the unit
	// is a little longer.
	fastAGIDrain = 3 * time.Minute
	// Between two looks at the spool.
	fastAGIFlush = 10 * time.Second
)

// script is the only one that we are: AGI(agi://host/adcredit).
const script = "adcredit"

// switchboard is adcredit -fastagi: all calls of one process. Nothing in it
// changes but what lies below creditclient.
type switchboard struct {
	cfg        *config.Config
	client     *creditclient.Client
	log        *lateLog // opened anew at SIGHUP; nil in tests
	drain      time.Duration
	flushEvery time.Duration
	keys       keyring
}

func newSwitchboard(cfg *config.Config, log *lateLog) (*switchboard, error) {
	client, err := clientFor(cfg, true)
	return &switchboard{cfg: cfg, client: client, log: log, drain: fastAGIDrain, flushEvery: fastAGIFlush}, err
}

// serveFastAGI listens until SIGTERM or SIGINT, and lets the calls in progress end.
func serveFastAGI(cfg *config.Config, address string, log *lateLog, stderr io.Writer, getenv func(string) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// A second one ends the process at once.
	defer context.AfterFunc(ctx, func() { signal.Reset(syscall.SIGTERM, syscall.SIGINT) })()
	b, err := newSwitchboard(cfg, log)
	if err != nil {
		fmt.Fprintln(stderr, err)
		slog.Error("FastAGI is not served: the key for creditapi can't be used", "error", err)
		return exitConfig
	}
	listeners, err := fastagi.Listen(ctx, address, getenv)
	if err == nil {
		if err = b.exposed(listeners); err != nil {
			closeAll(listeners)
			fmt.Fprintln(stderr, "adcredit:", err)
			slog.Error("FastAGI is not served", "error", err)
			return exitConfig
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "adcredit: -fastagi:", err)
		slog.Error("FastAGI is not served", "error", err)
		return exitFailed
	}
	for _, l := range listeners {
		slog.Info("adcredit serves FastAGI", "version", version, "listen", l.Addr().String(), "inherited", l.Inherited)
	}
	tell := func(state string) {
		if err := fastagi.Notify(state, getenv); err != nil {
			slog.Warn("systemd could not be told", "error", err)
		}
	}
	told := make(chan struct{})
	context.AfterFunc(ctx, func() { defer close(told); tell("STOPPING=1") })
	tell("READY=1")
	b.serve(ctx, listeners...)
	<-told
	slog.Info("stopped")
	return exitOK
}

func closeAll(listeners []fastagi.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// exposed refuses to listen where others than this host come in, while nobody
// said who may.
func (b *switchboard) exposed(listeners []fastagi.Listener) error {
	for _, l := range listeners {
		at, err := netip.ParseAddrPort(l.Addr().String())
		if err == nil && at.Addr().Unmap().IsLoopback() || !b.cfg.FastAGILocal() {
			continue
		}
		return fmt.Errorf("%s is reached by other hosts, and fastagi_allow names this one alone; name your Asterisk hosts there, or listen on 127.0.0.1:%d", l.Addr(), fastagi.Port)
	}
	return nil
}

// serve runs until ctx ends and all calls have ended.
func (b *switchboard) serve(ctx context.Context, listeners ...fastagi.Listener) {
	// Package single is for one call. Half of the processors are Asterisk's, and each
	// thread more is one more to wake for nothing: with one of two, a call takes 15 %
	// less of ours.
	runtime.SetDefaultGOMAXPROCS()
	runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	flushing := make(chan struct{})
	go func() { defer close(flushing); b.flush(ctx, hup) }()
	server := &fastagi.Server{
		Handle: b.call, Allow: b.cfg.FastAGINetworks(), Most: b.cfg.FastAGICalls,
		CallTime: fastAGICall, DrainTime: b.drain, Grace: 2 * replyAfterHangup, Log: slog.Default(),
	}
	server.Serve(ctx, listeners...)
	<-flushing
}

// call is one call, on a connection of its own. All that it changes is its own:
// session, client, context.
func (b *switchboard) call(ctx context.Context, conn *net.TCPConn) {
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	s := agi.New() // strict, always
	defer s.Close()
	_, _ = converse(ctx, s, conn, conn, func() callflow.Outcome { // logged there
		if s.Env["network"] == "" || s.Env["network_script"] != script {
			slog.Error("FastAGI serves the script adcredit alone")
			return callflow.Outcome{Status: callflow.Failed, Cause: "argument"}
		}
		return decide(ctx, s, b.cfg, s.Env["arg_1"], func(callerID string) (callflow.Credits, error) {
			key, err := b.keys.key(b.cfg)
			return &watched{b.client.ForCall(string(key), callerID), s, gone}, err
		})
	})
}

// watched are the credits of a caller who may hang up while creditapi is asked.
// A program that Asterisk starts gets SIGHUP then; a connection must be looked at.
type watched struct {
	callflow.Credits
	session *agi.Session
	gone    func()
}

// Credit implements callflow.Credits.
func (w *watched) Credit(ctx context.Context, account, destination string) (wire.Credit, error) {
	defer w.session.WatchHangup(w.gone)()
	return w.Credits.Credit(ctx, account, destination)
}

// Start implements callflow.Credits.
func (w *watched) Start(ctx context.Context, req wire.StartListen) (wire.Listen, error) {
	defer w.session.WatchHangup(w.gone)()
	return w.Credits.Start(ctx, req)
}

// Complete implements callflow.Credits.
func (w *watched) Complete(ctx context.Context, account string, listen wire.Listen, heard wire.Heard) (wire.Grant, error) {
	defer w.session.WatchHangup(w.gone)()
	return w.Credits.Complete(ctx, account, listen, heard)
}

// Abandon implements callflow.Credits.
func (w *watched) Abandon(ctx context.Context, listen string, a wire.Abandon) error {
	defer w.session.WatchHangup(w.gone)()
	return w.Credits.Abandon(ctx, listen, a)
}

// flush delivers what waits in the spool and is due, beside the calls, and opens
// the log anew at SIGHUP, for those who rotate it.
func (b *switchboard) flush(ctx context.Context, hup <-chan os.Signal) {
	tick := time.NewTicker(b.flushEvery)
	defer tick.Stop()
	var told map[string]int
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if b.log != nil {
				b.log.reopen.Store(true)
			}
			continue
		case <-tick.C:
		}
		key, err := b.keys.key(b.cfg)
		var done creditclient.Flushed
		if err == nil {
			done, err = b.client.ForCall(string(key), "").Flush(ctx, false, func(creditclient.Flushed, int) {})
		}
		if err != nil {
			slog.Warn("the spool could not be delivered", "error", err)
		}
		if done.Delivered > 0 {
			slog.Info("completions that waited are delivered", "count", done.Delivered)
		}
		if waiting := worth(done.Waiting); !maps.Equal(waiting, told) {
			told = waiting
			warnWaiting(waiting)
		}
	}
}

// answers asks a server of ours for its first command, as Asterisk does.
func answers(ctx context.Context, address string) error {
	at, err := fastagi.Address(address)
	if err != nil {
		return err
	}
	host := at.Addr()
	if host.IsUnspecified() {
		host = netip.IPv6Loopback()
		if at.Addr().Is4() {
			host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, replyAfterHangup)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(host, at.Port()).String())
	if errors.Is(err, syscall.ECONNREFUSED) || ctx.Err() != nil {
		return fmt.Errorf("nobody serves there: systemctl status adcredit-fastagi (%w)", err)
	}
	if err == nil {
		err = greeted(ctx, conn)
	}
	if err != nil {
		return fmt.Errorf("%s takes a connection and does not greet: is this host in fastagi_allow there? (%w)", address, err)
	}
	return nil
}

func greeted(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	limit, _ := ctx.Deadline()
	if err := conn.SetDeadline(limit); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, greeting); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
	if err == nil && line != "NOOP\n" {
		err = errors.New("it is another program")
	}
	return err
}

// greeting is an environment of nobody, who hangs up when the NOOP has come.
const greeting = "agi_network: yes\nagi_network_script: " + script + "\nagi_request: agi://localhost/adcredit\nagi_channel: check\n" +
	"agi_language: en\nagi_type: check\nagi_uniqueid: check\nagi_version: check\nagi_callerid: unknown\nagi_calleridname: unknown\n" +
	"agi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: unknown\nagi_rdnis: unknown\n" +
	"agi_context: check\nagi_extension: s\nagi_priority: 1\nagi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 0\n\n"
