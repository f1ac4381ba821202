package rest

import (
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"adcredit/creditapi/wire"
)

const securityName = "key"

var problemType = reflect.TypeFor[Problem]()

// moneySchema is wire.Money in the description: wire itself knows no huma.
type moneySchema struct{}

// Schema implements huma.SchemaProvider.
func (moneySchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: `^-?[0-9]{1,10}(\.[0-9]{1,5})?$`,
		PatternDescription: "an amount with at most 5 decimals", Examples: []any{"50.00000"},
	}
}

// description is the interface without its routes, which describe themselves.
// Nothing of huma's own (documents, schema links) is served.
func description(version string) huma.Config {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[wire.Money](), reflect.TypeFor[moneySchema]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "creditapi", Version: version,
				Description: "Credit for listening to an ad. Amounts are strings with five decimals in the base currency. " +
					"Errors are problem details (RFC 9457): `code` is for programs and stays what it is. " +
					"A key is sent as `Authorization: Bearer adc_…`.",
			},
			Components: &huma.Components{
				Schemas: schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{securityName: {
					Type: "http", Scheme: "bearer", Description: "A key that `creditapi key add` made, with the scope that the route asks for.",
				}},
			},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
	}
}

// documents registers the description for programs and for people, once all
// other routes are there. It is made once: it never changes.
func (a *API) documents() {
	var forPrograms, forPeople []byte
	serve := func(body *[]byte, policy string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if policy != "" {
				w.Header().Set("Content-Security-Policy", policy)
			}
			if _, err := w.Write(*body); err != nil {
				a.unwritten(r, err)
			}
		}
	}
	a.plain(operation{
		id: "openapi", method: http.MethodGet, path: "/openapi.json", status: http.StatusOK,
		summary: "This description, as OpenAPI 3.1",
	}, "application/json", serve(&forPrograms, ""))
	a.plain(operation{
		id: "docs", method: http.MethodGet, path: "/docs", status: http.StatusOK,
		summary: "This description, for people",
	}, "text/html; charset=utf-8", serve(&forPeople, docsPolicy))
	var err error
	if forPrograms, err = json.MarshalIndent(a.huma.OpenAPI(), "", "  "); err == nil {
		forPeople, err = docsPage(a.huma.OpenAPI())
	}
	if err != nil {
		panic(err) // a fault of ours that no input can cause; every test meets it
	}
}
