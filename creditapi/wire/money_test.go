package wire

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestParseMoney(t *testing.T) {
	for _, row := range []struct {
		text string
		want Money
		err  error
	}{
		{"0", 0, nil},
		{"50", 5_000_000, nil},
		{"0.25000", 25_000, nil},
		{"1812.08333", 181_208_333, nil},
		{"-0.00001", -1, nil},
		{"9999999999.99999", MaxMoney, nil},
		{"-9999999999.99999", -MaxMoney, nil},
		{"10000000000", 0, ErrMoneyRange},
		{"99999999999999999999999999", 0, ErrMoneyRange},
		{"", 0, ErrMoneyFormat},
		{"-", 0, ErrMoneyFormat},
		{".5", 0, ErrMoneyFormat},
		{"5.", 0, ErrMoneyFormat},
		{"0.000001", 0, ErrMoneyFormat},
		{"1e3", 0, ErrMoneyFormat},
		{"+1", 0, ErrMoneyFormat},
		{" 1", 0, ErrMoneyFormat},
		{"1,000", 0, ErrMoneyFormat},
		{"--1", 0, ErrMoneyFormat},
		{"1.-5", 0, ErrMoneyFormat},
		{"٣", 0, ErrMoneyFormat},
	} {
		got, err := ParseMoney(row.text)
		if got != row.want || !errors.Is(err, row.err) {
			t.Errorf("ParseMoney(%q) = %d, %v; want %d, %v", row.text, got, err, row.want, row.err)
		}
	}
}

func TestMoneyArithmetic(t *testing.T) {
	if _, err := MaxMoney.Add(1); !errors.Is(err, ErrMoneyRange) {
		t.Errorf("MaxMoney + 0.00001: %v; want ErrMoneyRange", err)
	}
	if _, err := (-MaxMoney).Sub(1); !errors.Is(err, ErrMoneyRange) {
		t.Errorf("-MaxMoney - 0.00001: %v; want ErrMoneyRange", err)
	}
	if sum, err := Units(50).Add(Units(-20)); sum != Units(30) || err != nil {
		t.Errorf("50 - 20 = %v, %v", sum, err)
	}
	if _, err := MaxMoney.Times(1 << 20); !errors.Is(err, ErrMoneyRange) {
		t.Errorf("MaxMoney * 2^20: %v; want ErrMoneyRange", err)
	}
	if p, err := Units(50).Times(3); p != Units(150) || err != nil {
		t.Errorf("3 * 50 = %v, %v", p, err)
	}
	if Money(-1_99999).Whole() != -1 {
		t.Errorf("what is said of -1.99999 is %d", Money(-1_99999).Whole())
	}
	if Units(1).Cmp(Units(2)) != -1 || Units(2).Cmp(Units(1)) != 1 || Units(1).Cmp(Units(1)) != 0 {
		t.Error("Cmp does not order 1 and 2")
	}
}

func TestMoneyIsAStringInJSON(t *testing.T) {
	b, err := json.Marshal(map[string]Money{"credit": Units(50)})
	if string(b) != `{"credit":"50.00000"}` || err != nil {
		t.Errorf("got %s, %v", b, err)
	}
	var m Money
	if err := json.Unmarshal([]byte(`50.0`), &m); err == nil {
		t.Error("a JSON number was taken for money: it may have been through a float")
	}
}

// Whatever is accepted is worth exactly what was written, and is written back
// to the same amount.
func FuzzParseMoney(f *testing.F) {
	for _, seed := range []string{"0", "50.00000", "-0.00001", "9999999999.99999", "1e9", "-", "00012.5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMoney(text)
		if err != nil {
			return
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok || strings.ContainsAny(text, "eE/_xX") {
			t.Fatalf("ParseMoney accepted %q", text)
		}
		if exact.Cmp(big.NewRat(int64(m), 100_000)) != 0 {
			t.Errorf("ParseMoney(%q) = %d", text, m)
		}
		if again, err := ParseMoney(m.String()); again != m || err != nil {
			t.Errorf("%q: %v is read back as %v, %v", text, m, again, err)
		}
	})
}
