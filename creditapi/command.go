package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"strings"

	"adcredit/creditapi/config"
	"adcredit/creditapi/store"
	"adcredit/creditapi/wire"
	"adcredit/etc"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 78 // configuration or schema refused: EX_CONFIG of sysexits.h
)

// command is one thing that creditapi does.
type command struct {
	name    string // such as "key add"
	usage   string // what follows the name
	summary string
	help    string // more, with examples
	operand string // what its operands are; "": it takes none
	// operands is how many it takes, if not one
	operands int
	// setup declares the flags and returns what is done with them.
	setup func(*flag.FlagSet) action
}

type action func(ctx context.Context, e *environment) error

// environment is what a command works with.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	configFile     string
	operands       []string
}

// commands are all of them, in the order of -help.
func commands() []command {
	return []command{
		serveCommand, migrateCommand, checkCommand,
		keyAdd, keyList, keyRevoke,
		campaignAdd, campaignList, campaignPause, campaignResume, campaignArchive,
		accountAdd, accountShow, accountList,
		reconcileCommand, reconcileSettle, purgeCommand,
		reportSuspicious,
		convertCommand,
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ what string }

func (e usageError) Error() string { return e.what }

func wrongUsage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// asUsage turns what the domain says of a command line into a usageError.
func asUsage(err error) error {
	var known *wire.Error
	if errors.As(err, &known) && known.Code == wire.InvalidRequest {
		return usageError{known.Detail}
	}
	return err
}

// run is the program with its streams in hand; it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	e := &environment{stdin: stdin, stdout: stdout, stderr: stderr, getenv: getenv}
	global := newFlags("creditapi", &e.configFile)
	showVersion := global.Bool("version", false, "")
	switch err := global.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, overview())
		return exitOK
	case err != nil:
		return e.wrong("creditapi", "creditapi [-config FILE] COMMAND …", err.Error())
	case *showVersion:
		fmt.Fprintf(stdout, "creditapi %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return exitOK
	}
	c, rest, err := find(global.Args())
	if err != nil {
		return e.wrong("creditapi", "creditapi [-config FILE] COMMAND …", err.Error())
	}
	if c.setup == nil {
		fmt.Fprint(stdout, overview())
		return exitOK
	}
	return e.do(ctx, c, rest)
}

// do parses the command's own arguments and runs it.
func (e *environment) do(ctx context.Context, c command, args []string) int {
	name, line := "creditapi "+c.name, strings.TrimSpace("creditapi "+c.name+" "+c.usage)
	flags := newFlags(name, &e.configFile)
	act := c.setup(flags)
	for rest := args; ; {
		if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(e.stdout, "%s\n\nusage: %s\n\n%s\n", c.summary, line, strings.Trim(c.help, "\n"))
			return exitOK
		} else if err != nil {
			return e.wrong(name, line, err.Error())
		}
		if flags.NArg() == 0 {
			break
		}
		e.operands, rest = append(e.operands, flags.Arg(0)), flags.Args()[1:] // flags may follow operands
	}
	if c.operand == "" && len(e.operands) > 0 {
		return e.wrong(name, line, fmt.Sprintf("%q is too much: this command takes flags only", e.operands[0]))
	}
	if c.operand != "" && len(e.operands) != max(1, c.operands) {
		return e.wrong(name, line, "name one "+c.operand)
	}
	err := act(ctx, e)
	var usage usageError
	if errors.As(err, &usage) {
		return e.wrong(name, line, usage.what)
	}
	return e.ended(name, err)
}

// newFlags makes a set of flags that prints nothing by itself.
func newFlags(name string, configFile *string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(configFile, "config", *configFile, "")
	return flags
}

// find finds the command that args name.
func find(args []string) (command, []string, error) {
	if len(args) == 0 || args[0] == "help" {
		return command{}, nil, nil
	}
	var group []string
	var alone *command
	for _, c := range commands() {
		first, second, two := strings.Cut(c.name, " ")
		switch {
		case first != args[0]:
		case !two:
			alone = &c
		case len(args) > 1 && args[1] == second:
			return c, args[2:], nil
		default:
			group = append(group, c.name)
		}
	}
	if alone != nil {
		return *alone, args[1:], nil
	}
	if len(group) > 0 {
		return command{}, nil, fmt.Errorf("say which: %s (creditapi %s -help says more)", strings.Join(group, ", "), group[0])
	}
	return command{}, nil, fmt.Errorf("%q is no command; creditapi -help lists them", args[0])
}

func overview() string {
	var b strings.Builder
	b.WriteString("creditapi keeps the credit of callers who listen to ads.\n\nusage: creditapi [-config FILE] COMMAND …\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-18s %s\n", c.name, c.summary)
	}
	b.WriteString(`
  creditapi COMMAND -help   says more about one
  creditapi -version        says which one this is

The configuration is the file of -config, else of CREDITAPI_CONFIG, else
` + config.DefaultPath + `, which may be absent: then the database is an
embedded SQLite. CREDITAPI_LISTEN and CREDITAPI_DATABASE override it.

  creditapi serve
  creditapi key add -name ast1 -scope agi -node ast1
  creditapi account add -alias 1001 -card 9700203963 -credit 0
  creditapi campaign add -name teranga -sound fr=teranga.wav -reward 50 -budget 100000

Exit codes: 0 done, 1 failed, 2 wrong usage, 78 configuration or schema refused.
`)
	return b.String()
}

// wrong says what is wrong with the command line, and how it goes.
func (e *environment) wrong(name, line, what string) int {
	fmt.Fprintf(e.stderr, "%s: %s\nusage: %s\n", name, what, line)
	return exitUsage
}

// ended reports how a command ended.
func (e *environment) ended(name string, err error) int {
	var refused *etc.Error
	var schema store.ErrSchema
	var known *wire.Error
	code, text := exitFailed, ""
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSaid):
		return exitFailed
	case errors.As(err, &refused):
		fmt.Fprintln(e.stderr, refused) // a line per problem, each with its file
		return exitConfig
	case errors.As(err, &schema):
		code, text = exitConfig, err.Error()
	case errors.As(err, &known):
		text = known.Detail
		if known.Err != nil {
			text += " (" + known.Err.Error() + ")"
		}
	default:
		text = err.Error()
	}
	fmt.Fprintf(e.stderr, "%s: %s\n", name, strings.ReplaceAll(text, "\n", "; "))
	return code
}

// errSaid is a failure that the command has reported itself.
var errSaid = errors.New("said already")

// remark tells a person something that a program need not read.
func (e *environment) remark(format string, args ...any) {
	fmt.Fprintf(e.stderr, format+"\n", args...)
}

func (e *environment) configured() (*config.Config, store.Config, error) {
	c, err := config.Load(e.configFile, e.getenv)
	if err != nil {
		return nil, store.Config{}, err
	}
	database, err := c.Store()
	return c, store.Config{Database: database, Connections: c.DatabaseConnections, Currency: c.Currency}, err
}

// with opens the database for one piece of work.
func (e *environment) with(ctx context.Context, work func(*config.Config, *store.Store) error) error {
	return e.withStore(ctx, store.Open, work)
}

// withPatience is with for work whose statements may take long.
func (e *environment) withPatience(ctx context.Context, work func(*config.Config, *store.Store) error) error {
	return e.withStore(ctx, store.OpenPatient, work)
}

func (e *environment) withStore(ctx context.Context, open func(context.Context, store.Config) (*store.Store, error), work func(*config.Config, *store.Store) error) error {
	c, database, err := e.configured()
	if err != nil {
		return err
	}
	s, err := open(ctx, database)
	if err != nil {
		return err
	}
	return errors.Join(work(c, s), s.Close())
}
