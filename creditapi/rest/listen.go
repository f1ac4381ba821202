package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

type startInput struct {
	Idempotent
	Body wire.StartListen
}

// Resolve implements huma.Resolver.
func (i *startInput) Resolve(huma.Context) []error {
	return unclean(field{"body.account", i.Body.Account}, field{"body.call_id", i.Body.CallID},
		field{"body.destination", i.Body.Destination}, field{"body.language", i.Body.Language})
}

type startOutput struct{ Body wire.Listen }

// ListenPath names a listen in a path.
type ListenPath struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9_-]{1,64}$" doc:"The listen's id, as its start answered it"`
}

type completeInput struct {
	ListenPath
	Body wire.Heard
}

type completeOutput struct {
	Status int
	Body   wire.Grant
}

type abandonInput struct {
	ListenPath
	Body wire.Abandon
}

// Resolve implements huma.Resolver.
func (i *abandonInput) Resolve(huma.Context) []error {
	return unclean(field{"body.cause", i.Body.Cause})
}

type abandonOutput struct{ Body wire.Abandoned }

type soundsOutput struct{ Body wire.Sounds }

// listens registers what a call does with an ad.
func (a *API) listens() {
	register(a, operation{
		id: "start-listen", method: http.MethodPost, path: "/v1/listens",
		summary: "Start a listen",
		text: "Chooses an ad and holds its reward. The same Idempotency-Key with the same body answers the same listen; " +
			"with another body it is refused. Where the answer has `attention`, the ad has to be interrupted at that moment " +
			"and the caller asked for the digit; what was pressed belongs into the completion.",
		scope: credit.ScopeAGI, status: http.StatusCreated,
		codes: []wire.Code{wire.AccountNotFound, wire.AccountAmbiguous, wire.KeyReused, wire.AccountStatus,
			wire.AccountExpired, wire.AccountInUse, wire.NoAd, wire.Capped, wire.Playing,
			wire.TooSoon, wire.NeverOffer, wire.NotNeeded, wire.NewAccount, wire.NeverPaid, wire.NodeLimit},
	}, a.startListen)
	register(a, operation{
		id: "complete-listen", method: http.MethodPost, path: "/v1/listens/{id}/complete",
		summary: "The ad was heard to its end",
		text: "Grants the reward, exactly once: the same listen completed again answers the same grant with the balance of now. " +
			"What is sent must agree with the server's own clock.",
		scope: credit.ScopeAGI, status: http.StatusOK,
		answers: map[int]string{http.StatusAccepted: "Recorded, but `in_doubt`: a person must settle it"},
		codes:   []wire.Code{wire.ListenNotFound, wire.ListenExpired, wire.ListenAbandoned, wire.TooEarly, wire.NotHeard, wire.Inattentive, wire.LateCapped},
	}, a.completeListen)
	register(a, operation{
		id: "abandon-listen", method: http.MethodPost, path: "/v1/listens/{id}/abandon",
		summary: "The ad was not heard to its end",
		text:    "Closes the listen and gives its reward back to the campaign. Again is harmless.",
		scope:   credit.ScopeAGI, status: http.StatusOK,
		codes: []wire.Code{wire.ListenNotFound, wire.ListenExpired, wire.ListenCompleted},
	}, a.abandonListen)
	register(a, operation{
		id: "list-sounds", method: http.MethodGet, path: "/v1/sounds",
		summary: "The ads that a node needs as files",
		text:    "Lists the ads of all campaigns that are not archived: `adcredit -check` compares them with the files on its host.",
		scope:   credit.ScopeAGI, status: http.StatusOK,
	}, a.listSounds)
}

func (a *API) startListen(ctx context.Context, in *startInput) (*startOutput, error) {
	rec := recordOf(ctx)
	rec.account, rec.call, rec.icid = a.masked(in.Body.Account), in.Body.CallID, in.Body.ICID
	listen, err := a.service.Start(ctx, rec.key.Node, in.Key, in.Body)
	if err != nil {
		return nil, err
	}
	rec.listen = listen.ID
	a.metrics.listen(credit.Started, listen.ID)
	return &startOutput{listen}, nil
}

func (a *API) completeListen(ctx context.Context, in *completeInput) (*completeOutput, error) {
	rec := recordOf(ctx)
	rec.listen = in.ID
	grant, err := a.service.Complete(ctx, rec.key.Node, in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	status := a.statusOf(ctx, grant.State)
	a.metrics.grant(grant)
	return &completeOutput{status, grant}, nil
}

func (a *API) abandonListen(ctx context.Context, in *abandonInput) (*abandonOutput, error) {
	rec := recordOf(ctx)
	rec.listen = in.ID
	abandoned, err := a.service.Abandon(ctx, rec.key.Node, in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	a.metrics.listen(credit.Abandoned, in.ID)
	return &abandonOutput{abandoned}, nil
}

func (a *API) listSounds(ctx context.Context, _ *struct{}) (*soundsOutput, error) {
	sounds, err := a.service.Sounds(ctx)
	if err != nil {
		return nil, err
	}
	return &soundsOutput{wire.Sounds{Node: recordOf(ctx).key.Node, Sounds: sounds}}, nil
}
