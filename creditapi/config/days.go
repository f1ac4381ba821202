package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Days is a length of time in whole days, written like 400d.
type Days int

// maxDays is about a century.
const maxDays = 36500

// Duration is so many times 24 hours.
func (d Days) Duration() time.Duration { return time.Duration(d) * 24 * time.Hour }

// UnmarshalText reads what MarshalText writes.
func (d *Days) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "d")
	n, err := strconv.Atoi(number)
	if err != nil || !ok || n < 0 || n > maxDays || strconv.Itoa(n) != number {
		return fmt.Errorf("%q is not a number of days; write it like 400d", text)
	}
	*d = Days(n)
	return nil
}

// MarshalText writes the days like 400d.
func (d Days) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Days) String() string { return strconv.Itoa(int(d)) + "d" }
