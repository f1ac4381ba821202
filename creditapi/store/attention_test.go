package store

import (
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var attentionParts = []part{
	{"attention/kept with its listen", testAttention},
	{"attention/none", testAttentionNone},
}

// A listen is asked the same wherever and however often it is read.
func testAttention(t *testing.T, w *world) {
	c := w.campaign(t, "teranga", wire.Units(1000))
	n := newCall(account, "k1")
	n.Question = credit.Question{Digit: "0", Moment: 0.5} // a digit that is no number
	want := credit.Attention{AtMS: 2500, Digit: "0"}
	l := w.mustStart(t, n)
	wantEqual(t, "started", l.Attention, want)
	n.Question = credit.Question{Digit: "7"} // a retry draws another one
	wantEqual(t, "started again", w.mustStart(t, n).Attention, want)
	prior, err := w.again(t).Started(t.Context(), n.Node, n.Key, n.Digest)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "looked for by another server", prior.Attention, want)
	read, err := w.Listen(t.Context(), l.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "read", read.Attention, want)
	wantEqual(t, "completed", w.mustComplete(t, l.ID).State, credit.Logged)
	w.wantGranted(t, account, 1)
	w.wantBudget(t, c, 0, reward)
}

func testAttentionNone(t *testing.T, w *world) {
	w.campaign(t, "teranga", wire.Units(1000), func(c *credit.Campaign) { c.Ads[0].Samples = 15000 })
	l := w.mustStart(t, newCall(account, "k1"))
	wantEqual(t, "not drawn", l.Attention, credit.Attention{})
	n := newCall(1, "k2")
	n.Question = credit.Question{Digit: "7", Moment: 0.5}
	short := w.mustStart(t, n)
	wantEqual(t, "too short an ad", short.Attention, credit.Attention{})
	wantEqual(t, "rows", w.one(t, `SELECT COUNT(*) FROM adcredit_attention`), "0")
}
