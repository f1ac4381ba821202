package rest

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections bounds how many connections a server keeps, so that whoever opens
// them by the thousand exhausts neither memory nor file descriptors, nor shuts
// the others out. When there are too many, the one that has waited longest for a
// request makes room; when none waits, the new one is closed. One address has
// half of them at most.
type connections struct {
	most int
	log  *slog.Logger

	mu   sync.Mutex
	told time.Time // when the log was last told of too many
	open map[net.Conn]*connection
	of   map[string]int // how many an address has
}

type connection struct {
	address string
	waiting bool // for a request: nothing of one has come
	since   time.Time
}

// tellEvery spares the log a line for each connection of a flood.
const tellEvery = time.Minute

func newConnections(most int, log *slog.Logger) *connections {
	return &connections{most: most, log: log, open: map[net.Conn]*connection{}, of: map[string]int{}}
}

// changed is http.Server's ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.open[conn]
	switch {
	case state == http.StateNew:
		c.add(conn)
	case !ok: // closed to make room
	case state == http.StateClosed || state == http.StateHijacked:
		c.remove(conn)
	default:
		known.waiting, known.since = state == http.StateIdle, time.Now()
	}
}

func (c *connections) add(conn net.Conn) {
	address := hostOf(conn.RemoteAddr().String())
	c.open[conn] = &connection{address: address, waiting: true, since: time.Now()}
	c.of[address]++
	full, crowd := len(c.open) > c.most, c.of[address] > (c.most+1)/2
	if !full && !crowd {
		return
	}
	victim := conn
	for other, is := range c.open {
		if is.waiting && (is.address == address || !crowd) && is.since.Before(c.open[victim].since) {
			victim = other
		}
	}
	if now := time.Now(); now.Sub(c.told) >= tellEvery {
		c.told = now
		c.log.Warn("too many connections: those that wait for a request are closed, or else the new ones",
			"remote", address, "of", c.of[address], "open", len(c.open), "most", c.most)
	}
	c.remove(victim)
	if secure, ok := victim.(*tls.Conn); ok {
		victim = secure.NetConn() // no farewell, for which a client could let us wait
	}
	victim.Close() // whoever reads from it learns of it
}

func (c *connections) remove(conn net.Conn) {
	address := c.open[conn].address
	delete(c.open, conn)
	if c.of[address]--; c.of[address] == 0 {
		delete(c.of, address)
	}
}

// hostOf is an address without its port; all who come over a unix socket are one.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "unix"
	}
	return host
}
