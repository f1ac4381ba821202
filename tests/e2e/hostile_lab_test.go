//go:build lab

package e2e_test

import (
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"adcredit/tests/hostile"
	"adcredit/tests/lab"
)

//go:embed hostile.xml
var hostileXML string

var hostileScenario = template.Must(template.New("hostile").Parse(hostileXML))

// A place is where in an INVITE the value of field0 stands.
type place struct {
	name       string
	From, Dial string
	Headers    []string
	raw        bool // not behind percent signs
}

var places = []place{
	{name: "user", From: "<sip:[field0]@[local_ip]>", Dial: "2000"},
	{name: "extension", From: "<sip:1001@[local_ip]>", Dial: "[field0]"},
	{name: "name", From: `"[field0]" <sip:1001@[local_ip]>`, Dial: "2000", raw: true},
	{name: "asserted", From: "<sip:1001@[local_ip]>", Dial: "2000", Headers: []string{
		"P-Asserted-Identity: <sip:[field0]@[local_ip]>", "Diversion: <sip:[field0]@[local_ip]>;reason=unconditional"}},
}

// TestHostileCallers sends every value of the corpus in every place through
// both plans, and through one that tests nothing, as callers who have no
// account: nobody is dialled, no ad starts, and no table, file or log is other
// than it must be.
func TestHostileCallers(t *testing.T) {
	for name, fast := range map[string]string{"exec": "", "FastAGI": localFastAGI} {
		t.Run(name, func(t *testing.T) { hostileCallers(t, newHostileHouse(t, fast)) })
	}
}

func hostileCallers(t *testing.T, h *house) {
	before, files := h.tables(t), h.files(t)
	rec := lab.Record(t)
	var phones []*lab.Phone
	phoneOf := map[string]string{} // by address
	for _, ip := range []string{openIP, guardIP, naiveIP} {
		for i, p := range places {
			at := fmt.Sprintf("%s:%d", ip, 5061+i)
			phoneOf[at] = p.name
			phones = append(phones, p.start(t, at))
		}
	}
	for _, p := range phones {
		p.Wait(t)
	}
	rec.Stop()
	h.wantJudged(t, rec, phoneOf)
	h.wantHarmless(t, rec, before, files)
	h.wantNoListen(t)
}

// newHostileHouse asks P-Asserted-Identity first, and has no prompt for those who
// are refused, which only takes time.
func newHostileHouse(t *testing.T, fast string) *house {
	t.Helper()
	h := newHouse(t, options{plan: openPlan, fast: fast})
	h.identify(t, `identity = ["accountcode=card", "pai=alias", "callerid=cid"]`)
	if err := os.Remove(h.pbx.Path(filepath.Join(soundsDir, "fr/refused.wav"))); err != nil {
		t.Fatal(err)
	}
	return h
}

// identify sets other identities than those of etc/adcredit.toml.
func (h *house) identify(t *testing.T, ours string) {
	t.Helper()
	conf := h.pbx.Path("/etc/adcredit/adcredit.toml")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	const shipped = `identity = ["accountcode=card", "callerid=cid"]`
	if !strings.Contains(string(text), shipped) {
		t.Fatalf("etc/adcredit.toml has no line %s any more", shipped)
	}
	changed := strings.NewReplacer(shipped, ours, "\nimpu = []\n", "\n", "\nicid = false\n", "\n", "\ncore_endpoints = []\n", "\n").Replace(string(text))
	if err := os.WriteFile(conf, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if h.fast != nil { // with the file as it is now
		h.fast.kill()
		h.fast.start(t)
	}
}

// start makes a call for each value.
func (p place) start(t *testing.T, at string) *lab.Phone {
	t.Helper()
	var xml, csv strings.Builder
	if err := hostileScenario.Execute(&xml, p); err != nil {
		t.Fatal(err)
	}
	csv.WriteString("SEQUENTIAL\n")
	values := hostile.Values()
	for _, v := range values {
		csv.WriteString(p.field(v) + "\n")
	}
	return lab.StartSIPp(t, lab.Scenario{
		Name: p.name + "-at-" + at, XML: xml.String(), At: at, PBX: pbxAt, Calls: len(values),
		Args: []string{"-inf", "values.csv", "-r", "10", "-l", "3"}, Files: map[string][]byte{"values.csv": []byte(csv.String())},
	})
}

// field is the value as it fits a packet of Asterisk's (4000 bytes), and a field
// of SIPp, which gives a semicolon and brackets a meaning of their own.
func (p place) field(v hostile.Value) string {
	v.Text = v.Text[:min(len(v.Text), 600)]
	if !p.raw {
		return v.User()
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(";[]", r) {
			return '_'
		}
		return r
	}, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v.Text))
}

// naiveStatus is what the plan that tests nothing was left with by a call.
var naiveStatus = regexp.MustCompile(`(?m)app_verbose.c: naive status (\w*) cause (\w*) call (\d+)-(\d+)@`)

// wantJudged: each call was refused, and in the plan that tests nothing as
// designed.
func (h *house) wantJudged(t *testing.T, rec *lab.Recording, phoneOf map[string]string) {
	t.Helper()
	values := hostile.Values()
	placeOf, refused := map[string]string{}, map[string]int{} // by call id
	for _, m := range rec.SIP() {
		if m.Method() != "INVITE" || m.Status() < 200 {
			continue
		}
		placeOf[m.CallID()] = phoneOf[m.To.String()]
		refused[m.CallID()] = m.Status()
	}
	if want := 3 * len(places) * len(values); len(refused) != want {
		t.Errorf("%d calls were refused, want all %d", len(refused), want)
	}
	came := 0 // to the program; 404: no extension is like this
	for call, status := range refused {
		if status == 403 && strings.HasSuffix(call, "@"+naiveIP) {
			came++
		}
	}
	if came < 3*len(values) {
		t.Errorf("only %d calls came to the program", came)
	}
	var outcomes [][]string
	h.eventually(t, "the outcome of every call", func() bool {
		outcomes = naiveStatus.FindAllStringSubmatch(h.log(t), -1)
		return len(outcomes) >= came
	})
	for _, m := range outcomes {
		status, cause, at := m[1], m[2], placeOf[m[3]+"-"+m[4]+"@"+naiveIP]
		number, err := strconv.Atoi(m[3])
		if err != nil || at == "" {
			t.Fatalf("whose call is this? %s", m[0])
		}
		v := values[number-1]
		if want := designed(at, v.Text); !slices.Contains(want, status+" "+cause) {
			t.Errorf("%s as %s: %s %s, want one of %q", v.Name, at, status, cause, want)
		}
	}
}

// designed are the outcomes of a value by its place. Asterisk itself cuts a user
// at a zero byte and at a semicolon, and at 79 characters.
func designed(place, text string) []string {
	const forged, identity, stranger = "ERROR forged", "NOACCOUNT identity", "NOACCOUNT account_not_found"
	whole, _, _ := strings.Cut(text[:min(len(text), 79)], "\x00")
	switch {
	case place == "name":
		return []string{stranger}
	case strings.Contains(whole, "\n"):
		return []string{forged}
	case strings.ContainsAny(text, "\x00;"), place == "extension" && text == "1000#":
		return []string{identity, stranger}
	}
	return []string{identity}
}

var (
	toAsterisk = regexp.MustCompile(`^SET VARIABLE "?ADCREDIT_[A-Z_]+"? "[A-Za-z0-9./_-]*"$|` +
		`^EXEC "MSet" "ADCREDIT_[A-Z_]+=[A-Za-z0-9._-]*(,ADCREDIT_[A-Z_]+=[A-Za-z0-9._-]*)*"$|` +
		`^GET FULL VARIABLE "\$\{PJSIP_HEADER\(read,P-Asserted-Identity,[123]\):\d+:7\}"$|^NOOP$`)
	aLogLine = regexp.MustCompile(`^time=\S+ level=[A-Z]+ msg=("[a-zA-Z ,:;()']+"|[a-z]+)( [a-z_]+=("([^"\\]|\\.)*"|[^\s"=]*))*$`)
)

// wantHarmless compares all that the calls could have changed.
func (h *house) wantHarmless(t *testing.T, rec *lab.Recording, tables map[string]string, files map[string]bool) {
	t.Helper()
	for name, sum := range h.tables(t) {
		if tables[name] != sum {
			t.Errorf("table %s was changed", name)
		}
	}
	for name := range h.files(t) {
		if !files[name] && name != "/var/log/asterisk/adcredit" {
			t.Errorf("there is a new file %s", name)
		}
	}
	for _, m := range rec.SIP() {
		if m.To.String() == calleeAt {
			t.Errorf("somebody was dialled: %s", m.Start)
		}
	}
	told := 0
	for line := range strings.Lines(h.log(t)) {
		if _, command, ok := strings.Cut(line, "AGI Rx << "); ok {
			told++
			if command = strings.TrimSpace(command); !toAsterisk.MatchString(command) {
				t.Errorf("Asterisk was told %q", command)
			}
		}
	}
	if told == 0 {
		t.Error("no command is in Asterisk's log")
	}
	for _, path := range []string{h.pbx.Path("/var/log/asterisk/adcredit"), h.api.log.Name()} {
		wantWholeLines(t, path)
	}
}

// wantWholeLines: every line of a log is one that the program meant.
func wantWholeLines(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		t.Fatalf("%s is empty or can't be read: %v", path, err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if !aLogLine.MatchString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%s says %q", path, line)
		}
	}
}

// tables are the checksums of all tables but that of the keys, which notes when
// each was used.
func (h *house) tables(t *testing.T) map[string]string {
	t.Helper()
	rows, err := h.sql.Query(`SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> 'adcredit_key'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	sums := map[string]string{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		sums[name] = ""
	}
	for name := range sums {
		var table, sum string
		if err := h.sql.QueryRow("CHECKSUM TABLE `"+name+"`").Scan(&table, &sum); err != nil {
			t.Fatal(err)
		}
		sums[name] = sum
	}
	if len(sums) < 10 {
		t.Fatalf("only %d tables", len(sums))
	}
	return sums
}

// files are all files of Asterisk's root.
func (h *house) files(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(h.pbx.Root, func(path string, entry fs.DirEntry, err error) error {
		inside := strings.TrimPrefix(path, h.pbx.Root)
		if slices.Contains([]string{"/proc", "/sys", "/dev"}, inside) {
			return fs.SkipDir
		}
		if err == nil && !entry.IsDir() {
			all[inside] = true
		}
		return nil // what is gone meanwhile is not there
	})
	if err != nil || len(all) < 1000 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	return all
}

// TestAssertedIdentity: the user of the one address that the network asserts is
// the account, and nothing that only looks like one.
func TestAssertedIdentity(t *testing.T) {
	h := newHostileHouse(t, "")
	for _, header := range []string{"<sip:1000@192.0.2.10>", "sip:1000@ims.example.net", "<sip:1000@192.0.2.10:5060;user=phone>", "<tel:1000>", "tel:1000",
		`"Diop, Moussa (x):0:4" <sip:1000@192.0.2.10>`, "<sip:1000@192.0.2.10>, <tel:1000>"} {
		if got := h.outcome(t, "P-Asserted-Identity: "+header); got != "SUFFICIENT " {
			t.Errorf("%s: %s, want 1000's SUFFICIENT", header, got)
		}
	}
	for _, v := range hostile.Asserted() {
		got := h.outcome(t, "P-Asserted-Identity: "+v.Text)
		if v.Name == "an address in a name" && got == "NOACCOUNT account_not_found" {
			continue // the name is quoted, so it is 9, whom nobody knows
		}
		if got != "NOACCOUNT identity" && got != "ERROR forged" {
			t.Errorf("%s, %s: %s", v.Name, v.Text, got)
		}
	}
}

// outcome is status and cause of a call from a trunk with these headers, in the
// plan that tests nothing.
func (h *house) outcome(t *testing.T, headers ...string) string {
	t.Helper()
	return h.outcomeAt(t, naiveIP+":5060", headers...)
}

func (h *house) outcomeAt(t *testing.T, at string, headers ...string) string {
	t.Helper()
	before := len(h.log(t))
	lab.Caller{User: "9", Dial: "2000", At: at, PBX: pbxAt, Status: 403, Headers: headers}.Start(t).Wait(t)
	var m []string
	h.eventually(t, "the outcome of "+strings.Join(headers, ", "), func() bool {
		m = naiveStatus.FindStringSubmatch(h.log(t)[before:])
		return m != nil
	})
	return m[1] + " " + m[2]
}
