//go:build lab

package cluster

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

const (
	database = "mya2billing"
	myisam   = "stock" // A2Billing as installed, which no cluster may keep so
	accounts = 400     // whose ids start at firstID
	firstID  = 1000
	adMS     = 100
)

// A house is the cluster and two creditapi, the first on its first node and
// the second on its second.
type house struct {
	nodes []*lab.Node
	apis  []*api
	key   string
	heard []string // listens that were heard before the load
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{}
	h.nodes = lab.Galera(t, 3, func(first *lab.Server) { h.fill(t, first) })
	for i, at := range []string{"127.0.0.1:8081", "127.0.0.1:8082"} {
		h.apis = append(h.apis, newAPI(t, at, h.login(i, database).SocketURL()))
		h.apis[i].start(t)
	}
	return h
}

// login is the user who serves, on one node.
func (h *house) login(node int, name string) lab.Login {
	return lab.Login{User: "creditapi", Password: "p-serve", Database: &lab.Database{Server: h.nodes[node].Server, Name: name}}
}

// fill makes A2Billing's databases, converted and as installed, on a node that
// is alone.
func (h *house) fill(t *testing.T, first *lab.Server) {
	t.Helper()
	text, err := os.ReadFile("../../etc/a2billing/grants.sql")
	if err != nil {
		t.Fatal(err)
	}
	grants := strings.NewReplacer("<password of creditapi>", "'p-serve'", "<password of adcredit_owner>", "'p-owner'").Replace(string(text))
	for name, engine := range map[string]lab.Engine{database: lab.AllInnoDB, myisam: lab.MyISAM} {
		d := first.Database(t, name)
		lab.LoadA2Billing(t, d, engine)
		d.Exec(t, grants)
		creditapi(t, lab.Login{User: "adcredit_owner", Password: "p-owner", Database: d}.SocketURL(), "migrate")
	}
	d := &lab.Database{Server: first, Name: database}
	d.Exec(t, `SET sql_mode=''; INSERT INTO cc_card (id, username, useralias, status, activated, creationdate)
		SELECT ? + seq, 7000000000 + seq, 20000 + seq, 1, 't', '2020-01-01' FROM seq_0_to_399`, firstID)
	serves := lab.Login{User: "creditapi", Password: "p-serve", Database: d}.SocketURL()
	creditapi(t, serves, "campaign", "add", "-name", "short", "-sound", "ads/short", "-duration", "100ms", "-reward", "50", "-budget", "1000000")
	h.key = strings.TrimSpace(creditapi(t, serves, "key", "add", "-name", "ast1", "-scope", "agi", "-node", "ast1"))
}

// creditapi runs one command on a database and returns what it prints.
func creditapi(t *testing.T, url string, args ...string) string {
	t.Helper()
	return lab.CreditAPI(t, []string{"CREDITAPI_DATABASE=" + url}, args...)
}

func try(url string, args ...string) (out, remarks string, err error) {
	return lab.TryCreditAPI([]string{"CREDITAPI_DATABASE=" + url}, args...)
}

// An api is creditapi serve, which may be killed and started again.
type api struct {
	at, database string
	config, log  string
	cmd          *exec.Cmd
}

func newAPI(t *testing.T, at, database string) *api {
	t.Helper()
	dir := t.TempDir()
	a := &api{at: at, database: database, config: filepath.Join(dir, "creditapi.toml"), log: filepath.Join(dir, "log")}
	// Nobody ever has enough, and hardly anybody is capped: each call is offered an ad.
	settings := `required_credit = "10000000"
starts_per_day = 1000
listens_per_day = 1000
listen_spacing = "0s"
late_per_day = 1000
log_level = "warn"
`
	if err := os.WriteFile(a.config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.kill()
		if text, err := os.ReadFile(a.log); t.Failed() && err == nil {
			t.Logf("%s logs:\n%s", a.at, text[max(0, len(text)-6000):])
		}
	})
	return a
}

// start starts it and waits until it is ready.
func (a *api) start(t *testing.T) {
	t.Helper()
	a.run(t)
	a.awaitReady(t, http.StatusOK)
}

func (a *api) run(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(a.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	a.cmd = exec.Command(lab.Program("creditapi"), "serve", "-config", a.config)
	a.cmd.Env = []string{"PATH=/usr/bin:/bin", "CREDITAPI_DATABASE=" + a.database, "CREDITAPI_LISTEN=" + a.at}
	a.cmd.Stdout, a.cmd.Stderr = log, log
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// awaitReady waits until /readyz answers with the status.
func (a *api) awaitReady(t *testing.T, status int) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	eventually(t, a.at+"/readyz with status "+http.StatusText(status), func() bool {
		resp, err := client.Get("http://" + a.at + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == status
	})
}

// kill ends it as a power cut would.
func (a *api) kill() {
	if a.cmd != nil {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait() // how it ended is known
		a.cmd = nil
	}
}

// eventually waits for what must come within a minute.
func eventually(t *testing.T, what string, come func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !come(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("within a minute there was no %s", what)
		}
	}
}
