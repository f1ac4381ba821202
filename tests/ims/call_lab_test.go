//go:build lab

package ims_test

import (
	"strings"
	"testing"
	"time"

	"adcredit/tests/ims"
	"adcredit/tests/lab"
)

// talk lets both sides of a call be heard, and says whether they were.
func talk(t *testing.T, a, b *ims.Call, aHz, bHz float64) {
	t.Helper()
	time.Sleep(1200 * time.Millisecond) // it is the talk that is measured
	for _, ear := range []struct {
		name  string
		heard []int16
		hz    float64
	}{{"the caller", a.Said(), bHz}, {"the callee", b.Said(), aHz}} {
		last := ear.heard[max(0, len(ear.heard)-lab.SampleRate/2):]
		if l := lab.ToneLevel(last, ear.hz); len(last) < lab.SampleRate/2 || l < -24 || l > -16 {
			t.Errorf("at the end %s heard the other's tone with %.1f dB in %d samples, want -20", ear.name, l, len(last))
		}
	}
}

func TestCallerWithCreditIsConnected(t *testing.T) {
	l := ims.Start(t, ims.Options{})
	rich, poor := l.UE(t, "1000"), l.UE(t, "1001")
	rich.Register(t)
	poor.Register(t)

	out := rich.Invite(t, "1001", ims.Invitation{})
	in := poor.Incoming(t)
	if out.Answers()[0].Status() > 100 {
		t.Errorf("before the callee was called the caller got %s", out.Answers()[0].Start)
	}
	in.Ring(t)
	out.Await(t, 180)
	in.Answer(t)
	out.Answered(t)
	talk(t, out, in, 300, 440)
	in.Bye(t)
	out.Ended(t)
	if _, like := ims.Find(out.Said(), ims.Sound(t, "ads/mangalou-en")); like > 0.5 {
		t.Errorf("the caller with credit heard the ad")
	}
	if log := l.Log(t); !strings.Contains(log, "SUFFICIENT") {
		t.Errorf("Asterisk's log has no SUFFICIENT")
	}
}

func TestAnAdPaysForTheCall(t *testing.T) {
	for name, o := range map[string]ims.Options{"answered": {Brief: true}, "early": {Brief: true, Early: true}} {
		t.Run(name, func(t *testing.T) {
			l := ims.Start(t, o)
			rich, poor := l.UE(t, "1000"), l.UE(t, "1001")
			rich.Register(t)
			poor.Register(t)

			out := poor.Invite(t, "1000", ims.Invitation{})
			in := rich.Incoming(t)
			in.Ring(t)
			if o.Early {
				out.Await(t, 183)
				if last := out.Answers(); last[len(last)-1].Status() >= 200 {
					t.Errorf("before the callee answered the caller got %s", last[len(last)-1].Start)
				}
			} else {
				out.Answered(t)
			}
			in.Answer(t)
			out.Answered(t)
			talk(t, out, in, 440, 300)
			if _, like := ims.Find(out.Said(), ims.Sound(t, "ads/mangalou-en")); like < 0.95 {
				t.Errorf("the ad was heard alike to %.2f, want 1", like)
			}
			in.Bye(t)
			out.Ended(t)
			if got := l.Credit(t, "1001"); got != ims.Reward {
				t.Errorf("1001 has %s, want %s", got, ims.Reward)
			}
			if n := l.Value(t, `SELECT COUNT(*) FROM adcredit_ledger WHERE state = 'logged'`); n != "1" {
				t.Errorf("the ledger has %s entries, want 1", n)
			}
		})
	}
}
