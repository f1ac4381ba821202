package wire

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Money is an amount of the base currency, as a count of its 100,000th part:
// A2Billing keeps cc_card.credit as DECIMAL(15,5). It is the only type for
// money in the system; it is never a float, and in JSON it is a string with
// five decimals, such as "50.00000".
type Money int64

// MaxMoney is the largest amount that fits DECIMAL(15,5); the smallest is
// its negative.
const MaxMoney Money = 999_999_999_999_999

const moneyScale = 100_000

var (
	// ErrMoneyRange is returned when an amount does not fit DECIMAL(15,5).
	ErrMoneyRange = errors.New("amount out of range: at most 9999999999.99999 either way")
	// ErrMoneyFormat is returned when a text is not an amount.
	ErrMoneyFormat = errors.New(`not an amount: write digits with at most 5 decimals, like "50" or "0.25000"`)
)

// ParseMoney reads an amount: an optional minus, at least one digit, and after
// an optional point one to five more. An exponent, a plus, a space or a group
// separator is ErrMoneyFormat; what does not fit is ErrMoneyRange. Nothing is
// ever rounded.
func ParseMoney(s string) (Money, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || point && (fraction == "" || len(fraction) > 5) {
		return 0, ErrMoneyFormat
	}
	var units int64
	for _, r := range whole + fraction + "00000"[len(fraction):] {
		if r < '0' || r > '9' {
			return 0, ErrMoneyFormat
		}
		if units = units*10 + int64(r-'0'); units > int64(MaxMoney) {
			// The rest may still hold a character that isn't a digit; out of
			// range is true all the same.
			return 0, ErrMoneyRange
		}
	}
	if negative {
		units = -units
	}
	return Money(units), nil
}

// Units makes Money of n whole units of the currency; it panics when n does
// not fit, so it is for constants.
func Units(n int64) Money {
	if n > int64(MaxMoney)/moneyScale || n < -int64(MaxMoney)/moneyScale {
		panic(fmt.Sprintf("wire.Units(%d): %v", n, ErrMoneyRange))
	}
	return Money(n * moneyScale)
}

// Whole is the amount without its decimals, towards zero: what is said to a
// caller.
func (m Money) Whole() int64 { return int64(m) / moneyScale }

// String writes the amount with five decimals.
func (m Money) String() string {
	return string(m.append(nil))
}

func (m Money) append(text []byte) []byte {
	units := uint64(m)
	if m < 0 {
		text, units = append(text, '-'), -units
	}
	text = strconv.AppendUint(text, units/moneyScale, 10)
	point := len(text)
	text = strconv.AppendUint(text, moneyScale+units%moneyScale, 10) // a 1 and five digits
	text[point] = '.'
	return text
}

// Add returns m + o, or ErrMoneyRange.
func (m Money) Add(o Money) (Money, error) { return inRange(int64(m) + int64(o)) }

// Sub returns m - o, or ErrMoneyRange.
func (m Money) Sub(o Money) (Money, error) { return inRange(int64(m) - int64(o)) }

// Times returns n times m, or ErrMoneyRange.
func (m Money) Times(n int64) (Money, error) {
	if m == 0 || n == 0 {
		return 0, nil
	}
	if n == math.MinInt64 || m == math.MinInt64 {
		return 0, ErrMoneyRange
	}
	product := int64(m) * n
	if product/n != int64(m) {
		return 0, ErrMoneyRange
	}
	return inRange(product)
}

// inRange trusts that sums of two amounts in range do not overflow int64.
func inRange(units int64) (Money, error) {
	if units > int64(MaxMoney) || units < -int64(MaxMoney) {
		return 0, ErrMoneyRange
	}
	return Money(units), nil
}

// Cmp is -1, 0 or 1 as m is less than, equal to or more than o.
func (m Money) Cmp(o Money) int {
	switch {
	case m < o:
		return -1
	case m > o:
		return 1
	}
	return 0
}

// MarshalText writes the amount as String does. It makes JSON carry money as
// a string.
func (m Money) MarshalText() ([]byte, error) { return m.append(make([]byte, 0, 17)), nil }

// UnmarshalText reads what ParseMoney reads.
func (m *Money) UnmarshalText(text []byte) error {
	parsed, err := ParseMoney(string(text))
	if err == nil {
		*m = parsed
	}
	return err
}
