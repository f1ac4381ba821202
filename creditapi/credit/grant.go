package credit

import (
	"time"

	"adcredit/creditapi/wire"
)

// EntryState is where a ledger entry stands.
type EntryState string

// States of a ledger entry. Pending, applied and logged follow each other; an
// entry in doubt waits for a person, who pays it (applied) or drops it.
const (
	Pending EntryState = "pending"
	Applied EntryState = "applied" // the account has the money
	Logged  EntryState = "logged"  // and cc_logrefill says so
	InDoubt EntryState = "in_doubt"
	Dropped EntryState = "dropped"
)

// Entry is one row of the ledger: a grant, or credit added by hand.
type Entry struct {
	ID        int64      `json:"id"`
	ListenID  string     `json:"listen_id,omitempty"` // "": by hand
	AccountID ID         `json:"account_id"`
	Amount    wire.Money `json:"amount"`
	State     EntryState `json:"state"`
	Cause     string     `json:"cause,omitempty"` // of a doubt
	Node      string     `json:"node"`
	Reason    string     `json:"reason"`
	CreatedAt time.Time  `json:"created_at"`
}

// ManualEntry is credit to be added by hand.
type ManualEntry struct {
	Key       string // idempotency key
	Digest    string
	AccountID ID
	Amount    wire.Money
	Reason    string
	By        string // whose key
}

// Swept counts what a sweep has mended.
type Swept struct {
	Finished int // entries whose open steps were done
	Doubtful int // entries that became in doubt
	Expired  int // listens whose window is over
}

// Way is how a grant's statements are run; it follows from the engines of
// A2Billing's tables.
type Way string

// The two ways of the grant, and what each promises.
const (
	Transaction Way = "transaction"
	Stock       Way = "stock"
)

// Promise says in a sentence what the way guarantees.
func (w Way) Promise() string {
	if w == Transaction {
		return "ledger, credit and credit log change together or not at all"
	}
	return "each step is atomic and finished after a crash; a crash of the database server itself can leave grants in doubt for a person to settle"
}
