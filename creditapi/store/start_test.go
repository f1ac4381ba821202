package store

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var startParts = []part{
	{"start/one plays", testStartOne},
	{"start/one plays of many at once", testStartOneAtOnce},
	{"start/stale key", testStartStale},
	{"start/replay", testStartReplay},
	{"start/replay at once", testStartReplayAtOnce},
	{"start/hostile text", testStartHostile},
	{"listen/unknown", testListenUnknown},
}

func testStartOne(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	w.mustStart(t, newCall(account, "k1"))
	o, err := w.Outlook(t.Context(), newCall(account, ""))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "outlook says playing", o.Playing, true)
	_, err = w.Start(t.Context(), newCall(account, "k2"))
	wantCode(t, err, wire.Playing)
	other := newCall(1, "k3")
	other.CallID = "ast1/k1" // the same call
	_, err = w.Start(t.Context(), other)
	wantCode(t, err, wire.Playing)
	other.Node = "ast2" // the same uniqueid on another host is another call
	w.mustStart(t, other)
	w.wantBudget(t, c, 2*reward, 0)
}

// Also when all of them find a stale key to clear.
func testStartOneAtOnce(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	w.mustStart(t, newCall(account, "stale"))
	w.advance(time.Minute)
	var playing, refused atomic.Int32
	atOnce(32, func(i int) {
		_, err := w.Start(t.Context(), newCall(account, fmt.Sprint("k", i)))
		if err == nil {
			playing.Add(1)
			return
		}
		wantCode(t, err, wire.Playing)
		refused.Add(1)
	})
	wantEqual(t, "playing", playing.Load(), 1)
	wantEqual(t, "refused", refused.Load(), 31)
	w.wantBudget(t, c, 2*reward, 0)
	wantEqual(t, "starts counted", w.one(t, `SELECT n FROM adcredit_cap WHERE kind = 'start' AND account_id = 2`), "2")
}

// A listen plays for its length and the margin; then the account may start
// another, and the first one still completes.
func testStartStale(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	first := w.mustStart(t, newCall(account, "k1"))
	w.advance(35*time.Second - time.Microsecond)
	_, err := w.Start(t.Context(), newCall(account, "k2"))
	wantCode(t, err, wire.Playing)
	w.advance(time.Microsecond)
	o, err := w.Outlook(t.Context(), newCall(account, ""))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "outlook says playing", o.Playing, false)
	second := w.mustStart(t, newCall(account, "k3"))
	third := newCall(1, "k4")
	third.CallID = "ast1/k1" // a call's stale key is freed, too
	w.mustStart(t, third)
	wantEqual(t, "the first, late", w.mustComplete(t, first.ID).State, credit.Logged)
	wantEqual(t, "the second", w.mustComplete(t, second.ID).State, credit.Logged)
	w.wantGranted(t, account, 2)
	w.wantBudget(t, c, reward, 2*reward)
}

func testStartReplay(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	n := newCall(account, "k1")
	n.StartsPer, n.ListensPer = 1, 1
	if prior, err := w.Started(t.Context(), n.Node, n.Key, n.Digest); prior != nil || err != nil {
		t.Fatalf("before the start: %v, %v", prior, err)
	}
	l := w.mustStart(t, n)
	again := w.mustStart(t, n) // though an ad is playing, and the cap is reached
	wantEqual(t, "listen", again.ID, l.ID)
	w.advance(time.Hour)
	again = w.mustStart(t, n)
	wantEqual(t, "an hour later", again.ID, l.ID)
	prior, err := w.Started(t.Context(), n.Node, n.Key, n.Digest)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "looked for", prior.ID, l.ID)
	wantEqual(t, "ad", prior.Ad, l.Ad)
	n.Digest = n.Digest[1:] + "e"
	_, err = w.Start(t.Context(), n)
	wantCode(t, err, wire.KeyReused)
	_, err = w.Started(t.Context(), n.Node, n.Key, n.Digest)
	wantCode(t, err, wire.KeyReused)
	n.Node, n.AccountID = "ast2", 1 // a key is a node's own
	w.mustStart(t, n)
	w.wantBudget(t, c, 2*reward, 0)
}

func testStartReplayAtOnce(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	other := w.again(t)
	ids := make([]string, 16)
	atOnce(len(ids), func(i int) {
		s := []*Store{w.Store, other}[i%2]
		l, err := s.Start(t.Context(), newCall(account, "k1"))
		if err != nil {
			t.Error(err)
		}
		ids[i] = l.ID
	})
	for _, id := range ids {
		wantEqual(t, "listen", id, ids[0])
	}
	w.wantBudget(t, c, reward, 0)
}

// Whatever a call's side may hold is kept as it is.
func testStartHostile(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000))
	n := newCall(account, "k' OR 1=1 -- \\")
	n.CallID, n.Destination, n.Language = "ast1/\\'; DROP TABLE cc_card; -- ?", "😀\\", "é\"'?"
	l := w.mustStart(t, n)
	wantEqual(t, "destination", w.one(t, `SELECT destination FROM adcredit_listen WHERE id = ?`, l.ID), n.Destination)
	wantEqual(t, "call", w.one(t, `SELECT call_id FROM adcredit_listen WHERE id = ?`, l.ID), n.CallID)
	wantEqual(t, "key", w.one(t, `SELECT idempotency_key FROM adcredit_listen WHERE id = ?`, l.ID), n.Key)
	c := heard(l.ID)
	c.Heard = wire.Heard{Endpos: 1 << 62, PlayedMS: -1 << 62} // the policy refuses this; the store must bear it
	if _, err := w.Complete(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "heard_at without a clock", w.one(t, `SELECT heard_at FROM adcredit_listen WHERE id = ?`, l.ID), "NULL")
}

func testListenUnknown(t *testing.T, w *world) {
	for _, id := range []string{"", "1", "0", "' OR ''='", "019ce000-0000-7000-8000-000000000000", "019CE000-0000-7000-8000-00000000000\xff", "é"} {
		_, err := w.Listen(t.Context(), id)
		wantCode(t, err, wire.ListenNotFound)
		_, err = w.Complete(t.Context(), heard(id))
		wantCode(t, err, wire.ListenNotFound)
		wantCode(t, w.Abandon(t.Context(), abandon(id)), wire.ListenNotFound)
	}
}
