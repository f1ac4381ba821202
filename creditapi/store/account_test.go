package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

var accountParts = []part{
	{"account/by each name", testAccountNames},
	{"account/byte by byte", testAccountExactly},
	{"account/ambiguous", testAccountAmbiguous},
	{"account/many at once", testAccountsAtOnce},
	{"account/as A2Billing has it", testAccountFields},
	{"account/expired", testAccountExpired},
	{"account/currency", testAccountCurrency},
	{"account/list", testAccountList},
	{"account/add", testAccountAdd},
	{"account/age", testAccountAge},
	{"account/no time", testAccountNoTime},
	{"settings", testSettings},
}

func ref(t *testing.T, name string) credit.Ref {
	t.Helper()
	r, err := credit.ParseRef(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func testAccountNames(t *testing.T, w *world) {
	for _, name := range []string{"card:9700203963", "alias:1001", "cid:221770001001", "9700203963", "1001", "221770001001"} {
		a, err := w.Account(t.Context(), ref(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		wantEqual(t, name+": id", a.ID, account)
		wantEqual(t, name+": card", a.Card, "9700203963")
		wantEqual(t, name+": alias", a.Alias, "1001")
		wantEqual(t, name+": credit", a.Credit.String(), "1812.08333")
		wantEqual(t, name+": now", a.Now, w.Now())
	}
	for _, name := range []string{"card:1001", "alias:9700203963", "cid:1001", "alias:100", "nobody"} {
		_, err := w.Account(t.Context(), ref(t, name))
		wantCode(t, err, wire.AccountNotFound)
	}
	w.do(t, `UPDATE cc_callerid SET activated = 'f' WHERE cid = '221770001001'`)
	_, err := w.Account(t.Context(), ref(t, "cid:221770001001"))
	wantCode(t, err, wire.AccountNotFound)
	w.do(t, `UPDATE cc_callerid SET activated = '1' WHERE cid = '221770001001'`)
	if _, err := w.Account(t.Context(), ref(t, "cid:221770001001")); err != nil {
		t.Error(err)
	}
}

func testAccountExactly(t *testing.T, w *world) {
	w.do(t, `UPDATE cc_card SET useralias = 'Awa' WHERE id = 1`)
	w.do(t, `UPDATE cc_card SET useralias = 'Moussa ' WHERE id = 3`)
	for _, name := range []string{"alias:awa", "AWA", "alias:Moussa"} {
		_, err := w.Account(t.Context(), ref(t, name))
		wantCode(t, err, wire.AccountNotFound)
	}
	if _, err := w.Account(t.Context(), ref(t, "alias:Awa")); err != nil {
		t.Error(err)
	}
}

func testAccountAmbiguous(t *testing.T, w *world) {
	w.do(t, `UPDATE cc_card SET useralias = '9700203963' WHERE id = 1`)
	_, err := w.Account(t.Context(), ref(t, "9700203963"))
	wantCode(t, err, wire.AccountAmbiguous)
	a, err := w.Account(t.Context(), ref(t, "card:9700203963"))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "id", a.ID, account)
	// The same account by two of its names is no ambiguity.
	w.do(t, `UPDATE cc_card SET useralias = '3377949903' WHERE id = 3`)
	a, err = w.Account(t.Context(), ref(t, "3377949903"))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "id", a.ID, 3)
}

// Those who ask at the same moment share a statement, not an answer.
func testAccountsAtOnce(t *testing.T, w *world) {
	w.do(t, `UPDATE cc_card SET useralias = '9700203963' WHERE id = 1`)
	for name, want := range map[string]string{"card:8987344413": "1", "card:9700203963": "2", "card:3377949903": "3", "card:1001": "account_not_found",
		"alias:9700203963": "1", "alias:1001": "2", "cid:221770001002": "3", "cid:1": "account_not_found", "9700203963": "account_ambiguous", "1002": "3"} {
		atOnce(5, func(int) {
			r, err := credit.ParseRef(name)
			if err != nil {
				t.Error(err)
			}
			a, err := w.Account(t.Context(), r)
			got := fmt.Sprint(a.ID)
			var code wire.Code
			if errors.As(err, &code) {
				got = string(code)
			}
			wantEqual(t, name, got, want)
		})
	}
	answers, err := w.readAccounts(t.Context(), sized(accountsBy[credit.ByAny]), []string{"nobody", "1001", "9700203963", "1001", "1000"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1, 2, 1, 0} {
		wantEqual(t, fmt.Sprint("accounts of name ", i), answers[i].accounts, want)
	}
}

func testAccountFields(t *testing.T, w *world) {
	a, err := w.Account(t.Context(), ref(t, "1001"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Postpaid || a.Expired || a.SimultaneousAccess || a.InUse != 0 || a.Limit != 0 || a.Status != credit.Active {
		t.Errorf("a fresh account, all its dates zero, is read as %+v", a)
	}
	w.do(t, `UPDATE cc_card SET typepaid = 1, creditlimit = {money}, credit = {money}, status = 6, inuse = 2, simultaccess = 1, language = 'fr' WHERE id = 2`,
		wire.Units(100), wire.Money(-12_34567))
	a, err = w.Account(t.Context(), ref(t, "1001"))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "credit", a.Credit.String(), "-12.34567")
	wantEqual(t, "limit", a.Limit.String(), "100.00000")
	wantEqual(t, "postpaid", a.Postpaid, true)
	wantEqual(t, "status", a.Status, credit.SuspendedUnderpayment)
	wantEqual(t, "in use", a.InUse, 2)
	wantEqual(t, "simultaneous", a.SimultaneousAccess, true)
	wantEqual(t, "language", a.Language, "fr")
	w.do(t, `UPDATE cc_card SET typepaid = NULL, creditlimit = NULL, inuse = NULL, simultaccess = NULL, language = NULL,
		currency = NULL, enableexpire = NULL, expiredays = NULL WHERE id = 2`)
	if _, err = w.Account(t.Context(), ref(t, "1001")); err != nil {
		t.Errorf("with NULL wherever A2Billing allows it: %v", err)
	}
}

func testAccountExpired(t *testing.T, w *world) {
	now := w.Now()
	for i, c := range []struct {
		mode, days int
		column     string
		at         time.Time
		expired    bool
	}{
		{1, 0, "expirationdate", now.Add(-time.Second), true},
		{1, 0, "expirationdate", now, false},
		{1, 0, "expirationdate", now.Add(time.Second), false},
		{0, 0, "expirationdate", now.Add(-time.Second), false},
		{2, 3, "firstusedate", now.Add(-72*time.Hour - time.Second), true},
		{2, 3, "firstusedate", now.Add(-72 * time.Hour), false},
		{2, 0, "firstusedate", now.Add(-72 * time.Hour), false},
		{3, 3, "creationdate", now.Add(-72*time.Hour - time.Second), true},
		{3, 4, "creationdate", now.Add(-72*time.Hour - time.Second), false},
		{2, 3, "creationdate", now.Add(-72*time.Hour - time.Second), false}, // never used
	} {
		w.do(t, `INSERT INTO cc_card (id, username, useralias) VALUES (?, ?, ?)`, 4+i, fmt.Sprint(9000+i), fmt.Sprint(2000+i))
		w.do(t, `UPDATE cc_card SET enableexpire = ?, expiredays = ?, `+c.column+` = ? WHERE id = ?`, c.mode, c.days, c.at, 4+i)
		a, err := w.Account(t.Context(), ref(t, fmt.Sprint("alias:", 2000+i)))
		if err != nil {
			t.Fatal(err)
		}
		if a.Expired != c.expired {
			t.Errorf("mode %d, %d days, %s %s: expired is %v", c.mode, c.days, c.column, c.at, a.Expired)
		}
	}
}

func testAccountCurrency(t *testing.T, w *world) {
	w.advance(fresh) // prices are remembered so long
	for currency, price := range map[string]string{"EUR": "1.19175", "eur": "1.19175", "XOF": "0.00182", "ZZZ": "0.00000"} {
		w.do(t, `UPDATE cc_card SET currency = ?, inuse = inuse + 1 WHERE id = 2`, currency)
		a, err := w.Account(t.Context(), ref(t, "1001"))
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, currency, a.Price.String(), price)
	}
}

func testAccountList(t *testing.T, w *world) {
	all, err := w.Accounts(t.Context(), 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	next, err := w.Accounts(t.Context(), all[1].ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, next...)
	wantEqual(t, "accounts", len(all), 3)
	for i, a := range all {
		wantEqual(t, "id", a.ID, credit.ID(i+1))
	}
}

func testAccountAdd(t *testing.T, w *world) {
	added, err := w.AddAccount(t.Context(), credit.NewAccount{Card: "5550001111", Alias: "1003",
		CallerIDs: []string{"+221770001003", "770001003"}, Credit: 7_00001, Language: "fr"})
	if !w.embedded {
		wantCode(t, err, wire.Forbidden)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "credit", added.Credit.String(), "7.00001")
	wantEqual(t, "currency", added.Currency, "USD")
	a, err := w.Account(t.Context(), ref(t, "cid:+221770001003"))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "id", a.ID, added.ID)
	_, err = w.AddAccount(t.Context(), credit.NewAccount{Card: "5550001112", Alias: "1004", CallerIDs: []string{"770001003"}})
	wantCode(t, err, wire.KeyReused)
	_, err = w.Account(t.Context(), ref(t, "card:5550001112"))
	wantCode(t, err, wire.AccountNotFound)
}

// A database that does not answer in time is unavailable, not wrong.
func testAccountNoTime(t *testing.T, w *world) {
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	_, err := w.Account(ctx, ref(t, "1001"))
	wantCode(t, err, wire.Unavailable)
	_, err = w.Start(ctx, newCall(account, "k"))
	wantCode(t, err, wire.Unavailable)
}

func testSettings(t *testing.T, w *world) {
	check := func(currency, minimum string) {
		t.Helper()
		s, err := w.Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "base currency", s.BaseCurrency, currency)
		wantEqual(t, "minimum", s.MinCreditCall.String(), minimum)
	}
	check("USD", "0.00000")
	w.do(t, `UPDATE cc_config SET config_value = 'xof' WHERE config_key = 'base_currency' AND config_group_title = 'global'`)
	w.do(t, `UPDATE cc_config SET config_value = '0.25' WHERE config_key = 'min_credit_2call' AND config_group_title = 'agi-conf1'`)
	w.do(t, `INSERT INTO cc_config (id, config_key, config_value, config_group_title) VALUES
		(9001, 'base_currency', 'eur', 'agi-conf2'), (9002, 'min_credit_2call', '99', 'agi-conf2')`)
	w.advance(59 * time.Second)
	check("USD", "0.00000") // remembered
	w.advance(time.Second)
	check("XOF", "0.25000")
	w.do(t, `UPDATE cc_config SET config_value = 'plenty' WHERE config_key = 'min_credit_2call' AND config_group_title = 'agi-conf1'`)
	w.advance(time.Minute)
	check("XOF", "0.00000")
}

// The embedded database's accounts are made by hand, and have no age.
func testAccountAge(t *testing.T, w *world) {
	created := func() time.Time {
		t.Helper()
		a, err := w.Account(t.Context(), ref(t, "alias:1001"))
		if err != nil {
			t.Fatal(err)
		}
		return a.Created
	}
	if w.embedded {
		w.do(t, `UPDATE cc_card SET creationdate = {now}`)
		wantEqual(t, "created", created(), time.Time{})
		return
	}
	at := w.Now().Add(-time.Hour)
	w.do(t, `UPDATE cc_card SET creationdate = FROM_UNIXTIME(?)`, at.Unix())
	wantEqual(t, "created", created(), at)
	w.do(t, `UPDATE cc_card SET creationdate = '0000-00-00 00:00:00'`)
	wantEqual(t, "created at no date", created(), time.Time{})
}
