package fakeasterisk

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Network is the scheme of a Program that is a server: AGI(agi://host:port/script).
const Network = "agi://"

// connectTime is how long Asterisk tries to connect (res_agi.c, MAX_AGI_CONNECT).
const connectTime = 2 * time.Second

// dial connects to the server of an agi:// URL, as launch_netscript of res_agi.c
// does. The program has ended when it closes the connection.
func dial(ctx context.Context, program string) (*process, error) {
	u, err := url.Parse(program)
	if err != nil {
		return nil, err
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "4573")
	}
	dialer := net.Dialer{Timeout: connectTime}
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	p := &process{
		stdin: conn.(*net.TCPConn), stdout: conn.(*net.TCPConn),
		lines: make(chan line), gone: make(chan struct{}), exited: make(chan struct{}),
	}
	go func() {
		p.read()
		p.at = time.Now()
		close(p.exited)
	}()
	return p, nil
}

// network is the beginning of the environment over FastAGI.
func (c Call) network() string {
	if !strings.HasPrefix(c.Program, Network) {
		return ""
	}
	_, script, _ := strings.Cut(strings.TrimPrefix(c.Program, Network), "/")
	return fmt.Sprintf("agi_network: yes\nagi_network_script: %s\n", script)
}

// run starts the program or connects to it.
func (c *Call) run(ctx context.Context, rec *recorder) (p *process, status string, err error) {
	if strings.HasPrefix(c.Program, Network) {
		c.HangupLine = true
		p, err = dial(ctx, c.Program)
	} else {
		var path string
		if path, status = find(c.Program); status != "" {
			return nil, status, nil
		}
		p, err = start(path, c, rec)
	}
	if err != nil {
		// Not executable, its interpreter is missing, or nobody listens: the
		// dialplan goes on with AGISTATUS=FAILURE.
		return nil, Failure, err
	}
	return p, "", nil
}
