package creditclient

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"adcredit/agi/callflow"
	"adcredit/creditapi/wire"
)

func TestStartRefusesAQuestionThatCannotBeAsked(t *testing.T) {
	for _, row := range []struct {
		attention *wire.Attention
		taken     bool
	}{
		{nil, true},
		{&wire.Attention{AtMS: 500, Digit: "0"}, true},
		{&wire.Attention{AtMS: 500, Digit: ""}, false},
		{&wire.Attention{AtMS: 500, Digit: "77"}, false},
		{&wire.Attention{AtMS: 500, Digit: "#"}, false},
		{&wire.Attention{AtMS: 0, Digit: "7"}, false},
		{&wire.Attention{AtMS: 1000, Digit: "7"}, false},
	} {
		body, _ := json.Marshal(wire.Listen{ID: "l1", Sound: "ads/x", Samples: 8000, RateHz: 8000, DurationMS: 1000, Reward: 1, Attention: row.attention})
		_, err := client(t, time.Second, serve(t, answer(201, "application/json", string(body)))).Start(t.Context(), wire.StartListen{Account: "cid:1", CallID: "a/1"})
		if row.taken && err != nil || !row.taken && !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%+v: %v", row.attention, err)
		}
	}
}

// What was pressed is told at once and from the spool alike; a wrong digit is
// refused for good.
func TestWhatWasPressedIsKept(t *testing.T) {
	var told []string
	respond := problem(wire.Unavailable)
	c := client(t, time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var heard wire.Heard
		if err := json.Unmarshal(body, &heard); err != nil {
			t.Error(err)
		}
		told = append(told, heard.AttentionDigit)
		respond(w, r)
	}))
	_, err := c.Complete(t.Context(), "cid:1", wire.Listen{ID: "l1"}, wire.Heard{Endpos: 8000, AttentionDigit: "7"})
	if !errors.Is(err, callflow.ErrPending) {
		t.Fatal(err)
	}
	respond = problem(wire.Inattentive)
	if done, err := c.Flush(t.Context(), true, silently); err != nil || done.Refused != 1 {
		t.Errorf("flush: %+v, %v", done, err)
	}
	if len(told) != 2 || told[0] != "7" || told[1] != "7" {
		t.Errorf("creditapi was told %q", told)
	}
}
