package wire

import "net/http"

// Code names a reason: stable, for programs. It is an error itself, so that
// errors.Is(err, wire.NoAd) works on whatever wraps it.
type Code string

func (c Code) Error() string { return string(c) }

// Codes of problem details, and reasons inside a Credit or an Offer.
const (
	// The request itself.
	InvalidRequest   Code = "invalid_request"
	Unauthorized     Code = "unauthorized" // no key, or one that is unknown, expired or revoked
	Forbidden        Code = "forbidden"    // the key lacks the scope, or the listen is another node's
	Misdirected      Code = "misdirected"  // the Host header is not one of ours
	NotFound         Code = "not_found"    // no such route
	MethodNotAllowed Code = "method_not_allowed"
	TooLarge         Code = "too_large"
	UnsupportedMedia Code = "unsupported_media_type"
	KeyReused        Code = "idempotency_key_reused" // same Idempotency-Key, another request
	Internal         Code = "internal"
	Unavailable      Code = "unavailable" // the database does not answer; try again

	// Accounts.
	AccountNotFound  Code = "account_not_found"
	AccountAmbiguous Code = "account_ambiguous" // a bare name that fits several accounts
	AccountStatus    Code = "account_status"    // not active
	AccountExpired   Code = "account_expired"
	AccountInUse     Code = "account_in_use" // A2Billing's lock: one call at a time

	// Offers and starts.
	NoAd       Code = "no_ad"
	Capped     Code = "capped"
	Playing    Code = "playing"     // another listen of this account or call is playing
	TooSoon    Code = "too_soon"    // the account was paid for an ad a moment ago
	NewAccount Code = "account_new" // younger than ads are offered to
	NeverPaid  Code = "never_paid"  // has paid for too few refills
	NodeLimit  Code = "node_limit"  // the node plays or earns as much as it may
	NeverOffer Code = "never_offer" // the destination is one that ads never pay for
	NotNeeded  Code = "not_needed"  // credit suffices

	// Completions.
	ListenNotFound  Code = "listen_not_found"
	ListenExpired   Code = "listen_expired"
	ListenAbandoned Code = "listen_abandoned"
	ListenCompleted Code = "listen_completed" // an abandon came after the completion
	TooEarly        Code = "too_early"        // a little: wait retry_after_ms and send again
	Inattentive     Code = "inattentive"      // not the digit that was asked for in the middle of the ad
	NotHeard        Code = "not_heard"        // endpos, played_ms or the server's clock say it was not heard to its end
	LateCapped      Code = "late_capped"      // too many late ones of this account today
	InDoubt         Code = "in_doubt"         // recorded; a person must settle it
)

// statuses gives the HTTP status of each code that can be a problem. Codes
// that a spool may give up on are 409, 410 and 422; nothing else of ours
// uses these three.
var statuses = map[Code]int{
	InvalidRequest:   http.StatusBadRequest,
	Unauthorized:     http.StatusUnauthorized,
	Forbidden:        http.StatusForbidden,
	Misdirected:      http.StatusMisdirectedRequest,
	NotFound:         http.StatusNotFound,
	MethodNotAllowed: http.StatusMethodNotAllowed,
	TooLarge:         http.StatusRequestEntityTooLarge,
	UnsupportedMedia: http.StatusUnsupportedMediaType,
	KeyReused:        http.StatusConflict,
	Internal:         http.StatusInternalServerError,
	Unavailable:      http.StatusServiceUnavailable,
	AccountNotFound:  http.StatusNotFound,
	AccountAmbiguous: http.StatusConflict,
	AccountStatus:    http.StatusConflict,
	AccountExpired:   http.StatusConflict,
	AccountInUse:     http.StatusConflict,
	NoAd:             http.StatusConflict,
	Capped:           http.StatusConflict,
	Playing:          http.StatusConflict,
	TooSoon:          http.StatusConflict,
	NewAccount:       http.StatusConflict,
	NeverPaid:        http.StatusConflict,
	NodeLimit:        http.StatusConflict,
	NeverOffer:       http.StatusConflict,
	NotNeeded:        http.StatusConflict,
	ListenNotFound:   http.StatusNotFound,
	ListenExpired:    http.StatusGone,
	ListenAbandoned:  http.StatusGone,
	ListenCompleted:  http.StatusConflict,
	TooEarly:         http.StatusTooEarly,
	Inattentive:      http.StatusUnprocessableEntity,
	NotHeard:         http.StatusUnprocessableEntity,
	LateCapped:       http.StatusConflict,
	InDoubt:          http.StatusAccepted,
}

// Status is the HTTP status that carries the code; 500 for one that is not
// known here.
func (c Code) Status() int {
	if status, ok := statuses[c]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// Known reports whether c is one of the codes above: an answer with another
// one does not come from creditapi.
func (c Code) Known() bool { _, ok := statuses[c]; return ok }

// Error is a failure that may be shown outside. Whatever is not an *Error is
// logged and shown as Internal. A detail is a fixed sentence, so that nothing
// that a caller controls can slip into an answer.
type Error struct {
	Code         Code
	Detail       string // for a person: no caller numbers, no SQL, no echo of what was sent
	RetryAfterMS int64  // with TooEarly: how long to wait
	Err          error  // the cause, for the log only; may be nil
}

func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Detail
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap lets errors.Is find the code as well as the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// ProblemType is the media type of problem details.
const ProblemType = "application/problem+json"

// Problem is the body of every error answer: problem details as in RFC 9457.
type Problem struct {
	Type         string `json:"type" doc:"A URI that names the kind of problem" example:"urn:adcredit:problem:no_ad"`
	Title        string `json:"title" doc:"The same for every problem of this kind"`
	Status       int    `json:"status" doc:"The HTTP status, again"`
	Detail       string `json:"detail,omitempty" doc:"What happened here, for a person"`
	Code         Code   `json:"code" doc:"The kind of problem, for a program" example:"no_ad"`
	RetryAfterMS int64  `json:"retry_after_ms,omitempty" doc:"With too_early: how long to wait"`
}

// Problem makes the body of the error.
func (e *Error) Problem() Problem {
	return Problem{
		Type:         "urn:adcredit:problem:" + string(e.Code),
		Title:        http.StatusText(e.Code.Status()),
		Status:       e.Code.Status(),
		Detail:       e.Detail,
		Code:         e.Code,
		RetryAfterMS: e.RetryAfterMS,
	}
}
