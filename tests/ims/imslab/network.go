package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"adcredit/tests/ims"
)

// A network is the lab with its two phones.
type network struct {
	lab    *ims.Lab
	phones map[string]*ims.UE
}

var users = []string{"1000", "1001"}

func start(tb testing.TB) *network {
	n := &network{lab: ims.Start(tb, ims.Options{}), phones: map[string]*ims.UE{}}
	for _, user := range users {
		n.phones[user] = n.lab.UE(tb, user)
	}
	return n
}

func (n *network) register(tb testing.TB) {
	for _, user := range users {
		n.phones[user].Register(tb)
	}
}

// mark is a moment before which nothing of what follows was sent.
func (n *network) mark() time.Time { return time.Now() }

// call makes one call to its end, and returns the answer of a refusal, else "".
func (n *network) call(tb testing.TB, from, to string) (refusal string) {
	out := n.phones[from].Invite(tb, to, ims.Invitation{})
	defer time.Sleep(200 * time.Millisecond) // the last message is still on its way to the ladder
	in := n.phones[to].IncomingOf(tb, out)
	if in == nil {
		return strings.TrimPrefix(out.Final(tb).Start, "SIP/2.0 ")
	}
	in.Ring(tb)
	in.Answer(tb)
	out.Answered(tb)
	time.Sleep(2 * time.Second) // they talk
	in.Bye(tb)
	out.Ended(tb)
	return ""
}

// show makes one call and shows what came of it.
func (n *network) show(tb testing.TB, s screen, from, to string) (refusal string) {
	before := n.credit(tb)
	mark := n.mark()
	refusal = n.call(tb, from, to)
	s.ladder(n, mark)
	s.say("")
	if refusal != "" {
		s.say("  the call was refused: %s", refusal)
	}
	after := n.credit(tb)
	for _, user := range users {
		s.say("  credit of %s:  %12s  before,  %12s  after", user, before[user], after[user])
	}
	return refusal
}

func (n *network) credit(tb testing.TB) map[string]string {
	all := map[string]string{}
	for _, user := range users {
		all[user] = n.lab.Credit(tb, user)
	}
	return all
}

// A screen is where people look.
type screen struct {
	out    io.Writer
	colour bool
}

func (s screen) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s screen) title(text string) {
	if s.colour {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	s.say("\n%s", text)
}

// parts says what runs where.
func (s screen) parts(l *ims.Lab) {
	s.title(fmt.Sprintf("What runs where (up after %.1f s)", l.StartUp.Seconds()))
	s.say("  %-10s %-34s %6s %10s %9s", "part", "address", "pid", "processes", "memory")
	var all int64
	for _, p := range l.Parts {
		bytes, processes := p.Memory()
		all += bytes
		s.say("  %-10s %-34s %6d %10d %6d MB", p.Name, p.Address, p.PID, processes, bytes>>20)
	}
	for _, user := range users {
		s.say("  %-10s %s", "UE "+user, ims.Address(user))
	}
	s.say("  %-10s %-34s %6s %10s %6d MB", "all", "", "", "", all>>20)
	s.say("  Processes are numbered as in the lab. The HSS is part of this program, as the phones and the capture are.")
}

func (s screen) ladder(n *network, from time.Time) {
	ims.Draw(s.out, n.lab.Steps(from, time.Now()), s.colour)
	s.say("  Times are ms since the first. " + ims.Mark + ": Route holds the S-CSCF's mark, which the AS gives back. 100 Trying is left out.")
}
