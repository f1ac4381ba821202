// Command imslab shows adcredit in an IMS network: the paper's core, with its two
// subscribers, on this machine (Linux, as root). `make ims`, `make ims-up` and
// `make ims-down` run it.
//
// All of the lab lives in a network, mount and process namespace of one process.
// When that ends, so does the rest; no file is left but those of lab.Prepare's
// cache.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/term"

	"adcredit/tests/ims"
	"adcredit/tests/lab"
)

const usage = `Usage: imslab show | up | down | call FROM TO | ladder | accounts | parts

  show          start the lab, make the two calls of the paper, print what went
                over the wire, end it
  up            start the lab in the background and say how to play with it
  call 1001 1000
                in the lab that is up, 1001 calls 1000, who answers; they talk for
                two seconds, 1000 hangs up. Prints the ladder
  accounts      the credit of both; "accounts 1001 0" sets it
  parts         what runs where
  ladder        what has gone over the wire since it is up, calls alone
  down          end the lab that is up

  Programs of adcredit are looked for in the folder of this one (make build).
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		args = []string{"help"}
	}
	bin := folder()
	switch verb := args[0]; {
	case verb == "show" && len(args) == 1:
		return lab.Command(bin, io.Discard, show, ims.Needs...)
	case verb == "serve" && len(args) == 1: // what up runs in the background
		return lab.Command(bin, os.Stderr, serve, ims.Needs...)
	case verb == "up" && len(args) == 1:
		return up(stdout, stderr)
	case verb == "down" && len(args) == 1:
		return down(stdout, stderr)
	case slices.Contains([]string{"call", "accounts", "parts", "ladder"}, verb):
		return ask(args, stdout, stderr)
	case slices.Contains([]string{"help", "-h", "-help", "--help"}, verb):
		fmt.Fprint(stdout, usage)
		return 0
	}
	fmt.Fprint(stderr, usage)
	return 2
}

// folder is that of this program.
func folder() string {
	path, err := os.Executable()
	if err != nil {
		return "bin"
	}
	return filepath.Dir(path)
}

// colour says whether people look at a file, and want colours.
func colour(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
}

// show is `make ims`.
func show(tb testing.TB) {
	s := screen{os.Stdout, colour(os.Stdout)}
	s.title("adcredit in an IMS network")
	s.say("Kamailio as P-, I- and S-CSCF, an HSS, Asterisk with adcredit as application server,")
	s.say("creditapi on MariaDB with A2Billing's tables. Nothing leaves this machine.")
	n := start(tb)
	s.parts(n.lab)
	s.title("Both phones register")
	from := n.mark()
	n.register(tb)
	s.ladder(n, from)
	for _, call := range []struct{ title, from, to string }{
		{"1. 1000 has credit: connected at once, no ad", "1000", "1001"},
		{"2. 1001 has none: hears the ad to its end, is credited once, and the same call goes on", "1001", "1000"},
	} {
		s.title(call.title)
		if refusal := n.show(tb, s, call.from, call.to); refusal != "" {
			tb.Fatalf("imslab: the call was to go through, and was refused: %s; Asterisk's log ends:\n%s", refusal, n.lab.LogEnd(tb))
		}
	}
	s.say("")
	s.say("Try next:  make ims-up            the same, and it stays: call as you like")
	s.say("           etc/ims/README.md      how to take this to a real core")
}
