package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// AccountPath names the account in a path. It is exported, as all that is embedded
// in an input: huma reads no other.
type AccountPath struct {
	Account string `path:"account" maxLength:"60" doc:"card:…, alias:… or cid:…; a bare name, for people, is tried as each of them" example:"alias:1001"`
}

// Idempotent is the header that makes repeating a request harmless.
type Idempotent struct {
	Key string `header:"Idempotency-Key" required:"true" pattern:"^[A-Za-z0-9_-]{16,64}$" doc:"Made anew for each intent and sent again with each repetition: 16 to 64 letters, digits, _ or -. Use 128 random bits." example:"6Rk0c0yJ8QWvVYBTqU3mMA"`
}

type creditInput struct {
	AccountPath
	Destination string `query:"destination" maxLength:"40" doc:"The number called; a + is written %2B" example:"+221338240000"`
	CallerID    string `query:"caller_id" pattern:"^[+]?[0-9]{1,39}$" doc:"The number that calls, where it is one; a + is written %2B" example:"+221771234567"`
}

// Resolve implements huma.Resolver.
func (i *creditInput) Resolve(huma.Context) []error {
	return unclean(field{"query.destination", i.Destination})
}

type creditOutput struct{ Body wire.Credit }

type refillInput struct {
	AccountPath
	Idempotent
	Body wire.Refill
}

// Resolve implements huma.Resolver. Only a reason is for people and may have
// any script.
func (i *refillInput) Resolve(huma.Context) []error {
	if !printable(i.Body.Reason) {
		return []error{&huma.ErrorDetail{Location: "body.reason"}}
	}
	return nil
}

type refillOutput struct {
	Status int
	Body   wire.Refilled
}

type field struct{ name, value string }

// unclean lists the fields whose text is refused.
func unclean(fields ...field) []error {
	var errs []error
	for _, f := range fields {
		if !clean(f.value) {
			errs = append(errs, &huma.ErrorDetail{Location: f.name})
		}
	}
	return errs
}

// credits registers the two resources of the paper.
func (a *API) credits() {
	register(a, operation{
		id: "get-credit", method: http.MethodGet, path: creditPath,
		summary: "An account's credit, and what it could earn",
		text: "Answers whether a call of this account to the destination may start, and if it may not, " +
			"whether an ad can be offered. Nothing is changed.",
		scope: credit.ScopeAGI, status: http.StatusOK,
		codes: []wire.Code{wire.AccountNotFound, wire.AccountAmbiguous},
	}, a.getCredit)
	register(a, operation{
		id: "add-credit", method: http.MethodPost, path: creditPath,
		summary: "Add credit by hand",
		text: "Adds the amount exactly once for each Idempotency-Key: the same request again answers the same entry; " +
			"another request with the same key is refused.",
		scope: credit.ScopeCredit, status: http.StatusOK,
		answers: map[int]string{http.StatusAccepted: "Recorded, but `in_doubt`: a person must settle it"},
		codes:   []wire.Code{wire.AccountNotFound, wire.AccountAmbiguous, wire.KeyReused},
	}, a.addCredit)
}

func (a *API) getCredit(ctx context.Context, in *creditInput) (*creditOutput, error) {
	ref, err := a.ref(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	answer, err := a.service.Credit(ctx, ref, credit.Call{Node: recordOf(ctx).key.Node, Destination: in.Destination, CallerID: in.CallerID})
	return &creditOutput{answer}, err
}

func (a *API) addCredit(ctx context.Context, in *refillInput) (*refillOutput, error) {
	ref, err := a.ref(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	answer, err := a.service.Refill(ctx, recordOf(ctx).key.ID, in.Key, ref, in.Body)
	if err != nil {
		return nil, err
	}
	return &refillOutput{a.statusOf(ctx, answer.State), answer}, nil
}

// ref reads the account's name, and notes it for the log.
func (a *API) ref(ctx context.Context, account string) (credit.Ref, error) {
	recordOf(ctx).account = a.masked(account)
	return credit.ParseRef(account)
}

// statusOf is the status of an answer about a ledger entry in this state.
func (a *API) statusOf(ctx context.Context, state string) int {
	if state == string(credit.InDoubt) {
		recordOf(ctx).failed(wire.InDoubt, nil)
		return wire.InDoubt.Status()
	}
	return http.StatusOK
}
