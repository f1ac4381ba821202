package rest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// asking makes a world in which every listen is checked.
func asking(t *testing.T) *world {
	return newWorld(t, func(s *credit.Service, _ *Options) { s.Policy.AttentionShare = 1 })
}

func pressed(digit string) string {
	return fmt.Sprintf(`{"endpos":80000,"played_ms":10000,"heard_at":"2026-11-24T10:00:10Z","attention_digit":%q}`, digit)
}

func TestAttention(t *testing.T) {
	w := asking(t)
	l := w.started(key1)
	a := l.Attention
	if a == nil || a.AtMS < 1000 || a.AtMS > 9000 || len(a.Digit) != 1 {
		t.Fatalf("attention: %+v", a)
	}
	if again := w.started(key1); *again.Attention != *a {
		t.Errorf("the same start asks for %+v, then %+v", a, again.Attention)
	}
	w.pass(55 * time.Second) // of asking and answering
	w.problem(wire.Playing, start("ast1", key2, "alias:1001"))
	wrong := string('0' + (a.Digit[0]-'0'+1)%10)
	complete := "/v1/listens/" + l.ID + "/complete"
	for _, body := range []string{heard, pressed(wrong), pressed("")} {
		w.problem(wire.Inattentive, post("ast1", complete, body))
	}
	w.problem(wire.InvalidRequest, post("ast1", complete, pressed("0123456789")))
	if entries := w.store.Ledger(); len(entries) != 0 {
		t.Errorf("ledger: %+v", entries)
	}
	var first, again wire.Grant
	w.want(http.StatusOK, post("ast1", complete, pressed(a.Digit)), &first)
	w.want(http.StatusOK, post("ast1", complete, heard), &again) // completed is completed
	if first != again || first.Credit != wire.Units(50) {
		t.Errorf("grant %+v, again %+v", first, again)
	}
}

// Where nothing is asked, nothing is said of it, and what comes unasked counts
// for nothing.
func TestAttentionUnasked(t *testing.T) {
	w := newWorld(t)
	l := w.started(key1)
	if l.Attention != nil {
		t.Errorf("attention: %+v", l.Attention)
	}
	w.pass(10 * time.Second)
	w.want(http.StatusOK, post("ast1", "/v1/listens/"+l.ID+"/complete", pressed("7")), nil)
}
