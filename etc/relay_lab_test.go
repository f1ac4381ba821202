//go:build lab

package etc_test

import (
	"bufio"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The relay that ims/clearwater.md shows sends a call to the node that the token
// names, by its transport, with the token as only Route; and a call without one
// nowhere. Sprout is played.
func TestClearwaterRelay(t *testing.T) {
	const as, sprout = "127.0.0.9", "127.0.0.2:5054"
	startRelay(t, strings.ReplaceAll(pages(t)["ims/clearwater.md"]["kamailio"][0], "AS-ADDRESS", as))

	udpOut, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(as), Port: 5060}, &net.UDPAddr{IP: net.ParseIP(as), Port: 5070})
	if err != nil {
		t.Fatal(err)
	}
	defer udpOut.Close()
	// invite sends a call as Asterisk does.
	invite := func(conn net.Conn, id string, routes ...string) {
		t.Helper()
		message := "INVITE sip:1001@ims.test SIP/2.0\r\n" +
			"Via: SIP/2.0/" + strings.ToUpper(conn.LocalAddr().Network()) + " " + conn.LocalAddr().String() + ";branch=z9hG4bK" + id + "\r\n"
		for _, route := range routes {
			message += "Route: " + route + "\r\n"
		}
		message += "From: <sip:1000@ims.test>;tag=1\r\nTo: <sip:1001@ims.test>\r\nCall-ID: " + id + "\r\n" +
			"CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:" + as + ":5060>\r\nContent-Length: 0\r\n\r\n"
		if _, err := conn.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	// wantAnswer wants this as the first answer to a call but 100.
	wantAnswer := func(conn net.Conn, id, want string) {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for r := bufio.NewReader(conn); ; {
			first, header := parse(t, r)
			if header.Get("Call-ID") == id && !strings.HasPrefix(first, "SIP/2.0 100") {
				if first != want {
					t.Errorf("%s: %q, want %q", id, first, want)
				}
				return
			}
		}
	}

	own := "<sip:" + as + ":5070;lr>"
	invite(udpOut, "untold", own)
	wantAnswer(udpOut, "untold", "SIP/2.0 403 No Token")
	invite(udpOut, "foreign", own, "<sip:127.0.0.2:5054;lr>")
	wantAnswer(udpOut, "foreign", "SIP/2.0 403 No Token")

	token := "<sip:odi_AbC123@" + sprout + ";lr;orig;service=scscf>"
	wantToken := func(message textproto.MIMEHeader, token string) {
		t.Helper()
		if routes := message["Route"]; len(routes) != 1 || routes[0] != token {
			t.Errorf("Route is %q, want %q alone", routes, token)
		}
	}
	udp, err := net.ListenPacket("udp", sprout)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if err := udp.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	invite(udpOut, "udp", own, token)
	buffer := make([]byte, 4096)
	n, from, err := udp.ReadFrom(buffer)
	if err != nil {
		t.Fatal("nothing came by UDP: ", err)
	}
	first, header := parse(t, bufio.NewReader(strings.NewReader(string(buffer[:n]))))
	if first != "INVITE sip:1001@ims.test SIP/2.0" {
		t.Error(first)
	}
	wantToken(header, token)
	if _, err := udp.WriteTo([]byte(busy(header)), from); err != nil {
		t.Fatal(err)
	}
	wantAnswer(udpOut, "udp", "SIP/2.0 486 Busy Here")

	tcp, err := net.Listen("tcp", sprout)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if err := tcp.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	token = "<sip:odi_AbC123@" + sprout + ";transport=TCP;lr;orig;service=scscf>"
	tcpOut, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(as)}}).Dial("tcp", as+":5070")
	if err != nil {
		t.Fatal(err)
	}
	defer tcpOut.Close()
	invite(tcpOut, "tcp", "<sip:"+as+":5070;transport=tcp;lr>", token)
	conn, err := tcp.Accept()
	if err != nil {
		t.Fatal("nothing came by TCP: ", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, header = parse(t, bufio.NewReader(conn))
	wantToken(header, token)
	if _, err := conn.Write([]byte(busy(header))); err != nil {
		t.Fatal(err)
	}
	wantAnswer(tcpOut, "tcp", "SIP/2.0 486 Busy Here")
}

func parse(t *testing.T, r *bufio.Reader) (string, textproto.MIMEHeader) {
	t.Helper()
	reader := textproto.NewReader(r)
	first, err := reader.ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	header, err := reader.ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	return first, header
}

func busy(invite textproto.MIMEHeader) string {
	answer := "SIP/2.0 486 Busy Here\r\n"
	for _, name := range []string{"Via", "From", "Call-ID", "CSeq"} {
		for _, value := range invite.Values(name) {
			answer += name + ": " + value + "\r\n"
		}
	}
	return answer + "To: <sip:1001@ims.test>;tag=2\r\nContent-Length: 0\r\n\r\n"
}

// startRelay runs a Kamailio with this configuration, and waits until it listens.
func startRelay(t *testing.T, config string) {
	t.Helper()
	program, err := exec.LookPath("kamailio")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "relay-") // short: it has sockets in there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "relay.cfg")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command(program, "-DD", "-E", "-m", "32", "-M", "8", "-f", file, "-Y", dir, "-w", dir)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended stands in its log
		close(gone)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it ends its children itself
		<-gone
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.9:5070")
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-gone:
			t.Fatal("the relay ended: ", err)
		default:
		}
		if time.Now().After(end) {
			t.Fatal("the relay does not listen: ", err)
		}
	}
}
