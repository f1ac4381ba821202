package etc

import "strings"

// Mask hides the middle of a caller's number or an account's name for logs:
// "cid:+221771234567" becomes "cid:+22*******67". A kind before a colon stays; a
// number there is none.
func Mask(name string) string {
	kind, number, qualified := strings.Cut(name, ":")
	if !qualified || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz") != "" {
		kind, number = "", name
	} else {
		kind += ":"
	}
	if len(number) <= 5 {
		return kind + strings.Repeat("*", len(number))
	}
	return kind + number[:3] + strings.Repeat("*", len(number)-5) + number[len(number)-2:]
}
