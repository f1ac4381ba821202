package rest

import (
	"net/http"
	"testing"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

func TestGetCredit(t *testing.T) {
	w := newWorld(t)
	for _, account := range []string{"alias:1001", "card:9700203963", "cid:%2B221771234567", "1001"} {
		var c wire.Credit
		w.want(http.StatusOK, get("ast1", "/v1/accounts/"+account+"/credit?destination=%2B221338240000"), &c)
		if c.Account != "9700203963" || c.Sufficient || !c.Offer.Available || c.Offer.Reward != wire.Units(50) || c.Offer.DurationMS != 10000 {
			t.Errorf("%s: %+v", account, c)
		}
	}
	var c wire.Credit
	w.want(http.StatusOK, get("ast1", "/v1/accounts/alias:1000/credit"), &c)
	if !c.Sufficient || c.Offer.Available || c.Offer.Reason != wire.NotNeeded || c.Credit != wire.Units(2000) {
		t.Errorf("account with credit: %+v", c)
	}
	w.want(http.StatusOK, get("ast1", "/v1/accounts/alias:1001/credit?destination=8812345"), &c)
	if c.Offer.Available || c.Offer.Reason != wire.NeverOffer {
		t.Errorf("premium number: %+v", c)
	}
}

func TestGetCreditRefusals(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct {
		name, path string
		code       wire.Code
	}{
		{"nobody", "/v1/accounts/alias:4711/credit", wire.AccountNotFound},
		{"a name of two accounts", "/v1/accounts/77/credit", wire.AccountAmbiguous},
		{"an unknown kind", "/v1/accounts/id:1/credit", wire.InvalidRequest},
		{"a forged name", "/v1/accounts/cid:10%250a00/credit", wire.InvalidRequest},
		{"a line break", "/v1/accounts/cid:10%0a00/credit", wire.InvalidRequest},
		{"a name that is too long", "/v1/accounts/cid:12345678901234567890123456789012345678901234567890123456789/credit", wire.InvalidRequest},
		{"no name", "/v1/accounts//credit", wire.NotFound},
		{"a destination with a space, which + is in a query", "/v1/accounts/1001/credit?destination=+221", wire.InvalidRequest},
		{"a destination with a line break", "/v1/accounts/1001/credit?destination=1%0a2", wire.InvalidRequest},
		{"a long destination", "/v1/accounts/1001/credit?destination=12345678901234567890123456789012345678901", wire.InvalidRequest},
		{"a path that climbs", "/v1/../v1/accounts/1001/credit", wire.NotFound},
	} {
		w.run(row.name, func() { w.problem(row.code, get("ast1", row.path)) })
	}
}

func refill(key, idempotency, body string) request {
	r := post(key, "/v1/accounts/alias:1001/credit", body)
	if idempotency != "" {
		r = r.with("Idempotency-Key", idempotency)
	}
	return r
}

func TestAddCredit(t *testing.T) {
	w := newWorld(t)
	var first, again wire.Refilled
	w.want(http.StatusOK, refill("credit", key1, `{"amount":"12.5","reason":"paid at the till: 12,50 €"}`), &first)
	w.want(http.StatusOK, refill("credit", key1, `{"amount":"12.5","reason":"paid at the till: 12,50 €"}`), &again)
	if first != again || first.Credit.String() != "12.50000" || first.State != string(credit.Logged) {
		t.Errorf("first %+v, again %+v", first, again)
	}
	w.problem(wire.KeyReused, refill("credit", key1, `{"amount":"13","reason":"paid at the till: 12,50 €"}`))
	if entries := w.store.Ledger(); len(entries) != 1 {
		t.Errorf("ledger: %+v", entries)
	}
	w.store.Doubt("the database server restarted")
	var doubtful wire.Refilled
	w.want(http.StatusAccepted, refill("credit", key2, `{"amount":"1","reason":"paid"}`), &doubtful)
	if doubtful.State != string(credit.InDoubt) {
		t.Errorf("in doubt: %+v", doubtful)
	}
}

func TestAddCreditRefusals(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct{ name, idempotency, body string }{
		{"no key", "", `{"amount":"1","reason":"paid"}`},
		{"a short key", "short", `{"amount":"1","reason":"paid"}`},
		{"a key with a space", "idem 0000000000000001", `{"amount":"1","reason":"paid"}`},
		{"a key that is too long", "x123456789012345678901234567890123456789012345678901234567890123456789", `{"amount":"1","reason":"paid"}`},
		{"nothing", key1, ``},
		{"no JSON", key1, `amount=1`},
		{"a list", key1, `[]`},
		{"half of it", key1, `{"amount":"1"`},
		{"two values", key1, `{"amount":"1","reason":"paid"}{"amount":"1","reason":"paid"}`},
		{"no amount", key1, `{"reason":"paid"}`},
		{"a number", key1, `{"amount":1,"reason":"paid"}`},
		{"a float", key1, `{"amount":"1e3","reason":"paid"}`},
		{"too fine", key1, `{"amount":"1.000001","reason":"paid"}`},
		{"too much", key1, `{"amount":"10000000000","reason":"paid"}`},
		{"null", key1, `{"amount":null,"reason":"paid"}`},
		{"less than nothing", key1, `{"amount":"-1","reason":"paid"}`},
		{"nothing at all", key1, `{"amount":"0","reason":"paid"}`},
		{"no reason", key1, `{"amount":"1","reason":""}`},
		{"a reason of two lines", key1, `{"amount":"1","reason":"paid\nCREDIT"}`},
		{"a reason with a NUL", key1, `{"amount":"1","reason":"paid\u0000"}`},
		{"something unknown", key1, `{"amount":"1","reason":"paid","account":"1000"}`},
		{"another case", key1, `{"Amount":"1","reason":"paid"}`},
	} {
		w.run(row.name, func() { w.problem(wire.InvalidRequest, refill("credit", row.idempotency, row.body)) })
	}
	if entries := w.store.Ledger(); len(entries) != 0 {
		t.Errorf("ledger: %+v", entries)
	}
	w.problem(wire.AccountNotFound, post("credit", "/v1/accounts/alias:4711/credit", `{"amount":"1","reason":"paid"}`).with("Idempotency-Key", key1))
	w.problem(wire.Forbidden, refill("ast1", key1, `{"amount":"1","reason":"paid"}`))
	w.problem(wire.Unauthorized, refill("", key1, `{"amount":"1","reason":"paid"}`))
}
