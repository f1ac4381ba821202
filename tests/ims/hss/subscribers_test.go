package hss

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"adcredit/etc"
	"adcredit/etc/etctest"
)

// Each mistake is told with its line and the way out.
func TestRefusedFiles(t *testing.T) {
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"no realm", `realm = "ims.test"`, "", `realm: is not set; write the home network's domain, like "ims.test"`},
		{"AS", "sip:127.0.0.9:5060", "127.0.0.9", `application_server.adcredit.server_name: "127.0.0.9" is not a SIP URI; write one, like "sip:127.0.0.9:5060"`},
		{"handling", "SESSION_CONTINUED\"\n", "CONTINUE\"\n", `application_server.adcredit.default_handling: "CONTINUE" is none of the words there are; write one of: SESSION_CONTINUED, SESSION_TERMINATED`},
		{"condition", `"CNF"`, `"AND"`, `trigger_point.calls.condition_type: "AND" is none of the words there are; write one of: DNF, CNF`},
		{"two conditions", `sip_method = "INVITE" }`, `sip_method = "INVITE", session_case = "originating" }`,
			`trigger_point.calls.spt.1: has 2 conditions; write one of request_uri, sip_method, sip_header, session_case and session_description`},
		{"no condition", `{ group = 1, session_case = "originating" }`, "{ group = 1 }",
			`trigger_point.calls.spt.2: has 0 conditions; write one of request_uri, sip_method, sip_header, session_case and session_description`},
		{"case", `session_case = "originating" }`, `session_case = "orig" }`,
			`trigger_point.calls.spt.2.session_case: "orig" is none of the words there are; write one of: originating, terminating_registered, terminating_unregistered, originating_unregistered`},
		{"pattern", `'^sip:[12][0-9]+@ims\.test'`, `'^sip:[12'`,
			`trigger_point.calls.spt.3.request_uri: "^sip:[12" is not a POSIX extended regular expression; write one between single quotes, like '^sip:2[0-9]+@ims\.test'`},
		{"content", `sip_method = "INVITE" }`, `sip_method = "INVITE", sip_header_content = 'x' }`,
			`trigger_point.calls.spt.1: has sip_header_content without sip_header; write which header's content that is`},
		{"criteria", `trigger_point = "calls"`, `trigger_point = "call"`, `initial_filter_criteria.adcredit.trigger_point: "call" is no trigger_point; write one of: calls`},
		{"profile", `{ name = "adcredit", priority = 0 }`, `{ name = "adcredit", priority = 0 }, { name = "adcredit", priority = 0 }`,
			`service_profile.prepaid.initial_filter_criteria.2.priority: 0 is negative or taken; give each criterion of a profile another priority from 0`},
		{"capability", `["1"]`, `["one"]`, `imsu.1000.capabilities: "one" is not a capability; write a number between quotes, like "1"`},
		{"user of nobody", `imsu = "1000"`, `imsu = "100"`, `impi."1000@ims.test".imsu: "100" is no imsu; write one of: 1000, 1001`},
		{"secret", `secret = "secret1000"`, "", `impi."1000@ims.test": has the scheme SIP Digest and no secret; write: secret = "a password"`},
		{"scheme", `scheme = "SIP Digest"`, `scheme = "Digest-MD5"`, `impi."1000@ims.test".scheme: "Digest-MD5" is none of the words there are; write one of: SIP Digest, Digest-AKAv1-MD5`},
		{"short key", `k = "465b5ce8b199b49faa5f0a2ee238a6bc"`, `k = "46"`, `impi."1000@ims.test": has a k; write it and either op or opc, 32 hexadecimal digits each`},
		{"no hexadecimal", `k = "465b5ce8b199b49faa5f0a2ee238a6bc"`, `k = "xy"`, `impi."1000@ims.test".k: is not hexadecimal; write two digits from 0-9 and a-f for each octet`},
		{"identity", `[impu."sip:1000@ims.test"]`, `[impu.1000]`, `impu.1000: is not a public identity; write a URI without parameters, like [impu."sip:1000@ims.test"]`},
		{"nobody's identity", `impi = ["1000@ims.test"]`, "", `impu."sip:1000@ims.test": has no private identity, so nobody could use it; write: impi = ["1000@ims.test"]`},
		{"two customers", `impi = ["1000@ims.test"]`, `impi = ["1000@ims.test", "1001@ims.test"]`,
			`impu."sip:1000@ims.test".impi: names private identities of two subscriptions; keep those of one`},
		{"unknown key", "#barring = false", "baring = true", `impu."sip:1000@ims.test".baring: there is no such key; did you mean barring?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(string(whole), c.old, c.new, 1)
			if text == string(whole) {
				t.Fatalf("the file has no %s", c.old)
			}
			path := filepath.Join(t.TempDir(), "subscribers.toml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			etctest.WantRefusal(t, path, []byte(text), err)
			refused, ok := errors.AsType[*etc.Error](err)
			if !ok || len(refused.Problems) != 1 {
				t.Fatalf("%v", err)
			}
			p := refused.Problems[0]
			if got := p.Key + ": " + p.What; got != c.want {
				t.Errorf("got\n%s, want\n%s", got, c.want)
			}
			if p.Line == 0 && c.name != "no realm" {
				t.Errorf("%v has no line", p)
			}
		})
	}
}

// Two customers have no set in common.
func TestSetOfTwo(t *testing.T) {
	s := load(t)
	for name, u := range s.IMPUs {
		u.ImplicitSet = 1
		s.IMPUs[name] = u
	}
	want := etc.Problem{Key: `impu."sip:1001@ims.test".implicit_set`, What: "1 has identities of another subscription; write another number"}
	if got := s.Check(); len(got) != 1 || got[0] != want {
		t.Errorf("%v", got)
	}
}

// FuzzLoad: a file is refused as etc.Load refuses, or each of its users has a
// profile that keeps to the grammar.
func FuzzLoad(f *testing.F) {
	whole, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("realm = \"a\"\n[imsu.1]\n[impi.1]\nimsu = \"1\"\nsecret = \"x\"\n[service_profile.p]\n[impu.\"sip:1\"]\nimpi = [\"1\"]\nservice_profile = \"p\"\n"))
	f.Add([]byte("realm = \"\\u0001\"\n[application_server.\"\"]\nserver_name = \"sip:\\u0000\"\n[trigger_point.t]\nspt = [{}, {group = -1, sip_method = \"]]>\"}]"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "subscribers.toml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Load(path)
		if err != nil {
			etctest.WantRefusal(t, path, text, err)
			return
		}
		for name, u := range s.IMPUs {
			profile := s.UserData(u.IMPIs[0], []string{name})
			if err := valid(profile); err != nil {
				t.Errorf("%v in\n%s", err, profile)
			}
		}
	})
}
