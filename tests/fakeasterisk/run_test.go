package fakeasterisk

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			writeWAV(t, filepath.Join(env.WorkDir, "sounds/fr/offer.wav"), 300)
			writeWAV(t, filepath.Join(env.WorkDir, "sounds/ads/short.wav"), 400)
			return os.WriteFile(filepath.Join(env.WorkDir, "sounds/ads/bad.wav"), []byte("RIFF"), 0o644)
		},
	})
}

func TestParseMoment(t *testing.T) {
	good := map[string]Moment{
		"300ms":                At(300 * time.Millisecond),
		"offer":                During("offer"),
		"offer@1s":             During("offer").Plus(time.Second),
		"ads/short@50%":        During("ads/short").Percent(50),
		"offer*2@1s":           During("offer").Nth(2).Plus(time.Second),
		"ads/short@end":        AfterSound("ads/short"),
		"ads/short@end+300ms":  AfterSound("ads/short").Plus(300 * time.Millisecond),
		"cmd:ANSWER":           OnCommand("ANSWER"),
		"cmd:SET VARIABLE*2":   OnCommand("SET VARIABLE").Nth(2),
		"cmd:3":                OnCommand("").Nth(3),
		"cmd:3@end+1s":         AfterCommand("").Nth(3).Plus(time.Second),
		"number 50@end":        AfterSound("number 50"),
		"/dir@home/ads/x@1.5s": During("/dir@home/ads/x").Plus(1500 * time.Millisecond),
	}
	for s, want := range good {
		if got, err := ParseMoment(s); err != nil || got != want {
			t.Errorf("ParseMoment(%q) = %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "@1s", "offer@", "offer@soon", "offer@101%", "offer@-1%", "offer@end%", "cmd:ANSWER@50%", "offer*0", "offer*x", "offer@end+x"} {
		if got, err := ParseMoment(s); err == nil {
			t.Errorf("ParseMoment(%q) = %+v, want an error", s, got)
		}
	}
}
