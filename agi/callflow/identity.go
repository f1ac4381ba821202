package callflow

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"adcredit/agi"
	"adcredit/agi/config"
)

// ErrIdentity is a caller without an identity that may be used: nothing is
// known of them, or what is known is not clean. It is refused as it came and
// never repaired, since the repaired number could be somebody else's.
var ErrIdentity = errors.New("no clean identity")

// Identify reads who calls whom from the channel, by the configuration's list
// of identities: the first source that says anything decides.
func Identify(s *agi.Session, c *config.Config) (Call, error) {
	call := Call{
		ID:       c.Node + "/" + printable(s.Env["uniqueid"], 60),
		CallerID: caller(present(s.Env["callerid"])),
		Diverted: present(s.Env["rdnis"]) != "",
	}
	destination, clean := number(s.Env["extension"])
	if !clean {
		return call, fmt.Errorf("%w: the extension is not a number", ErrIdentity)
	}
	call.Destination = destination
	for _, identity := range c.Identity {
		name, err := source(s, identity.Source)
		if err != nil {
			return call, err
		}
		if name == "" {
			continue
		}
		if !c.Clean(identity.Kind, name) {
			return call, fmt.Errorf("%w: what %s says is not a %s", ErrIdentity, identity.Source, identity.Kind)
		}
		call.Account = identity.Kind + ":" + name
		return call, nil
	}
	return call, fmt.Errorf("%w: no source of the list says anything", ErrIdentity)
}

func source(s *agi.Session, name string) (string, error) {
	switch name {
	case "accountcode":
		return present(s.Env["accountcode"]), nil
	case "callerid":
		return present(s.Env["callerid"]), nil
	case "pai":
		return assertedIdentity(s)
	}
	return "", fmt.Errorf("identity: no source is named %s", name)
}

// present is the value, or "" where Asterisk says that it knows none.
func present(value string) string {
	if value == "unknown" {
		return ""
	}
	return value
}

// caller is the number that calls. What is no number, such as that of a caller who
// withholds it, is left out: creditapi caps by it, and many callers would share it.
func caller(id string) string {
	digits := strings.TrimPrefix(id, "+")
	if digits == "" || len(digits) > 39 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return id
}

// number accepts what may be dialled; "s", "h" and the like are no destination.
func number(extension string) (string, bool) {
	if len(extension) == 1 && extension[0] >= 'a' && extension[0] <= 'z' {
		return "", true
	}
	clean := len(extension) <= 40 && strings.Trim(extension, "0123456789+*#") == ""
	return extension, clean
}

// pai is how the dialplan reads the header, without the brace that ends it, and
// safe the characters that it may hold: no line break can pass, so its value
// can't become a reply of its own.
const (
	pai  = "${PJSIP_HEADER(read,P-Asserted-Identity)"
	safe = "-0-9a-zA-Z+@.:;<>=_~ " // the minus first, where it makes no range
)

// assertedIdentity is the user of P-Asserted-Identity. It is read through
// FILTER, and by comparing lengths it is known whether FILTER left anything
// out; comparing the strings in the dialplan would be injectable. So are LEN and
// FILTER themselves: a value with "):0:9" ends them, and they see what is before
// it alone. That there is nothing behind what they saw is asked of PJSIP_HEADER,
// whose arguments are ours: one character at most, which no reply can hide in.
func assertedIdentity(s *agi.Session) (string, error) {
	length, err := s.GetFullVariable("${LEN(" + pai + "})}")
	if err != nil {
		return "", fmt.Errorf("read P-Asserted-Identity: %w", err)
	}
	n, err := strconv.Atoi(length.Dat)
	if err != nil || n == 0 {
		return "", nil
	}
	value, err := s.GetFullVariable("${FILTER(" + safe + "," + pai + "})}")
	if err != nil {
		return "", fmt.Errorf("read P-Asserted-Identity: %w", err)
	}
	rest, err := s.GetFullVariable(fmt.Sprintf("%s:%d:1}", pai, n))
	if err != nil {
		return "", fmt.Errorf("read P-Asserted-Identity: %w", err)
	}
	if len(value.Dat) != n || rest.Dat != "" || n > 255 {
		return "", fmt.Errorf("%w: P-Asserted-Identity holds a name or characters that are not taken", ErrIdentity)
	}
	user, ok := assertedUser(value.Dat)
	if !ok {
		return "", fmt.Errorf("%w: P-Asserted-Identity is not one sip or tel address with a user", ErrIdentity)
	}
	return user, nil
}

// assertedUser is the user of a header that is one address and nothing else:
// sip:USER@HOST, sips:USER@HOST or tel:NUMBER, in angle brackets or bare, with
// parameters behind (RFC 3325, 9.1; RFC 3966). What only holds such an address
// may have been written around it by a caller.
func assertedUser(header string) (user string, ok bool) {
	const host = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:"
	address := header
	if inner, bracket := strings.CutPrefix(header, "<"); bracket {
		if address, ok = strings.CutSuffix(inner, ">"); !ok {
			return "", false
		}
	}
	scheme, rest, _ := strings.Cut(address, ":")
	rest, parameters, _ := strings.Cut(rest, ";")
	switch scheme {
	case "sip", "sips":
		var at string
		if user, at, _ = strings.Cut(rest, "@"); at == "" || strings.Trim(at, host) != "" {
			return "", false
		}
	case "tel":
		user = rest
	default:
		return "", false
	}
	return user, user != "" && !strings.ContainsAny(user, "<>@:; ") && !strings.ContainsAny(parameters, "<>@ ")
}

// printable keeps a label that is only for people harmless.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return '_'
	}, s)
	return s[:min(len(s), most)]
}
