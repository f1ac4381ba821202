package fakeasterisk

import (
	"context"
	"strconv"
	"strings"
)

func (s *session) setVariable(_ context.Context, args []string) (string, bool) {
	if len(args) > 1 {
		s.set(args[0], args[1])
	}
	return result(1), true
}

// set sets a variable or a function. Leading underscores mean inheritance and
// are not part of the name.
func (s *session) set(name, value string) {
	name = strings.TrimLeft(name, "_")
	s.wrote[name] = value
	switch strings.ToUpper(name) {
	case "CALLERID(NUM)", "CALLERID(NUMBER)":
		s.call.CallerID = value
	case "CALLERID(NAME)":
		s.call.CallerIDName = value
	case "CHANNEL(LANGUAGE)":
		s.call.Language = value
	default:
		s.vars[name] = value
	}
}

// setAll is MSet: pairs parted by commas, from left to right. Quotes, brackets and
// backslashes, which would keep a comma together, are not played.
func (s *session) setAll(pairs string) {
	if strings.ContainsAny(pairs, "\\\"()[]") {
		s.rec.note("MSet with quotes, brackets or backslashes is not known to this fake: nothing is set")
		return
	}
	for pair := range strings.SplitSeq(pairs, ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			s.set(name, value)
		}
	}
}

func (s *session) setCallerID(_ context.Context, args []string) (string, bool) {
	if len(args) > 0 {
		s.set("CALLERID(num)", args[0])
	}
	return result(1), true
}

func (s *session) getVariable(_ context.Context, args []string) (string, bool) {
	var value string
	var ok bool
	if strings.HasSuffix(args[0], ")") {
		value, ok = s.function(args[0])
	} else {
		value, ok = s.variable(args[0])
	}
	if !ok {
		return result(0), true
	}
	return resultOf(value), true
}

func (s *session) getFullVariable(_ context.Context, args []string) (string, bool) {
	if len(args) == 2 && args[1] != s.call.Channel {
		return result(0), true
	}
	return resultOf(s.substitute(args[0])), true
}

func (s *session) language() string { return s.call.Language }

// variable reads a channel variable; those that Asterisk derives come first.
func (s *session) variable(name string) (string, bool) {
	switch name {
	case "EXTEN":
		return s.call.Extension, true
	case "CONTEXT":
		return s.call.Context, true
	case "PRIORITY":
		return "2", true
	case "CHANNEL":
		return s.call.Channel, true
	case "UNIQUEID":
		return s.call.UniqueID, true
	}
	value, ok := s.vars[name]
	return value, ok
}

// substitute replaces each ${...} of text, the innermost first; what comes out is
// not looked at again, so a caller's ${...} stays as it is. $[...] is not played.
func (s *session) substitute(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := closing(rest)
		if end < 0 { // Asterisk logs it and takes the rest
			end = len(rest)
		}
		b.WriteString(s.reference(rest[:end]))
		text = rest[min(end+1, len(rest)):]
	}
}

// closing is where the brace opened before text closes, or -1.
func closing(text string) int {
	depth := 1
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// reference is the value of what stood between the braces: a function or a
// variable, with an optional :offset:length.
func (s *session) reference(inside string) string {
	name, part := cutPart(s.substitute(inside))
	value, _ := s.variable(name)
	if strings.Contains(name, "(") {
		value, _ = s.function(name)
	}
	if part == "" {
		return value
	}
	from, length, limited := strings.Cut(part, ":")
	return substring(value, from, length, limited)
}

// cutPart cuts NAME:from:length and NAME(args):from:length at the first colon
// outside of parentheses. As in Asterisk it looks at what came out of the inner
// ${...}, so a value with a parenthesis in it may end the call.
func cutPart(reference string) (name, part string) {
	depth := 0
	for i := range len(reference) {
		switch reference[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ':':
			if depth == 0 {
				return reference[:i], reference[i+1:]
			}
		}
	}
	return reference, ""
}

func substring(value, from, length string, limited bool) string {
	n, _ := strconv.Atoi(from)
	if n < 0 {
		n += len(value)
	}
	value = value[min(max(n, 0), len(value)):]
	if l, err := strconv.Atoi(length); limited && err == nil {
		if l < 0 {
			l += len(value)
		}
		value = value[:min(max(l, 0), len(value))]
	}
	return value
}

// function evaluates NAME(args): the arguments end at the last parenthesis.
func (s *session) function(call string) (string, bool) {
	name, args, _ := strings.Cut(call, "(")
	if i := strings.LastIndexByte(args, ')'); i >= 0 {
		args = args[:i]
	}
	switch strings.ToUpper(name) {
	case "LEN":
		return strconv.Itoa(len(args)), true
	case "FILTER":
		allowed, text, _ := strings.Cut(args, ",")
		return filter(allowed, text), true
	case "CALLERID":
		return s.callerID(strings.ToLower(args))
	case "CHANNEL":
		return s.channelItem(strings.ToLower(args))
	case "REDIRECTING":
		if strings.ToLower(args) == "from-num" {
			return s.call.RDNIS, true
		}
	case "CDR":
		if args == "accountcode" {
			return s.call.AccountCode, true
		}
	case "PJSIP_HEADER":
		args, read := strings.CutPrefix(args, "read,")
		return s.header(read && s.call.driver() == "PJSIP", args)
	case "SIP_HEADER":
		return s.header(s.call.driver() == "SIP", args)
	}
	s.rec.note("the function " + call + " is not known to this fake: it is empty")
	return "", false
}

// filter keeps the bytes of text that are allowed: single ones, and ranges such
// as 0-9. A backslash takes the next one as it is.
func filter(allowed, text string) string {
	var keep [256]bool
	for i := 0; i < len(allowed); i++ {
		c := allowed[i]
		if c == '\\' && i+1 < len(allowed) {
			i++
			c = allowed[i]
		}
		last := c
		if i+2 < len(allowed) && allowed[i+1] == '-' {
			last = allowed[i+2]
			i += 2
		}
		for n := int(c); n <= int(last); n++ {
			keep[n] = true
		}
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if keep[text[i]] {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func (s *session) callerID(item string) (string, bool) {
	switch item {
	case "num", "number", "ani", "ani-num":
		return s.call.CallerID, true
	case "name":
		return s.call.CallerIDName, true
	case "all":
		return `"` + s.call.CallerIDName + `" <` + s.call.CallerID + `>`, true
	case "dnid":
		return s.call.DNID, true
	case "rdnis":
		return s.call.RDNIS, true
	case "pres":
		return strconv.Itoa(s.call.Presentation), true
	}
	s.rec.note("CALLERID(" + item + ") is not known to this fake: it is empty")
	return "", true
}

func (s *session) channelItem(item string) (string, bool) {
	switch item {
	case "state":
		if s.up {
			return "Up", true
		}
		return "Ring", true
	case "language":
		return s.call.Language, true
	case "name":
		return s.call.Channel, true
	case "accountcode":
		return s.call.AccountCode, true
	case "channeltype":
		return s.call.driver(), true
	case "uniqueid":
		return s.call.UniqueID, true
	case "rtcp,txcount,audio", "rtpqos,audio,local_count":
		pjsip := strings.HasPrefix(item, "rtcp")
		if driver := s.call.driver(); pjsip && driver == "PJSIP" || !pjsip && driver == "SIP" {
			return strconv.FormatInt(s.packets, 10), true
		}
	}
	s.rec.note("CHANNEL(" + item + ") is not known to this fake: it is empty")
	return "", true
}

// header is the nth header of a name, NAME[,n], from 1, where the channel's driver
// has the function.
func (s *session) header(known bool, args string) (string, bool) {
	wanted, nth, numbered := strings.Cut(args, ",")
	n := 1
	if numbered {
		n, _ = strconv.Atoi(nth)
	}
	if !known {
		return "", false
	}
	for name, values := range s.call.Headers {
		if strings.EqualFold(name, wanted) && n >= 1 && n <= len(values) {
			return values[n-1], true
		}
	}
	return "", false
}
