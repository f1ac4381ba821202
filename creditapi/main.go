// Command creditapi keeps the money: it serves the interface that adcredit asks,
// over an A2Billing database or an embedded SQLite, and manages accounts,
// campaigns and keys there. creditapi -help lists its commands.
package main

import (
	"context"
	"os"

	"adcredit/etc"
)

// version is set by the Makefile.
var version = "dev"

func main() {
	etc.KeepToItself()
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
