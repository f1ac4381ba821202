//go:build lab

package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"adcredit/agi/creditclient"
	"adcredit/creditapi/wire"
)

// roundsEnv is how often all faults come; once by default.
const roundsEnv = "ADCREDIT_CLUSTER_ROUNDS"

func TestCluster(t *testing.T) {
	h := newHouse(t)
	t.Run("MyISAM is refused", func(t *testing.T) { testMyISAM(t, h) })
	t.Run("a node that lags", func(t *testing.T) { testLag(t, h) })
	t.Run("faults", func(t *testing.T) { testFaults(t, h) })
}

// On a cluster whose A2Billing is as installed no ad is offered, and converting
// it there is refused, since the nodes have different rows.
func testMyISAM(t *testing.T, h *house) {
	url := h.login(1, myisam).SocketURL()
	out, _, err := try(url, "check")
	if err == nil || !strings.Contains(out, "WRONG  way") || !strings.Contains(out, "does not replicate MyISAM") {
		t.Errorf("creditapi check: %v\n%s", err, out)
	}
	owner := strings.Replace(url, "creditapi:p-serve@", "root@", 1)
	if _, remarks, err := try(owner, "a2billing", "convert", "-yes"); err == nil || !strings.Contains(remarks, "stop all nodes but the one") {
		t.Errorf("creditapi a2billing convert: %v\n%s", err, remarks)
	}
	a := newAPI(t, "127.0.0.1:8083", url)
	a.run(t)
	a.awaitReady(t, http.StatusServiceUnavailable)
}

// A completion that comes by a node which has not applied its listen yet waits
// for it: it is not answered that there is none.
func testLag(t *testing.T, h *house) {
	const account = "card:7000000000"
	ask := func(i int) *creditclient.Client {
		c, err := creditclient.New(creditclient.Config{URLs: []string{"http://" + h.apis[i].at}, Key: h.key,
			Timeout: 10 * time.Second, SpoolDir: filepath.Join(t.TempDir(), "spool"), Agent: "adcredit/cluster"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ahead, behind := ask(0), ask(1)
	if _, err := behind.Credit(t.Context(), account, "2000"); err != nil { // it knows the key then
		t.Fatal(err)
	}
	lock, err := h.nodes[1].Root().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := lock.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK"); err != nil { // nothing is applied now
		t.Fatal(err)
	}
	listen, err := ahead.Start(t.Context(), wire.StartListen{Account: account, CallID: "ast1/lag", Destination: "2000"})
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan error)
	go func() {
		_, err := behind.Complete(context.Background(), account, listen,
			wire.Heard{Endpos: listen.Samples, PlayedMS: listen.DurationMS, HeardAt: time.Now()})
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Errorf("a node that lags answered: %v", err)
		return
	case <-time.After(500 * time.Millisecond): // so long it has waited, and the ad is over
	}
	if _, err := lock.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("the completion: %v", err)
	}
	h.heard = append(h.heard, listen.ID)
}

// A fault happens under load; the service goes on while it lasts, and after it.
type fault struct {
	name   string
	happen func(t *testing.T)
	mend   func(t *testing.T)
}

func (h *house) faults() []fault {
	var faults []fault
	for i, a := range h.apis {
		faults = append(faults, fault{fmt.Sprint("creditapi ", i+1, " killed"),
			func(*testing.T) { a.kill() }, func(t *testing.T) { a.start(t) }})
	}
	for i, node := range h.nodes {
		faults = append(faults, fault{fmt.Sprint("node ", i+1, " killed"),
			func(*testing.T) { node.Kill() }, func(t *testing.T) { node.Rejoin(t) }})
	}
	return append(faults,
		fault{"node 1 frozen", func(t *testing.T) {
			h.nodes[0].Freeze()
			h.apis[0].awaitReady(t, http.StatusServiceUnavailable)
		}, func(t *testing.T) {
			h.nodes[0].Thaw()
			h.nodes[0].AwaitSynced(t)
			h.apis[0].awaitReady(t, http.StatusOK)
		}},
		fault{"node 2 cut off from the others", func(t *testing.T) {
			h.nodes[1].Isolate(t, true)
			h.apis[1].awaitReady(t, http.StatusServiceUnavailable)
			h.apis[0].awaitReady(t, http.StatusOK)
		}, func(t *testing.T) {
			h.nodes[1].Isolate(t, false)
			h.nodes[1].AwaitSynced(t)
			h.apis[1].awaitReady(t, http.StatusOK)
		}})
}

func testFaults(t *testing.T, h *house) {
	rounds := 1
	if text := os.Getenv(roundsEnv); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", roundsEnv, err)
		}
	}
	l := h.load(t)
	l.goesOn(t, 20)
	for range rounds {
		for _, f := range h.faults() {
			began := time.Now()
			f.happen(t)
			l.goesOn(t, 20)
			f.mend(t)
			l.goesOn(t, 20)
			fmt.Printf("%-32s %5.1f s, %d grants so far\n", f.name, time.Since(began).Seconds(), l.granted.Load())
		}
	}
	l.end(t)
	h.wantBooks(t, l)
	fmt.Printf("%d calls: %d granted at once, %d delivered later, %d without an answer, %d while an ad was playing\n",
		l.calls.Load(), l.granted.Load(), l.pending.Load(), l.unanswered.Load(), l.busy.Load())
	fmt.Printf("%d debits acknowledged, %d failed; longest waits: check %s, start %s, complete %s\n",
		l.debits.Load(), l.failedDebits.Load(), l.longest["check"], l.longest["start"], l.longest["complete"])
}
