package callflow

import (
	"errors"
	"log/slog"
	"net/http"

	"adcredit/creditapi/wire"
)

// Status is the outcome of a call, as the dialplan reads it in ADCREDIT_STATUS.
type Status string

// The outcomes. README.md says what each means to a dialplan.
const (
	Sufficient Status = "SUFFICIENT"
	Granted    Status = "GRANTED"
	Partial    Status = "PARTIAL"
	Pending    Status = "PENDING"
	Declined   Status = "DECLINED"
	Abandoned  Status = "ABANDONED"
	NoAd       Status = "NOAD"
	Capped     Status = "CAPPED"
	TooLow     Status = "TOOLOW"
	Blocked    Status = "BLOCKED"
	NoAccount  Status = "NOACCOUNT"
	Refused    Status = "REFUSED"
	Unknown    Status = "UNKNOWN"
	Failed     Status = "ERROR"
)

// Unreachable is the cause of an outcome without an answer from creditapi.
const Unreachable = "unreachable"

// Outcome is what the dialplan is told.
type Outcome struct {
	Status   Status
	Cause    string     // a stable code, or ""
	Balance  wire.Money // as announced, in Currency
	Currency string
	Granted  wire.Money // in the base currency
	Campaign string
	ListenID string
}

// Variables are the outcome as channel variables, in the order in which they
// are set: the status is the last, so that it is never seen without the others.
func (o Outcome) Variables() [][2]string {
	balance, granted := "", ""
	if o.Currency != "" {
		balance = o.Balance.String()
	}
	if o.Granted > 0 {
		granted = o.Granted.String()
	}
	return [][2]string{
		{"ADCREDIT_CAUSE", o.Cause},
		{"ADCREDIT_BALANCE", balance},
		{"ADCREDIT_CURRENCY", o.Currency},
		{"ADCREDIT_GRANTED", granted},
		{"ADCREDIT_CAMPAIGN", o.Campaign},
		{"ADCREDIT_LISTEN_ID", o.ListenID},
		{"ADCREDIT_STATUS", string(o.Status)},
	}
}

// unanswered is the outcome of a balance that could not be read.
func unanswered(err error) Outcome {
	var refused *wire.Error
	switch {
	case !errors.As(err, &refused):
		slog.Warn("the balance could not be read", "error", err)
		return Outcome{Status: Unknown, Cause: Unreachable}
	case refused.Code == wire.AccountNotFound || refused.Code == wire.AccountAmbiguous:
		return Outcome{Status: NoAccount, Cause: string(refused.Code)}
	}
	slog.Warn("creditapi refused to tell the balance", "error", err)
	return Outcome{Status: Unknown, Cause: string(refused.Code)}
}

// noOffer is the outcome of a reason for which no listen starts.
func noOffer(reason wire.Code) Status {
	switch reason {
	case wire.Capped, wire.Playing, wire.TooSoon:
		return Capped
	case wire.AccountStatus, wire.AccountExpired, wire.AccountInUse:
		return Blocked
	}
	return NoAd
}

// final reports whether a completion refused with the code is refused for good.
func final(code wire.Code) bool {
	switch code.Status() {
	case http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity:
		return true
	}
	return false
}
