package agi_test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"adcredit/agi"
)

// An AGI program that plays one ad and tells the dialplan whether it was heard.
func Example() {
	// Asterisk sends SIGHUP at hangup and closes our output; without this a Go
	// program dies there, before it has read the last reply.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)

	asterisk := agi.New()
	if err := asterisk.Attach(os.Stdin, os.Stdout); errors.Is(err, agi.ErrForged) {
		fmt.Fprintln(os.Stderr, "attack:", err) // never to standard output
		return
	} else if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	asterisk.SetVariable("HEARD", "no")
	if reply, err := asterisk.Answer(); err != nil || reply.Res != 0 {
		return
	}
	const samples = 8000 * 12 // 12 s at 8 kHz
	reply, err := asterisk.StreamFile("custom/ad", "")
	if end, ok := reply.Endpos(); err == nil && ok && reply.Res == 0 && end >= samples {
		asterisk.SetVariable("HEARD", "yes") // also after a hangup: a dead channel answers it
	}
}

// Keys are text: a PIN may begin with 0.
func ExampleReply_Text() {
	s, asterisk := piped("200 result=0123\n")
	defer asterisk.Close()
	reply, err := s.GetData("enter-your-pin", 5000, 4)
	fmt.Println(reply.Text(), reply.Res, err)
	// Output: 0123 -1 <nil>
}

// A caller's name may hold a comma; as one argument of an application it must not.
func ExampleAppArg() {
	fmt.Println("NOTICE," + agi.AppArg("Diop, Awa"))
	// Output: NOTICE,Diop\, Awa
}
