package credit

import (
	"time"

	"adcredit/creditapi/wire"
)

// ListenState is where a listen stands: started, then one of the others for
// good.
type ListenState string

// States of a listen.
const (
	Started   ListenState = "started"
	Completed ListenState = "completed"
	Abandoned ListenState = "abandoned"
	Lapsed    ListenState = "expired"
)

// Listen is one playing of one ad to one caller in one call.
type Listen struct {
	ID        string
	State     ListenState
	AccountID ID
	Node      string
	Campaign  string
	Ad        Ad
	Reward    wire.Money
	Attention Attention
	Elapsed   time.Duration // since its start, by the database's clock, or by ours when Timed
	Timed     bool          // this process started it and timed it by its monotonic clock
	Over      bool          // the completion window is over, by the database's clock
	Heard     wire.Heard    // of a completed one, without HeardAt: what its completion said
}

// NewListen is a listen to be started. The store chooses the campaign among
// those that fit, and holds the reward.
type NewListen struct {
	Key         string // idempotency key, unique per node
	Digest      string // of the request: the same key with another one is refused
	Node        string
	AccountID   ID
	CallID      string
	CallerCard  string // for people who read the table
	CallerID    string // the number that calls; "": not told
	ICID        string // the call's in the IMS; "": not told
	Destination string
	Language    string
	Day         int // YYYYMMDD where the caps count
	Minute      int // of that day
	Busy        time.Duration
	Window      time.Duration
	StartsPer   int   // day and account, and day and caller ID; 0: no cap
	ListensPer  int   // day and account, not counting the abandoned; 0: no cap
	UnixMinute  int64 // of now
	Limits      NodeLimits
	Spacing     time.Duration // since the account was last paid for one of another call; 0: none
	Question    Question
}

// NodeLimits bound what one node may do, so that a key that was stolen, or an
// Asterisk that is not what it was, is worth only so much; 0: no limit.
type NodeLimits struct {
	Open      int        // listens that have not ended
	PerMinute wire.Money // rewards of listens started in a minute, less those that ended without a grant
	PerDay    wire.Money // in a day
}

// Outlook is what would happen if the account started a listen now.
type Outlook struct {
	Playing bool // another listen of this account plays
	TooSoon bool // the account was paid for another a moment ago
	Capped  bool // the account's or the caller's caps, or the cap of each campaign that fits
	Ad      *Ad  // nil: no campaign fits
	Reward  wire.Money
	Limit   Suspicion // the limit of the node that a start would meet, or ""
}

// Completion is a listen that was heard to its end, as the store records it.
type Completion struct {
	ListenID string
	Heard    wire.Heard
	LatePer  int // late ones of an account that are taken per day; 0: no cap
	// Judge is asked once, before anything changes, with the listen as it is: an
	// error refuses the completion. Late is one that comes from a spool: no clock
	// can say that the ad was played. nil takes any, in time.
	Judge func(Listen) (late bool, err error)
}

// Judged asks Judge, if there is one.
func (c Completion) Judged(l Listen) (late bool, err error) {
	if c.Judge == nil {
		return false, nil
	}
	return c.Judge(l)
}

// Abandonment is a listen that was not.
type Abandonment struct {
	ListenID string
	Abandon  wire.Abandon
}
