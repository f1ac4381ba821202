// Prepare builds the Asterisk root that the tests on real parts use, when it is
// absent, and names it. The tests would build it themselves; done before, they
// don't need the network.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"adcredit/tests/lab"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("prepare", flag.ContinueOnError)
	limit := flags.Duration("timeout", 15*time.Minute, "give up after this time")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	root, err := lab.Prepare(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		return 1
	}
	fmt.Println(root)
	return 0
}
