package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"adcredit/creditapi/config"
	"adcredit/creditapi/credit"
	"adcredit/creditapi/rest"
	"adcredit/creditapi/store"
)

// gcPercent is how far the heap may grow before rubbish is collected, in percent of
// what lives on. That is some MB here, while requests leave 8 KB each: at the
// runtime's 100 it is collected ten times a second under load, for a fifth of the
// memory (12 MB).
const gcPercent = 400

// sweepEvery is how often each server finishes what others left open.
const sweepEvery = 10 * time.Second

var serveCommand = command{
	name:    "serve",
	summary: "answer adcredit and everybody else who has a key",
	help: `
Without a configuration it listens on 127.0.0.1:8080 and keeps accounts in an
embedded SQLite. SIGTERM and SIGINT end it once the requests under way are
answered; SIGHUP lets it read its certificate again. Run as many as you like on
one A2Billing database.

  creditapi serve
  CREDITAPI_DATABASE=mysql://creditapi:secret@127.0.0.1/mya2billing creditapi serve`,
	setup: func(*flag.FlagSet) action {
		return func(ctx context.Context, e *environment) error {
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP) // would end the process otherwise, and systemd takes that for an end in order
			defer signal.Stop(hup)
			return e.with(ctx, func(c *config.Config, s *store.Store) error { return e.serve(ctx, c, s, hup) })
		}
	},
}

// serve runs until ctx ends, and reads its certificate again at each hup.
func (e *environment) serve(ctx context.Context, c *config.Config, s *store.Store, hup <-chan os.Signal) error {
	if e.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	logs := newLogs(c, e.stderr)
	defer logs.lines.flush()
	log := logs.log
	slog.SetDefault(log)
	certificate, err := loadTLS(c)
	if err != nil {
		return err
	}
	service := &credit.Service{Store: s, Policy: policy(c)}
	if service.Policy.Node != (credit.NodeLimits{}) {
		if err := s.CountNodes(ctx); err != nil {
			return err
		}
	}
	api := rest.New(service, rest.Options{Version: version, Hosts: c.AllowedHosts(), LogNumbers: c.LogNumbers, Log: logs.requests})
	servers, err := listen(ctx, c, api, certificate, log)
	if err != nil {
		return err
	}
	if err := e.welcome(ctx, c, s, log, servers[0].Addr()); err != nil {
		return errors.Join(err, closeAll(servers))
	}
	var background sync.WaitGroup
	defer api.Wait()
	defer background.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	background.Go(func() { sweep(ctx, service, api, log) })
	background.Go(func() { reload(ctx, hup, certificate, log) })
	err = serveAll(ctx, servers)
	log.Info("stopped")
	return err
}

// serveAll runs the servers until ctx ends, or one of them fails.
func serveAll(ctx context.Context, servers []bound) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(servers))
	for _, server := range servers {
		go func() { ended <- server.Serve(ctx, server.Listener) }()
	}
	err := <-ended
	cancel() // one that fails ends the others too
	for range servers[1:] {
		err = errors.Join(err, <-ended)
	}
	return err
}

// bound is a server and what it listens on.
type bound struct {
	rest.Server
	net.Listener
}

func closeAll(servers []bound) (err error) {
	for _, server := range servers {
		err = errors.Join(err, server.Close())
	}
	return err
}

// listen opens what is to be listened on: the interface first.
func listen(ctx context.Context, c *config.Config, api *rest.API, certificate *rest.Certificate, log *slog.Logger) (servers []bound, err error) {
	add := func(address string, handler http.Handler, certificate *rest.Certificate) error {
		l, err := rest.Listen(ctx, address)
		if err != nil {
			return errors.Join(err, closeAll(servers))
		}
		servers = append(servers, bound{rest.Server{Handler: handler, Log: log, TLS: certificate}, l})
		return nil
	}
	if err := add(c.Listen, api, certificate); err != nil {
		return nil, err
	}
	if c.MetricsListen != "" {
		if err := add(c.MetricsListen, api.Metrics(), nil); err != nil {
			return nil, err
		}
		log.Info("metrics", "listen", servers[1].Addr().String())
	}
	return servers, nil
}

// welcome says what runs here, and to whom is new, what to do next.
func (e *environment) welcome(ctx context.Context, c *config.Config, s *store.Store, log *slog.Logger, address net.Addr) error {
	database, err := c.Store()
	if err != nil {
		return err
	}
	log.Info("creditapi serves", "version", version, "listen", address.String(), "database", database.String(),
		"way", s.Way(), "promise", s.Way().Promise())
	if !c.Embedded() {
		return nil
	}
	keys, err := s.Keys(ctx)
	if err != nil {
		return err
	}
	e.remark("No database is configured, so accounts are kept in %s.", database.Path)
	if len(keys) > 0 {
		return nil
	}
	with := ""
	if e.configFile != "" {
		with = " -config " + e.configFile
	}
	e.remark(`No key lets anybody in yet. In another shell, make one, an account and a demo campaign:
  creditapi%[1]s key add -name ast1 -scope agi -node ast1
  creditapi%[1]s account add -alias 1001 -card 9700203963 -credit 0 -language fr
  creditapi%[1]s campaign add -name demo -sound fr=ads/mangalou-fr -sound en=ads/mangalou-en -reward 50 -budget 100000`, with)
	if _, unix := c.Socket(); !unix {
		e.remark("and read http://%s/docs", address)
	}
	return nil
}

// sweep finishes what others left open, again and again. Servers that were
// started together are spread over the interval.
func sweep(ctx context.Context, service *credit.Service, api *rest.API, log *slog.Logger) {
	select {
	case <-time.After(rand.N(sweepEvery)):
	case <-ctx.Done():
		return
	}
	way := service.Store.Way()
	service.SweepEvery(ctx, sweepEvery, func(swept credit.Swept, err error) {
		if now := service.Store.Way(); now != way {
			way = now
			log.Warn("the engines of A2Billing's tables have changed: grants are run in another way", "way", way, "promise", way.Promise())
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			log.Warn("a sweep failed; the next one tries again", "error", err)
		default:
			api.Swept(swept)
			if swept != (credit.Swept{}) {
				log.Info("swept", "finished", swept.Finished, "doubtful", swept.Doubtful, "expired", swept.Expired)
			}
		}
	})
}

// policy is what the configuration decides.
func policy(c *config.Config) credit.Policy {
	return credit.Policy{
		Required: c.RequiredCredit, NeverOffer: c.NeverOffer,
		CompletionWindow: c.CompletionWindow, ClockTolerance: c.ClockTolerance,
		AttentionShare: c.AttentionShare,
		StartsPerDay:   c.StartsPerDay, ListensPerDay: c.ListensPerDay, ListenSpacing: c.ListenSpacing,
		MinAccountAge: c.MinAccountAge, MinPaidRefills: c.MinPaidRefills,
		Node:       credit.NodeLimits{Open: c.NodeOpenListens, PerMinute: c.NodeRewardsPerMinute, PerDay: c.NodeRewardsPerDay},
		LatePerDay: c.LatePerDay, LateAlarm: c.LateAlarm, Location: c.Location(), Language: c.Language,
	}
}
