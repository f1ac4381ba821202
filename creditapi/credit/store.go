// Package credit is the domain of creditapi: accounts, campaigns, listens,
// grants and the policy that decides about them. It knows no HTTP and no SQL:
// [Service] answers what the interface asks, over a [Store].
//
// All amounts are wire.Money in the base currency. Errors that may be shown
// outside are *wire.Error; anything else is internal.
package credit

import (
	"context"
	"time"
)

// Store keeps the money. All methods are safe for concurrent use, also from
// several processes on one database, and take their time from the database's
// clock. A *wire.Error with code Unavailable wraps a database that does not
// answer or lost a race too often: the caller may try again.
type Store interface {
	Accounts
	Listens
	Suspicions
	Ledger
	Campaigns
	Keys

	// Way is how grants are run on these tables.
	Way() Way
	// Ready reports whether the store can do its work now: the database
	// answers, and its schema is ours.
	Ready(ctx context.Context) error
	// Sweep finishes open steps of the ledger and lapses listens whose window
	// is over. It may run on every node at once.
	Sweep(ctx context.Context) (Swept, error)
}

// Accounts reads A2Billing.
type Accounts interface {
	// Account finds one account: code AccountNotFound when there is none,
	// AccountAmbiguous when a bare name fits several.
	Account(ctx context.Context, ref Ref) (Account, error)
	// Accounts lists accounts by their id, after the given one.
	Accounts(ctx context.Context, after ID, limit int) ([]Account, error)
	// HasPaid reports whether the account has paid for at least so many
	// refills. The embedded store takes all of its accounts for paid.
	HasPaid(ctx context.Context, id ID, refills int) (bool, error)
	// AddAccount makes an account; only the embedded store can, elsewhere
	// A2Billing does: code Forbidden.
	AddAccount(ctx context.Context, a NewAccount) (Account, error)
	// Settings is what A2Billing's cc_config says.
	Settings(ctx context.Context) (Settings, error)
}

// Listens keeps listens and the rewards that are held for them.
type Listens interface {
	// Outlook says what Start would meet, without changing anything. Of n it
	// looks at the node, account, caller, language, time and caps.
	Outlook(ctx context.Context, n NewListen) (Outlook, error)
	// Started finds the listen that the node started with this key: nil when
	// there is none, code KeyReused when the digest is another.
	Started(ctx context.Context, node, key, digest string) (*Listen, error)
	// Start chooses a campaign, counts the caps, holds the reward and records
	// the listen: all or nothing. Codes Playing, TooSoon, Capped, NoAd, NodeLimit, and KeyReused
	// as in Started; the same key and digest answer the same listen.
	Start(ctx context.Context, n NewListen) (Listen, error)
	// Listen reads one; code ListenNotFound.
	Listen(ctx context.Context, id string) (Listen, error)
	// Complete turns the held reward into a ledger entry and the entry into
	// credit, exactly once however often it is called. Codes ListenExpired,
	// ListenAbandoned, LateCapped. An entry in doubt is no error: look at its State.
	Complete(ctx context.Context, c Completion) (Entry, error)
	// Abandon closes a started listen and gives its reward back to the
	// budget; again is harmless. Codes ListenCompleted, ListenExpired.
	Abandon(ctx context.Context, a Abandonment) error
}

// Suspicions keeps what a person should look at. Nothing of it is money.
type Suspicions interface {
	// Refused counts a refusal: one row per listen, node and reason, with the
	// values of the last one.
	Refused(ctx context.Context, r Refusal) error
	// Suspects counts what happened within the span, by node, account and
	// caller; callers are counted by day (YYYYMMDD), from the given one on.
	Suspects(ctx context.Context, span time.Duration, day int) (Suspects, error)
}

// Ledger explains every franc.
type Ledger interface {
	// Refill credits an account by hand, exactly once per key; code KeyReused.
	Refill(ctx context.Context, m ManualEntry) (Entry, error)
}

// Campaigns keeps what advertisers pay for.
type Campaigns interface {
	// AddCampaign records c, which is valid; code KeyReused when the name is taken.
	AddCampaign(ctx context.Context, c Campaign) (Campaign, error)
	// Campaigns lists them by name, the archived ones only when asked for.
	Campaigns(ctx context.Context, archived bool) ([]Campaign, error)
	// SetCampaignState pauses, resumes or archives one; code NotFound, and
	// InvalidRequest for one that is archived.
	SetCampaignState(ctx context.Context, name string, state CampaignState) error
}

// Keys lets programs in.
type Keys interface {
	// Key finds a key by its public id, revoked and expired ones too; code
	// NotFound.
	Key(ctx context.Context, id string) (Key, error)
	// Keys lists all of them, the newest first.
	Keys(ctx context.Context) ([]Key, error)
	// AddKey records one.
	AddKey(ctx context.Context, k Key) error
	// RevokeKey ends one for good; again is harmless; code NotFound.
	RevokeKey(ctx context.Context, id string) error
	// TouchKey notes that the key was used now.
	TouchKey(ctx context.Context, id string) error
}
