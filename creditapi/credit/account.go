package credit

import (
	"math/big"
	"strings"
	"time"

	"adcredit/creditapi/wire"
)

// Kinds of account names.
const (
	ByCard  = "card"  // cc_card.username
	ByAlias = "alias" // cc_card.useralias: the SIP user
	ByCID   = "cid"   // cc_callerid.cid: the caller ID as Asterisk delivers it
	ByID    = "id"    // cc_card.id: never from outside
	ByAny   = ""      // a bare name, for people: alias, card and caller ID are tried
)

// Ref names an account.
type Ref struct {
	Kind string
	Name string
}

// ID names an account by its primary key.
type ID int64

// ParseRef reads "card:NAME", "alias:NAME", "cid:NAME" or a bare NAME. A name
// has 1 to 40 letters, digits and any of "+_.-@"; anything else is refused and
// never repaired, since the repaired name could be somebody else's.
func ParseRef(s string) (Ref, error) {
	kind, name, qualified := strings.Cut(s, ":")
	if !qualified {
		kind, name = ByAny, s
	} else if kind != ByCard && kind != ByAlias && kind != ByCID {
		return Ref{}, &wire.Error{Code: wire.InvalidRequest, Detail: "The account is named card:…, alias:… or cid:…."}
	}
	if len(name) == 0 || len(name) > 40 || strings.ContainsFunc(name, notInName) {
		return Ref{}, &wire.Error{Code: wire.InvalidRequest, Detail: "The account's name has 1 to 40 letters, digits or +_.-@."}
	}
	return Ref{Kind: kind, Name: name}, nil
}

func notInName(r rune) bool {
	return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune("+_.-@", r))
}

// Status is A2Billing's cc_card.status.
type Status int

// A2Billing's values (common/lib/interface/constants.php).
const (
	Cancelled Status = iota
	Active
	New
	WaitMailConfirm
	Reserved
	Expired
	SuspendedUnderpayment
	SuspendedLitigation
	WaitSubscription
)

func (s Status) String() string {
	names := [...]string{"cancelled", "active", "new", "wait-mailconfirm", "reserved", "expired",
		"suspended-underpayment", "suspended-litigation", "wait-subscription"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Account is a subscriber: A2Billing's cc_card.
type Account struct {
	ID                 ID
	Card               string // username
	Alias              string // useralias
	Credit             wire.Money
	Postpaid           bool
	Limit              wire.Money // creditlimit: how far below zero a postpaid account may go
	Status             Status
	Created            time.Time // zero: unknown, or of no matter
	Expired            bool      // by enableexpire and its dates, now
	InUse              int       // running AGI scripts of A2Billing
	SimultaneousAccess bool      // several calls at a time
	Language           string
	Currency           string     // what balances are announced in
	Price              wire.Money // of one unit of Currency, in the base currency; 0 when unknown
	Now                time.Time  // the database's clock when the account was read
}

// Available is what a call can draw on. The balance is taken as it is stored:
// A2Billing has already taken its reservation (0.25 as shipped) out of it for
// each running call, and compares the stored figure too. So must we, else we
// would pass on a caller whom A2Billing turns away.
func (a Account) Available() (wire.Money, error) {
	if !a.Postpaid {
		return a.Credit, nil
	}
	return a.Credit.Add(a.Limit)
}

// Blocked says why no credit would help the account to call now, or "". The
// order is A2Billing's, whose last failing gate names the prompt.
func (a Account) Blocked() wire.Code {
	switch {
	case a.Expired:
		return wire.AccountExpired
	case a.InUse > 0 && !a.SimultaneousAccess:
		return wire.AccountInUse
	case a.Status != Active:
		return wire.AccountStatus
	}
	return ""
}

// announce converts the amount to the account's currency, down to the
// hundredth; A2Billing divides by cc_currencies.value in the same way, and
// takes an unknown currency for the base currency.
func (a Account) announce(amount wire.Money, base string) wire.Announce {
	if a.Price <= 0 || a.Currency == "" {
		return wire.Announce{Amount: amount, Currency: base}
	}
	const scale, hundredth = 100_000, 1_000
	converted := new(big.Int).Mul(big.NewInt(int64(amount)), big.NewInt(scale))
	converted.Quo(converted, big.NewInt(int64(a.Price)))
	converted.Sub(converted, new(big.Int).Rem(converted, big.NewInt(hundredth)))
	if !converted.IsInt64() || wire.Money(converted.Int64()) > wire.MaxMoney || wire.Money(converted.Int64()) < -wire.MaxMoney {
		return wire.Announce{Amount: amount, Currency: base}
	}
	return wire.Announce{Amount: wire.Money(converted.Int64()), Currency: strings.ToUpper(a.Currency)}
}

// NewAccount is what the embedded store needs to make an account.
type NewAccount struct {
	Card, Alias string
	CallerIDs   []string
	Credit      wire.Money
	Language    string
}

// Settings is what A2Billing's cc_config says that concerns us.
type Settings struct {
	BaseCurrency  string     // global/base_currency, upper case
	MinCreditCall wire.Money // agi-conf1/min_credit_2call
}
