package callflow

import (
	"errors"
	"fmt"
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
	served, err := servedUser(s, c)
	if err != nil {
		return call, err
	}
	call.Diverted = call.Diverted || served.present && !served.calls
	for _, identity := range c.Identity {
		account, err := account(s, c, identity, served)
		if err != nil {
			return call, err
		}
		if account != "" {
			call.Account = account
			if c.ICID {
				call.ICID, err = chargingID(s, c, call.ID)
			}
			return call, err
		}
	}
	return call, fmt.Errorf("%w: no source of the list says anything", ErrIdentity)
}

// account is what one source of the list says, as kind:name, or "".
func account(s *agi.Session, c *config.Config, identity config.Identity, served served) (string, error) {
	switch identity.Source {
	case config.AccountCode:
		return named(c, identity, present(s.Env["accountcode"]))
	case config.CallerID:
		return named(c, identity, present(s.Env["callerid"]))
	case config.ServedUser:
		if !served.present {
			return "", nil
		}
		return addressed(c, identity, []address{served.address})
	case config.PAI:
		asserted, err := assertedIdentity(s, c)
		if err != nil || len(asserted) == 0 {
			return "", err
		}
		return addressed(c, identity, asserted)
	}
	return "", fmt.Errorf("identity: no source is named %s", identity.Source)
}

// named is the account that a plain name stands for.
func named(c *config.Config, identity config.Identity, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	if !c.Clean(identity.Kind, name) {
		return "", fmt.Errorf("%w: what %s says is not a %s", ErrIdentity, identity.Source, identity.Kind)
	}
	return identity.Kind + ":" + name, nil
}

// addressed is the one account that all the addresses stand for. Where they stand
// for two, nobody can say which is right.
func addressed(c *config.Config, identity config.Identity, all []address) (found string, err error) {
	for _, a := range all {
		one := config.Identity{Source: identity.Source, Kind: identity.Kind}
		name := a.user
		if identity.Kind == config.IMPU {
			if !c.KnowsScheme(a.scheme) {
				continue
			}
			var ok bool
			if one.Kind, name, ok = c.AccountOf(a.scheme, a.user, a.where); !ok {
				return "", fmt.Errorf("%w: no rule of impu fits what %s says", ErrIdentity, identity.Source)
			}
		}
		account, err := named(c, one, name)
		if err != nil {
			return "", err
		}
		if found != "" && found != account {
			return "", fmt.Errorf("%w: %s says two accounts", ErrIdentity, identity.Source)
		}
		found = account
	}
	if found == "" {
		return "", fmt.Errorf("%w: no rule of impu is for an address like that of %s", ErrIdentity, identity.Source)
	}
	return found, nil
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

// maxLines is how often a header may come that is read here.
const maxLines = 2

// headers are all lines of a header, where whoever sent it is believed.
func headers(s *agi.Session, c *config.Config, name string) (lines []string, err error) {
	if !c.FromCore(s.Env["channel"]) {
		return nil, nil
	}
	for n := 1; ; n++ {
		line, err := header(s, name, n)
		if err != nil || line == "" {
			return lines, err
		}
		if n > maxLines {
			return nil, fmt.Errorf("%w: %s comes more than %d times", ErrIdentity, name, maxLines)
		}
		lines = append(lines, line)
	}
}

// assertedIdentity are the addresses of P-Asserted-Identity, on one line or two:
// one, or a sip: and a tel: one (RFC 3325, 9.1); none where the header is absent.
func assertedIdentity(s *agi.Session, c *config.Config) (all []address, err error) {
	lines, err := headers(s, c, "P-Asserted-Identity")
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		some, ok := assertedAddresses(line)
		if !ok {
			return nil, fmt.Errorf("%w: P-Asserted-Identity holds what is no sip or tel address with a user", ErrIdentity)
		}
		all = append(all, some...)
	}
	if len(all) > 2 || len(all) == 2 && (all[0].scheme == "tel") == (all[1].scheme == "tel") {
		return nil, fmt.Errorf("%w: P-Asserted-Identity is more than a sip and a tel address", ErrIdentity)
	}
	return all, nil
}

// served is what P-Served-User says.
type served struct {
	address        address
	present, calls bool
}

// servedUser reads P-Served-User where the list has it, also when another source
// decides who it is: in a leg towards the callee, or one that was diverted, the
// one who listens would not be the one who is credited.
func servedUser(s *agi.Session, c *config.Config) (served, error) {
	if !c.Reads(config.ServedUser) {
		return served{}, nil
	}
	lines, err := headers(s, c, "P-Served-User")
	if err != nil || len(lines) == 0 {
		return served{}, err
	}
	a, calls, ok := servedAddress(lines[0])
	if !ok || len(lines) > 1 {
		return served{}, fmt.Errorf("%w: P-Served-User is not one sip or tel address with a user", ErrIdentity)
	}
	return served{a, true, calls}, nil
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
