package fakeasterisk

import (
	"fmt"
	"strings"
	"testing"
)

// The environment as Asterisk 22 sent it in the lab, names and order.
const environment = `agi_request: agi
agi_channel: PJSIP/1000-00000002
agi_language: en
agi_type: PJSIP
agi_uniqueid: 1795492582.2
agi_version: 22.10.1
agi_callerid: 1000
agi_calleridname: Caller Mille
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: 2001
agi_rdnis: unknown
agi_context: incoming
agi_extension: 2001
agi_priority: 2
agi_enhanced: 0.0
agi_accountcode: ACC1000
agi_threadid: 139815287580352
agi_arg_1: !env
agi_arg_2: arg,three

`

func labCall() Call {
	return Call{
		CallerID: "1000", CallerIDName: "Caller Mille", Extension: "2001", AccountCode: "ACC1000",
		Channel: "PJSIP/1000-00000002", UniqueID: "1795492582.2",
	}
}

// received is the environment as the program read it.
func received(t *testing.T, tr *Transcript) string {
	t.Helper()
	_, quoted, _ := strings.Cut(tr.Stderr, "environment ")
	var env string
	if _, err := fmt.Sscanf(quoted, "%q", &env); err != nil {
		t.Fatalf("stderr %q: %v", tr.Stderr, err)
	}
	return env
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	tr := play(t, labCall(), "!env", "arg,three")
	if got := received(t, tr); got != environment {
		t.Errorf("got\n%s\nwant\n%s", got, environment)
	}
	anonymous := play(t, Call{}, "!env")
	for _, want := range []string{"\nagi_callerid: unknown\n", "\nagi_calleridname: unknown\n", "\nagi_accountcode: \n", "\nagi_dnid: 2000\n"} {
		if got := received(t, anonymous); !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestForgedCallerID(t *testing.T) {
	t.Parallel()
	c := labCall()
	c.CallerID = SIPUser("10%0aagi_accountcode%3a%20ROOT")
	got := received(t, play(t, c, "!env", "arg,three"))
	want := strings.Replace(environment, "agi_callerid: 1000\n", "agi_callerid: 10\nagi_accountcode: ROOT\n", 1)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	// The end of the environment, and then a reply to the first command.
	c.CallerID = SIPUser("10%0a%0a200%20result=0%20endpos=160000")
	tr := play(t, c, "!env", `STREAM FILE ad ""`)
	if got := received(t, tr); !strings.HasSuffix(got, "agi_callerid: 10\n\n") {
		t.Errorf("the environment ends with %q", got)
	}
	if !strings.Contains(tr.Stderr, "got 200 result=0 endpos=160000\n") {
		t.Errorf("the forged reply was not read first: %s", tr.Stderr)
	}

	c.CallerID = strings.Repeat("1", 200)
	if got := received(t, play(t, c, "!env")); !strings.Contains(got, "agi_callerid: "+strings.Repeat("1", 79)+"\n") {
		t.Errorf("a long number is not cut at 79:\n%s", got)
	}
}

func TestSIPUser(t *testing.T) {
	for user, want := range map[string]string{
		"1000": "1000", "1000%3bx": "1000", "1000;x": "1000", "1000%00evil": "1000",
		"10%0A00": "10\n00", "10%2": "10%2", "%zz": "%zz", "a%20b": "a b",
	} {
		if got := SIPUser(user); got != want {
			t.Errorf("SIPUser(%q) = %q, want %q", user, got, want)
		}
	}
}

func TestForgedBytes(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{EnvTail: []byte("200 result=9\n")}, "NOOP", "!read")
	if want := "got 200 result=9\ngot 200 result=0\n"; tr.Stderr != want {
		t.Errorf("after the environment: stderr %q, want %q", tr.Stderr, want)
	}
	tr = play(t, Call{Acts: []Act{Forge(OnCommand("").Nth(2), "200 result=0 endpos=160000\n")}}, "NOOP", `STREAM FILE ad ""`, "NOOP")
	if want := "got 200 result=0\ngot 200 result=0 endpos=160000\n"; !strings.HasPrefix(tr.Stderr, want) {
		t.Errorf("forged reply: stderr %q, want %q", tr.Stderr, want)
	}
	tr = play(t, Call{Acts: []Act{Inject(AfterCommand("NOOP"), "HANGUP\n")}}, "NOOP", "!read")
	if want := "got 200 result=0\ngot HANGUP\n"; tr.Stderr != want {
		t.Errorf("injected: stderr %q, want %q", tr.Stderr, want)
	}
	tr = play(t, Call{EnvInstead: []byte("GET / HTTP/1.1\r\n\n")}, "!env")
	if got := received(t, tr); got != "GET / HTTP/1.1\r\n\n" {
		t.Errorf("garbage: got %q", got)
	}
	tr = play(t, Call{EnvEndless: true}, "NOOP")
	if tr.ExitCode != 4 || !strings.Contains(tr.Stderr, "no end after") {
		t.Errorf("endless: exit %d, stderr %q", tr.ExitCode, tr.Stderr)
	}
}

func TestProcessEnvironment(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tr, err := Play(ctx, Call{Program: "/bin/sh", Args: []string{"-c",
		`pwd >&2; echo "$AST_VERSION" >&2; test -p /dev/stdin && test -p /dev/stdout && echo pipes >&2; cat >/dev/null </dev/null`}})
	if want := "/\n" + Version + "\npipes\n"; err != nil || tr.Stderr != want {
		t.Errorf("stderr %q, error %v; want %q", tr.Stderr, err, want)
	}
}

func TestWrongCommands(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{}, "FOO BAR", "STREAM", "", "STREAM FILE t3", "SAY NUMBER abc \"\"", "RECORD FILE x wav # 100", "noop")
	usage := func(line string) []string {
		return []string{"520-Invalid command syntax.  Proper usage follows:", "Usage: " + line, "520 End of proper usage."}
	}
	want := []string{"510 Invalid or unknown command", "510 Invalid or unknown command", "510 Invalid or unknown command"}
	want = append(want, usage("STREAM FILE <file> <escape digits> [sample offset]")...)
	want = append(want, usage("SAY NUMBER <number> <escape digits> [gender]")...)
	wantReplies(t, tr, append(want, "510 Invalid or unknown command", "200 result=0")...)
	if notes := tr.Lines(Note); len(notes) != 1 || !strings.Contains(notes[0], "does not play it") {
		t.Errorf("notes %q, want one on RECORD FILE", notes)
	}
}

func TestLongLineBecomesTwoCommands(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{}, "VERBOSE "+strings.Repeat("x", 2100), "!read")
	wantReplies(t, tr, "200 result=1", "510 Invalid or unknown command")
}

func TestVariables(t *testing.T) {
	t.Parallel()
	c := labCall()
	c.CallerID = "10\n00"
	c.Headers = map[string][]string{"P-Asserted-Identity": {"<sip:+336@ims>", "<tel:+336>"}}
	c.Variables = map[string]string{"EMPTY": "", "NAME": "value"}
	tests := []struct{ command, want string }{
		{"GET VARIABLE NOSUCH", "200 result=0"},
		{"GET VARIABLE EMPTY", "200 result=1 ()"},
		{"GET VARIABLE EXTEN", "200 result=1 (2001)"},
		{`SET VARIABLE A "say \"x\" and \\ y"`, "200 result=1"},
		{"GET VARIABLE A", `200 result=1 (say "x" and \ y)`},
		{"GET FULL VARIABLE ${LEN(${CALLERID(num)})}", "200 result=1 (5)"},
		{"GET FULL VARIABLE ${FILTER(0-9+,${CALLERID(num)})}", "200 result=1 (1000)"},
		{"GET FULL VARIABLE ${LEN(${FILTER(0-9+,${CALLERID(num)})})}", "200 result=1 (4)"},
		{"GET FULL VARIABLE ${EXTEN:1:2}-${EXTEN:-2}", "200 result=1 (00-01)"},
		{"GET FULL VARIABLE ${NOSUCH}", "200 result=1 ()"},
		{"GET FULL VARIABLE ${NA${EMPTY}ME}", "200 result=1 (value)"},
		{"GET FULL VARIABLE ${PJSIP_HEADER(read,p-asserted-identity)}", "200 result=1 (<sip:+336@ims>)"},
		{"GET FULL VARIABLE ${PJSIP_HEADER(read,P-Asserted-Identity,2)}", "200 result=1 (<tel:+336>)"},
		{"GET FULL VARIABLE ${PJSIP_HEADER(read,P-Asserted-Identity):1:3}", "200 result=1 (sip)"},
		{"GET FULL VARIABLE ${PJSIP_HEADER(read,P-Asserted-Identity):14:1}", "200 result=1 ()"},
		{"GET VARIABLE PJSIP_HEADER(read,P-Asserted-Identity,3)", "200 result=0"},
		{"GET FULL VARIABLE ${CHANNEL(state)}", "200 result=1 (Ring)"},
		{"GET FULL VARIABLE ${NAME", "200 result=1 (value)"},
		{"DATABASE GET a k", "200 result=0"},
		{"DATABASE PUT a k v1", "200 result=1"},
		{"DATABASE GET a k", "200 result=1 (v1)"},
		{`EXEC MSet "B=1,A=,B=2.5"`, "200 result=0"},
		{"GET VARIABLE A", "200 result=1 ()"},
		{"GET VARIABLE B", "200 result=1 (2.5)"},
		{"SET VARIABLE CALLERID(num) ${NAME}", "200 result=1"},
		{"GET FULL VARIABLE ${CALLERID(num)}", "200 result=1 (${NAME})"},
	}
	var commands, want []string
	for _, tt := range tests {
		commands, want = append(commands, tt.command), append(want, tt.want)
	}
	tr := play(t, c, commands...)
	wantReplies(t, tr, want...)
	if got := tr.Variables["B"]; got != "2.5" {
		t.Errorf("variable B is %q", got)
	}

	// A newline in a value is not escaped: the program sees two lines.
	wantReplies(t, play(t, c, "GET VARIABLE CALLERID(num)", "!read"), "200 result=1 (10", "00)")
}
