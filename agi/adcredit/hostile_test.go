package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"adcredit/tests/hostile"
)

// A host is where the program runs: a folder of its own, and a creditapi that
// writes down what it is asked.
type host struct {
	dir    string
	answer string   // in place of rich
	log    *lateLog // over FastAGI
	mu     sync.Mutex
	asks   []string
}

// rich is what creditapi says of every account: enough for the call.
const rich = `{"account":"8987344413","credit":"2000.00000","currency":"XOF","announce":{"amount":"2000.00000","currency":"XOF"},` +
	`"available":"2000.00000","required":"1.00000","sufficient":true,"language":"fr","status":"active",` +
	`"offer":{"available":false,"reason":"not_needed","reward":"0.00000","duration_ms":0}}`

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{dir: t.TempDir()}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asks = append(h.asks, r.Method+" "+r.RequestURI)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, cmp.Or(h.answer, rich))
	}))
	t.Cleanup(api.Close)
	conf := fmt.Sprintf("node = \"ast1\"\nurls = [%q]\nspool_dir = \"%[2]s/spool\"\nlog = \"%[2]s/log\"\nlog_level = \"debug\"\nlog_numbers = true\n", api.URL, h.dir)
	if err := os.WriteFile(filepath.Join(h.dir, "adcredit.toml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// honest is the environment of a call from 1001, who has no account code.
const honest = "agi_request: adcredit\nagi_channel: PJSIP/trunk-00000001\nagi_language: fr\nagi_type: PJSIP\nagi_uniqueid: 1795492582.2\n" +
	"agi_version: 22.10.1\nagi_callerid: 1001\nagi_calleridname: unknown\nagi_callingpres: 0\nagi_callingani2: 0\nagi_callington: 0\n" +
	"agi_callingtns: 0\nagi_dnid: 2001\nagi_rdnis: 3001\nagi_context: naive\nagi_extension: 2000\nagi_priority: 1\nagi_enhanced: 0.0\n" +
	"agi_accountcode: \nagi_threadid: 139815287580352\n\n"

// A said is what one run of the program said, and where.
type said struct {
	code                  int
	commands, stderr, log string
	asks                  []string
}

// run runs the program as Asterisk does, which answers each command.
func (h *host) run(t *testing.T, environment string, args ...string) said {
	t.Helper()
	stdin, asterisk, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromUs, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { stdin.Close(); asterisk.Close(); fromUs.Close() }()
	commands := make(chan string, 1)
	go func() {
		var all strings.Builder
		_, err := asterisk.WriteString(environment)
		for lines := bufio.NewScanner(fromUs); err == nil && lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			_, err = asterisk.WriteString("200 result=1\n")
		}
		commands <- all.String()
	}()
	log := filepath.Join(h.dir, "log")
	os.Remove(log)
	h.asks = nil
	var stderr bytes.Buffer
	code := run(args, stdin, stdout, &stderr, func(name string) string {
		return map[string]string{
			"AST_VERSION": "22.10.1", "ADCREDIT_CONFIG": h.dir + "/adcredit.toml", "ADCREDIT_API_KEY": "adc_000000000000_0000000000000000000000000000000000000000000",
		}[name]
	})
	stdout.Close()
	text, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return said{code, <-commands, stderr.String(), string(text), h.asks}
}

var (
	aCommand = regexp.MustCompile(`^(SET VARIABLE "?ADCREDIT_[A-Z_]+"? "[A-Za-z0-9./_-]*"|EXEC "MSet" "ADCREDIT_[A-Z_]+=[A-Za-z0-9._-]*(,ADCREDIT_[A-Z_]+=[A-Za-z0-9._-]*)*")$`)
	aLogLine = regexp.MustCompile(`^time=\S+ level=(INFO|WARN|ERROR) msg="[a-zA-Z ,:;()']+"( [a-z]+=("([^"\\]|\\.)*"|[^\s"=]*))*$`)
	quoted   = regexp.MustCompile(`"([^"\\]|\\.)*"`)
	told     = regexp.MustCompile(`ADCREDIT_(STATUS|CAUSE)(?:"? "|=)([A-Za-z_]*)`)
)

// outcome is the status and the cause that the dialplan is left with.
func (s said) outcome() string {
	last := map[string]string{}
	for _, m := range told.FindAllStringSubmatch(s.commands, -1) {
		last[m[1]] = m[2]
	}
	return last["STATUS"] + " " + last["CAUSE"]
}

// harmless: nothing but our own commands and whole log lines came of it.
func (s said) harmless(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(s.commands) {
		if !aCommand.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("Asterisk was told %q", line)
		}
	}
	for line := range strings.Lines(s.log) {
		if line = strings.TrimSuffix(line, "\n"); !aLogLine.MatchString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("the log says %q", line)
		}
	}
	if strings.Contains(quoted.ReplaceAllString(s.log, ""), "GRANTED") {
		t.Errorf("a line of the log is forged: %s", s.log)
	}
	if strings.ContainsAny(strings.TrimSpace(s.stderr), "\x00\x1b\r") || strings.Count(s.stderr, "\n") > 2 {
		t.Errorf("standard error says %q", s.stderr)
	}
	if s.code != exitOK {
		t.Errorf("exit code %d", s.code)
	}
}

// TestHostileCallers: what identifies a caller or a destination is refused as
// forged or as no identity; what does not, changes nothing.
func TestHostileCallers(t *testing.T) {
	h := newHost(t)
	h.hostileCallers(t, func(t *testing.T, environment string) said { return h.run(t, environment) })
	h.wantNothingElse(t)
}

// hostileCallers puts every value in every place; run runs the program.
func (h *host) hostileCallers(t *testing.T, run func(t *testing.T, environment string) said) {
	for _, field := range []struct{ line, untouched string }{
		{"agi_callerid: 1001\n", ""}, {"agi_extension: 2000\n", ""},
		{"agi_calleridname: unknown\n", "SUFFICIENT "}, {"agi_dnid: 2001\n", "SUFFICIENT "}, {"agi_rdnis: 3001\n", "SUFFICIENT "},
	} {
		key, _, _ := strings.Cut(field.line, ": ")
		for _, v := range hostile.Values() {
			t.Run(key+"/"+v.Name, func(t *testing.T) {
				s := run(t, strings.Replace(honest, field.line, key+": "+v.Text+"\n", 1))
				s.harmless(t)
				want, ask := field.untouched, "destination=2000&"
				switch {
				case strings.ContainsAny(v.Text, "\n\x00"):
					want, ask = "ERROR forged", ""
				case key == "agi_extension" && v.Text == "s": // the dialplan's own: no destination
					want, ask = "SUFFICIENT ", ""
				case key == "agi_extension" && v.Text == "1000#": // a key of every phone
					want, ask = "SUFFICIENT ", "destination=1000%23&"
				case want == "":
					want, ask = "NOACCOUNT identity", ""
				}
				if got := s.outcome(); got != want {
					t.Errorf("the outcome is %s, want %s", got, want)
				}
				if want == "SUFFICIENT " {
					ask = "GET /v1/accounts/cid:1001/credit?" + ask + "caller_id=1001"
				}
				if got := strings.Join(s.asks, "\n"); got != ask {
					t.Errorf("creditapi was asked %q, want %q", got, ask)
				}
			})
		}
	}
}

// TestHostileArguments: an argument may come from an extension.
func TestHostileArguments(t *testing.T) {
	h := newHost(t)
	for _, v := range hostile.Values() {
		t.Run(v.Name, func(t *testing.T) {
			s := h.run(t, honest, v.Text, v.Text)
			s.harmless(t)
			want := "ERROR argument"
			if v.Text == "check" {
				want = "SUFFICIENT "
			}
			if got := s.outcome(); got != want {
				t.Errorf("the outcome is %s, want %s", got, want)
			}
		})
	}
	h.wantNothingElse(t)
}

// wantNothingElse: no file came into being but the log.
func (h *host) wantNothingElse(t *testing.T) {
	t.Helper()
	names, err := filepath.Glob(h.dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if name != h.dir+"/log" && name != h.dir+"/adcredit.toml" {
			t.Errorf("there is a file %s", name)
		}
	}
}
