package etc

import (
	"log/slog"
	"strings"
)

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

// fewest is how many digits make a number in a text that must hide numbers: a
// port or an error's number has less.
const fewest = 6

// MaskNumbers hides the numbers of callers in a text that somebody else wrote,
// such as a database's error, which repeats the values of the statement: whole
// words of at least 6 digits, and digits of any length in single quotes. Words
// with letters, dots or dashes (addresses, ids of listens and calls) stay.
func MaskNumbers(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		if n := escape(text[i:]); n > 0 || !inWord(text[i]) {
			n = max(n, 1)
			b.WriteString(text[i : i+n])
			i += n
			continue
		}
		end := i
		for end < len(text) && inWord(text[end]) {
			end++
		}
		quoted := i > 0 && text[i-1] == '\'' && end < len(text) && text[end] == '\''
		word := strings.TrimRight(text[i:end], ".-")
		if digits := strings.TrimPrefix(word, "+"); strings.Trim(digits, "0123456789") == "" && (len(digits) >= fewest || quoted && digits != "") {
			b.WriteString(Mask(word))
		} else {
			b.WriteString(word)
		}
		b.WriteString(text[i+len(word) : end])
		i = end
	}
	return b.String()
}

// escape is the length of a percent-encoded character that text begins with: an
// account's kind ends in one, card%3A8987344413.
func escape(text string) int {
	if len(text) >= 3 && text[0] == '%' && isHex(text[1]) && isHex(text[2]) {
		return 3
	}
	return 0
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func inWord(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80 || strings.IndexByte("+._-", c) >= 0
}

// LogAttr is the ReplaceAttr of a log: numbers in errors are masked, unless they
// are wanted whole. What else is logged was masked by who logs it.
func LogAttr(whole bool) func([]string, slog.Attr) slog.Attr {
	return func(_ []string, a slog.Attr) slog.Attr {
		if err, ok := a.Value.Any().(error); ok && !whole && a.Value.Kind() == slog.KindAny {
			a.Value = slog.StringValue(MaskNumbers(err.Error()))
		}
		return a
	}
}
