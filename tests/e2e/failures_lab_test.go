//go:build lab

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"adcredit/tests/lab"
)

// failures are the rows of README's table, by their first cell.
var failures = map[string]failure{
	"database down":                  {at: richAt, breaks: databaseDown, all: true},
	"database down in mid-ad":        {at: poorAt, midAd: true, breaks: databaseDown},
	"database slow, 5 s":             {at: richAt, breaks: databaseSlow},
	"database read-only":             {at: poorAt, breaks: databaseReadOnly},
	"database's disk full":           {at: poorAt, breaks: diskFull},
	"database lacks a table":         {at: poorAt, breaks: tableMissing},
	"database of another version":    {at: richAt, breaks: otherSchema},
	"creditapi down":                 {at: richAt, breaks: apiDown},
	"creditapi down in mid-ad":       {at: poorAt, midAd: true, breaks: apiDown},
	"creditapi answers 500":          {at: richAt, breaks: instead(serverError)},
	"creditapi answers garbage":      {at: richAt, breaks: instead(garbage)},
	"creditapi answers after 5 s":    {at: richAt, breaks: instead(verySlow)},
	"creditapi redirects":            {at: richAt, breaks: instead(redirect)},
	"key expired":                    {at: richAt, breaks: keyExpired},
	"Asterisk's clock a day wrong":   {at: poorAt, midAd: true, breaks: clockWrong},
	"prompt missing":                 {at: poorAt, breaks: without("en/thanks.wav")},
	"ad missing":                     {at: poorAt, breaks: without("ads/mangalou-en.wav")},
	"ad cut short on disk":           {at: poorAt, breaks: adTruncated},
	"Asterisk without French sounds": {at: poorAt, breaks: noFrench},
}

// smallServer is a MariaDB of this test's own, on a disk that can be filled.
func smallServer(t *testing.T) *lab.Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "small-")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256m,mode=755"); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return lab.NewMariaDB(t, lab.MariaDBOptions{Dir: dir})
}

func databaseDown(t *testing.T, h *house) func() {
	h.mariadb.Kill()
	return func() { h.mariadb.Start(t) }
}

// databaseSlow: whoever reads cards waits for 5 s.
func databaseSlow(t *testing.T, h *house) func() {
	conn, err := h.sql.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `LOCK TABLES cc_card WRITE`); err != nil {
		t.Fatal(err)
	}
	unlocked := make(chan error, 1)
	time.AfterFunc(5*time.Second, func() {
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), `UNLOCK TABLES`)
		unlocked <- errors.Join(err, conn.Close())
	})
	return func() {
		if err := <-unlocked; err != nil {
			t.Error(err)
		}
	}
}

func databaseReadOnly(t *testing.T, h *house) func() {
	h.exec(t, `SET GLOBAL read_only = 1`) // binds all but administrators
	return func() { h.exec(t, `SET GLOBAL read_only = 0`) }
}

// diskFull leaves no room for one more listen: neither on the disk, nor in the
// last page of the table, where the next one belongs.
func diskFull(t *testing.T, h *house) func() {
	filler := filepath.Join(h.mariadb.Dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 64<<10); err == nil; {
		_, err = f.Write(block)
	}
	f.Close()
	const row = `INSERT INTO adcredit_listen (id, node, idempotency_key, digest, account_id, card, call_id, destination,
		campaign_id, ad_id, language, reward, day, budget_shard, state, started_at, busy_until, expires_at)
		VALUES (?, 'filler', ?, '', 9, '', '', '', 1, 1, '', 0, 1, 0, 'abandoned', NOW(6), NOW(6), NOW(6))`
	for i, err := 0, error(nil); err == nil; i++ {
		_, err = h.sql.Exec(row, fmt.Sprintf("00000000-0000-0000-0000-%012d", i), i)
	}
	return func() {
		if err := os.Remove(filler); err != nil {
			t.Error(err)
		}
		h.exec(t, `DELETE FROM adcredit_listen WHERE node = 'filler'`)
	}
}

func tableMissing(t *testing.T, h *house) func() {
	h.exec(t, `RENAME TABLE adcredit_listen TO adcredit_listen_away`)
	return func() { h.exec(t, `RENAME TABLE adcredit_listen_away TO adcredit_listen`) }
}

// otherSchema is a creditapi that is started on tables of a newer one.
func otherSchema(t *testing.T, h *house) func() {
	h.exec(t, `INSERT INTO adcredit_schema (version_id, is_applied) VALUES (9999, 1)`)
	h.api.kill()
	if code := h.api.runOut(t); code != 78 {
		t.Errorf("creditapi serve on tables of another version: exit code %d, want 78", code)
	}
	return func() {
		h.exec(t, `DELETE FROM adcredit_schema WHERE version_id = 9999`)
		h.api.start(t)
	}
}

func apiDown(t *testing.T, h *house) func() {
	h.api.kill()
	return func() { h.api.start(t) }
}

// instead puts another server in creditapi's place.
func instead(answer http.HandlerFunc) func(*testing.T, *house) func() {
	return func(t *testing.T, h *house) func() {
		h.api.kill()
		l, err := net.Listen("tcp", apiAt)
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: answer}
		go s.Serve(l)
		return func() {
			s.Close()
			h.api.start(t)
		}
	}
}

func serverError(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "oops", http.StatusInternalServerError)
}

func garbage(w http.ResponseWriter, _ *http.Request) {
	w.Write([]byte("<html>welcome to nginx</html>"))
}

func verySlow(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(5 * time.Second):
	case <-r.Context().Done():
	}
}

func redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "http://127.0.0.1:9/"+r.URL.Path, http.StatusFound)
}

func keyExpired(t *testing.T, h *house) func() {
	set := func(when string) {
		h.exec(t, `UPDATE adcredit_key SET expires_at = `+when)
		h.api.kill() // it remembers keys for 5 s
		h.api.start(t)
	}
	set(`NOW(6) - INTERVAL 1 SECOND`)
	return func() { set(`NULL`) }
}

// clockWrong: a completion is kept by a host whose clock is a day ahead, and
// delivered once the clock is right. What such a host writes is written here.
func clockWrong(t *testing.T, h *house) func() {
	h.api.kill()
	return func() {
		waiting, err := filepath.Glob(h.pbx.Path(spoolDir + "/*.json"))
		if err != nil || len(waiting) != 1 {
			t.Fatalf("the spool holds %s (%v), want one completion", waiting, err)
		}
		text, err := os.ReadFile(waiting[0])
		if err != nil {
			t.Fatal(err)
		}
		today, tomorrow := time.Now().UTC(), time.Now().UTC().AddDate(0, 0, 1)
		ahead := bytes.ReplaceAll(text, []byte(today.Format(time.DateOnly)), []byte(tomorrow.Format(time.DateOnly)))
		if !json.Valid(ahead) || bytes.Equal(ahead, text) {
			t.Fatalf("the entry holds no time of today: %s", text)
		}
		if err := os.WriteFile(waiting[0], ahead, 0o600); err != nil {
			t.Fatal(err)
		}
		h.api.start(t)
	}
}

// without takes one of the sounds away.
func without(sound string) func(*testing.T, *house) func() {
	return func(t *testing.T, h *house) func() {
		path := h.pbx.Path(filepath.Join(soundsDir, sound))
		return move(t, path, strings.TrimSuffix(path, ".wav")+"-away")
	}
}

func move(t *testing.T, from, to string) (back func()) {
	t.Helper()
	rename := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(from, to)
	return func() { rename(to, from) }
}

// adTruncated: half of the ad's samples are there, and its header says all.
func adTruncated(t *testing.T, h *house) func() {
	path := h.pbx.Path(filepath.Join(soundsDir, "ads/mangalou-en.wav"))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(whole[:len(whole)/2])
	return func() { write(whole) }
}

func noFrench(t *testing.T, h *house) func() {
	h.exec(t, `UPDATE cc_card SET language = 'fr' WHERE useralias = '1001'`)
	path := h.pbx.Path("/usr/share/asterisk/sounds/fr")
	return move(t, path, path+"-away")
}
