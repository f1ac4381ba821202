package tests

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look at the tables

	"adcredit/creditapi/config"
	domain "adcredit/creditapi/credit"
	"adcredit/creditapi/rest"
	"adcredit/creditapi/store"
	"adcredit/creditapi/wire"
	"adcredit/sounds"
)

const (
	stepTime = 5 * time.Second        // adcredit's timeout, far from the second after a hangup
	keyTime  = 200 * time.Millisecond // until the caller presses a key
)

var longAgo = time.Unix(0, 0)

// house is creditapi in this process, on an embedded store, for many callers at
// once. One campaign plays ads/short for 50, without caps.
type house struct {
	dir, adcredit string
	samples       int64 // of the ad
	store         *store.Store
	db            *sql.DB
	api           http.Handler
	keys          map[string]string // by node
}

// newHouse makes it with an ad of so many seconds, and asks for a digit in this
// share of listens.
func newHouse(t *testing.T, seconds int64, attention float64) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), samples: seconds * sounds.Rate, keys: map[string]string{}}
	h.adcredit = filepath.Join(binaries(t), "adcredit")
	database, err := config.ParseDatabase("sqlite://" + filepath.Join(h.dir, "adcredit.db"))
	must(t, err)
	h.store, err = store.Open(t.Context(), store.Config{Database: database, Currency: "XOF"})
	must(t, err)
	t.Cleanup(func() { must(t, h.store.Close()) })
	h.db, err = sql.Open("sqlite", "file:"+filepath.Join(h.dir, "adcredit.db")+"?_pragma=busy_timeout(10000)")
	must(t, err)
	t.Cleanup(func() { must(t, h.db.Close()) })
	_, err = h.store.AddCampaign(t.Context(), domain.Campaign{Name: "short", ToMinute: 1440, Reward: wire.Units(50), Budget: wire.Units(100_000),
		Ads: []domain.Ad{{Language: "fr", Sound: "ads/short", RateHz: sounds.Rate, Samples: h.samples}}})
	must(t, err)
	for _, node := range []string{"ast1", "ast2"} {
		h.key(t, node)
	}
	service := &domain.Service{Store: h.store, Policy: domain.Policy{
		Required: wire.Units(1), CompletionWindow: 24 * time.Hour, ClockTolerance: time.Second, Location: time.UTC, Language: "fr",
		AttentionShare: attention,
	}}
	api := rest.New(service, rest.Options{Version: "test", Hosts: []string{"localhost"}, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(api.Wait)
	h.api = api
	for _, prompt := range sounds.Prompts {
		must(t, tone(filepath.Join(h.dir, "sounds/fr", prompt+".wav"), 300))
	}
	must(t, tone(filepath.Join(h.dir, "sounds/ads/short.wav"), int(seconds)*1000))
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// key makes another key for a node and puts it in the place of the last one.
func (h *house) key(t *testing.T, node string) {
	t.Helper()
	k, text, err := domain.NewKey(node, node, []string{domain.ScopeAGI}, nil)
	must(t, err)
	must(t, h.store.AddKey(t.Context(), k))
	h.keys[node] = text
}

// caller is one account without credit, on an Asterisk host of its own that
// reaches creditapi by a socket of its own.
type caller struct {
	*house
	dir, alias string

	between func(step string, w http.ResponseWriter, r *http.Request) // creditapi and this host; nil: nothing is
}

// newCaller makes the account 20000 and some.
func (h *house) newCaller(ctx context.Context, n int) (*caller, error) {
	c := &caller{house: h, alias: fmt.Sprint(20_000 + n)}
	c.dir = filepath.Join(h.dir, c.alias)
	conf := fmt.Sprintf("node = \"ast1\"\nurls = [\"unix://%s/api.sock\"]\nlanguages = [\"fr\"]\nsounds_dir = \"%s/sounds\"\n"+
		"spool_dir = \"%s/spool\"\nlog = \"stderr\"\ntimeout = \"%s\"\nidentity = [\"pai=alias\"]\n", c.dir, h.dir, c.dir, stepTime)
	if err := os.MkdirAll(filepath.Join(c.dir, "spool"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "adcredit.toml"), []byte(conf), 0o600); err != nil {
		return nil, err
	}
	_, err := h.store.AddAccount(ctx, domain.NewAccount{Card: "99000" + c.alias, Alias: c.alias, Language: "fr"})
	return c, err
}

// serve listens on the caller's socket until the returned function is called.
func (c *caller) serve() (stop func() error, err error) {
	l, err := net.Listen("unix", filepath.Join(c.dir, "api.sock"))
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: c}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(l) }) // ends by Close
	return func() error { defer served.Wait(); return server.Close() }, nil
}

// ServeHTTP implements http.Handler.
func (c *caller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.between != nil {
		c.between(stepOf(r), w, r)
		return
	}
	c.api.ServeHTTP(w, r)
}

// stepOf names what is asked: credit, listens (the start), complete or abandon.
func stepOf(r *http.Request) string { return r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] }

func (c *caller) environ(node string) []string {
	return []string{"ADCREDIT_CONFIG=" + filepath.Join(c.dir, "adcredit.toml"), "ADCREDIT_API_KEY=" + c.keys[node]}
}

// flush runs adcredit -flush with the key of a node.
func (c *caller) flush(ctx context.Context, node string) (out string, err error) {
	cmd := exec.CommandContext(ctx, c.adcredit, "-flush")
	cmd.Env = c.environ(node)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// waiting lists the completions in the caller's spool.
func (c *caller) waiting() []string {
	names, _ := filepath.Glob(filepath.Join(c.dir, "spool", "*.json")) // the pattern is well formed
	return names
}

// money is what the tables say of the account: its credit, and the state of its
// listens.
func (c *caller) money(ctx context.Context) (credit wire.Money, listens string, err error) {
	var n int64
	err = c.db.QueryRowContext(ctx, `
		SELECT c.credit, COALESCE((SELECT GROUP_CONCAT(l.state) FROM adcredit_listen l WHERE l.account_id = c.id), '')
		FROM cc_card c WHERE c.useralias = ?`, c.alias).Scan(&n, &listens)
	return wire.Money(n), listens, err
}

// drain reads a request's body, so that the server sees when the client goes.
func drain(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return err
}
