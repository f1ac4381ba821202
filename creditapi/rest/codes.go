package rest

import "adcredit/creditapi/wire"

// meanings says in words what each code of a problem means, for the description.
var meanings = map[wire.Code]string{
	wire.InvalidRequest:   "the request is not as documented",
	wire.Unauthorized:     "no key, or one that is unknown, expired or revoked",
	wire.Forbidden:        "the key lacks the scope, or the listen is another node's",
	wire.Misdirected:      "the header Host does not name this server",
	wire.NotFound:         "there is nothing at this address",
	wire.MethodNotAllowed: "this address has other methods",
	wire.TooLarge:         "the body is too large",
	wire.UnsupportedMedia: "the body is not JSON, or is compressed",
	wire.KeyReused:        "this Idempotency-Key came with another request before",
	wire.Internal:         "a fault of the server; its log knows more",
	wire.Unavailable:      "the database does not answer; try again",
	wire.AccountNotFound:  "there is no such account",
	wire.AccountAmbiguous: "the bare name fits several accounts",
	wire.AccountStatus:    "the account is not active",
	wire.AccountExpired:   "the account has expired",
	wire.AccountInUse:     "the account makes a call already and may make only one",
	wire.NoAd:             "no campaign fits",
	wire.Capped:           "the caller has listened often enough today",
	wire.Playing:          "another ad is playing to this account",
	wire.NeverOffer:       "ads never pay for this destination",
	wire.NotNeeded:        "the credit suffices",
	wire.ListenNotFound:   "there is no such listen",
	wire.ListenExpired:    "the completion comes too late",
	wire.ListenAbandoned:  "the listen was abandoned before",
	wire.ListenCompleted:  "the listen was completed before",
	wire.TooEarly:         "the ad can't have ended yet: wait `retry_after_ms` and send it again",
	wire.NotHeard:         "the ad was not heard to its end",
	wire.Inattentive:      "the caller did not press the digit that the listen's `attention` asks for",
	wire.InDoubt:          "recorded; a person must settle it",
}
