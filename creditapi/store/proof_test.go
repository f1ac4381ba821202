package store

import (
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
}

// late is a completion that waited in a spool, where two a day are taken.
func late(id string) credit.Completion {
	c := heard(id)
	c.Late, c.LatePer = true, 2
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
