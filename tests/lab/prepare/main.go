// Command prepare builds the roots that the tests on real parts use, with
// Asterisk 22 and 16 and with MySQL, when they are absent, and names them. The
// tests would build them themselves; done before, they don't need the network.
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
	for _, need := range []lab.Need{lab.NeedAsterisk, lab.NeedAsterisk16, lab.NeedMySQL} {
		root, err := lab.Prepare(ctx, os.Stderr, need)
		if err != nil {
			fmt.Fprintln(os.Stderr, "prepare:", err)
			return 1
		}
		fmt.Println(root)
	}
	return 0
}
