// Package wire is what adcredit and creditapi say to each other: the JSON of
// version 1 of the interface, the codes of its errors, and [Money]. Both
// programs import it, and one of them is started for each call, so it imports
// nothing heavy.
//
// Amounts are in the base currency (A2Billing's cc_config, group global,
// base_currency) unless a field says otherwise. Times that end in _ms are
// milliseconds; instants are RFC 3339 in UTC.
package wire

import "time"

// Credit answers "may this account's call start, and if not, what can it
// earn?". It is all that the AGI needs before it plays anything.
type Credit struct {
	Account    string   `json:"account" doc:"The account's card number" example:"9700203963"`
	Credit     Money    `json:"credit" doc:"The balance as it is kept, in the base currency"`
	Currency   string   `json:"currency" doc:"The base currency, ISO 4217" example:"XOF"`
	Announce   Announce `json:"announce" doc:"The balance as it is told to the caller"`
	Available  Money    `json:"available" doc:"What a call can draw on: the balance, and a postpaid account's limit"`
	Required   Money    `json:"required" doc:"What the call needs to start"`
	Sufficient bool     `json:"sufficient" doc:"The account may call, and available is at least required"`
	Language   string   `json:"language" doc:"The caller's language, ISO 639-1, or empty" example:"fr"`
	Status     string   `json:"status" doc:"The account's own status" example:"active"`
	Blocked    Code     `json:"blocked,omitempty" doc:"Why no credit would help this account to call"`
	Offer      Offer    `json:"offer" doc:"What may be offered to the caller"`
}

// Announce is an amount in the currency that the caller thinks in.
type Announce struct {
	Amount   Money  `json:"amount"`
	Currency string `json:"currency" example:"XOF"`
}

// Offer says whether an ad may be offered now. It is an outlook, not a
// promise: starting the listen decides.
type Offer struct {
	Available  bool  `json:"available"`
	Reason     Code  `json:"reason,omitempty" doc:"Why there is no offer: no_ad, capped, too_soon, playing, never_offer, not_needed, account_new, never_paid, node_limit, or what blocks the account"`
	Reward     Money `json:"reward" doc:"What one listen earns"`
	DurationMS int64 `json:"duration_ms" doc:"How long the ad plays" minimum:"0"`
}

// Refill adds credit by hand.
type Refill struct {
	Amount Money  `json:"amount" doc:"What is added; more than 0.00000"`
	Reason string `json:"reason" minLength:"3" maxLength:"200" doc:"Why, for the people who read the ledger"`
}

// Refilled is the outcome of a Refill.
type Refilled struct {
	LedgerID int64  `json:"ledger_id"`
	State    string `json:"state" doc:"logged when done; in_doubt when a person must settle it" example:"logged"`
	Amount   Money  `json:"amount"`
	Credit   Money  `json:"credit" doc:"The balance afterwards"`
	Currency string `json:"currency" example:"XOF"`
}

// StartListen asks for an ad to play. It is sent with a random Idempotency-Key.
type StartListen struct {
	Account     string `json:"account" minLength:"1" maxLength:"60" doc:"card:…, alias:… or cid:…" example:"alias:1001"`
	CallID      string `json:"call_id" minLength:"1" maxLength:"100" doc:"Node and Asterisk's uniqueid: a label for people, never a key" example:"ast1/1795492582.2"`
	Destination string `json:"destination,omitempty" maxLength:"40" doc:"The number called" example:"+221338240000"`
	CallerID    string `json:"caller_id,omitempty" pattern:"^[+]?[0-9]{1,39}$" doc:"The number that calls, where it is one: starts are capped by it, too" example:"+221771234567"`
	Language    string `json:"language,omitempty" maxLength:"5" doc:"Language of the ad; empty: the account's" example:"fr"`
	ICID        string `json:"icid,omitempty" pattern:"^[0-9A-Za-z._~+/=@:!%*-]{1,128}$" doc:"The IMS charging identity of the call (icid-value of P-Charging-Vector, RFC 7315), where its core has told one: joins the listen with the core's records" example:"AyretyU0dm+6O2IrT5tAFrbHLso=023551024"`
}

// ICIDCharacters are those that an ICID may hold, and MaxICID how many: all of RFC
// 7315's examples and of what cores make, and nothing that a log or a query could
// mistake.
const (
	ICIDCharacters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._~+/=@:!%*-"
	MaxICID        = 128
)

// Listen is one playing of one ad to one caller: an impression, in IAB's terms.
type Listen struct {
	ID         string `json:"id" doc:"Names the listen in later requests"`
	Campaign   string `json:"campaign" doc:"The campaign's name" example:"mangalou"`
	Sound      string `json:"sound" doc:"The ad's file below the sounds folder, without extension" example:"ads/mangalou-fr"`
	RateHz     int64  `json:"rate_hz" doc:"Sample rate of the file: the unit of endpos" example:"8000"`
	Samples    int64  `json:"samples" doc:"Length of the file in samples"`
	DurationMS int64  `json:"duration_ms" doc:"Length of the file in milliseconds"`
	Reward     Money  `json:"reward" doc:"Held for this listen until it ends"`

	Attention *Attention `json:"attention,omitempty" doc:"Absent unless the caller is to show that somebody listens"`
}

// Attention is a digit to ask for in the middle of an ad. The caller's answer
// belongs into Heard; without the right one nothing is granted.
type Attention struct {
	AtMS  int64  `json:"at_ms" doc:"When to interrupt the ad, in milliseconds from its start"`
	Digit string `json:"digit" doc:"What the caller has to press" pattern:"^[0-9]$" example:"7"`
}

// Heard is what the AGI measured of an ad that was played to its end.
type Heard struct {
	Endpos   int64     `json:"endpos" doc:"Samples played, as STREAM FILE reports them"`
	PlayedMS int64     `json:"played_ms" doc:"How long it played by the AGI's monotonic clock"`
	HeardAt  time.Time `json:"heard_at" doc:"When it ended, by the AGI host's wall clock"`

	AttentionDigit string `json:"attention_digit,omitempty" maxLength:"1" doc:"What the caller pressed when asked; without a listen's attention it counts for nothing" example:"7"`
}

// Abandon closes a listen that was not heard to its end.
type Abandon struct {
	Endpos   int64  `json:"endpos"`
	PlayedMS int64  `json:"played_ms"`
	Cause    string `json:"cause" maxLength:"40" doc:"What ended it" example:"hangup"`
}

// Abandoned confirms an Abandon.
type Abandoned struct {
	ID    string `json:"id"`
	State string `json:"state" doc:"The state the listen is in now" example:"abandoned"`
}

// Grant is the reward of a completed listen, credited exactly once. A listen
// completed again answers the same Grant with the balance of now.
type Grant struct {
	ListenID   string   `json:"listen_id"`
	State      string   `json:"state" doc:"logged when credited; in_doubt (with status 202) when a person must settle it" example:"logged"`
	Amount     Money    `json:"amount" doc:"What was credited"`
	Credit     Money    `json:"credit" doc:"The balance afterwards"`
	Currency   string   `json:"currency" example:"XOF"`
	Announce   Announce `json:"announce"`
	Available  Money    `json:"available"`
	Required   Money    `json:"required"`
	Sufficient bool     `json:"sufficient"`
}

// Sound is an ad that a campaign may play now or later; `adcredit -check`
// compares these with the files on the Asterisk host.
type Sound struct {
	Name     string `json:"name" example:"ads/mangalou-fr"`
	Campaign string `json:"campaign"`
	Language string `json:"language" doc:"ISO 639-1, or empty for an ad without words"`
	RateHz   int64  `json:"rate_hz"`
	Samples  int64  `json:"samples"`
}

// Sounds lists the ads of all campaigns that are not archived, and says whose
// key asked: `adcredit -check` compares the node with its own name.
type Sounds struct {
	Node   string  `json:"node" doc:"The node this key belongs to" example:"ast1"`
	Sounds []Sound `json:"sounds"`
}
