package etc_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"adcredit/agi/callflow"
	"adcredit/etc"
)

func text(t *testing.T, name string) string {
	t.Helper()
	data, err := etc.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// all are the parts in brackets of all matches, each once, in order.
func all(pattern, text string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// The rights name our tables as the migrations make them, no more and no less.
func TestGrantsNameEveryTable(t *testing.T) {
	migrations := "../creditapi/store/migrations/mysql"
	files, err := os.ReadDir(migrations)
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, file := range files {
		sql, err := os.ReadFile(filepath.Join(migrations, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, all(`CREATE TABLE IF NOT EXISTS (\w+)`, string(sql))...)
	}
	grants := text(t, "a2billing/grants.sql")
	serve := append(slices.Clone(made), "adcredit_schema") // goose's
	slices.Sort(serve)
	owner := append(slices.Clone(serve), "adcredit_schema_lock") // goose's lock, of migrations alone
	slices.Sort(owner)
	for what, lists := range map[string][2][]string{
		"granted to creditapi":      {all(`GRANT CREATE, .* ON (adcredit_\w+) TO 'creditapi'@`, grants), serve},
		"taken back from creditapi": {all(`REVOKE CREATE ON (adcredit_\w+) FROM 'creditapi'@`, grants), serve},
		"granted to the owner":      {all(`GRANT .*CREATE.* ON (adcredit_\w+) TO 'adcredit_owner'@`, grants), owner},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s: %q, want %q", what, lists[0], lists[1])
		}
	}
}

// The dialplan plays what there is, and knows no status that adcredit doesn't.
func TestDialplanFitsTheRest(t *testing.T) {
	plan := text(t, "asterisk/extensions.conf")
	prompts := all(`\$\{CHANNEL\(language\)\}/(\w+)`, plan)
	if !slices.Equal(prompts, []string{"later", "refused"}) {
		t.Errorf("prompts %q, want later and refused", prompts)
	}
	for _, prompt := range prompts {
		for _, language := range []string{"fr", "en"} {
			if _, err := os.Stat("../sounds/" + language + "/" + prompt + ".wav"); err != nil {
				t.Error(err)
			}
		}
	}
	want := []string{"", string(callflow.Failed), string(callflow.Granted), string(callflow.Pending), string(callflow.Sufficient), string(callflow.Unknown)}
	slices.Sort(want)
	if statuses := all(`"\$\{ADCREDIT_STATUS\}" = "(\w*)"`, plan); !slices.Equal(statuses, want) {
		t.Errorf("the open plan knows %q, want %q", statuses, want)
	}
	globals := all(`(?m)^(ADCREDIT_\w+)=`, plan)
	if told := all("`(ADCREDIT_[A-Z0-9]+)`", text(t, "README.md")); !slices.Equal(told, globals) {
		t.Errorf("README.md tells of %q, the dialplan has %q", told, globals)
	}
}

// What a caller may have written never stands between the parentheses of a
// function, the quotes of an expression or the arguments of an application,
// where it could end them: only in Set, and after the test in numbers.
func TestDialplanKeepsCallersTextApart(t *testing.T) {
	hostile := regexp.MustCompile(`\$\{(CALLERID|REDIRECTING|ADCREDIT_NAME|ADCREDIT_DIRT)\b`)
	plainSet := regexp.MustCompile(`,Set\([A-Z_]+(\(name\))?=(\$\{(CALLERID\(\w+\)|REDIRECTING\([\w-]+\)|ADCREDIT_NAME|EXTEN)\})+\)$`)
	for line := range strings.Lines(text(t, "asterisk/extensions.conf")) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "\t;")
		if !strings.HasPrefix(line, ";") && hostile.MatchString(line) && !plainSet.MatchString(line) {
			t.Errorf("a caller's text is used in: %s", line)
		}
	}
}

// The units start what make install installs, under the cage that they promise.
func TestUnits(t *testing.T) {
	units, err := fs.Glob(etc.Files, "systemd/*")
	if err != nil || len(units) != 7 {
		t.Fatalf("units: %q, %v", units, err)
	}
	for name, command := range map[string]string{"creditapi.service": "creditapi serve", "creditapi-purge.service": "creditapi purge", "adcredit-flush.service": "adcredit -flush -due",
		"adcredit-fastagi.service": "adcredit -fastagi 127.0.0.1:4573"} {
		unit := "\n" + text(t, "systemd/"+name)
		for _, line := range []string{
			"ExecStart=/usr/local/bin/" + command, "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes",
			"PrivateTmp=yes", "CapabilityBoundingSet=", "SystemCallFilter=@system-service", "UMask=0077",
		} {
			if !strings.Contains(unit, "\n"+line+"\n") {
				t.Errorf("%s has no line %s", name, line)
			}
		}
	}
	for name, lines := range map[string][]string{"creditapi.service": {"ExecReload=/bin/kill -HUP $MAINPID", "RestartPreventExitStatus=2 78",
		"LoadCredential=tls.key:/etc/adcredit/tls.key", `SetCredential=tls.key:\n`}, "creditapi-purge.service": nil} {
		unit := text(t, "systemd/"+name)
		for _, line := range append(lines,
			"DynamicUser=yes", "User=creditapi", "StateDirectory=adcredit",
			// An empty line stands for a file that is not there; creditapi/config knows it.
			"LoadCredential=database-password:/etc/adcredit/database-password", `SetCredential=database-password:\n`,
		) {
			if !strings.Contains(unit, "\n"+line+"\n") {
				t.Errorf("%s has no line %s", name, line)
			}
		}
	}
}
