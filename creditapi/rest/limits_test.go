package rest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/credit"
)

// brief are limits that a test can wait for.
var brief = Limits{Header: 50 * time.Millisecond, Read: 100 * time.Millisecond, Idle: 50 * time.Millisecond}

// served runs the world's interface on a real listener.
func (w *world) served(limits Limits) (address string) {
	w.Helper()
	l, _ := serve(w.T, Server{Handler: w.api, Limits: limits, Log: w.api.log}, "127.0.0.1:0")
	return l.Addr().String()
}

// say opens a connection and writes to it.
func say(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// trickle writes a byte at a time until the server closes, and returns what it
// answered.
func trickle(t *testing.T, conn net.Conn) string {
	t.Helper()
	go func() {
		for {
			if _, err := conn.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(time.Millisecond) // the attack itself
		}
	}()
	if err := conn.SetReadDeadline(time.Now().Add(4 * time.Second)); err != nil { // less than any default
		t.Fatal(err)
	}
	var answer bytes.Buffer
	_, err := io.Copy(&answer, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection is still open; answered: %s", &answer)
	}
	return answer.String()
}

// TestSlowloris: whoever sends a byte now and then is not waited for.
func TestSlowloris(t *testing.T) {
	w := newWorld(t, func(_ *credit.Service, o *Options) { o.Body = brief.Read })
	address := w.served(brief)
	const header = "POST /v1/listens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nIdempotency-Key: " + key1 + "\r\nAuthorization: Bearer %s\r\n"
	body := fmt.Sprintf(header, w.keys["ast1"])
	for name, sent := range map[string]string{
		"in the header":                "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
		"in the body":                  body + "Content-Length: 60000\r\n\r\n{",
		"in a chunk":                   body + "Transfer-Encoding: chunked\r\n\r\nfff0\r\n{",
		"in the body that nobody asks": "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\n{",
	} {
		w.run(name, func() { trickle(w.T, say(w.T, address, sent)) })
	}
	if strings.Contains(w.log.String(), "status=201") {
		t.Error("half a body started a listen")
	}
}

// TestIdle: a connection that says nothing is closed.
func TestIdle(t *testing.T) {
	w := newWorld(t)
	address := w.served(brief)
	for name, sent := range map[string]string{"from the start": "", "after a request": "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"} {
		if _, err := io.Copy(io.Discard, say(t, address, sent)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// status sends raw bytes and reads the status of each answer until the server
// closes; 0 stands for no answer.
func status(t *testing.T, address, text string) (all []int) {
	t.Helper()
	conn := say(t, address, text)
	r := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return all
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatalf("the answer breaks off: %v", err)
		}
		all = append(all, resp.StatusCode)
	}
}

// TestSizes: 16 KiB of header and 64 KiB of body, and no more.
func TestSizes(t *testing.T) {
	w := newWorld(t)
	address := w.served(Limits{Idle: 50 * time.Millisecond})
	post := "POST /v1/listens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer " + w.keys["ast1"] + "\r\nIdempotency-Key: " + key1 + "\r\n"
	const start = `{"account":"alias:1001","call_id":"ast1/1.1"`
	spaces := strings.Repeat(" ", 64<<10-len(start)-1)
	for _, row := range []struct {
		name, sent string
		want       int
	}{
		{"a header of 15 KiB", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("x", 15<<10) + "\r\n\r\n", 200},
		{"a header of 32 KiB", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("x", 32<<10), 431},
		{"a thousand headers", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + strings.Repeat("X-Much: of the same thing\r\n", 1000), 431},
		{"a key of 15 KiB", "GET /v1/sounds HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer adc_" + strings.Repeat("x", 15<<10) + "\r\n\r\n", 401},
		{"an address of 32 KiB", "GET /" + strings.Repeat("x", 32<<10), 431},
		{"a body of 64 KiB", post + "Content-Length: 65536\r\n\r\n" + start + spaces + "}", 201},
		{"a body of 64 KiB and a byte", post + "Content-Length: 65537\r\n\r\n" + start + spaces + " }", 413},
		{"a body that is said to be huge", post + "Content-Length: 9000000000000000000\r\n\r\n" + strings.Repeat(" ", 64<<10+1), 413},
		{"chunks without an end", post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat(" ", 4096)+"\r\n", 17), 413},
	} {
		if got := status(t, address, row.sent); len(got) != 1 || got[0] != row.want {
			t.Errorf("%s: %v, want %d", row.name, got, row.want)
		}
	}
}

// TestFraming: requests one behind the other are answered in turn, and a text in
// which two readers could see different requests is refused, or the last one on
// its connection.
func TestFraming(t *testing.T) {
	w := newWorld(t)
	address := w.served(Limits{Idle: 50 * time.Millisecond})
	const ask, smuggled = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	const post = "POST /v1/listens HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	for _, row := range []struct {
		name, sent string
		want       string
	}{
		{"two in turn", ask + "\r\n" + ask + "\r\n", "[200 200]"},
		{"length and chunks", post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "[401]"},
		{"chunks", post + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "[401]"},
		{"chunks and a query", ask + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "[200]"},
		{"two lengths", post + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + smuggled, "[400]"},
		{"a list of lengths", post + "Content-Length: 0, 5\r\n\r\n" + smuggled, "[400]"},
		{"a signed length", post + "Content-Length: +0\r\n\r\n" + smuggled, "[400]"},
		{"a negative length", post + "Content-Length: -1\r\n\r\n" + smuggled, "[400]"},
		{"a coding of its own", post + "Transfer-Encoding: xchunked\r\n\r\n" + smuggled, "[501]"},
		{"two codings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled, "[501]"},
		{"a space before the colon", post + "Content-Length : 5\r\n\r\n" + smuggled, "[400]"},
		{"a continued line", post + "X: 1\r\n Transfer-Encoding: chunked\r\n\r\n" + smuggled, "[401 200]"}, // a value that goes on: one header
		{"two hosts", ask + "Host: evil.example\r\n\r\n" + smuggled, "[400]"},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n" + smuggled, "[400]"},
		{"a name with a NUL", ask + "X\x00: 1\r\n\r\n" + smuggled, "[400]"},
		{"HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "[421]"},
		{"CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", "[421]"},
	} {
		if got := fmt.Sprint(status(t, address, row.sent)); got != row.want {
			t.Errorf("%s: %v, want %s", row.name, got, row.want)
		}
	}
}

// silent opens n connections that say nothing.
func silent(t *testing.T, address string, n int) {
	t.Helper()
	for range n {
		say(t, address, "")
	}
}

// TestManyConnections: a thousand who say nothing keep nobody out, and cost no
// more than the limit.
func TestManyConnections(t *testing.T) {
	w := newWorld(t)
	var most int
	limits := Limits{Connections: 100}
	server := Server{Handler: w.api, Limits: limits, Log: w.api.log}.server()
	track := newConnections(limits.Connections, w.api.log)
	server.ConnState = func(c net.Conn, s http.ConnState) {
		track.changed(c, s)
		track.mu.Lock()
		defer track.mu.Unlock()
		most = max(most, len(track.open))
	}
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l) // ends with Close
	defer server.Close()
	for range 10 {
		silent(t, l.Addr().String(), 100)
		if got := <-fetch(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+l.Addr().String()+"/healthz"); got.err != nil || !strings.Contains(got.body, "ok") {
			t.Fatalf("a client among them: %+v", got)
		}
	}
	track.mu.Lock()
	defer track.mu.Unlock()
	if most != 50 { // one address has half of them
		t.Errorf("%d connections were open at once, want 50", most)
	}
	if n := strings.Count(w.log.String(), `msg="too many connections: those that wait for a request are closed, or else the new ones" remote=127.0.0.1 of=51 open=51 most=100`); n != 1 {
		t.Errorf("the log tells of it %d times, want once", n)
	}
}

// TestConnectionsThatWork: those that have begun a request are not closed to make
// room, so when nobody waits the newest has to go; and another address has room.
func TestConnectionsThatWork(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	begun := make(chan struct{}, 100)
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-release
		w.api.ServeHTTP(rw, r)
	})
	l, _ := serve(t, Server{Handler: handler, Limits: Limits{Connections: 20}, Log: w.api.log}, "127.0.0.1:0")
	client := func(from string) *http.Client {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, to)
			}}}
	}
	url := "http://" + l.Addr().String() + "/healthz"
	var working []<-chan outcome
	for range 10 {
		working = append(working, fetch(client("127.0.0.1"), url))
		<-begun
	}
	if got := <-fetch(client("127.0.0.1"), url); got.err == nil || errors.Is(got.err, context.DeadlineExceeded) {
		t.Errorf("one too many: %+v, want it refused", got)
	}
	working = append(working, fetch(client("127.0.0.2"), url))
	<-begun
	close(release)
	for _, answer := range working {
		if got := <-answer; got.err != nil || !strings.Contains(got.body, "ok") {
			t.Errorf("one that worked got %+v", got)
		}
	}
}
