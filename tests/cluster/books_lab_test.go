//go:build lab

package cluster

import (
	"fmt"
	"slices"
	"testing"

	"adcredit/tests/lab"
)

// wantBooks counts the money on each node: they must agree with one another
// and with what the callers and A2Billing were told.
func (h *house) wantBooks(t *testing.T, l *load) {
	t.Helper()
	for i, node := range h.nodes {
		t.Run(fmt.Sprint("books of node ", i+1), func(t *testing.T) {
			b := books{t, lab.Login{User: "root", Database: &lab.Database{Server: node.Server, Name: database}}}
			b.wantGrants(l)
			b.wantAccounts(l)
		})
	}
}

type books struct {
	*testing.T
	login lab.Login
}

// column reads the first column of a query, having waited for what other nodes
// have committed.
func (b books) column(query string) []string {
	b.Helper()
	rows, err := b.login.DB(b).Query("SET STATEMENT wsrep_sync_wait=7 FOR " + query)
	if err != nil {
		b.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			b.Fatal(err)
		}
		all = append(all, value)
	}
	if err := rows.Err(); err != nil {
		b.Fatalf("%s: %v", query, err)
	}
	return all
}

func (b books) want(what, query, want string) {
	b.Helper()
	if got := b.column(query); len(got) != 1 || got[0] != want {
		b.Errorf("%s: %s, want %s", what, got, want)
	}
}

// wantGrants wants each listen that was heard to be granted once, and no other.
func (b books) wantGrants(l *load) {
	b.Helper()
	granted := b.column(`SELECT listen_id FROM adcredit_ledger WHERE state = 'logged' ORDER BY listen_id`)
	n := fmt.Sprint(len(l.heard))
	b.want("entries of the ledger", `SELECT COUNT(*) FROM adcredit_ledger`, n)
	if len(slices.Compact(granted)) != len(l.heard) {
		b.Errorf("%d listens were heard to their end, %d are granted", len(l.heard), len(granted))
	}
	for _, id := range granted {
		if !l.heard[id] {
			b.Errorf("listen %s is granted, and nobody heard it", id)
		}
	}
	b.want("listens completed", `SELECT COUNT(*) FROM adcredit_listen WHERE state = 'completed'`, n)
	b.want("rows of cc_logrefill", `SELECT COUNT(DISTINCT description) FROM cc_logrefill WHERE refill_type = 0 AND credit = 50`, n)
	b.want("rows of cc_logrefill, again", `SELECT COUNT(*) FROM cc_logrefill`, n)
	b.want("spent less granted", `SELECT SUM(spent) - 50 * (SELECT COUNT(*) FROM adcredit_ledger) FROM adcredit_budget WHERE day = 0`, "0.00000")
	b.want("held less started", `SELECT SUM(held) - 50 * (SELECT COUNT(*) FROM adcredit_listen WHERE state = 'started') FROM adcredit_budget WHERE day = 0`, "0.00000")
}

// wantAccounts wants each account to have its grants less its debits, and all
// debits that A2Billing was told of to be there.
func (b books) wantAccounts(l *load) {
	b.Helper()
	wrong := b.column(fmt.Sprintf(`SELECT CONCAT(c.id, ' has ', c.credit) FROM cc_card c WHERE c.id >= %d AND c.credit <>
		50 * (SELECT COUNT(*) FROM adcredit_ledger e WHERE e.account_id = c.id) - c.nbused`, firstID))
	if len(wrong) > 0 {
		b.Errorf("accounts that do not have their grants less their debits: %q", wrong)
	}
	var done int64
	if _, err := fmt.Sscan(b.column(fmt.Sprintf(`SELECT SUM(nbused) FROM cc_card WHERE id >= %d`, firstID))[0], &done); err != nil {
		b.Fatal(err)
	}
	if told, unsure := l.debits.Load(), l.failedDebits.Load(); done < told || done > told+unsure {
		b.Errorf("%d debits were done; %d were acknowledged and %d failed or got no answer", done, told, unsure)
	}
}
