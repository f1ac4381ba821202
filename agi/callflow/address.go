package callflow

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// An address is one sip:, sips: or tel: URI of a header, taken apart.
type address struct {
	scheme string
	user   string // the number of a tel:
	where  string // host, with its port if there is one; the phone-context of a tel:, or ""
}

// What RFC 3261 (25.1) allows, less what is read differently by different
// programs: no escapes, and of a user no password and no parameters.
const (
	digits    = "0123456789"
	alphanum  = digits + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	tokens    = alphanum + "-.!%*_+`'~"
	users     = alphanum + "-_.!~*'()&=+$"
	paramText = alphanum + "-_.!~*'()[]/:&+$"
)

func only(s, set string) bool { return s != "" && strings.Trim(s, set) == "" }

// nextAddress takes a name-addr or an addr-spec (RFC 3261, 25.1) off the front of
// a header. Only what every reader takes for the same is taken: a name in quotes
// holds no backslash and no bracket, and an address without brackets no parameter.
func nextAddress(text string) (a address, rest string, ok bool) {
	text = strings.TrimLeft(text, " ")
	if quoted, found := strings.CutPrefix(text, `"`); found {
		name, behind, closed := strings.Cut(quoted, `"`)
		text = strings.TrimLeft(behind, " ")
		if !closed || !isName(name) || !strings.HasPrefix(text, "<") {
			return a, "", false
		}
	} else {
		name := text[:len(text)-len(strings.TrimLeft(text, tokens+" "))]
		if behind := text[len(name):]; strings.HasPrefix(behind, "<") {
			if name != "" && !strings.HasSuffix(name, " ") {
				return a, "", false
			}
			text = behind
		}
	}
	if inside, found := strings.CutPrefix(text, "<"); found {
		uri, rest, closed := strings.Cut(inside, ">")
		a, ok = parseURI(uri)
		return a, rest, ok && closed
	}
	uri, rest, list := strings.Cut(text, ",")
	if list {
		rest = "," + rest
	}
	if strings.Contains(uri, ";") {
		return a, "", false
	}
	a, ok = parseURI(strings.TrimRight(uri, " "))
	return a, rest, ok
}

func isName(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '\\' || r == '<' || r == '>'
	})
}

// parseURI reads an address of RFC 3261 (19.1) or RFC 3966. The scheme is in
// small letters, as all write it.
func parseURI(uri string) (a address, ok bool) {
	scheme, rest, _ := strings.Cut(uri, ":")
	rest, params, has := strings.Cut(rest, ";")
	context, ok := parameters(params, has, scheme == "tel")
	if !ok {
		return a, false
	}
	switch scheme {
	case "sip", "sips":
		user, host, _ := strings.Cut(rest, "@")
		return address{scheme, user, host}, only(user, users) && isHost(host)
	case "tel":
		return address{scheme, rest, context}, only(strings.TrimPrefix(rest, "+"), digits)
	}
	return a, false
}

// isHost is a name or an IPv4 address, with a port or without.
func isHost(s string) bool {
	host, port, has := strings.Cut(s, ":")
	for label := range strings.SplitSeq(host, ".") {
		if !only(label, alphanum+"-") || strings.Trim(label, "-") != label {
			return false
		}
	}
	return !has || len(port) <= 5 && only(port, digits)
}

// parameters checks a URI's, none of which may come twice. Those of a tel: that
// make another subscriber of the number are given back or refused.
func parameters(text string, has, tel bool) (context string, ok bool) {
	if !has {
		return "", true
	}
	var seen []string
	for param := range strings.SplitSeq(text, ";") {
		name, value, valued := strings.Cut(param, "=")
		name = strings.ToLower(name)
		if !only(name, paramText) || valued && !only(value, paramText) || slices.Contains(seen, name) {
			return "", false
		}
		switch {
		case tel && name == "phone-context" && valued:
			context = value
		case tel && (name == "phone-context" || name == "ext" || name == "isub"):
			return "", false
		}
		seen = append(seen, name)
	}
	return context, true
}

// assertedAddresses are those of one line P-Asserted-Identity (RFC 3325, 9.1).
func assertedAddresses(text string) (all []address, ok bool) {
	for {
		a, rest, ok := nextAddress(text)
		if !ok {
			return nil, false
		}
		all = append(all, a)
		rest = strings.Trim(rest, " ")
		if rest == "" {
			return all, true
		}
		if text, ok = strings.CutPrefix(rest, ","); !ok {
			return nil, false
		}
	}
}

// servedAddress is that of P-Served-User (RFC 5502, 6), and whether it is served
// as the one who calls: sescase=orig, and not as one who diverts (orig-cdiv, RFC
// 8498). Parameters that nobody knows change nothing.
func servedAddress(text string) (a address, calls, ok bool) {
	a, rest, ok := nextAddress(text)
	if !ok {
		return a, false, false
	}
	diverts := false
	var seen []string
	for rest = strings.Trim(rest, " "); rest != ""; {
		if rest, ok = strings.CutPrefix(rest, ";"); !ok {
			return a, false, false
		}
		param := rest
		if next := strings.IndexByte(rest, ';'); next >= 0 {
			param, rest = rest[:next], rest[next:]
		} else {
			rest = ""
		}
		name, value, valued := strings.Cut(strings.Trim(param, " "), "=")
		name = strings.ToLower(name)
		if !only(name, tokens) || valued && !only(value, tokens) || slices.Contains(seen, name) {
			return a, false, false
		}
		seen = append(seen, name)
		switch name {
		case "sescase":
			calls = strings.EqualFold(value, "orig")
		case "orig-cdiv":
			diverts = true
		}
	}
	return a, calls && !diverts, true
}
