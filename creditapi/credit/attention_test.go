package credit

import (
	"errors"
	"testing"
	"time"

	"adcredit/creditapi/wire"
)

// Questions come in the share of listens that was asked for, with every digit
// and at every moment of the middle.
func TestQuestion(t *testing.T) {
	const drawn = 20000
	ad := Ad{RateHz: 8000, Samples: 44000}                  // 5.5 s
	digits, moments, asked := map[string]int{}, [7]int{}, 0 // moments by half seconds from 1 s
	for range drawn {
		a := Policy{AttentionShare: 0.5}.question().In(ad)
		if a.Digit == "" {
			continue
		}
		asked++
		if a.AtMS < 1000 || a.AtMS > 4500 {
			t.Fatalf("asked at %d ms of 5500", a.AtMS)
		}
		digits[a.Digit]++
		moments[min((a.AtMS-1000)/500, 6)]++
	}
	// Each figure is within 6 standard deviations of what is due.
	if asked < drawn/2-424 || asked > drawn/2+424 {
		t.Errorf("asked in %d of %d listens, want half of them", asked, drawn)
	}
	for d := range 10 {
		if n := digits[string(rune('0'+d))]; n < 820 || n > 1180 {
			t.Errorf("digit %d came %d times of %d", d, n, asked)
		}
	}
	for i, n := range moments {
		if n < 1210 || n > 1650 {
			t.Errorf("half second %d came %d times of %d", i, n, asked)
		}
	}
	if len(digits) != 10 {
		t.Errorf("digits %v", digits)
	}
}

func TestQuestionShare(t *testing.T) {
	for range 1000 {
		if q := (Policy{}).question(); q != (Question{}) {
			t.Fatalf("asked by default: %+v", q)
		}
		if q := (Policy{AttentionShare: 1}).question(); q.Digit == "" {
			t.Fatal("not asked though all are")
		}
	}
}

func TestQuestionIn(t *testing.T) {
	for _, row := range []struct {
		name    string
		samples int64
		moment  float64
		want    Attention
	}{
		{"as early as may be", 44000, 0, Attention{1000, "7"}},
		{"in the middle", 44000, 0.5, Attention{2750, "7"}},
		{"as late as may be", 44000, 1, Attention{4500, "7"}},
		{"an ad of 2 s", 16000, 0.9, Attention{1000, "7"}},
		{"an ad without a middle", 15992, 0.5, Attention{}},
	} {
		if got := (Question{"7", row.moment}).In(Ad{RateHz: 8000, Samples: row.samples}); got != row.want {
			t.Errorf("%s: %+v; want %+v", row.name, got, row.want)
		}
	}
}

func TestJudgeAttention(t *testing.T) {
	policy := Policy{CompletionWindow: 24 * time.Hour, ClockTolerance: time.Second}
	for _, row := range []struct {
		name    string
		asked   string
		pressed string
		elapsed time.Duration
		want    wire.Code
	}{
		{"the right digit", "7", "7", time.Minute, ""},
		{"a wrong digit", "7", "1", time.Minute, wire.Inattentive},
		{"silence, or a client that does not know the question", "7", "", time.Minute, wire.Inattentive},
		{"0 is no silence", "0", "", time.Minute, wire.Inattentive},
		{"no key of a phone", "7", "é", time.Minute, wire.Inattentive},
		{"delivered hours later", "7", "", 5 * time.Hour, wire.Inattentive},
		{"a wrong digit too early", "7", "1", 2400 * time.Millisecond, wire.Inattentive},
		{"the right digit too early", "7", "7", 2400 * time.Millisecond, wire.TooEarly},
		{"a wrong digit while the database's clock was set back", "7", "1", -time.Hour, wire.Inattentive},
		{"pressed unasked", "", "1", time.Minute, ""},
	} {
		l := Listen{Ad: Ad{RateHz: 8000, Samples: 44000}, Elapsed: row.elapsed, Attention: Attention{AtMS: 2000, Digit: row.asked}}
		err := policy.judge(l, wire.Heard{Endpos: 44000, PlayedMS: 5500, AttentionDigit: row.pressed})
		if row.want == "" && err != nil || row.want != "" && !errors.Is(err, row.want) {
			t.Errorf("%s: %v; want %q", row.name, err, row.want)
		}
	}
}
