package agi_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestZafProgram changes nothing but the import of a program written for
// github.com/zaf/agi, vets and builds it, and takes a call with it.
func TestZafProgram(t *testing.T) {
	const program = "testdata/zafprogram/main.go"
	source, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), `"github.com/zaf/agi"`); n != 1 {
		t.Fatalf("%s imports zaf %d times", program, n)
	}
	dir := t.TempDir()
	changed := filepath.Join(dir, "main.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), `"github.com/zaf/agi"`, `"adcredit/agi"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	absolute, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{absolute: changed}})
	if err != nil {
		t.Fatal(err)
	}
	overlay, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "zafprogram")
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"vet", "-overlay", overlay, "./testdata/zafprogram"},
		{"build", "-overlay", overlay, "-o", binary, "./testdata/zafprogram"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	within(t, func() { takeCall(t, binary) })
}

// takeCall plays Asterisk for one call.
func takeCall(t *testing.T, binary string) {
	w := newWire(t)
	var stderr strings.Builder
	cmd := exec.Command(binary)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = w.in, w.out, &stderr
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	w.out.Close()
	w.write(asterisk22)
	for _, step := range []struct{ command, reply string }{
		{`VERBOSE "call from 1000 to 2001" 3`, "200 result=1\n"},
		{`ANSWER`, "200 result=0\n"},
		{`GET DATA "enter-your-pin" 5000 4`, "200 result=1234\n"},
		{`DATABASE GET "pin" "1000"`, "200 result=1 (1234)\n"},
		{`RECORD FILE "/tmp/message" "wav" "#" 10000 "BEEP" "s=2"`, "200 result=0 (timeout) endpos=80000\n"},
		{`SET VARIABLE "RECORDED" "(timeout) endpos=80000"`, "200 result=1\n"},
	} {
		if got, open := <-w.commands; !open || got != step.command {
			t.Errorf("got %q, want %s", got, step.command)
			w.toUs.Close()
			break
		}
		w.write(step.reply)
	}
	if err := cmd.Wait(); err != nil || stderr.Len() != 0 {
		t.Errorf("%v, %s", err, &stderr)
	}
}
