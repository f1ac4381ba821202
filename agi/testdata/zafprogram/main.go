// Command zafprogram is an AGI program as people write it for
// github.com/zaf/agi. A test builds it with only the import changed, and runs it.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/zaf/agi"
)

func main() {
	if len(os.Args) > 1 {
		serve(os.Args[1])
		return
	}
	session := agi.New()
	if err := session.Init(nil); err != nil {
		fmt.Fprintln(os.Stderr, "environment:", err)
		os.Exit(1)
	}
	if err := talk(session); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve is the same program as a FastAGI server.
func serve(address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			session := agi.New()
			rw := bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
			if session.Init(rw) == nil {
				talk(session)
			}
		}()
	}
}

func talk(session *agi.Session) error {
	session.Verbose(fmt.Sprintf("call from %s to %s", session.Env["callerid"], session.Env["extension"]), 3)
	var reply agi.Reply
	reply, err := session.Answer()
	if err != nil || reply.Res != 0 {
		return fmt.Errorf("answer: %d, %v", reply.Res, err)
	}
	if reply, err = session.GetData("enter-your-pin", 5000, 4); err != nil {
		return fmt.Errorf("pin: %v", err)
	}
	pin := strconv.Itoa(reply.Res)
	if reply, err = session.DatabaseGet("pin", session.Env["callerid"]); err != nil {
		return fmt.Errorf("database: %v", err)
	}
	if reply.Res != 1 || reply.Dat != pin {
		session.StreamFile("sorry", "")
		session.Hangup()
		return nil
	}
	rec, err := session.RecordFile("/tmp/message", "wav", "#", 10000, "BEEP", "s=2")
	if err == nil && rec.Res >= 0 {
		_, err = session.SetVariable("RECORDED", rec.Dat)
	}
	return err
}
