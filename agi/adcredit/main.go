// Command adcredit is what Asterisk runs for each call: AGI(adcredit). It asks
// creditapi for the caller's balance, offers an ad when that is too low, and
// tells the dialplan what came of it. Run from a shell it also checks a host
// (-check), delivers completions that wait (-flush) and serves FastAGI (-fastagi).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	_ "adcredit/agi/adcredit/single"
	"adcredit/agi/config"
	"adcredit/agi/creditclient"
	"adcredit/agi/fastagi"
	"adcredit/etc"
)

// Exit codes. A call exits 0 whenever a status was set.
const (
	exitOK     = 0
	exitFailed = 1  // -check found something, -flush left something, or the input isn't AGI
	exitUsage  = 2  // wrong flags
	exitConfig = 78 // configuration refused: EX_CONFIG
)

// version is set by the Makefile.
var version = "dev"

func main() {
	etc.KeepToItself()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// run is the program with its streams in hand.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	// First of all: a Go program dies of SIGHUP, which Asterisk sends at hangup,
	// of SIGPIPE on standard output, and of SIGXFSZ where ulimit -f forbids it to
	// write, before it can report anything.
	asterisk := getenv("AST_VERSION") != ""
	ctx := untilTold(asterisk)
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)

	o := options{}
	if asterisk {
		// Asterisk started us: an argument may come from a caller's extension,
		// so it is data and never a flag.
		o.word = firstOf(args)
	} else if code, done := o.parse(args, stdout, stderr); done {
		return code
	}
	cfg, err := config.Load(o.config, getenv)
	if err != nil {
		fmt.Fprintln(stderr, err)
		logConfig().Error("the configuration is refused: the call goes on without adcredit", "error", err)
		return exitConfig
	}
	log, to := logTo(cfg, stderr)
	slog.SetDefault(log)
	switch {
	case o.check:
		return check(ctx, cfg, o.fastAGI, stdout)
	case o.flush:
		return flush(ctx, cfg, o.due, stdout, stderr)
	case o.fastAGI != "":
		return serveFastAGI(cfg, o.fastAGI, to, stderr, getenv)
	}
	return call(ctx, cfg, o.word, !asterisk, stdin, stdout, stderr)
}

type options struct {
	config            string
	check, flush, due bool
	fastAGI           string // IP:PORT
	word              string // AGI(adcredit,WORD)
}

// parse reads the flags of a shell; done says that there is nothing left to do.
func (o *options) parse(args []string, stdout, stderr io.Writer) (code int, done bool) {
	flags := flag.NewFlagSet("adcredit", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage) }
	flags.StringVar(&o.config, "config", "", "")
	flags.BoolVar(&o.check, "check", false, "")
	flags.BoolVar(&o.flush, "flush", false, "")
	flags.BoolVar(&o.due, "due", false, "")
	flags.Func("fastagi", "", func(address string) error {
		at, err := fastagi.Address(address)
		o.fastAGI = at.String()
		return err
	})
	showVersion := flags.Bool("version", false, "")
	help := flags.Bool("help", false, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK, true
	} else if err != nil {
		return exitUsage, true
	}
	switch {
	case *help:
		fmt.Fprint(stdout, usage)
		return exitOK, true
	case *showVersion:
		fmt.Fprintln(stdout, "adcredit", version)
		return exitOK, true
	case o.check && o.flush:
		fmt.Fprintln(stderr, "adcredit: -check and -flush are two errands: run one after the other")
		return exitUsage, true
	case o.flush && o.fastAGI != "":
		fmt.Fprintln(stderr, "adcredit: -fastagi delivers what waits by itself: leave -flush out")
		return exitUsage, true
	case o.due && !o.flush:
		fmt.Fprintln(stderr, "adcredit: -due goes with -flush")
		return exitUsage, true
	}
	o.word = firstOf(flags.Args())
	return exitOK, false
}

func firstOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

const usage = `adcredit: ad-funded call credit, for Asterisk's dialplan

  In extensions.conf:   same => n,AGI(adcredit)          offers an ad when credit is too low
                        same => n,AGI(adcredit,check)    only sets the variables, plays nothing
  It sets ADCREDIT_STATUS, ADCREDIT_CAUSE, ADCREDIT_BALANCE, ADCREDIT_CURRENCY,
  ADCREDIT_GRANTED, ADCREDIT_CAMPAIGN and ADCREDIT_LISTEN_ID, and exits 0.

  From a shell:
    adcredit -check      look over configuration, key, creditapi, sounds and spool
    adcredit -flush      deliver the completions that wait in the spool; with -due
                         not those that failed a moment ago
    adcredit -fastagi IP:PORT
                         serve AGI(agi://host/adcredit) on this address, or on the
                         sockets of systemd, to the hosts of fastagi_allow, until
                         SIGTERM; calls in progress end first. With -check: ask it
    adcredit -version    print the version
    adcredit < FILE      speak AGI with the lines of FILE, to try a configuration

  -config FILE           instead of $ADCREDIT_CONFIG or /etc/adcredit/adcredit.toml
  Environment: ADCREDIT_URLS, ADCREDIT_API_KEY, ADCREDIT_SPOOL_DIR override the file.

  Exit codes: 0 done (of a call: a status was set), 1 failed, 2 wrong usage,
  78 configuration refused.
`

func newClient(cfg *config.Config) (*creditclient.Client, error) { return clientFor(cfg, false) }

func clientFor(cfg *config.Config, manyCalls bool) (*creditclient.Client, error) {
	key, err := cfg.Key()
	if err != nil {
		return nil, err
	}
	return creditclient.New(creditclient.Config{
		URLs: cfg.URLs, Key: string(key), CA: cfg.TLSCA, Cert: cfg.TLSCert, CertKey: cfg.TLSKey, Timeout: cfg.Timeout,
		SpoolDir: cfg.SpoolDir, Agent: "adcredit/" + version, KeepAlive: manyCalls,
	})
}
