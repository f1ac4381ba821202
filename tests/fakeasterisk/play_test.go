package fakeasterisk

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStreamFileTakesItsTime(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t), Language: "fr"},
		"CHANNEL STATUS", "ANSWER", "CHANNEL STATUS", `STREAM FILE offer ""`, `STREAM FILE offer "" 3200`, "ANSWER", `SAY NUMBER 71 ""`, "WAIT FOR DIGIT 250")
	wantReplies(t, tr, "200 result=4", "200 result=0", "200 result=6",
		"200 result=0 endpos=4800", "200 result=0 endpos=4800", "200 result=0", "200 result=0", "200 result=0")
	wantTime(t, tr, 2, AnswerTime)
	wantTime(t, tr, 4, 600*time.Millisecond)
	wantTime(t, tr, 5, 200*time.Millisecond)
	wantTime(t, tr, 6, 0) // up already
	if d := took(t, tr, 6); d >= AnswerTime {
		t.Errorf("the second ANSWER took %v, want no time", d)
	}
	wantTime(t, tr, 7, NumberTime)
	wantTime(t, tr, 8, 250*time.Millisecond)
	if len(tr.Heard) != 3 || !tr.Heard[0].Complete() || tr.Heard[0].MS != 600 || !tr.Heard[0].Up ||
		!strings.HasSuffix(tr.Heard[0].File, "/fr/offer.wav") {
		t.Errorf("heard %+v, want fr/offer first, all of it", tr.Heard)
	}
	if tr.Heard[1].Complete() || tr.Heard[1].MS != 200 {
		t.Errorf("from the middle: heard %+v, want 200 of 600 ms", tr.Heard[1])
	}
	if tr.ExitCode != 0 || tr.AGIStatus != Success || tr.HungUp || !tr.Answered {
		t.Errorf("exit %d, AGISTATUS %s, hung up %v, answered %v", tr.ExitCode, tr.AGIStatus, tr.HungUp, tr.Answered)
	}
}

func TestUnansweredCallHearsNothing(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t)},
		`STREAM FILE ad ""`, `EXEC Progress ""`, `STREAM FILE ad ""`, "CHANNEL STATUS")
	wantReplies(t, tr, "200 result=0 endpos=3200", "200 result=0", "200 result=0 endpos=3200", "200 result=4")
	wantTime(t, tr, 1, 400*time.Millisecond)
	if tr.Heard[0].Audible || tr.Heard[0].Complete() {
		t.Errorf("before Progress: %+v was heard, want silence", tr.Heard[0])
	}
	if !tr.Heard[1].Complete() || tr.Heard[1].Up {
		t.Errorf("after Progress: %+v, want heard, and the call not up", tr.Heard[1])
	}
}

func TestWhereSoundsAreFound(t *testing.T) {
	t.Parallel()
	dir := soundsDir(t)
	tr := play(t, Call{Sounds: dir, Language: "fr_CA", AnswerTime: -1}, "ANSWER",
		`STREAM FILE offer ""`, `STREAM FILE only ""`, `STREAM FILE `+dir+`/ad ""`,
		`SET VARIABLE CHANNEL(language) en`, `STREAM FILE offer ""`)
	wantReplies(t, tr, "200 result=0", "200 result=0 endpos=4800", "200 result=0 endpos=2400",
		"200 result=0 endpos=3200", "200 result=1", "200 result=0 endpos=4800")
	for i, want := range []string{"fr/offer", "en/only", "ad", "en/offer"} {
		if got := tr.Heard[i].File; got != dir+"/"+want+".wav" {
			t.Errorf("played %s, want %s", got, want)
		}
	}
	if notes := tr.Lines(Note); !slices.ContainsFunc(notes, func(s string) bool { return strings.Contains(s, "en/only.wav is played instead") }) {
		t.Errorf("notes %q do not tell of the fallback to English", notes)
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	dir := soundsDir(t)
	tr := play(t, Call{Sounds: dir}, "ANSWER",
		`STREAM FILE nosuch ""`, `STREAM FILE ad.wav ""`, `STREAM FILE ad&ad ""`, `STREAM FILE `+dir+` ""`, `GET DATA nosuch 100 1`)
	wantReplies(t, tr, "200 result=0", "200 result=-1 endpos=0", "200 result=-1 endpos=0",
		"200 result=-1 endpos=0", "200 result=-1 endpos=0", "200 result=-1")
	if len(tr.Heard) != 0 {
		t.Errorf("heard %+v, want nothing", tr.Heard)
	}
}

func TestDigitStopsPlaying(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t), AnswerTime: -1, Acts: []Act{
		Press(During("offer").Plus(100*time.Millisecond), "5"),
		Press(During("offer").Percent(50), "1"),
	}}, "ANSWER", `STREAM FILE offer "12"`, "WAIT FOR DIGIT 100")
	wantReplies(t, tr, "200 result=0", "200 result=49 endpos=*", "200 result=0")
	wantTime(t, tr, 2, 300*time.Millisecond)
	if pos := endposOf(t, tr, 2); pos < 2400 || pos >= 4800 || pos%160 != 0 {
		t.Errorf("stopped at %d, want whole frames from 2400 on, before 4800", pos)
	}
	if h := tr.Heard[0]; h.Complete() || h.MS < 300 || h.MS >= 600 {
		t.Errorf("heard %+v, want half of it", h)
	}
}

func TestAsking(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, command, press, want string
	}{
		{"one digit asked for", "GET DATA only 300 1", "5", "200 result=5"},
		{"digit, then silence", "GET DATA only 200 4", "5", "200 result=5 (timeout)"},
		{"two digits", "GET DATA only 400 2", "57", "200 result=57"},
		{"ended by #", "GET DATA only 400 4", "5#", "200 result=5"},
		{"silence", "GET DATA only 100 1", "", "200 result= (timeout)"},
		{"an option", `GET OPTION only "12" 200`, "2", "200 result=50 endpos=*"},
		{"no option", `GET OPTION only "12" 100`, "", "200 result=0 endpos=2400"},
		{"another key", `GET OPTION only "12" 100`, "7", "200 result=0 endpos=2400"},
		{"a key", "WAIT FOR DIGIT 2000", "*", "200 result=42"},
		{"a key in a number", `SAY NUMBER 71 "1"`, "1", "200 result=49"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Call{Sounds: soundsDir(t), AnswerTime: -1}
			if tt.press != "" {
				c.Acts = []Act{Press(OnCommand("").Nth(2).Plus(20*time.Millisecond), tt.press)}
			}
			wantReplies(t, play(t, c, "ANSWER", tt.command), "200 result=0", tt.want)
		})
	}
}

func TestCommandsSentTogether(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t), AnswerTime: -1},
		`!send ANSWER\nSTREAM FILE ad \"\"\nNOOP\n`, "!read", "!read", "!read")
	wantReplies(t, tr, "200 result=0", "200 result=0 endpos=3200", "200 result=0")
}

func TestCommandDuringPlaying(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t), AnswerTime: -1},
		"ANSWER", `!send STREAM FILE offer \"\"\n`, "!sleep 200ms", "NOOP")
	// STREAM FILE is stopped and has no reply.
	wantReplies(t, tr, "200 result=0", "200 result=0")
	if h := tr.Heard[0]; h.Complete() || h.MS > 500 {
		t.Errorf("heard %+v, want it stopped by the next command", h)
	}
}

func TestApplicationsAreNotInterrupted(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t), AnswerTime: 200 * time.Millisecond},
		`!send ANSWER\n`, "!sleep 50ms", `!send EXEC Playback ad\n`, "!read", "!sleep 50ms", "NOOP", "!read")
	wantReplies(t, tr, "200 result=0", "200 result=0", "200 result=0")
	wantTime(t, tr, 1, 200*time.Millisecond)
	wantTime(t, tr, 2, 400*time.Millisecond)
	if len(tr.Heard) != 1 || !tr.Heard[0].Complete() {
		t.Errorf("heard %+v, want all of the ad", tr.Heard)
	}
}

func TestPlayback(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t)},
		"EXEC Playback nosuch,noanswer", "GET VARIABLE PLAYBACKSTATUS", "CHANNEL STATUS",
		"EXEC Playback ad", "GET VARIABLE PLAYBACKSTATUS", "CHANNEL STATUS", "EXEC NoSuchApp x")
	wantReplies(t, tr, "200 result=0", "200 result=1 (FAILED)", "200 result=4",
		"200 result=0", "200 result=1 (SUCCESS)", "200 result=6", "200 result=-2")
	wantTime(t, tr, 4, 500*time.Millisecond)
}

// A playing that the next command comes upon ends, and has no reply.
func TestACommandStopsAPlaying(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{Sounds: soundsDir(t), AnswerTime: -1}, "ANSWER", `!send STREAM FILE ad \"\"\n`, "!sleep 100ms", "NOOP", `STREAM FILE ad "" 1600`)
	wantReplies(t, tr, "200 result=0", "200 result=0", "200 result=0 endpos=3200")
	if len(tr.Heard) != 2 || tr.Heard[0].Complete() || tr.Heard[0].MS < 80 {
		t.Errorf("heard %+v, want 100 of 400 ms and then the rest", tr.Heard)
	}
}

// A caller who listens presses what was said.
func TestPressWhatWasSaid(t *testing.T) {
	t.Parallel()
	tr := play(t, Call{NumberTime: -1, AnswerTime: -1, Acts: []Act{
		Press(OnCommand("WAIT FOR DIGIT").Plus(50*time.Millisecond), "?"),
		Press(OnCommand("WAIT FOR DIGIT").Nth(2).Plus(50*time.Millisecond), "?"),
	}}, "ANSWER", "WAIT FOR DIGIT 100", `SAY DIGITS 7 ""`, "WAIT FOR DIGIT 2000")
	wantReplies(t, tr, "200 result=0", "200 result=0", "200 result=0", "200 result=55")
}
