//go:build lab

package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/tests/lab"
)

const (
	campaigns   = 64
	hotCampaign = 1
	adLength    = 100 * time.Millisecond
)

// listeners is how many cards without credit there are: each can earn once, and a
// round takes some 3,500.
func listeners() int { return (1 + spans()) * 5000 }

// granter starts listens and completes them.
type granter interface {
	start(b *testing.B, caller int) (listen string, err error)
	complete(b *testing.B, listen string) error
}

// phases are how many listens a second were started, and then granted.
type phases struct{ starts, grants []float64 }

// benchmarkGrants measures listens that are started and completed, over HTTP with
// all that creditapi does, against the same statements in a loop that does
// nothing else; and one campaign that everybody hears against many.
func (h *house) benchmarkGrants(b *testing.B) {
	d := h.database.Database(b, "grants")
	lab.LoadA2Billing(b, d, lab.InnoDB)
	insertCards(b, d, listeners(), "0")
	a := h.serve(b, d, 8400, map[string]string{
		"starts_per_day": "1000", "listens_per_day": "1000", "listen_spacing": `"0s"`, "clock_tolerance": `"1s"`,
	})
	for i := range campaigns { // of very short ads
		h.campaign(b, d, fmt.Sprint("campaign", i+1))
	}
	ours := &overHTTP{api: a}
	floor := newTightLoop(b, d)
	t := table{Name: "grants", What: "listens a second, by workers at once", Unit: "per s", Base: "the same statements in a loop"}
	hear := func(n int) {
		d.Exec(b, "UPDATE adcredit_campaign SET state = CASE WHEN id <= ? THEN 'active' ELSE 'paused' END", n)
	}
	hear(hotCampaign)
	for _, workers := range []int{1, 16, 64} {
		got := interleavePhases(b, workers, []granter{floor, ours}, nil)
		for i, what := range []string{"started", "granted"} {
			base, mine := got[0].starts, got[1].starts
			if i == 1 {
				base, mine = got[0].grants, got[1].grants
			}
			t.Rows = append(t.Rows,
				row{fmt.Sprintf("%d workers, %s, loop (floor)", workers, what), sampleOf(base), sampleOf(divided(base, base)), ""},
				row{fmt.Sprintf("%d workers, %s, creditapi", workers, what), sampleOf(mine), sampleOf(divided(mine, base)), ""})
		}
		results.atLeast(fmt.Sprintf("grants: creditapi / loop, %d workers", workers), median(divided(got[1].grants, got[0].grants)), 0.8)
	}
	each := h.counted(b, a, func() {
		id, err := ours.start(b, 0)
		time.Sleep(adLength)
		must(b, errors.Join(err, ours.complete(b, id)))
	})
	t.Notes = fmt.Sprintf("one listen and its grant: %d HTTP requests, %d SQL statements", each.requests, each.statements)
	results.add(t)

	got := interleavePhases(b, busy, []granter{ours, ours}, func(i int) { hear([]int{campaigns, hotCampaign}[i]) })
	spread, hot := got[0].grants, got[1].grants
	results.add(table{Name: "hot", What: fmt.Sprintf("grants a second, %d workers", busy), Unit: "per s", Base: fmt.Sprint(campaigns, " campaigns"), Rows: []row{
		{fmt.Sprint(campaigns, " campaigns, granted"), sampleOf(spread), sampleOf(divided(spread, spread)), ""},
		{"one hot campaign, granted", sampleOf(hot), sampleOf(divided(hot, spread)), ""},
		{"one hot campaign, started", sampleOf(got[1].starts), sampleOf(divided(got[1].starts, got[0].starts)), "to starts of the same"},
	}})
	results.atLeast("grants: one hot campaign / 64", median(divided(hot, spread)), 0.8)
	h.balance(b, d)
}

// interleavePhases gives each contender its turn in each round, in random order.
func interleavePhases(b *testing.B, workers int, contenders []granter, before func(i int)) []phases {
	b.Helper()
	listens := 100 + 12*workers // about half a second
	got := make([]phases, len(contenders))
	for round := range 1 + spans() {
		for _, i := range rand.Perm(len(contenders)) {
			if before != nil {
				before(i)
			}
			starts, grants := pass(b, contenders[i], workers, listens)
			if round > 0 {
				got[i].starts, got[i].grants = append(got[i].starts, starts), append(got[i].grants, grants)
			}
		}
	}
	return got
}

var nextCaller atomic.Int64 // so that nobody listens twice at once

// pass starts so many listens with the workers, and then grants them.
func pass(b *testing.B, g granter, workers, listens int) (starts, grants float64) {
	b.Helper()
	ids := make([]string, listens)
	atOnce := func(do func(i int) error) float64 {
		var next atomic.Int64
		errs := make([]error, workers)
		var all sync.WaitGroup
		start := time.Now()
		for w := range workers {
			all.Go(func() {
				for i := int(next.Add(1)) - 1; i < listens && errs[w] == nil; i = int(next.Add(1)) - 1 {
					errs[w] = do(i)
				}
			})
		}
		all.Wait()
		must(b, errors.Join(errs...))
		return float64(listens) / time.Since(start).Seconds()
	}
	starts = atOnce(func(i int) (err error) {
		ids[i], err = g.start(b, int(nextCaller.Add(1))%listeners())
		return err
	})
	time.Sleep(adLength) // the last one must have heard it
	grants = atOnce(func(i int) error { return g.complete(b, ids[i]) })
	return starts, grants
}

// campaign adds one with a budget that no run spends.
func (h *house) campaign(b *testing.B, d *lab.Database, name string) {
	b.Helper()
	cmd := exec.Command(filepath.Join(h.dir, "creditapi"), "campaign", "add", "-name", name, "-sound", "ads/"+name,
		"-duration", adLength.String(), "-reward", "50", "-budget", "100000000")
	cmd.Env = append(os.Environ(), "CREDITAPI_DATABASE="+d.Owner().SocketURL())
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// balance proves that what was measured was real: each granted listen is in the
// ledger, and credited.
func (h *house) balance(b *testing.B, d *lab.Database) {
	b.Helper()
	var listens, entries int
	var ledger, cards, refills, spent string
	must(b, d.DB(b).QueryRow(`SELECT (SELECT COUNT(*) FROM adcredit_listen WHERE state = 'completed'),
		(SELECT COUNT(*) FROM adcredit_ledger WHERE state = 'logged'), (SELECT SUM(amount) FROM adcredit_ledger),
		(SELECT SUM(credit) FROM cc_card WHERE id > 3), (SELECT SUM(credit) FROM cc_logrefill), (SELECT SUM(spent) FROM adcredit_budget)`).Scan(&listens, &entries, &ledger, &cards, &refills, &spent))
	if listens == 0 || listens != entries || ledger != cards || ledger != refills || ledger != spent {
		b.Fatalf("%d listens, %d entries: ledger %s, cards %s, refills %s, budgets %s", listens, entries, ledger, cards, refills, spent)
	}
}

// overHTTP is creditapi.
type overHTTP struct {
	api     *creditapi
	clients sync.Pool
	serial  atomic.Int64
}

func (o *overHTTP) post(b *testing.B, path, key, body string) ([]byte, error) {
	c, _ := o.clients.Get().(*client)
	if c == nil {
		c = dial(b, o.api.address)
	}
	defer o.clients.Put(c)
	answer, err := c.ask(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, o.api.address, o.api.key, key, len(body), body))
	if err != nil {
		err = fmt.Errorf("POST %s: %w", path, err)
	}
	return answer, err
}

func (o *overHTTP) start(b *testing.B, caller int) (string, error) {
	n := o.serial.Add(1)
	answer, err := o.post(b, "/v1/listens", fmt.Sprintf("benchmark-%016d", n),
		fmt.Sprintf(`{"account":"card:%d","call_id":"bench/1700000000.%d","destination":"2000"}`, firstCard+1+caller, n))
	var listen struct{ ID string }
	if err == nil {
		err = json.Unmarshal(answer, &listen)
	}
	return listen.ID, err
}

func (o *overHTTP) complete(b *testing.B, listen string) error {
	_, err := o.post(b, "/v1/listens/"+listen+"/complete", "complete-"+listen, `{"endpos":800,"played_ms":100,"heard_at":"2026-01-01T00:00:00Z"}`)
	return err
}
