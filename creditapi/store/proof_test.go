package store

import (
	"reflect"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var proofParts = []part{
	{"proof/late ones are capped", testLateCap},
	{"proof/late ones are capped at once", testLateCapRace},
	{"proof/what a completion said", testCompletedValues},
	{"refusal/counted", testRefusal},
	{"refusal/at once", testRefusalAtOnce},
	{"suspects", testSuspects},
}

// late is a completion that waited in a spool, where two a day are taken.
func late(id string) credit.Completion {
	c := heard(id)
	c.LatePer, c.Judge = 2, func(credit.Listen) (bool, error) { return true, nil }
	return c
}

// staleListens starts n listens of the account that all may come late now.
func (w *world) staleListens(t *testing.T, n int) (ids []string) {
	t.Helper()
	for i := range n {
		ids = append(ids, w.mustStart(t, newCall(account, string(rune('a'+i)))).ID)
		w.advance(time.Minute)
	}
	return ids
}

func testLateCap(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	ids := w.staleListens(t, 3)
	w.advance(12 * time.Hour) // the day is that of the start, so waiting for tomorrow is of no use
	for _, id := range ids[:2] {
		for range 2 { // again is no other one
			if _, err := w.Complete(t.Context(), late(id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err := w.Complete(t.Context(), late(ids[2]))
	wantCode(t, err, wire.LateCapped)
	w.wantGranted(t, account, 2)
	w.wantBudget(t, c, reward, 2*reward)
	wantEqual(t, "state", w.one(t, `SELECT state FROM adcredit_listen WHERE id = ?`, ids[2]), "started")
	other := w.mustStart(t, newCall(1, "other"))
	if _, err := w.Complete(t.Context(), late(other.ID)); err != nil {
		t.Errorf("another account: %v", err)
	}
}

func testLateCapRace(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	ids := w.staleListens(t, 8)
	atOnce(len(ids), func(i int) {
		if _, err := w.Complete(t.Context(), late(ids[i])); err != nil {
			wantCode(t, err, wire.LateCapped)
		}
	})
	w.wantGranted(t, account, 2)
}

func testCompletedValues(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	l := w.mustStart(t, newCall(account, "k1"))
	wantEqual(t, "before", l.Heard, wire.Heard{})
	w.mustComplete(t, l.ID)
	other := heard(l.ID)
	other.Heard.Endpos = 1
	if _, err := w.Complete(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	l, err := w.Listen(t.Context(), l.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "as first completed", l.Heard, wire.Heard{Endpos: 40000, PlayedMS: 5000})
}

func testRefusal(t *testing.T, w *world) {
	r := credit.Refusal{Node: "ast1", Why: credit.Absurd, ListenID: "019ce000-0000-7000-8000-000000000000",
		AccountID: account, Heard: wire.Heard{Endpos: 1e12, PlayedMS: -1 << 63}, Elapsed: -time.Second}
	refused := func(r credit.Refusal) {
		t.Helper()
		if err := w.Refused(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	refused(r)
	w.advance(time.Minute)
	r.Heard.PlayedMS = 1<<63 - 1
	refused(r)
	for range 3 { // ids that somebody invents take one row
		refused(credit.Refusal{Node: "ast1", Why: credit.UnknownListen})
	}
	wantEqual(t, "rows", w.one(t, `SELECT COUNT(*) FROM adcredit_refusal`), "2")
	wantEqual(t, "unknown ones", w.one(t, `SELECT n FROM adcredit_refusal WHERE listen_id = ''`), "3")
	const row = ` FROM adcredit_refusal WHERE listen_id = ?`
	for column, want := range map[string]string{"n": "2", "reason": "absurd_values", "account_id": "2", "endpos": "1000000000000",
		"played_ms": "9223372036854775807", "elapsed_ms": "-1000", "CASE WHEN last_at > first_at THEN 1 ELSE 0 END": "1"} {
		wantEqual(t, column, w.one(t, `SELECT `+column+row, r.ListenID), want)
	}
}

func testRefusalAtOnce(t *testing.T, w *world) {
	atOnce(32, func(int) {
		if err := w.Refused(t.Context(), credit.Refusal{Node: "ast1", Why: credit.UnknownListen}); err != nil {
			t.Error(err)
		}
	})
	wantEqual(t, "counted", w.one(t, `SELECT n FROM adcredit_refusal`), "32")
}

func testSuspects(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(10_000))
	start := func(id credit.ID, key, node, caller string) credit.Listen {
		n := newCall(id, key)
		n.Node, n.CallerID = node, caller
		return w.mustStart(t, n)
	}
	w.mustComplete(t, start(1, "before", "ast1", "1").ID)
	w.advance(8 * 24 * time.Hour)
	w.mustComplete(t, start(account, "in time", "ast1", "221770000001").ID)
	spooled := start(account, "late", "ast1", "221770000002")
	if err := w.Abandon(t.Context(), abandon(start(1, "abandoned", "ast1", "221770000001").ID)); err != nil {
		t.Fatal(err)
	}
	start(1, "never ended", "ast2", "221770000001")
	w.advance(time.Minute)
	w.mustComplete(t, spooled.ID)
	start(3, "plays", "ast2", "")
	for _, r := range []credit.Refusal{{Node: "ast2", Why: credit.Absurd, ListenID: spooled.ID, AccountID: account}, {Node: "ast2", Why: credit.UnknownListen}} {
		if err := w.Refused(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	found, err := w.Suspects(t.Context(), 7*24*time.Hour, day)
	if err != nil {
		t.Fatal(err)
	}
	nodes, accounts, callers := map[string]credit.SuspectNode{}, map[credit.ID]credit.SuspectAccount{}, map[string]credit.SuspectCaller{}
	for _, n := range found.Nodes {
		nodes[n.Node] = n
	}
	for _, a := range found.Accounts {
		accounts[a.ID] = a
	}
	for _, c := range found.Callers {
		callers[c.CallerID] = c
	}
	for what, row := range map[string][2]any{
		"ast1":      {nodes["ast1"], credit.SuspectNode{Node: "ast1", Completed: 2, Late: 1, Refusals: credit.Refusals{}}},
		"ast2":      {nodes["ast2"], credit.SuspectNode{Node: "ast2", Open: 2, Refusals: credit.Refusals{credit.Absurd: 1, credit.UnknownListen: 1}}},
		"account 1": {accounts[1], credit.SuspectAccount{ID: 1, Card: "9700203963", Unfinished: 2, CallerIDs: []string{"1", "221770000001"}, Refusals: credit.Refusals{}}},
		"account 2": {accounts[2], credit.SuspectAccount{ID: 2, Card: "9700203963", Completed: 2, Late: 1,
			CallerIDs: []string{"221770000001", "221770000002"}, Refusals: credit.Refusals{credit.Absurd: 1}}},
		"account 3": {accounts[3], credit.SuspectAccount{ID: 3, Card: "9700203963", CallerIDs: []string{}, Refusals: credit.Refusals{}}},
		"caller":    {callers["221770000001"], credit.SuspectCaller{CallerID: "221770000001", Accounts: 2, Starts: 3}},
	} {
		if !reflect.DeepEqual(row[0], row[1]) {
			t.Errorf("%s: %+v, want %+v", what, row[0], row[1])
		}
	}
	found, err = w.Suspects(t.Context(), time.Microsecond, day+1)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "accounts of a moment", len(found.Accounts), 2) // the one that plays, and the one refused
	wantEqual(t, "callers from tomorrow on", len(found.Callers), 0)
}
