package ims

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"adcredit/sounds"
	"adcredit/tests/ims/hss"
	"adcredit/tests/lab"
)

// The addresses of the lab, those of etc/ims.
const (
	HSSAt   = "127.0.0.5:3868"
	PCSCFAt = "127.0.0.4:5060"
	ICSCFAt = "127.0.0.3:5060"
	SCSCFAt = "127.0.0.2:6060"
	ASAt    = "127.0.0.9:5060"
	APIAt   = "127.0.0.1:8080" // creditapi

	Domain = "ims.test"
)

// Reward is what a heard ad pays.
const Reward = "50.00000"

const (
	soundsDir = "/usr/local/share/adcredit/sounds"
	spoolDir  = "/var/spool/adcredit"
	agiBin    = "/usr/share/asterisk/agi-bin/"
)

// Programs and Needs are what lab.MainWith has to be given.
var (
	Programs = []string{"adcredit/agi/adcredit", "adcredit/creditapi"}
	Needs    = []lab.Need{lab.NeedKamailio, lab.NeedAsterisk, lab.NeedMariaDB}
)

// Options are how labs differ. The zero value is the lab of the paper.
type Options struct {
	// Early plays the ad before the call is answered, as early media; else the
	// call is answered first. It sets offer and answer of adcredit.toml.
	Early bool
	// Adcredit are further keys of adcredit.toml with their values as written
	// there, e.g. {"offer": `"press"`}.
	Adcredit map[string]string
	// Brief plays the ad alone, without what is said before and after it, which
	// saves a call some ten seconds.
	Brief bool
	// Globals are set in the dialplan, e.g. {"ADCREDIT_FAIL": "open"}.
	Globals map[string]string
	// Subscribers, when not "", stands in for etc/ims/subscribers.toml: a path.
	Subscribers string
	// Credit is what 1001 has; "" is none.
	Credit string
	// NoAS leaves Asterisk out, as when it is down.
	NoAS bool
}

// A Lab is the running network.
type Lab struct {
	HSS     *hss.Server
	PBX     *lab.PBX       // Asterisk; nil with NoAS
	SQL     *sql.DB        // A2Billing's database, as an administrator
	Rec     *lab.Recording // all that has gone over the wire
	Parts   []Part
	StartUp time.Duration // until the first call could be made

	proxies map[string]*lab.Kamailio // by name: pcscf, icscf, scscf
	api     *exec.Cmd
	stopHSS func()

	database, key string // creditapi's, and the node's
}

// Start builds a lab and opens it for calls; it ends with the test. Only one may
// run at a time in a test package, since all have the same addresses.
func Start(tb testing.TB, o Options) *Lab {
	tb.Helper()
	began := time.Now()
	l := &Lab{proxies: map[string]*lab.Kamailio{}, Rec: lab.Record(tb)}
	l.startHSS(tb, o)
	lab.KamailioEtc(tb, files("etc/ims/kamailio"))
	for _, c := range cscfs {
		l.proxies[c.file] = lab.StartKamailio(tb, c.file)
		l.Parts = append(l.Parts, Part{c.name, c.at, l.proxies[c.file].PID()})
	}
	l.startMoney(tb, o)
	l.awaitCore(tb)
	l.StartUp = time.Since(began)
	return l
}

// cscfs are the three Kamailio, by the names of their configurations.
var cscfs = []struct{ file, name, at string }{
	{"pcscf", "P-CSCF", PCSCFAt}, {"icscf", "I-CSCF", ICSCFAt}, {"scscf", "S-CSCF", SCSCFAt},
}

// files is a folder of the source tree, wherever tests or commands are run.
func files(path string) string {
	_, here, _, ok := runtime.Caller(0)
	if root := filepath.Dir(filepath.Dir(filepath.Dir(here))); ok && filepath.IsAbs(here) {
		return filepath.Join(root, path)
	}
	return path // built with -trimpath: to be run from the top of the tree
}

// startHSS serves the subscribers from this very process.
func (l *Lab) startHSS(tb testing.TB, o Options) {
	tb.Helper()
	if o.Subscribers == "" {
		o.Subscribers = files("etc/ims/subscribers.toml")
	}
	subscribers, err := hss.Load(o.Subscribers)
	if err != nil {
		tb.Fatal("ims: ", err)
	}
	host, _, _ := net.SplitHostPort(HSSAt)
	l.HSS = hss.New(hss.Options{Subscribers: subscribers, Realm: Domain, Host: host, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	l.serveHSS(tb)
	tb.Cleanup(func() { l.stopHSS() })
	l.Parts = append(l.Parts, Part{"HSS", HSSAt, os.Getpid()})
}

// serveHSS lets peers connect until stopHSS.
func (l *Lab) serveHSS(tb testing.TB) {
	tb.Helper()
	listener, err := net.Listen("tcp", HSSAt)
	if err != nil {
		tb.Fatal("ims: the HSS: ", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = l.HSS.Serve(ctx, listener) // ends by stop
	}()
	l.stopHSS = func() {
		stop()
		<-served
	}
}

// StopHSS takes the HSS down, as for maintenance: it takes leave of its peers by
// DPR. It keeps what it knows.
func (l *Lab) StopHSS() { l.stopHSS() }

// StartHSS brings it back and waits until the core has found it again.
func (l *Lab) StartHSS(tb testing.TB) {
	tb.Helper()
	since := time.Now()
	l.serveHSS(tb)
	l.awaitPeers(tb, since)
}

// Subscribers writes etc/ims/subscribers.toml with some text replaced wherever it
// stands, for Options or the HSS's Provision, and returns its path. Kamailio 5.6.3
// asks for a profile only when a user registers who was not registered, some
// seconds after leaving; it does not know PPR.
func Subscribers(tb testing.TB, old, new string) string {
	tb.Helper()
	file := text(tb, "etc/ims/subscribers.toml")
	if !strings.Contains(file, old) {
		tb.Fatalf("ims: etc/ims/subscribers.toml has no %s", old)
	}
	path := filepath.Join(tb.TempDir(), "subscribers.toml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(file, old, new)), 0o600); err != nil {
		tb.Fatal("ims: ", err)
	}
	return path
}

// awaitCore waits until calls can go through: an S-CSCF whose HSS or AS is not
// ready yet would send the first ones another way.
func (l *Lab) awaitCore(tb testing.TB) {
	tb.Helper()
	for _, c := range cscfs {
		at := netip.MustParseAddrPort(c.at)
		l.proxies[c.file].Await(tb, "listens at "+c.at, func() bool { return lab.Listening(at) })
	}
	l.awaitPeers(tb, time.Time{})
}

// awaitPeers waits until the HSS and its peers have found each other, since then.
func (l *Lab) awaitPeers(tb testing.TB, since time.Time) {
	tb.Helper()
	for _, c := range cscfs {
		if c.file != "pcscf" {
			host := netip.MustParseAddrPort(c.at).Addr().String()
			l.proxies[c.file].Await(tb, "its Diameter peer is open", func() bool { return l.answered(host, since) })
		}
	}
}

// answered says whether the HSS has answered a node's first Diameter message, its
// CER, which is what opens a peer. It comes from any address, so it is known by
// its Origin-Host.
func (l *Lab) answered(host string, since time.Time) bool {
	server := netip.MustParseAddrPort(HSSAt)
	var client netip.AddrPort
	for _, p := range l.Rec.TCP() {
		switch {
		case p.Time.Before(since):
		case p.To == server && bytes.Contains(p.Payload, []byte(host)):
			client = p.From
		case p.From == server && client.IsValid() && p.To == client:
			return true
		}
	}
	return false
}

// startMoney starts MariaDB, creditapi and Asterisk with adcredit, as an operator
// who follows the README.
func (l *Lab) startMoney(tb testing.TB, o Options) {
	tb.Helper()
	server := lab.MariaDB(tb)
	db := server.Database(tb, "mya2billing")
	l.Parts = append(l.Parts, Part{"MariaDB", server.Socket, server.PID()})
	lab.LoadA2Billing(tb, db, lab.InnoDB)
	l.SQL = db.DB(tb)
	if o.Credit == "" {
		o.Credit = "0"
	}
	l.Exec(tb, `UPDATE cc_card SET language = 'en', credit = IF(useralias = '1001', ?, credit)`, o.Credit)
	database := db.Owner().SocketURL()
	l.database = database
	creditapi(tb, database, "migrate")
	dir := tb.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal("ims: ", err)
	}
	if err := sounds.CopyTo(dir); err != nil {
		tb.Fatal("ims: ", err)
	}
	creditapi(tb, database, "campaign", "add", "-name", "mangalou", "-reward", Reward, "-budget", "100000",
		"-sound", "en="+filepath.Join(dir, "ads/mangalou-en.wav"), "-sound", "fr="+filepath.Join(dir, "ads/mangalou-fr.wav"))
	key := creditapi(tb, database, "key", "add", "-name", "ims", "-scope", "agi", "-node", "ast1")
	l.StartAPI(tb)
	if !o.NoAS {
		l.startAS(tb, o, dir, key)
	}
}

// StartAPI starts creditapi, also once more after [Lab.StopAPI], and waits until it
// answers.
func (l *Lab) StartAPI(tb testing.TB) {
	tb.Helper()
	log, err := os.Create(filepath.Join(tb.TempDir(), "creditapi.log"))
	if err != nil {
		tb.Fatal("ims: ", err)
	}
	defer log.Close()
	l.api = exec.Command(lab.Program("creditapi"), "serve")
	l.api.Env = apiEnv(l.database)
	l.api.Stdout, l.api.Stderr = log, log
	if err := l.api.Start(); err != nil {
		tb.Fatal("ims: start creditapi: ", err)
	}
	tb.Cleanup(func() {
		l.StopAPI()
		if text, err := os.ReadFile(log.Name()); tb.Failed() && err == nil {
			tb.Logf("creditapi's log:\n%s", text)
		}
	})
	l.Parts = append(l.Parts, Part{"creditapi", APIAt, l.api.Process.Pid})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		conn, err := net.Dial("tcp", APIAt)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("ims: creditapi does not answer: %v", err)
		}
	}
}

// StopAPI kills creditapi.
func (l *Lab) StopAPI() {
	_ = l.api.Process.Kill() // an error says that it has ended already
	_ = l.api.Wait()
}

// creditapi runs one of its commands and returns what it prints.
func creditapi(tb testing.TB, database string, args ...string) string {
	tb.Helper()
	return lab.CreditAPI(tb, apiEnv(database), args...)
}

func apiEnv(database string) []string {
	return []string{"PATH=/usr/bin:/bin", "CREDITAPI_DATABASE=" + database, "CREDITAPI_LISTEN=" + APIAt}
}

// startAS starts Asterisk as etc/ims/README.md says.
func (l *Lab) startAS(tb testing.TB, o Options, sounds, key string) {
	tb.Helper()
	plan := text(tb, "etc/ims/asterisk/extensions.conf")
	for name, value := range o.Globals {
		plan += fmt.Sprintf("\n[globals](+)\n%s=%s\n", name, value)
	}
	l.PBX = lab.Asterisk(tb, lab.AsteriskConfig{
		Files: map[string]string{
			"pjsip.conf":      text(tb, "etc/ims/asterisk/pjsip.conf"),
			"extensions.conf": plan,
			"adcredit.conf":   text(tb, "etc/asterisk/extensions.conf"),
		},
		// As an operator has it, the second too: by it strangers are challenged.
		Modules: []string{"func_cut.so", "res_pjsip_authenticator_digest.so"},
		Mounts:  map[string]string{soundsDir: sounds, agiBin + "adcredit": lab.Program("adcredit")},
	})
	l.Parts = append(l.Parts, Part{"AS", ASAt, l.PBX.PID()})
	l.key = key
	l.Configure(tb, o)
	l.PBX.CLI(tb, "agi set debug on")
}

// RestartAS starts Asterisk once more, after its Stop.
func (l *Lab) RestartAS(tb testing.TB) {
	tb.Helper()
	l.PBX.Start(tb)
	l.PBX.CLI(tb, "agi set debug on")
}

// prompt is one that adcredit.toml names around an ad.
var prompt = regexp.MustCompile(`(?m)^(offer|offer_auto|accepted|thanks|balance) = "[^"]*"`)

// Configure lays out adcredit's files for user asterisk, also anew: Early, Brief
// and Adcredit of the options count from the next call on.
func (l *Lab) Configure(tb testing.TB, o Options) {
	tb.Helper()
	keys := map[string]string{
		"node": `"ast1"`, "log": `"/var/log/asterisk/adcredit"`, // the root has no syslog
		"identity": `["served_user=impu", "pai=impu"]`, "core_endpoints": `["core"]`,
		"impu": `["sip:*@ims.test=alias:*", "tel:+22177000*=alias:*"]`, "icid": "true",
		"offer": `"auto"`,
	}
	if o.Early {
		keys["answer"] = `"progress"`
	}
	for name, value := range o.Adcredit {
		keys[name] = value
	}
	conf, tables, _ := strings.Cut(text(tb, "etc/adcredit.toml"), "\n[")
	for name, value := range keys {
		line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` = .*$`)
		if name == "node" { // its default is the host's name, so it stands commented out
			line = regexp.MustCompile(`(?m)^# node = .*$`)
		}
		if !line.MatchString(conf) {
			tb.Fatalf("ims: etc/adcredit.toml has no key %s", name)
		}
		conf = line.ReplaceAllLiteralString(conf, name+" = "+value)
	}
	if o.Brief {
		tables = prompt.ReplaceAllString(tables, `$1 = ""`)
	}
	spool := l.PBX.Path(spoolDir)
	if err := os.MkdirAll(spool, 0o700); err != nil {
		tb.Fatal("ims: ", err)
	}
	for path, content := range map[string]string{"/etc/adcredit/adcredit.toml": conf + "\n[" + tables, "/etc/adcredit/key": l.key} {
		path = l.PBX.Path(path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal("ims: ", err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			tb.Fatal("ims: ", err)
		}
		if err := l.PBX.Own(path); err != nil {
			tb.Fatal("ims: ", err)
		}
	}
	if err := l.PBX.Own(spool); err != nil {
		tb.Fatal("ims: ", err)
	}
}

func text(tb testing.TB, path string) string {
	tb.Helper()
	b, err := os.ReadFile(files(path))
	if err != nil {
		tb.Fatal("ims: ", err)
	}
	return string(b)
}

// Exec runs a statement on A2Billing's database.
func (l *Lab) Exec(tb testing.TB, query string, args ...any) {
	tb.Helper()
	if _, err := l.SQL.Exec(query, args...); err != nil {
		tb.Fatalf("ims: %s: %v", query, err)
	}
}

// Value is the one value of a query, as text; "" for NULL.
func (l *Lab) Value(tb testing.TB, query string, args ...any) string {
	tb.Helper()
	var v sql.NullString
	if err := l.SQL.QueryRow(query, args...).Scan(&v); err != nil {
		tb.Fatalf("ims: %s: %v", query, err)
	}
	return v.String
}

// Credit is the credit of an account by its alias, e.g. "1001".
func (l *Lab) Credit(tb testing.TB, alias string) string {
	tb.Helper()
	return l.Value(tb, `SELECT credit FROM cc_card WHERE useralias = ?`, alias)
}

// Log is what Asterisk has logged so far, with AGI's lines; "" with NoAS.
func (l *Lab) Log(tb testing.TB) string {
	tb.Helper()
	if l.PBX == nil {
		return ""
	}
	b, err := os.ReadFile(l.PBX.Log())
	if err != nil {
		tb.Fatal("ims: ", err)
	}
	return string(b)
}

// LogEnd is the end of the same, for messages.
func (l *Lab) LogEnd(tb testing.TB) string {
	tb.Helper()
	lines := strings.SplitAfter(l.Log(tb), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "")
}
