//go:build lab

package e2e_test

import (
	"context"
	"database/sql"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"adcredit/sounds"
	"adcredit/tests/lab"
)

// The figures of every test: what a campaign pays, and the ad that it plays.
const (
	reward    = "50.00000"
	adLength  = 5500 * time.Millisecond
	apiAt     = "127.0.0.1:8080" // the default of both configurations
	soundsDir = "/usr/local/share/adcredit/sounds"
	spoolDir  = "/var/spool/adcredit"
	agiBin    = "/usr/share/asterisk/agi-bin/"
)

// A house is one operator's system: A2Billing's database, creditapi, and an
// Asterisk with adcredit.
type house struct {
	mariadb *lab.Server
	sql     *sql.DB // as an administrator
	api     *server
	pbx     *lab.PBX
	fast    *switchboard // nil: Asterisk starts the program for each call
}

// Options are how houses differ.
type options struct {
	on     asterisk // asterisk22 unless said otherwise
	plan   plan
	engine lab.Engine  // "": MyISAM, as A2Billing ships
	credit string      // of caller 1001; "": 0
	absent bool        // adcredit is not installed
	fast   string      // the URL of adcredit's FastAGI; "": a program
	server *lab.Server // nil: the one that all tests share
}

// newHouse builds one and opens it for calls. Callers speak English.
func newHouse(t *testing.T, o options) *house {
	t.Helper()
	if o.on.name == "" {
		o.on = asterisk22
	}
	if o.engine == "" {
		o.engine = lab.MyISAM
	}
	if o.credit == "" {
		o.credit = "0"
	}
	if o.server == nil {
		o.server = lab.MariaDB(t)
	}
	db := o.server.Database(t, "mya2billing")
	lab.LoadA2Billing(t, db, o.engine)
	h := &house{mariadb: o.server, sql: db.DB(t)}
	h.exec(t, `UPDATE cc_card SET language = 'en', credit = IF(useralias = '1001', ?, credit)`, o.credit)
	owner, serves := admit(t, db)
	creditapi(t, owner.SocketURL(), "migrate")

	dir := t.TempDir()
	if err := sounds.CopyTo(dir); err != nil {
		t.Fatal(err)
	}
	creditapi(t, serves.SocketURL(), "campaign", "add", "-name", "mangalou", "-reward", reward, "-budget", "1000",
		"-sound", "en="+filepath.Join(dir, "ads/mangalou-en.wav"), "-sound", "fr="+filepath.Join(dir, "ads/mangalou-fr.wav"))
	key := creditapi(t, serves.SocketURL(), "key", "add", "-name", "e2e", "-scope", "agi", "-node", "ast1")
	h.api = newServer(t, serves.SocketURL())
	mounts := map[string]string{
		soundsDir: dir, agiBin + "adcredit": lab.Program("adcredit"), agiBin + "a2billing.php": lab.Program("billing"),
	}
	if o.absent {
		delete(mounts, agiBin+"adcredit")
	}
	h.pbx = o.on.start(t, o, db, mounts)
	h.install(t, key)
	if o.fast != "" {
		h.fast = &switchboard{house: h, at: fastAGI}
		h.fast.start(t)
		t.Cleanup(h.fast.kill)
	}
	if out := h.pbx.CLI(t, "agi set debug on"); !strings.Contains(out, "nabled") {
		t.Fatalf("agi set debug on: %s", out)
	}
	return h
}

// admit runs etc/a2billing/grants.sql with passwords filled in, and returns its
// two users: the one who migrates and the one who serves.
func admit(t *testing.T, db *lab.Database) (owner, serves lab.Login) {
	t.Helper()
	text, err := os.ReadFile("../../etc/a2billing/grants.sql")
	if err != nil {
		t.Fatal(err)
	}
	grants := string(text)
	logins := []*lab.Login{&owner, &serves}
	for i, user := range []string{"adcredit_owner", "creditapi"} {
		*logins[i] = lab.Login{User: user, Password: "p:a@s/s " + user, Database: db}
		db.Exec(t, "DROP USER IF EXISTS '"+user+"'@'localhost'") // of the test before
		grants = strings.ReplaceAll(grants, "<password of "+user+">", "'"+logins[i].Password+"'")
	}
	db.Exec(t, grants)
	return owner, serves
}

// install lays out adcredit's files as its README says, for user asterisk.
func (h *house) install(t *testing.T, key string) {
	t.Helper()
	text, err := os.ReadFile("../../etc/adcredit.toml")
	if err != nil {
		t.Fatal(err)
	}
	conf := string(text)
	for shipped, ours := range map[string]string{
		"# node = \"ast1\"": "node = \"ast1\"",
		"log = \"syslog\"":  "log = \"/var/log/asterisk/adcredit\"", // the root has no syslog
	} {
		if !strings.Contains(conf, shipped) {
			t.Fatalf("etc/adcredit.toml has no line %s any more", shipped)
		}
		conf = strings.Replace(conf, shipped, ours, 1)
	}
	for inside, content := range map[string]string{"/etc/adcredit/adcredit.toml": conf, "/etc/adcredit/key": key} {
		path := h.pbx.Path(inside)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := h.pbx.Own(path); err != nil {
			t.Fatal(err)
		}
	}
	spool := h.pbx.Path(spoolDir)
	if err := os.MkdirAll(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.pbx.Own(spool); err != nil {
		t.Fatal(err)
	}
}

// adcredit runs the program from a shell in Asterisk's root, as user asterisk.
func (h *house) adcredit(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, agiBin+"adcredit", args...)
	h.asAsterisk(t, cmd)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("adcredit %s: %v", args, err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// asAsterisk lets a command run in Asterisk's root, as its user.
func (h *house) asAsterisk(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	info, err := os.Stat(h.pbx.Path(spoolDir))
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: h.pbx.Root, Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid},
	}
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin"}
}

// log is what Asterisk has logged so far, AGI's lines included.
func (h *house) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(h.pbx.Log())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// creditapi runs one command on the database and returns what it prints.
func creditapi(t *testing.T, database string, args ...string) string {
	t.Helper()
	return lab.CreditAPI(t, apiEnv(database), args...)
}

func apiEnv(database string) []string {
	return []string{"PATH=/usr/bin:/bin", "CREDITAPI_DATABASE=" + database, "CREDITAPI_LISTEN=" + apiAt}
}

// A server is creditapi serve, which may be killed and started again.
type server struct {
	database string
	config   string // "": the defaults
	cmd      *exec.Cmd
	log      *os.File
}

func newServer(t *testing.T, database string) *server {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "creditapi.log"))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{database: database, log: log}
	t.Cleanup(func() {
		s.kill()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("creditapi's log:\n%s", text)
		}
	})
	s.start(t)
	return s
}

// run runs it.
func (s *server) run(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(lab.Program("creditapi"), "serve")
	s.cmd.Env = append(apiEnv(s.database), "CREDITAPI_CONFIG="+s.config)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// runOut runs one that is expected to refuse, and answers its exit code.
func (s *server) runOut(t *testing.T) int {
	t.Helper()
	s.run(t)
	limit := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer limit.Stop()
	_ = s.cmd.Wait() // its exit code is asked for
	code := s.cmd.ProcessState.ExitCode()
	s.cmd = nil
	return code
}

// start starts it and waits until it is ready.
func (s *server) start(t *testing.T) {
	t.Helper()
	s.run(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		conn, err := net.Dial("tcp", apiAt)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("creditapi does not answer: %v", err)
		}
	}
}

// kill ends it as a power cut would.
func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // how it ended is known
		s.cmd = nil
	}
}

// ---- what the tables say --------------------------------------------------------

func (h *house) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if _, err := h.sql.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// value is the one value of a query, as text.
func (h *house) value(t *testing.T, query string, args ...any) string {
	t.Helper()
	var v sql.NullString
	if err := h.sql.QueryRow(query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v.String
}

// books are what the money tables say of caller 1001.
type books struct{ Credit, Refills, Ledger, Held, Spent string }

func (h *house) books(t *testing.T) books {
	t.Helper()
	return books{
		Credit:  h.value(t, `SELECT credit FROM cc_card WHERE useralias = '1001'`),
		Refills: h.value(t, `SELECT COALESCE(GROUP_CONCAT(credit, ' type ', refill_type), '') FROM cc_logrefill WHERE card_id = 2`),
		Ledger:  h.value(t, `SELECT COALESCE(GROUP_CONCAT(amount, ' ', state), '') FROM adcredit_ledger WHERE account_id = 2`),
		Held:    h.value(t, `SELECT SUM(held) FROM adcredit_budget WHERE day = 0`),
		Spent:   h.value(t, `SELECT SUM(spent) FROM adcredit_budget WHERE day = 0`),
	}
}

// wantBooks compares them.
func (h *house) wantBooks(t *testing.T, want books) {
	t.Helper()
	if got := h.books(t); got != want {
		t.Errorf("the books of 1001 say\n%+v, want\n%+v", got, want)
	}
}

func credited(credit string) books {
	return books{Credit: credit, Refills: reward + " type 0", Ledger: reward + " logged", Held: "0.00000", Spent: reward}
}

func untouched(credit string) books {
	return books{Credit: credit, Held: "0.00000", Spent: "0.00000"}
}
