package rest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"adcredit/creditapi/wire"
)

// operation is one route as it is registered and described.
type operation struct {
	id      string
	method  string
	path    string
	summary string
	text    string
	scope   string // of the key; "": none needed
	status  int    // of success
	answers map[int]string
	codes   []wire.Code // that this route answers beside those of every route
}

// describe makes huma's operation, with the codes of its problems under the
// status that carries them.
func (o operation) describe(registry huma.Registry) huma.Operation {
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, Description: o.text,
		DefaultStatus: o.status, MaxBodyBytes: maxBody + 1, Responses: map[string]*huma.Response{},
	}
	for status, text := range o.answers {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: text}
	}
	codes := append([]wire.Code{wire.Misdirected, wire.Internal}, o.codes...)
	if o.scope != "" {
		op.Security = []map[string][]string{{securityName: {o.scope}}}
		codes = append(codes, wire.InvalidRequest, wire.Unauthorized, wire.Forbidden, wire.Unavailable)
	}
	if o.method == http.MethodPost {
		codes = append(codes, wire.TooLarge, wire.UnsupportedMedia)
	}
	slices.Sort(codes)
	for _, code := range slices.Compact(codes) {
		line := "`" + string(code) + "`: " + meanings[code]
		status := strconv.Itoa(code.Status())
		if r, again := op.Responses[status]; again {
			r.Description += "\n" + line
		} else {
			op.Responses[status] = &huma.Response{Description: line, Content: map[string]*huma.MediaType{
				wire.ProblemType: {Schema: registry.Schema(problemType, true, "Problem")},
			}}
		}
	}
	return op
}

// register adds a route whose requests and answers huma reads and writes. What
// the handler returns as an error is answered as its problem.
func register[I, O any](a *API, o operation, handler func(context.Context, *I) (*O, error)) {
	op := o.describe(a.huma.OpenAPI().Components.Schemas)
	op.BodyReadTimeout = a.options.Body // huma's own default is 5 s, in place of the server's
	op.Middlewares = huma.Middlewares{a.admits(o.scope)}
	huma.Register(a.huma, op, func(ctx context.Context, input *I) (*O, error) {
		if o.method != http.MethodGet {
			// What changes money is finished even when the client is gone: it
			// will ask again, and must not find the same work cut short each time.
			ctx = context.WithoutCancel(ctx)
		}
		output, err := within(ctx, input, handler)
		if err != nil {
			p := problemOf(err)
			recordOf(ctx).failed(p.Code, err)
			return nil, p
		}
		return output, nil
	})
	for status := range o.answers { // huma describes the body of one status
		op.Responses[strconv.Itoa(status)].Content = op.Responses[strconv.Itoa(o.status)].Content
	}
}

// within runs a handler with the deadline of a request.
func within[I, O any](ctx context.Context, input *I, handler func(context.Context, *I) (*O, error)) (*O, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	return handler(ctx, input)
}

// plain adds a route that writes its own answer, and describes it.
func (a *API) plain(o operation, contentType string, handler http.HandlerFunc) {
	op := o.describe(a.huma.OpenAPI().Components.Schemas)
	op.Responses[strconv.Itoa(o.status)] = &huma.Response{
		Description: http.StatusText(o.status), Content: map[string]*huma.MediaType{contentType: {}},
	}
	a.huma.OpenAPI().AddOperation(&op)
	a.mux.HandleFunc(o.method+" "+o.path, func(w http.ResponseWriter, r *http.Request) {
		if o.scope != "" {
			if err := a.authorize(w, r, o.scope); err != nil {
				a.fail(w, r, err)
				return
			}
		}
		w.Header().Set("Content-Type", contentType)
		handler(w, r)
	})
}

// clean reports whether a text from outside is one word of printable ASCII. It
// keeps control characters out of logs and tables, the separator of the domain's
// digests out of their parts, and a space (which a + in a query stands for) out
// of numbers that are compared by their beginning.
func clean(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// printable reports whether a text for people is one line without control
// characters, in any script.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) || r == '\uFFFD' })
}
