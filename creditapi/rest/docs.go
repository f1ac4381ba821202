package rest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

var (
	//go:embed docs.html
	docsHTML string
	//go:embed docs.css
	docsStyle string

	docsTemplate = template.Must(template.New("docs").Funcs(template.FuncMap{"prose": prose}).Parse(docsHTML))

	// docsPolicy lets the page have its own style and nothing else.
	docsPolicy = func() string {
		sum := sha256.Sum256([]byte(docsStyle))
		return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	}()
)

// What the page shows.
type (
	docsData struct {
		Title, Version, Text, OpenAPI string
		Style                         template.CSS
		Routes                        []docsRoute
		Schemas                       []docsSchema
	}
	docsRoute struct {
		ID, Method, Path, Summary, Text, Scope string
		Fields                                 []docsField
		Answers                                []docsAnswer
	}
	docsField struct {
		Name, In, Type, Schema, Text, Example string
		Required                              bool
	}
	docsAnswer struct {
		Status, Schema, Type string
		Lines                []string
	}
	docsSchema struct {
		Name   string
		Fields []docsField
	}
)

// docsPage renders the description for people: no script, no outside resource.
func docsPage(api *huma.OpenAPI) ([]byte, error) {
	data := docsData{
		Title: api.Info.Title, Version: api.Info.Version, Text: api.Info.Description, OpenAPI: api.OpenAPI,
		Style: template.CSS(docsStyle),
	}
	for path, item := range api.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				data.Routes = append(data.Routes, routeForPeople(api, path, op))
			}
		}
	}
	first := func(path string) int { // the interface comes before what watches over it
		if strings.HasPrefix(path, "/v1/") {
			return 0
		}
		return 1
	}
	slices.SortFunc(data.Routes, func(a, b docsRoute) int {
		return cmp.Or(first(a.Path)-first(b.Path), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	schemas := api.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		data.Schemas = append(data.Schemas, docsSchema{name, fieldsOf(schemas[name], "")})
	}
	var page bytes.Buffer
	err := docsTemplate.Execute(&page, data)
	return page.Bytes(), err
}

func routeForPeople(api *huma.OpenAPI, path string, op *huma.Operation) docsRoute {
	route := docsRoute{ID: op.OperationID, Method: op.Method, Path: path, Summary: op.Summary, Text: op.Description}
	for _, security := range op.Security {
		route.Scope = strings.Join(security[securityName], ", ")
	}
	for _, p := range op.Parameters {
		f := fieldForPeople(p.Name, p.Schema)
		f.In, f.Required, f.Text = p.In, p.Required, cmp.Or(p.Description, f.Text)
		route.Fields = append(route.Fields, f)
	}
	if op.RequestBody != nil {
		for _, media := range op.RequestBody.Content {
			body := media.Schema
			if body.Ref != "" {
				body = api.Components.Schemas.SchemaFromRef(body.Ref)
			}
			route.Fields = append(route.Fields, fieldsOf(body, "body")...)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		response := op.Responses[status]
		answer := docsAnswer{Status: status, Lines: strings.Split(response.Description, "\n")}
		for contentType, media := range response.Content {
			answer.Type = contentType
			if media.Schema != nil {
				answer.Schema = schemaName(media.Schema)
			}
		}
		route.Answers = append(route.Answers, answer)
	}
	return route
}

// fieldsOf lists the properties of a schema, the required ones first.
func fieldsOf(s *huma.Schema, in string) []docsField {
	var fields []docsField
	for name, property := range s.Properties {
		f := fieldForPeople(name, property)
		f.In, f.Required = in, slices.Contains(s.Required, name)
		fields = append(fields, f)
	}
	order := map[bool]int{true: 0, false: 1}
	slices.SortFunc(fields, func(a, b docsField) int {
		return cmp.Or(cmp.Compare(order[a.Required], order[b.Required]), cmp.Compare(a.Name, b.Name))
	})
	return fields
}

func fieldForPeople(name string, s *huma.Schema) docsField {
	f := docsField{Name: name, Type: s.Type, Schema: schemaName(s), Text: s.Description}
	switch {
	case s.Items != nil:
		f.Schema = schemaName(s.Items)
		f.Type = "list of " + cmp.Or(f.Schema, s.Items.Type)
	case f.Schema != "":
		f.Type = f.Schema
	case s.PatternDescription != "":
		f.Type += ", " + s.PatternDescription
	case s.Format != "":
		f.Type += ", " + s.Format
	}
	if len(s.Examples) > 0 {
		f.Example = fmt.Sprint(s.Examples[0])
	}
	return f
}

// schemaName is the name of a schema that is referred to, or "".
func schemaName(s *huma.Schema) string { return s.Ref[strings.LastIndex(s.Ref, "/")+1:] }

// prose writes a description with what stands in backquotes as code.
func prose(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}
