package callflow

import (
	"errors"
	"log/slog"
	"strings"

	"adcredit/agi"
	"adcredit/agi/config"
	"adcredit/creditapi/wire"
)

// chargingID reads the call's ICID. It is a label that joins our records with the
// core's, so one that is not clean is left out and fails no call; what would fail
// it is a session that can't be trusted any more.
func chargingID(s *agi.Session, c *config.Config, call string) (string, error) {
	lines, err := headers(s, c, "P-Charging-Vector")
	if err != nil && !errors.Is(err, ErrIdentity) {
		return "", err
	}
	if err == nil && len(lines) == 0 {
		return "", nil
	}
	if len(lines) == 1 {
		if id, ok := icid(lines[0]); ok {
			return id, nil
		}
	}
	slog.Warn("P-Charging-Vector has no single clean icid-value: the listen is recorded without", "call", call)
	return "", nil
}

// icid is the icid-value of P-Charging-Vector (RFC 7315, 4.6 and 5.6), in quotes
// or not. The RFC's own examples hold more than a token may, so the characters are
// ours.
func icid(vector string) (id string, ok bool) {
	if strings.Contains(vector, ",") || strings.Contains(vector, `\`) {
		return "", false // two vectors, or what is read in two ways
	}
	for vector != "" {
		param := vector
		if end := outsideQuotes(vector, ';'); end >= 0 {
			param, vector = vector[:end], vector[end+1:]
		} else {
			vector = ""
		}
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.Trim(name, " "), "icid-value") {
			continue
		}
		value = strings.Trim(value, " ")
		if inside, quoted := strings.CutPrefix(value, `"`); quoted {
			if value, quoted = strings.CutSuffix(inside, `"`); !quoted {
				return "", false
			}
		}
		if id != "" || len(value) > wire.MaxICID || !only(value, wire.ICIDCharacters) {
			return "", false
		}
		id = value
	}
	return id, id != ""
}

// outsideQuotes is where c first stands outside of quotes, or -1.
func outsideQuotes(s string, c byte) int {
	quoted := false
	for i := range len(s) {
		if s[i] == '"' {
			quoted = !quoted
		} else if s[i] == c && !quoted {
			return i
		}
	}
	return -1
}
