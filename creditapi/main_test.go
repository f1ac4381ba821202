package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shell runs creditapi as a person would, with an embedded database of its own.
type shell struct {
	*testing.T
	dir string
	env map[string]string
	in  string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	dir := t.TempDir()
	empty := filepath.Join(dir, "creditapi.toml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return &shell{T: t, dir: dir, env: map[string]string{
		"CREDITAPI_CONFIG":   empty, // not what this machine may have in /etc
		"CREDITAPI_DATABASE": "sqlite://" + filepath.Join(dir, "adcredit.db"),
		"CREDITAPI_LISTEN":   "unix://" + filepath.Join(dir, "api.sock"),
	}}
}

func (s *shell) getenv(name string) string { return s.env[name] }

type result struct {
	code        int
	out, remark string
}

func (s *shell) run(args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(s.Context(), args, strings.NewReader(s.in), &stdout, &stderr, s.getenv)
	return result{code, stdout.String(), stderr.String()}
}

// ok runs a command line that must succeed, and returns what it printed.
func (s *shell) ok(line string) string {
	s.Helper()
	r := s.run(strings.Fields(line)...)
	if r.code != exitOK {
		s.Fatalf("creditapi %s: exit %d\n%s%s", line, r.code, r.out, r.remark)
	}
	return r.out
}

// fails runs a command line that must exit with the code and say why.
func (s *shell) fails(code int, why, line string) {
	s.Helper()
	r := s.run(strings.Fields(line)...)
	if r.code != code || !strings.Contains(r.remark, why) {
		s.Errorf("creditapi %s: exit %d, want %d and %q\n%s%s", line, r.code, code, why, r.out, r.remark)
	}
	if strings.Contains(r.remark, "goroutine ") || strings.Contains(r.remark, ".go:") {
		s.Errorf("creditapi %s shows its insides:\n%s", line, r.remark)
	}
	if usage := strings.Contains(r.remark, "\nusage: creditapi "); usage != (code == exitUsage) {
		s.Errorf("creditapi %s: exit %d, usage line %v:\n%s", line, code, usage, r.remark)
	}
	if r.out != "" && code == exitUsage {
		s.Errorf("creditapi %s printed %q", line, r.out)
	}
}

func (s *shell) json(line string, into any) {
	s.Helper()
	if err := json.Unmarshal([]byte(s.ok(line)), into); err != nil {
		s.Fatalf("creditapi %s: %v", line, err)
	}
}

func TestHelp(t *testing.T) {
	s := newShell(t)
	s.env = map[string]string{"CREDITAPI_CONFIG": "/nowhere"} // help needs no configuration
	for _, line := range []string{"-help", "-h", "help", ""} {
		out := s.ok(line)
		for _, c := range commands() {
			if !strings.Contains(out, "  "+c.name+" ") {
				t.Errorf("creditapi %s does not list %s", line, c.name)
			}
		}
	}
	for _, c := range commands() {
		out := s.ok(c.name + " -help")
		if !strings.Contains(out, "usage: creditapi "+c.name) || !strings.Contains(out, "  creditapi "+c.name) && !strings.Contains(out, "creditapi "+c.name+"\n") {
			t.Errorf("creditapi %s -help has no usage or example:\n%s", c.name, out)
		}
	}
	if out := s.ok("-version"); !strings.HasPrefix(out, "creditapi "+version+" (go") {
		t.Errorf("version: %q", out)
	}
}

func TestUsage(t *testing.T) {
	s := newShell(t)
	for line, why := range map[string]string{
		"frobnicate":                  `"frobnicate" is no command; creditapi -help lists them`,
		"-frobnicate":                 "-frobnicate",
		"key":                         "say which: key add, key list, key revoke",
		"key frob":                    "say which: key add, key list, key revoke",
		"key add":                     "-name and -scope are needed",
		"key add -name x -scope root": "A scope is agi, credit, report or admin.",
		"key add -name x -scope agi":  "belongs to one node",
		"key add -name x -scope report -node ast1":        "belongs to one node",
		"key add -name x -scope report -expires tomorrow": "write it like 2027-01-31",
		"key revoke":                           "name one key",
		"key revoke a b":                       "name one key",
		"key list more":                        `"more" is too much`,
		"serve -port 80":                       "-port",
		"serve now":                            `"now" is too much`,
		"account add":                          "-card is needed",
		"account add -card 10%0a":              "can't name an account",
		"account add -card 1 -cid a:b":         "can't name an account",
		"account add -card 1 -credit 1e3":      "not an amount",
		"account add -card 1 -language french": "write it like fr",
		"account show":                         "name one account",
		"account show nobody:1":                "card:…, alias:… or cid:…",
		"account list -limit 0":                "-limit is 1 to",
		"campaign add -name x":                 "are needed",
		"campaign add -name x -sound ads/x -reward 50 -budget 100":                                                 "-duration",
		"campaign add -name X -sound ads/x -duration 1s -reward 50 -budget 100":                                    "A campaign's name",
		"campaign add -name x -sound ADS -duration 1s -reward 50 -budget 100":                                      "A sound's name",
		"campaign add -name x -sound ads/x -duration 1h -reward 50 -budget 100":                                    "at most ten minutes",
		"campaign add -name x -sound ads/x -duration 1s -reward 50 -budget 10":                                     "at least one reward",
		"campaign add -name x -sound ads/x -duration 1s -reward fifty -budget 10":                                  "not an amount",
		"campaign add -name x -sound ads/x -duration 1s -reward 50 -budget 100 -hours 20:00-08:00":                 "The hours of the day",
		"campaign add -name x -sound ads/x -duration 1s -reward 50 -budget 100 -hours day":                         "08:00-20:00",
		"campaign add -name x -sound ads/x -duration 1s -reward 50 -budget 100 -hours 08:00":                       "08:00-20:00",
		"campaign add -name x -sound ads/x -duration 1s -reward 50 -budget 100 -from 1.1.2027":                     "2027-01-31",
		"campaign add -name x -sound ads/x -duration 1s -reward 50 -budget 100 -from 2027-02-01 -until 2027-01-01": "must end after",
		"campaign pause":                      "name one campaign",
		"reconcile now":                       `"now" is too much`,
		"reconcile -since yesterday":          "write it like 2027-01-31, or 2d for two days ago",
		"reconcile settle":                    "name one entry in doubt",
		"reconcile settle 1":                  "name one entry in doubt",
		"reconcile settle 1 pay drop":         "name one entry in doubt",
		"reconcile settle one pay -reason x":  `"one" is no entry`,
		"reconcile settle 0 pay -reason x":    `"0" is no entry`,
		"reconcile settle 1 forget -reason x": `"forget" is no decision; write pay or drop`,
		"reconcile settle 1 pay":              "-reason is needed",
		"reconcile settle 1 pay -reason x -by " + strings.Repeat("y", 61): "-by is needed: 1 to 60 characters",
		"purge -older-than 0d":    "is too short",
		"purge -older-than 31d":   "is too short",
		"purge -older-than 9600h": "write it like 400d",
	} {
		s.fails(exitUsage, why, line)
	}
	if entries, err := os.ReadDir(s.dir); err != nil || len(entries) > 4 {
		t.Errorf("something was left: %v %v", entries, err)
	}
	if out := s.ok("campaign list -json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("a refused campaign is there: %s", out)
	}
}

func TestConfigurationRefused(t *testing.T) {
	s := newShell(t)
	file := filepath.Join(s.dir, "bad.toml")
	if err := os.WriteFile(file, []byte("listen = \"127.0.0.1:8080\"\nlistem = \"x\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"-config " + file + " serve", "serve -config " + file, "key list -config " + file} {
		s.fails(exitConfig, "bad.toml:2: listem", line)
	}
	s.fails(exitConfig, "nowhere.toml", "-config "+filepath.Join(s.dir, "nowhere.toml")+" serve")
	s.env["CREDITAPI_DATABASE"] = "mysql://root:s3cr3t@:3306/mya2billing"
	r := s.run("check")
	if r.code != exitConfig || strings.Contains(r.remark, "s3cr3t") {
		t.Errorf("a wrong address: exit %d, %s", r.code, r.remark)
	}
	s.env["CREDITAPI_DATABASE"] = "sqlite://" + filepath.Join(s.dir, "creditapi.toml", "adcredit.db")
	s.fails(exitFailed, "creditapi.toml", "key list")
	if r := s.run("check"); r.code != exitFailed || !strings.Contains(r.out, "WRONG  database") || r.remark != "" {
		t.Errorf("check without a database: exit %d\n%s%s", r.code, r.out, r.remark)
	}
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// TestSchemaRefused: a database that a newer creditapi made is left alone.
func TestSchemaRefused(t *testing.T) {
	s := newShell(t)
	s.ok("migrate")
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "adcredit.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`INSERT INTO adcredit_schema (version_id, is_applied) VALUES (9999, 1)`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"serve", "migrate", "key list"} {
		s.fails(exitConfig, "schema 9999, made by a newer creditapi", line)
	}
}
