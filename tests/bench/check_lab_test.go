//go:build lab

package bench

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	busy = 16          // connections that are kept busy
	full = 64          // so many that a server can do no more
	span = time.Second // of one server's turn
)

// benchmarkChecks measures servers that answer what a card's credit is: ours with
// its keys, policy, log and figures, the paper's in Flask, and a bare handler.
func (h *house) benchmarkChecks(b *testing.B) {
	servers := []server{h.bare(b), h.ours(), h.flask(b)}
	var capacity float64
	for _, connections := range []int{busy, full} {
		capacity = h.checksOn(b, servers, connections)
	}
	h.pacedChecks(b, servers[1], 0.7*capacity)
}

// checksOn keeps so many connections busy, and answers how many checks a second
// ours did.
func (h *house) checksOn(b *testing.B, servers []server, connections int) float64 {
	before := memoryOf(b, h.api.cmd.Process.Pid)
	loads := turns(b, servers, connections)
	after := memoryOf(b, h.api.cmd.Process.Pid)

	t := table{Name: fmt.Sprint("checks-", connections), What: fmt.Sprintf("credit checks on %d connections, %d rounds of %v", connections, spans(), span), Unit: "requests/s", Base: servers[0].name}
	for i, s := range servers {
		t.Rows = append(t.Rows, row{s.name, sampleOf(perSecond(loads[i])), sampleOf(divided(perSecond(loads[i]), perSecond(loads[0]))),
			fmt.Sprintf("CPU of the server %.0f µs per request; waits: median %.2f ms, 99 %% within %.2f ms",
				1000*cpuPerRequest(loads[i]), waited(loads[i], 50), waited(loads[i], 99))})
	}
	allocations, bytes := h.allocations(b)
	t.Notes = fmt.Sprintf("creditapi: %.0f allocations, %.1f KB per check; resident before %v, after %v", allocations, bytes/1000, before, after)
	results.add(t)
	on := fmt.Sprintf("checks, %d connections: ", connections)
	results.atLeast(on+"creditapi / bare handler", t.Rows[1].Ratio.Median, 0.8)
	results.atLeast(on+"creditapi / Flask", median(divided(perSecond(loads[1]), perSecond(loads[2]))), 4)
	results.atLeast(on+"CPU of Flask / of creditapi", cpuPerRequest(loads[2])/cpuPerRequest(loads[1]), 8)
	return t.Rows[1].Value.Median
}

// turns gives each server a span in each round, in random order.
func turns(b *testing.B, servers []server, connections int) [][]load {
	b.Helper()
	loads := make([][]load, len(servers))
	for round := range 1 + spans() { // the first is not counted
		for _, i := range rand.Perm(len(servers)) {
			if l := servers[i].full(b, connections, span); round > 0 {
				loads[i] = append(loads[i], l)
			}
		}
	}
	return loads
}

// pacedChecks measures waits when there is room: at 70 % of what it can do.
func (h *house) pacedChecks(b *testing.B, s server, rate float64) {
	var loads []load
	for range spans() {
		loads = append(loads, s.paced(b, full, rate, span))
	}
	var typical, worst, ratios []float64
	for _, l := range loads {
		p50, p99 := ms(percentile(l.waits, 50)), ms(percentile(l.waits, 99))
		typical, worst, ratios = append(typical, p50), append(worst, p99), append(ratios, p99/p50)
	}
	t := table{Name: "waits", What: fmt.Sprintf("waits for a check at %.0f requests/s (70 %%)", rate), Unit: "ms", Base: "the median", Rows: []row{
		{"median", sampleOf(typical), sampleOf(divided(typical, typical)), ""},
		{"99 % within", sampleOf(worst), sampleOf(ratios), ""},
	}}
	results.add(t)
	results.atMost("checks at 70 %: 99th percentile / median", median(ratios), 5)
}

// allocations of a check, and their bytes, by the runtime's own figures.
func (h *house) allocations(b *testing.B) (number, bytes float64) {
	const requests = 2000
	c := dial(b, h.api.address)
	defer c.Close()
	const mallocs, total = "go_memstats_mallocs_total", "go_memstats_alloc_bytes_total"
	asking := h.api.figure(b, mallocs)
	number, bytes = h.api.figure(b, mallocs), h.api.figure(b, total)
	asking = number - asking // what asking itself costs
	for range requests {
		must(b, h.ours().one(c))
	}
	return (h.api.figure(b, mallocs) - number - asking) / requests, (h.api.figure(b, total) - bytes) / requests
}

func (h *house) ours() server {
	return server{name: "creditapi", address: h.api.address, pid: h.api.cmd.Process.Pid,
		check: func() ([]byte, string) { return h.api.check(cards()) }}
}

// check of a peer: GET /credit/CARD.
func (h *house) peer(name, address string, pid int) server {
	return server{name: name, address: address, pid: pid, check: func() ([]byte, string) {
		card, credit := someCard(cards())
		return fmt.Appendf(nil, "GET /credit/%d HTTP/1.1\r\nHost: %s\r\n\r\n", card, address), credit
	}}
}

func (h *house) bare(b *testing.B) server {
	b.Helper()
	const address = "127.0.0.1:8100"
	cmd := exec.Command(h.build(b, "bare", "./peers/bare"), address, h.cards.Owner().DSN(), fmt.Sprint(full))
	h.start(b, cmd, address, fmt.Sprint("/credit/", firstCard+1))
	return h.peer("net/http, one prepared SELECT (floor)", address, cmd.Process.Pid)
}

// flask runs the paper's service in the way that suits it: a process per
// processor, connections that stay open, and as many threads as serve them best (of
// 4 to 32 in each process, on 16 to 64 connections).
func (h *house) flask(b *testing.B) server {
	b.Helper()
	const address = "127.0.0.1:8200"
	cmd := exec.Command("gunicorn", "--chdir", "peers", "--bind", address, "--workers", "2",
		"--worker-class", "gthread", "--threads", "8", "--keep-alive", "60", "--log-level", "error", "service:app")
	cmd.Env = append(os.Environ(), "SOCKET="+h.database.Socket, "DATABASE="+h.cards.Name, "PYTHONDONTWRITEBYTECODE=1")
	h.start(b, cmd, address, fmt.Sprint("/credit/", firstCard+1))
	h.refill(b, address)
	return h.peer("Flask-RESTful, gunicorn (the paper's)", address, cmd.Process.Pid)
}

// refill tries the second resource of the paper's service, and takes it back.
func (h *house) refill(b *testing.B, address string) {
	b.Helper()
	c := dial(b, address)
	defer c.Close()
	for _, amount := range []string{"50", "-50"} {
		body := `{"amount":"` + amount + `"}`
		answer, err := c.ask(fmt.Appendf(nil, "POST /credit/%d/refill HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			firstCard+1, address, len(body), body))
		must(b, err)
		if !strings.Contains(string(answer), `"added": "`+amount+`"`) {
			b.Fatalf("the paper's service does not refill: %s", answer)
		}
	}
}

func perSecond(loads []load) (values []float64) {
	for _, l := range loads {
		values = append(values, l.perSecond())
	}
	return values
}

// cpuPerRequest in ms, over all rounds: the kernel counts in steps of 10 ms.
func cpuPerRequest(loads []load) float64 {
	var cpu time.Duration
	requests := 0
	for _, l := range loads {
		cpu, requests = cpu+l.cpu, requests+l.requests
	}
	return ms(cpu) / float64(requests)
}

// waited is the median, over the rounds, of a percentile in ms.
func waited(loads []load, p int) float64 {
	var values []float64
	for _, l := range loads {
		values = append(values, ms(percentile(l.waits, p)))
	}
	return median(values)
}

// divided divides round by round.
func divided(a, b []float64) []float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return ratios
}

// benchmarkCards measures whether a check takes longer when there are more cards:
// one database for each power of ten, asked in turn.
func (h *house) benchmarkCards(b *testing.B) {
	const smallest, requests = 10_000, 100
	var servers []server
	var sizes []int
	for n, port := smallest, 8300; n <= max(cards(), smallest); n, port = n*10, port+1 {
		a := h.api
		if n != cards() {
			a = h.serve(b, h.withCards(b, fmt.Sprint("cards", n), n), port, nil)
		}
		sizes = append(sizes, n)
		servers = append(servers, server{name: fmt.Sprint(n, " cards"), address: a.address, check: func() ([]byte, string) { return a.check(n) }})
	}
	times := make([][]float64, len(servers))
	clients := make([]*client, len(servers))
	for i, s := range servers {
		clients[i] = dial(b, s.address)
		defer clients[i].Close()
	}
	for round := range 1 + rounds() {
		for _, i := range rand.Perm(len(servers)) {
			start := time.Now()
			for range requests {
				must(b, servers[i].one(clients[i]))
			}
			if round > 0 {
				times[i] = append(times[i], ms(time.Since(start))/requests)
			}
		}
	}
	t := table{Name: "cards", What: fmt.Sprintf("one check after the other, %d rounds of %d", rounds(), requests), Unit: "ms", Base: servers[0].name}
	for i, s := range servers {
		t.Rows = append(t.Rows, row{s.name, sampleOf(times[i]), sampleOf(divided(times[i], times[0])), ""})
	}
	results.add(t)
	last := len(servers) - 1
	results.atMost(fmt.Sprintf("a check: %d cards / %d", sizes[last], sizes[0]), t.Rows[last].Ratio.Median, 1.3)
}
