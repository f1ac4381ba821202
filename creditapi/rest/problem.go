package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"adcredit/creditapi/wire"
)

// Problem is the body of every error answer, with the headers that belong to it.
type Problem struct {
	wire.Problem
	headers http.Header
}

// problemOf makes the answer to an error; whatever is not a *wire.Error is
// Internal, and its cause stays inside.
func problemOf(err error) *Problem {
	var known *wire.Error
	switch {
	case errors.As(err, &known):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		known = &wire.Error{Code: wire.Unavailable, Detail: "This took too long; try again."}
	default:
		known = &wire.Error{Code: wire.Internal, Detail: "Something went wrong here; the log knows more under this request's id."}
	}
	p := &Problem{Problem: known.Problem(), headers: http.Header{}}
	switch known.Code {
	case wire.TooEarly:
		p.headers.Set("Retry-After", strconv.FormatInt((known.RetryAfterMS+999)/1000, 10))
	case wire.Unavailable:
		p.headers.Set("Retry-After", "1")
	case wire.Unauthorized:
		p.headers.Set("WWW-Authenticate", `Bearer realm="creditapi"`)
	}
	return p
}

func (p *Problem) Error() string { return string(p.Code) }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return wire.ProblemType }

// fail answers with the error's problem.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	recordOf(r.Context()).failed(p.Code, err)
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", wire.ProblemType)
	w.WriteHeader(p.Status)
	body, err := json.Marshal(p.Problem)
	if err == nil {
		_, err = w.Write(append(body, '\n'))
	}
	if err != nil {
		a.unwritten(r, err)
	}
}

// unwritten notes that the client has gone.
func (a *API) unwritten(r *http.Request, err error) {
	a.log.DebugContext(r.Context(), "an answer could not be written", "error", err)
}

// huma makes its errors by package variables, so they are set once and for all
// handlers alike. They are called only before one of our handlers runs: what is
// wrong then is the request.
func init() {
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true // encoding/json takes Amount for amount; we don't
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return problemOf(rejected(status, errs))
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
		err := rejected(status, errs)
		recordOf(ctx.Context()).failed(err.Code, nil)
		return problemOf(err)
	}
}

// rejected says what is wrong with a request. Of what was sent it names the
// documented fields alone.
func rejected(status int, errs []error) *wire.Error {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return &wire.Error{Code: wire.TooLarge, Detail: fmt.Sprintf("The body has more than %d bytes.", maxBody)}
	case http.StatusUnsupportedMediaType:
		return &wire.Error{Code: wire.UnsupportedMedia, Detail: "The body must be application/json."}
	}
	var fields []string
	for _, err := range errs {
		if field := fieldOf(err); field != "" && !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
	}
	detail := "The request is not as documented; see /docs."
	if len(fields) > 0 {
		detail = "Missing or not as documented: " + strings.Join(fields, ", ") + "; see /docs."
	}
	return &wire.Error{Code: wire.InvalidRequest, Detail: detail}
}

// fieldOf names what a validation error is about, like body.amount or
// header.Idempotency-Key. The name of a property that is not documented was
// chosen by the client, so it is not repeated.
func fieldOf(err error) string {
	detailer, ok := err.(huma.ErrorDetailer)
	if !ok {
		return ""
	}
	d := detailer.ErrorDetail()
	var missing string
	if n, _ := fmt.Sscanf(d.Message, validation.MsgExpectedRequiredProperty, &missing); n == 1 {
		return d.Location + "." + missing
	}
	if d.Message == validation.MsgUnexpectedProperty {
		return "an unknown property of the body"
	}
	return d.Location
}
