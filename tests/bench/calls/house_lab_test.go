//go:build lab

// Package calls measures whole calls: SIPp calls through a real Asterisk 22 with
// adcredit, creditapi and MariaDB behind it. What an exec of AGI costs is mostly
// Asterisk's own fork, so every rate stands beside that of the same dialplan
// without AGI, with an empty C program, and with FastAGI, that of adcredit and one
// that does nothing, in the same run.
//
//	go test -tags lab -run '^$' -bench . -v ./tests/bench/calls
//
// The environment sizes it: ADCREDIT_BENCH_CALL_ROUNDS (5), ADCREDIT_BENCH_CALL_SECONDS of
// one contender in one round (5), ADCREDIT_BENCH_LISTENERS (500) at once,
// ADCREDIT_BENCH_ROWS of the listens table (1000000 for the smaller, ten times as
// many for the larger), ADCREDIT_BENCH_RESULTS the folder for what was found.
package calls

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"adcredit/etc"
	"adcredit/tests/lab"
)

const (
	calleeAt   = "127.0.0.12:5060"
	richAt     = "127.0.0.11:5060" // has the card that has credit
	poorAt     = "127.0.0.13:5060" // listeners: their caller ID is their alias
	fastAt     = "127.0.0.1:4573"
	emptyAt    = "127.0.0.1:4574"
	apiAt      = "127.0.0.1:8080"
	agiBin     = "/usr/share/asterisk/agi-bin/"
	soundsDir  = "/usr/local/share/adcredit/sounds"
	reward     = "50.00000"
	aliasFirst = 3 // listeners are 31, 32, 33...
)

func TestMain(m *testing.M) {
	os.Exit(lab.MainWith(m, []string{"adcredit/agi/adcredit", "adcredit/creditapi"},
		lab.NeedMariaDB, lab.NeedAsterisk, lab.NeedSIPp))
}

// number is a size from the environment.
func number(b *testing.B, name string, or int) int {
	b.Helper()
	name = "ADCREDIT_BENCH_" + name
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s=%q is not a number above 0", name, text)
	}
	return n
}

// A house is a MariaDB with A2Billing's tables, creditapi on it, adcredit
// -fastagi, and Asterisks that also have adcredit as a program.
type house struct {
	dir            string
	database       *lab.Database
	sql            *sql.DB
	mariadb        *lab.Server
	creditapi, fas *exec.Cmd
	environment    []string // of creditapi
	key            string
}

// newHouse builds one, still without Asterisks.
func newHouse(b *testing.B) *house {
	b.Helper()
	h := &house{dir: b.TempDir(), mariadb: lab.MariaDB(b)}
	d := h.mariadb.Database(b, "mya2billing")
	lab.LoadA2Billing(b, d, lab.InnoDB)
	h.database, h.sql = d, d.DB(b)
	h.environment = append(os.Environ(), "CREDITAPI_LISTEN="+apiAt, "CREDITAPI_DATABASE="+d.Owner().SocketURL())
	h.manage(b, "migrate")
	h.key = h.manage(b, "key", "add", "-name", "bench", "-scope", "agi", "-node", "bench")
	h.creditapi = h.start(b, "creditapi", h.environment, "serve")
	await(b, apiAt)

	own := filepath.Join(h.dir, "fastagi")
	must(b, os.MkdirAll(filepath.Join(own, "spool"), 0o700))
	must(b, os.WriteFile(filepath.Join(own, "key"), []byte(h.key), 0o600))
	must(b, os.WriteFile(filepath.Join(own, "adcredit.toml"), []byte(configuration(b, own+"/key", own+"/spool", own+"/log")), 0o644))
	h.fas = h.start(b, "adcredit", append(os.Environ(), "ADCREDIT_CONFIG="+own+"/adcredit.toml"), "-fastagi", fastAt)
	await(b, fastAt)

	lab.StartSIPp(b, lab.Scenario{Name: "callee", XML: file(b, "testdata/callee.xml"), At: calleeAt, Calls: 1e9, Limit: 2 * time.Hour, Quiet: true})
	return h
}

// manage runs one command of creditapi.
func (h *house) manage(b *testing.B, args ...string) string {
	b.Helper()
	cmd := exec.Command(lab.Program("creditapi"), args...)
	cmd.Env = h.environment
	var remarks strings.Builder
	cmd.Stderr = &remarks
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("creditapi %s: %v\n%s", strings.Join(args, " "), err, remarks.String())
	}
	return string(out)
}

// start starts a server for as long as the benchmark runs.
func (h *house) start(b *testing.B, program string, env []string, args ...string) *exec.Cmd {
	b.Helper()
	log, err := os.Create(filepath.Join(h.dir, program+".log"))
	must(b, err)
	cmd := exec.Command(lab.Program(program), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // how it ended is known
		if text, err := os.ReadFile(log.Name()); err == nil && b.Failed() {
			b.Logf("%s ends:\n%s", program, text[max(0, len(text)-4000):])
		}
	})
	return cmd
}

// await returns once somebody listens there.
func await(b *testing.B, at string) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("nobody answers: %v", err)
		}
	}
}

// configuration is the shipped one, with all its comments, where it must differ.
func configuration(b *testing.B, key, spool, log string) string {
	b.Helper()
	text, err := etc.Files.ReadFile("adcredit.toml")
	must(b, err)
	conf := string(text)
	for name, value := range map[string]string{
		"key_file": strconv.Quote(key), "spool_dir": strconv.Quote(spool), "log": strconv.Quote(log), "offer": `"auto"`,
		"identity": `["accountcode=card", "callerid=alias"]`, "language": `"en"`,
	} {
		at := regexp.MustCompile(`(?m)^` + name + ` = .*$`).FindStringIndex(conf) // the first: [prompts] has an offer too
		if at == nil {
			b.Fatalf("etc/adcredit.toml should have a line %s =", name)
		}
		conf = conf[:at[0]] + name + " = " + value + conf[at[1]:]
	}
	return conf
}

// pjsip: two that call, known by their address, and one that is called.
const pjsip = `
[udp]
type=transport
protocol=udp
bind=%s:5060
[phone](!)
type=endpoint
transport=udp
context=bench
disallow=all
allow=ulaw
direct_media=no
identify_by=ip
language=en
[rich](phone)
accountcode=8987344413
[poor](phone)
[callee](phone)
aors=callee
[callee]
type=aor
qualify_frequency=0
contact=sip:callee@` + calleeAt + `
[rich]
type=identify
endpoint=rich
match=127.0.0.11
[poor]
type=identify
endpoint=poor
match=127.0.0.13
`

// dialplan: 1 without AGI, 2 an empty program, 3 adcredit, 4 FastAGI; 5 and 6
// listen by adcredit and by FastAGI; 7 is FastAGI that does nothing. Only sufficient credit reaches the callee,
// so that a call which went otherwise fails.
const dialplan = `
[bench]
exten => 1,1,Goto(dial)
 same => n(dial),Dial(PJSIP/callee)
exten => 2,1,AGI(empty)
 same => n,Dial(PJSIP/callee)
exten => 3,1,AGI(adcredit)
 same => n,GotoIf($["${ADCREDIT_STATUS}" = "SUFFICIENT"]?dial)
 same => n,Hangup(21)
 same => n(dial),Dial(PJSIP/callee)
exten => 4,1,AGI(agi://` + fastAt + `/adcredit)
 same => n,GotoIf($["${ADCREDIT_STATUS}" = "SUFFICIENT"]?dial)
 same => n,Hangup(21)
 same => n(dial),Dial(PJSIP/callee)
exten => 5,1,AGI(adcredit)
 same => n,Hangup()
exten => 6,1,AGI(agi://` + fastAt + `/adcredit)
 same => n,Hangup()
exten => 7,1,AGI(agi://` + emptyAt + `/)
 same => n,Dial(PJSIP/callee)
`

// A pbx is an Asterisk at an address of its own.
type pbx struct {
	*lab.PBX
	at string
}

// asterisk starts the nth. Modules "" are the lab's own few; sounds may be "".
func (h *house) asterisk(b *testing.B, n int, modules, sounds string) *pbx {
	b.Helper()
	empty := filepath.Join(h.dir, "empty")
	if out, err := exec.Command("gcc", "-O2", "-static", "-s", "-o", empty, "testdata/empty.c").CombinedOutput(); err != nil {
		b.Fatalf("build the empty program: %v; it needs gcc and libc6-dev\n%s", err, out)
	}
	address := fmt.Sprintf("127.0.1.%d", n)
	files := map[string]string{
		"pjsip.conf": fmt.Sprintf(pjsip, address), "extensions.conf": dialplan,
		"rtp.conf": fmt.Sprintf("[general]\nrtpstart=%d\nrtpend=%d\n", 10000+4000*n, 13999+4000*n),
		// Half a thousand listeners have thousands of files and sockets open.
		"asterisk.conf": fmt.Sprintf("[options]\nmaxfiles = 20000\nentityid = 02:00:00:00:00:%02x\n", n),
		"logger.conf":   "[logfiles]\nfull => warning,error\n", // as in production: nobody reads each step of each call
	}
	if modules != "" {
		files["modules.conf"] = modules
	}
	mounts := map[string]string{agiBin + "adcredit": lab.Program("adcredit"), agiBin + "empty": empty}
	if sounds != "" {
		mounts[soundsDir] = sounds
	}
	p := &pbx{lab.Asterisk(b, lab.AsteriskConfig{Files: files, Mounts: mounts}), address + ":5060"}
	h.install(b, p)
	return p
}

// install lays out adcredit's files for user asterisk.
func (h *house) install(b *testing.B, p *pbx) {
	b.Helper()
	conf := configuration(b, "/etc/adcredit/key", "/var/spool/adcredit", "/var/log/asterisk/adcredit")
	must(b, os.MkdirAll(p.Path("/etc/adcredit"), 0o755))
	must(b, os.MkdirAll(p.Path("/var/spool/adcredit"), 0o700))
	for inside, text := range map[string]string{"/etc/adcredit/adcredit.toml": conf, "/etc/adcredit/key": h.key} {
		must(b, os.WriteFile(p.Path(inside), []byte(text), 0o600))
		must(b, p.Own(p.Path(inside)))
	}
	must(b, p.Own(p.Path("/var/spool/adcredit")))
}

// value is the one value of a query, as text.
func (h *house) value(b *testing.B, query string, args ...any) string {
	b.Helper()
	var v sql.NullString
	if err := h.sql.QueryRow(query, args...).Scan(&v); err != nil {
		b.Fatalf("%s: %v", query, err)
	}
	return v.String
}

func file(b *testing.B, name string) string {
	b.Helper()
	text, err := os.ReadFile(name)
	must(b, err)
	return string(text)
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// ---- what processes cost --------------------------------------------------------

// cost is processor time in ms since some moment, by who spent it.
type cost struct {
	Asterisk  float64 `json:"asterisk"`
	Adcredit  float64 `json:"adcredit_fastagi"`
	Creditapi float64 `json:"creditapi"`
	MariaDB   float64 `json:"mariadb"`
}

func (c cost) sum() float64 { return c.Asterisk + c.Adcredit + c.Creditapi + c.MariaDB }

func (c cost) since(before cost, calls int) cost {
	n := float64(calls)
	return cost{(c.Asterisk - before.Asterisk) / n, (c.Adcredit - before.Adcredit) / n,
		(c.Creditapi - before.Creditapi) / n, (c.MariaDB - before.MariaDB) / n}
}

// spent is what the house has used so far. Asterisk's is with the programs that
// it started and that have ended; Adcredit is the one that serves FastAGI.
func (h *house) spent(b *testing.B, p *pbx) cost {
	b.Helper()
	return cost{processor(b, p.PID()), processor(b, h.fas.Process.Pid), processor(b, h.creditapi.Process.Pid), processor(b, h.mariadb.PID())}
}

// processor is a process's user and system time with that of its children that
// were reaped, in ms (proc_pid_stat(5), fields 14 to 17, in ticks of 10 ms).
func processor(b *testing.B, pid int) float64 {
	b.Helper()
	text := file(b, fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	ticks := 0
	for _, field := range fields[11:15] {
		n, err := strconv.Atoi(field)
		must(b, err)
		ticks += n
	}
	return 10 * float64(ticks)
}

var memoryLine = regexp.MustCompile(`(?m)^(Rss|Pss|Pss_Anon):\s+(\d+) kB$`)

// memory is what a process holds, in kB; Pss is its share where pages are shared.
type memory struct{ rss, pss int }

// memoryOf a process, as /proc/PID/smaps_rollup tells it; gone is no error.
func memoryOf(pid int) (m memory) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m
	}
	for _, line := range memoryLine.FindAllStringSubmatch(string(text), -1) {
		kb, _ := strconv.Atoi(line[2]) // digits, by the expression
		switch line[1] {
		case "Rss":
			m.rss = kb
		case "Pss":
			m.pss = kb
		}
	}
	return m
}

// children are the processes that a process has started and that run.
func children(b *testing.B, pid int) (pids []int) {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	must(b, err)
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that ended meanwhile
		}
		for _, field := range strings.Fields(string(text)) {
			n, err := strconv.Atoi(field)
			must(b, err)
			pids = append(pids, n)
		}
	}
	return pids
}
