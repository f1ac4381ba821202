//go:build lab

package faults

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// sample wants the budget to be what listens say, at every moment that it looks:
// one statement sees one moment. It also wants to see a budget that has run out.
func (h *house) sample(ctx context.Context, t *testing.T) (samples int) {
	ranOut := false
	for ; ctx.Err() == nil; pause(ctx, 150*time.Millisecond) {
		var held, spent, started, completed float64
		var overrun, full, open, plays int
		err := h.db.QueryRowContext(ctx, `SELECT SUM(held), SUM(spent), SUM(held + spent > amount), SUM(held + spent = amount),
			(SELECT COALESCE(SUM(reward), 0) FROM adcredit_listen WHERE state = 'started'),
			(SELECT COALESCE(SUM(reward), 0) FROM adcredit_listen WHERE state = 'completed'),
			(SELECT COALESCE(SUM(open_listens), 0) FROM adcredit_node), (SELECT COUNT(*) FROM adcredit_listen WHERE state = 'started')
			FROM adcredit_budget WHERE day = 0`).Scan(&held, &spent, &overrun, &full, &started, &completed, &open, &plays)
		if err != nil {
			continue // the database is down
		}
		samples++
		ranOut = ranOut || full >= endShards
		if open != plays {
			t.Errorf("%d open listens are counted for the node, and %d are", open, plays)
		}
		if held != started || spent != completed || overrun > 0 {
			t.Errorf("held %v for listens of %v, spent %v for grants of %v, %d rows of the budget overrun", held, started, spent, completed, overrun)
		}
	}
	if !ranOut {
		t.Error("no budget ran out: the test is too short for this machine")
	}
	return samples
}

// settle lets everything come to its end: completions that wait are delivered,
// open entries finished, and windows end.
func (h *house) settle(t *testing.T) {
	t.Helper()
	h.await(t)
	h.flush(t)
	eventually(t, "the sweeps to finish open entries", func() bool {
		return h.number(t, `SELECT COUNT(*) FROM adcredit_ledger WHERE state IN ('pending', 'applied')`) == 0
	})
	h.exec(t, `UPDATE adcredit_listen SET busy_until = NOW(6), expires_at = NOW(6) WHERE state = 'started'`)
	eventually(t, "the sweeps to end listens whose window is over", func() bool {
		return h.number(t, `SELECT COUNT(*) FROM adcredit_listen WHERE state = 'started'`) == 0
	})
}

// flush delivers what the spool has, and wants all of it taken.
func (h *house) flush(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, lab.Program("adcredit"), "-flush")
	cmd.Env = h.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("adcredit -flush: %v: %s", err, out)
	}
	for _, folder := range []string{"", "refused", "corrupt"} {
		if files, _ := filepath.Glob(h.path(filepath.Join("spool", folder, "*-*.json"))); len(files) > 0 {
			t.Errorf("the spool still has %s", files)
		}
	}
}

// waiting are the listens whose completions lie in the spool.
func (h *house) waiting(t *testing.T) (listens []string) {
	t.Helper()
	files, err := os.ReadDir(h.path("spool"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".json") {
			id, _, _ := strings.Cut(file.Name(), ".") // an account's tag follows
			listens = append(listens, id)
		}
	}
	return listens
}

// A count is of rewards: in doubt, in doubt and credited, and credited beside
// any entry.
type count struct{ doubtful, credited, doubled int }

// audit counts the money in the database alone.
func (h *house) audit(t *testing.T, engine lab.Engine) count {
	t.Helper()
	h.wantNone(t, "completed listens with no entry, or others with one", `SELECT COUNT(*) FROM adcredit_listen l
		WHERE (l.state = 'completed') <> (SELECT COUNT(*) FROM adcredit_ledger g WHERE g.listen_id = l.id AND g.amount = l.reward AND g.account_id = l.account_id)`)
	h.wantNone(t, "entries of no listen", `SELECT COUNT(*) FROM adcredit_ledger g LEFT JOIN adcredit_listen l ON l.id = g.listen_id WHERE l.id IS NULL`)
	h.wantNone(t, "entries that are open", `SELECT COUNT(*) FROM adcredit_ledger WHERE state NOT IN ('logged', 'in_doubt')`)
	h.wantNone(t, "entries in doubt for another cause than a crash of the server",
		`SELECT COUNT(*) FROM adcredit_ledger WHERE state = 'in_doubt' AND cause <> 'database_restarted'`)
	h.wantNone(t, "rewards held", `SELECT SUM(held) FROM adcredit_budget`)
	h.wantNone(t, "campaigns whose budget is overrun or not what was granted", `SELECT COUNT(*) FROM adcredit_campaign c
		JOIN (SELECT campaign_id, SUM(amount) amount, SUM(spent) spent FROM adcredit_budget WHERE day = 0 GROUP BY campaign_id) b ON b.campaign_id = c.id
		WHERE b.amount <> c.budget OR b.spent > b.amount
		OR b.spent <> (SELECT COALESCE(SUM(amount), 0) FROM adcredit_ledger WHERE campaign_id = c.id)`)
	h.wantNone(t, "accounts whose cc_logrefill is not their logged entries", `SELECT COUNT(*) FROM cc_card c
		WHERE (SELECT COALESCE(SUM(credit), 0) FROM cc_logrefill WHERE card_id = c.id)
		<> (SELECT COALESCE(SUM(amount), 0) FROM adcredit_ledger WHERE account_id = c.id AND state = 'logged')`)
	h.wantNone(t, "entries without just one row of cc_logrefill", `SELECT COUNT(*) FROM adcredit_ledger g LEFT JOIN
		(SELECT SUBSTRING_INDEX(description, ':', 1) id, COUNT(*) n, MIN(credit) credit, MIN(card_id) card FROM cc_logrefill GROUP BY 1) r
		ON r.id = CONCAT('adcredit ', g.id) WHERE g.state = 'logged' AND NOT (r.n <=> 1 AND r.credit = g.amount AND r.card = g.account_id)`)
	return h.auditCredit(t, engine)
}

// auditCredit compares each account's credit with what it was granted, less what
// A2Billing took. Where the tables are MyISAM entries in doubt may have been
// credited or not, and nothing else may differ.
func (h *house) auditCredit(t *testing.T, engine lab.Engine) (c count) {
	t.Helper()
	rows, err := h.db.Query(`SELECT c.username, c.credit + 0.25 * c.inuse + c.initialbalance - COALESCE(SUM(IF(g.state = 'logged', g.amount, 0)), 0),
		COALESCE(SUM(g.state = 'in_doubt'), 0)
		FROM cc_card c LEFT JOIN adcredit_ledger g ON g.account_id = c.id WHERE c.username LIKE '70000%' GROUP BY c.id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var card string
		var more float64 // has more than it should; amounts here are quarters, which a float holds
		var inDoubt int
		if err := rows.Scan(&card, &more, &inDoubt); err != nil {
			t.Fatal(err)
		}
		paid := int(more / reward)
		if more != float64(paid*reward) || paid < 0 || paid > inDoubt {
			t.Errorf("card %s has %v more than it should, and %d entries in doubt", card, more, inDoubt)
		}
		c.doubtful += inDoubt
		c.credited += min(paid, inDoubt)
		c.doubled += max(paid-inDoubt, 0)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if engine == lab.InnoDB && c.doubtful > 0 {
		t.Errorf("%d entries are in doubt, where a grant is one transaction", c.doubtful)
	}
	if debited := h.number(t, `SELECT SUM(initialbalance) FROM cc_card`); debited < h.billed.least.Load() || debited > h.billed.most.Load() {
		t.Errorf("A2Billing's debits are %d, and it knows of %d to %d", debited, h.billed.least.Load(), h.billed.most.Load())
	}
	return c
}

// reconcile wants creditapi's own comparison to list the entries in doubt, and
// nothing else.
func (h *house) reconcile(t *testing.T, doubtful int) {
	t.Helper()
	out, stderr, code := h.ask(t, "reconcile", "-json")
	var found struct {
		Differences []struct {
			Check  string
			Note   bool
			Detail string
		}
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || (code == 0) != (doubtful == 0) {
		t.Fatalf("creditapi reconcile: exit code %d, %v\n%s%s", code, err, out, stderr)
	}
	for _, d := range found.Differences {
		switch {
		case d.Note:
		case d.Check == "entry_in_doubt":
			doubtful--
		default:
			t.Errorf("creditapi reconcile finds %s: %s", d.Check, d.Detail)
		}
	}
	if doubtful != 0 {
		t.Errorf("creditapi reconcile lists %d entries in doubt too few", doubtful)
	}
}

// auditCalls wants a grant for each ad that was heard, unless adcredit was
// killed before it could write that down, and none for any other.
func (h *house) auditCalls(t *testing.T, calls []record, waited []string) (lost int) {
	t.Helper()
	states := map[string]string{}
	byListen := map[string]string{}
	rows, err := h.db.Query(`SELECT id, call_id, state FROM adcredit_listen`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, call, state string
		if err := rows.Scan(&id, &call, &state); err != nil {
			t.Fatal(err)
		}
		states[call], byListen[id] = state, state
	}
	for _, c := range calls {
		state := states["ast1/"+c.id]
		switch {
		case c.owed && state != "completed":
			lost++
			t.Errorf("call %s heard the ad, and its listen is %q: %s", c.id, state, c.ended)
		case !c.heard && state == "completed":
			t.Errorf("call %s did not hear the ad, and is granted: %s", c.id, c.ended)
		case !c.killed && (c.status == "" || c.status == "ERROR" || c.status == "REFUSED"):
			t.Errorf("call %s ended as %s", c.id, c.ended)
		}
	}
	for _, id := range waited {
		if byListen[id] != "completed" {
			t.Errorf("listen %s waited in the spool and is %q", id, byListen[id])
		}
	}
	return lost
}

func (h *house) wantNone(t *testing.T, what, query string) {
	t.Helper()
	if n := h.number(t, query); n != 0 {
		t.Errorf("%s: %d", what, n)
	}
}

func (h *house) number(t *testing.T, query string) (n int64) {
	t.Helper()
	var v float64
	if err := h.db.QueryRow(query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return int64(v)
}

func (h *house) exec(t *testing.T, query string) {
	t.Helper()
	if _, err := h.db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
