package config

import (
	"testing"
	"time"
)

func TestDays(t *testing.T) {
	for text, want := range map[string]Days{"0d": 0, "1d": 1, "400d": 400, "36500d": 36500} {
		var d Days
		if err := d.UnmarshalText([]byte(text)); err != nil || d != want || d.String() != text {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "d", "400", "400h", "-1d", "+1d", "01d", "1.5d", " 1d", "1d ", "1d\n", "36501d", "99999999999999999999d", "４d"} {
		d := Days(7)
		if err := d.UnmarshalText([]byte(text)); err == nil || d != 7 {
			t.Errorf("%q is taken for %v", text, d)
		}
	}
	if d := Days(400).Duration(); d != 9600*time.Hour {
		t.Errorf("400d is %v", d)
	}
}
