package rest

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/queryparam"

	"adcredit/creditapi/credit"
)

const (
	creditPrefix, creditSuffix = "/v1/accounts/", "/credit"
	creditPath                 = creditPrefix + "{account}" + creditSuffix
)

// A check is a GET of an account's credit as programs send it.
type check struct {
	creditInput
	contentType string // of the answer
}

// check answers nearly all requests that there are, without the router and huma,
// which take longer than the rest of it. What is in any way unusual it leaves to
// them and answers false: they decide what is refused, and how.
func (a *API) check(w http.ResponseWriter, r *http.Request) bool {
	c, usual := a.readCheck(r)
	if !usual {
		return false
	}
	r.Pattern = http.MethodGet + " " + creditPath
	err := a.authorize(w, r, credit.ScopeAGI)
	var answer *creditOutput
	if err == nil {
		answer, err = within(r.Context(), &c.creditInput, a.getCredit)
	}
	if err != nil {
		a.fail(w, r, err)
		return true
	}
	w.Header()["Content-Type"] = []string{c.contentType}
	if err := huma.DefaultJSONFormat.Marshal(w, answer.Body); err != nil {
		a.unwritten(r, err)
	}
	return true
}

var callerID = regexp.MustCompile(`^[+]?[0-9]{1,39}$`) // as creditInput has it

func (a *API) readCheck(r *http.Request) (c check, usual bool) {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	name, begins := strings.CutPrefix(path, creditPrefix)
	name, ends := strings.CutSuffix(name, creditSuffix)
	if r.Method != http.MethodGet || !begins || !ends {
		return c, false
	}
	var err error
	if r.URL.RawPath != "" {
		if name, err = url.PathUnescape(name); err != nil {
			return c, false
		}
	}
	c.Account = name
	c.Destination = queryparam.Get(r.URL.RawQuery, "destination")
	c.CallerID = queryparam.Get(r.URL.RawQuery, "caller_id")
	if name == "" || len(name) > 60 || name[0] == '.' || strings.Contains(name, "/") ||
		len(c.Destination) > 40 || !clean(c.Destination) || c.CallerID != "" && !callerID.MatchString(c.CallerID) {
		return c, false
	}
	c.contentType, err = a.huma.Negotiate(r.Header.Get("Accept"))
	return c, err == nil
}
