package tests

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"adcredit/creditapi/wire"
	"adcredit/tests/fakeasterisk"
)

// away is creditapi that goes away with the end of the ad.
func away(c *caller) func(string, http.ResponseWriter, *http.Request) {
	return func(step string, w http.ResponseWriter, r *http.Request) {
		if step == "complete" {
			panic(http.ErrAbortHandler)
		}
		c.api.ServeHTTP(w, r)
	}
}

// pending makes a call whose completion waits in the spool.
func pending(t *testing.T, c *caller) {
	t.Helper()
	c.between = away(c)
	tr, err := fakeasterisk.Play(t.Context(), fakeasterisk.Call{
		Program: c.adcredit, Environ: c.environ("ast1"), CallerID: c.alias,
		Headers: map[string][]string{"P-Asserted-Identity": {"<sip:" + c.alias + "@ims.example.net>"}},
		Acts:    []fakeasterisk.Act{fakeasterisk.Press(fakeasterisk.OnCommand("WAIT FOR DIGIT").Plus(keyTime), "1")},
	})
	c.between = nil
	if err != nil || tr.Variables["ADCREDIT_STATUS"] != "PENDING" || len(c.waiting()) != 1 {
		t.Fatalf("%v, %v, spool %v\n%s", err, tr.Variables, c.waiting(), tr.Stderr)
	}
}

// A completion waits while the key is rotated, the node gets another name, and
// an entry of the first version lies beside it.
func TestWhatWaitsOutlivesKeyAndName(t *testing.T) {
	h := newHouse(t, 1, 0)
	c, err := h.newCaller(t.Context(), 0)
	must(t, err)
	stop, err := c.serve()
	must(t, err)
	defer stop()
	pending(t, c)
	firstVersion(t, c)

	flush := func(node, want string, wantErr bool, waiting int) {
		t.Helper()
		out, err := c.flush(t.Context(), node)
		if !strings.Contains(out, want) || (err != nil) != wantErr || len(c.waiting()) != waiting {
			t.Errorf("flush with the key of %q: %v, %d wait\n%s\nwant %s", node, err, len(c.waiting()), out, want)
		}
	}
	flush("ast2", "a node of another name", true, 1)
	flush("ast2", "creditapi key add -node OLD -scope agi", true, 1)
	good := h.keys["ast1"]
	h.keys["ast1"] = good[:len(good)-3] + "000"
	flush("ast1", "put a valid one into key_file (creditapi key add -node ast1 -scope agi)", true, 1)
	h.key(t, "ast1")
	if h.keys["ast1"] == good {
		t.Fatal("the key was not rotated")
	}
	flush("ast1", "1 delivered, 0 refused for good, 0 still waiting", false, 0)
	if credit, listens, err := c.money(t.Context()); err != nil || credit != wire.Units(50) || listens != "completed" {
		t.Errorf("credit %s, listen %s, %v", credit, listens, err)
	}
}

// firstVersion gives the waiting entry the name and the fields that the first
// version wrote.
func firstVersion(t *testing.T, c *caller) {
	t.Helper()
	path := c.waiting()[0]
	text, err := os.ReadFile(path)
	must(t, err)
	entry := map[string]any{"attempts": 3, "next": "2026-01-01T00:00:00Z"}
	must(t, json.Unmarshal(text, &entry))
	text, err = json.Marshal(entry)
	must(t, err)
	must(t, os.WriteFile(path, text, 0o600))
	must(t, os.Rename(path, filepath.Join(filepath.Dir(path), entry["listen"].(string)+".json")))
}

// The next call of the same caller delivers what waits, before it would play
// another ad; the call of somebody else does, too, after its own business.
func TestTheNextCallDelivers(t *testing.T) {
	h := newHouse(t, 1, 0)
	c, err := h.newCaller(t.Context(), 0)
	must(t, err)
	stop, err := c.serve()
	must(t, err)
	defer stop()
	call := func(alias, status string) {
		t.Helper()
		tr, err := fakeasterisk.Play(t.Context(), fakeasterisk.Call{
			Program: c.adcredit, Environ: c.environ("ast1"), CallerID: alias,
			Headers: map[string][]string{"P-Asserted-Identity": {"<sip:" + alias + "@ims.example.net>"}},
			Acts:    []fakeasterisk.Act{fakeasterisk.Press(fakeasterisk.OnCommand("WAIT FOR DIGIT").Plus(keyTime), "1")},
		})
		if err != nil || tr.Variables["ADCREDIT_STATUS"] != status {
			t.Errorf("%v, %v; want %s", err, tr.Variables, status)
		}
		for _, heard := range tr.Heard {
			if strings.HasSuffix(heard.Sound, "ads/short") {
				t.Error("another ad was played")
			}
		}
	}
	pending(t, c)
	call(c.alias, "SUFFICIENT")
	_, err = h.db.Exec(`UPDATE cc_card SET credit = 0`) // the credit is used
	must(t, err)
	pending(t, c)
	must(t, os.Chtimes(c.waiting()[0], longAgo, longAgo)) // its rest is over
	call("4711", "NOACCOUNT")
	if credit, listens, err := c.money(t.Context()); err != nil || credit != wire.Units(50) || listens != "completed,completed" || len(c.waiting()) > 0 {
		t.Errorf("credit %s, listens %s, %v; waiting %v", credit, listens, err, c.waiting())
	}
}
