package store

import (
	"context"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// check compares the database with the books.
func (h *history) check(t *rapid.T) {
	t.Helper()
	for _, id := range h.accounts {
		account := int64(id)
		open := h.money(t, `SELECT COALESCE(SUM(amount), 0) FROM adcredit_ledger WHERE account_id = ? AND state IN ('pending', 'in_doubt')`, account)
		h.same(t, "credit, and what is still to be credited", h.money(t, `SELECT credit FROM cc_card WHERE id = ?`, account)+open, h.credit[id])
		h.wantLogged(t, account)
	}
	for day := range h.held {
		of := ` FROM adcredit_budget WHERE campaign_id = ? AND day = ?`
		h.same(t, "held", h.money(t, `SELECT COALESCE(SUM(held), 0)`+of, h.campaign.ID, day), h.held[day])
		h.same(t, "spent", h.money(t, `SELECT COALESCE(SUM(spent), 0)`+of, h.campaign.ID, day), h.spent[day])
	}
	rows := h.text(t, `SELECT COUNT(*) FROM adcredit_ledger g JOIN adcredit_listen l ON l.id = g.listen_id AND l.state = 'completed' WHERE g.campaign_id = ?`, h.campaign.ID)
	granted := h.text(t, `SELECT COUNT(*) FROM adcredit_ledger WHERE campaign_id = ?`, h.campaign.ID)
	completed := 0
	for _, l := range h.listens {
		if l.state == credit.Completed {
			completed++
		}
	}
	if want := fmt.Sprint(completed); rows != want || granted != want {
		t.Fatalf("%s entries of completed listens, %s in all, for %s completed listens", rows, granted, want)
	}
	if n := h.count(t, credit.Pending, credit.Applied, credit.InDoubt); h.Way() == credit.Transaction && n > 0 {
		t.Fatalf("%d entries are open, where a grant is one transaction", n)
	}
}

// wantLogged wants a row of cc_logrefill for each entry that is logged. One that
// is only applied may have its row already where the commit failed.
func (h *history) wantLogged(t *rapid.T, account int64) {
	t.Helper()
	const entries = `SELECT COALESCE(SUM(amount), 0) FROM adcredit_ledger WHERE account_id = ? AND state = ?`
	logged := h.money(t, entries, account, "logged")
	got := h.money(t, `SELECT COALESCE(SUM(credit), 0) FROM cc_logrefill WHERE card_id = ?`, account)
	if most := logged + h.money(t, entries, account, "applied"); got < logged || got > most {
		t.Fatalf("cc_logrefill: %s, want %s to %s", got, logged, most)
	}
}

// close lets all windows end and sweeps: then nothing is held or open, and in
// doubt is what was pending when the server restarted.
func (h *history) close(t *rapid.T) {
	h.advance(25 * time.Hour)
	if _, err := h.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, l := range h.listens {
		if l.over(h.Now()) {
			h.becomes(l, credit.Lapsed)
		}
	}
	h.check(t)
	h.same(t, "held in the end", h.held[wholeBudget], 0)
	if n := h.count(t, credit.Pending, credit.Applied); n > 0 {
		t.Fatalf("%d entries are open in the end", n)
	}
	if n := h.count(t, credit.InDoubt); n != h.doubts {
		t.Fatalf("%d entries are in doubt, want %d", n, h.doubts)
	}
}

// count counts the accounts' entries in these states.
func (h *history) count(t *rapid.T, states ...credit.EntryState) (n int) {
	t.Helper()
	for _, state := range states {
		for _, id := range h.accounts {
			var here int
			row := h.owner.row(context.Background(), `SELECT COUNT(*) FROM adcredit_ledger WHERE account_id = ? AND state = ?`, int64(id), string(state))
			if err := row.Scan(&here); err != nil {
				t.Fatal(err)
			}
			n += here
		}
	}
	return n
}

func (h *history) same(t *rapid.T, what string, got, want wire.Money) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %s, want %s", what, got, want)
	}
}

func (h *history) money(t *rapid.T, template string, args ...any) (m wire.Money) {
	t.Helper()
	if err := h.owner.row(context.Background(), template, args...).Scan(h.dialect.money(&m)); err != nil {
		t.Fatalf("%s: %v", template, err)
	}
	return m
}

func (h *history) text(t *rapid.T, template string, args ...any) (s string) {
	t.Helper()
	if err := h.owner.row(context.Background(), template, args...).Scan(&s); err != nil {
		t.Fatalf("%s: %v", template, err)
	}
	return s
}
