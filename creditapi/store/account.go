package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// Finders find accounts by names of one kind. The name that was found comes with
// them: it is compared once more in Go, byte by byte, since a database may have
// been given a collation that takes other names for the same. {names} stands for
// as many parameters as there are names.
const (
	byCard  = `SELECT id, username AS name FROM cc_card WHERE username IN ({names})`
	byAlias = `SELECT id, useralias AS name FROM cc_card WHERE useralias IN ({names})`
	byCID   = `SELECT id_cc_card AS id, cid AS name FROM cc_callerid WHERE cid IN ({names}) AND activated IN ('t', '1')`
)

// accountsBy reads accounts by each kind of name. What most calls ask for is in
// the card itself, and read without a finder.
var accountsBy = map[string]string{
	credit.ByID:    `SELECT c.id` + accountRest + ` WHERE c.id IN ({names})`,
	credit.ByCard:  `SELECT c.username` + accountRest + ` WHERE c.username IN ({names})`,
	credit.ByAlias: `SELECT c.useralias` + accountRest + ` WHERE c.useralias IN ({names})`,
	credit.ByCID:   fmt.Sprintf(accountOf, byCID),
	credit.ByAny:   fmt.Sprintf(accountOf, byCard+` UNION `+byAlias+` UNION `+byCID),
}

// accountOf reads the accounts that a finder found.
const accountOf = `SELECT f.name` + accountRest + ` JOIN (%s) f ON f.id = c.id`

// accountRest is all that is asked of an account, beside the name that found it.
const accountRest = `, c.id, c.username, c.useralias, c.credit, COALESCE(c.typepaid, 0), COALESCE(c.creditlimit, 0),
		c.status, COALESCE(c.inuse, 0), COALESCE(c.simultaccess, 0), COALESCE(c.language, ''),
		COALESCE(c.currency, ''), COALESCE(c.enableexpire, 0), COALESCE(c.expiredays, 0),
		{unix c.expirationdate}, {unix c.firstusedate}, {unix c.creationdate}, {now}
	FROM cc_card c`

// scanAccount reads one row of an account.
func (s *Store) scanAccount(scan func(...any) error) (name string, a credit.Account, err error) {
	var typepaid, simultaneous int
	var x expiry
	err = scan(&name, &a.ID, &a.Card, &a.Alias, s.dialect.money(&a.Credit), &typepaid, s.dialect.money(&a.Limit),
		&a.Status, &a.InUse, &simultaneous, &a.Language, &a.Currency,
		&x.mode, &x.days, &x.at, &x.firstUse, &x.creation, instant(&a.Now))
	a.Postpaid, a.SimultaneousAccess = typepaid == 1, simultaneous == 1
	a.Expired = x.over(a.Now.Unix())
	if x.creation > 0 && !s.embedded { // there the operator makes each account by hand
		a.Created = time.Unix(x.creation, 0).UTC()
	}
	return name, a, err
}

// expiry is A2Billing's rule of a card's end; instants are Unix seconds, 0 for
// none.
type expiry struct {
	mode, days             int
	at, firstUse, creation int64
}

// over follows A2Billing's gate (common/lib/Class.A2Billing.php): a date that
// is not set, or no days, never end a card.
func (x expiry) over(now int64) bool {
	const day = 24 * 60 * 60
	end := int64(0)
	switch {
	case x.mode == 1:
		end = x.at
	case x.mode == 2 && x.firstUse > 0 && x.days > 0:
		end = x.firstUse + int64(x.days)*day
	case x.mode == 3 && x.creation > 0 && x.days > 0:
		end = x.creation + int64(x.days)*day
	}
	return end > 0 && end < now
}

// Account finds one account, in one statement, which those who ask at the same
// moment share.
func (s *Store) Account(ctx context.Context, ref credit.Ref) (credit.Account, error) {
	a, err := s.account(ctx, ref)
	return a, s.fail("read an account", err)
}

func (s *Store) account(ctx context.Context, ref credit.Ref) (a credit.Account, err error) {
	asked, known := s.asked[ref.Kind]
	if !known {
		return a, fmt.Errorf("no account is named by %q", ref.Kind)
	}
	a2b, err := s.a2billing(ctx)
	if err != nil {
		return a, err
	}
	found, err := asked.get(ctx, ref.Name)
	switch {
	case err != nil:
		return a, err
	case found.err != nil:
		return a, found.err
	case found.accounts == 0:
		return a, refuse(wire.AccountNotFound, "There is no such account.")
	case found.accounts > 1:
		return a, refuse(wire.AccountAmbiguous, "Several accounts have this name. Write card:…, alias:… or cid:….")
	}
	found.account.Price = a2b.price(found.account.Currency)
	return found.account, nil
}

// found is what was read for a name.
type found struct {
	accounts int
	account  credit.Account
	err      error
}

func (f *found) add(a credit.Account, err error) {
	switch {
	case err != nil:
		f.err = err
	case f.accounts == 0 || a.ID != f.account.ID: // one may have several names alike
		f.account = a
		f.accounts++
	}
}

// gathers makes a gather for each kind of name.
func (s *Store) gathers() map[string]*gather[found] {
	all := map[string]*gather[found]{}
	for kind, template := range accountsBy {
		statements := sized(template)
		all[kind] = &gather[found]{most: s.connections(), ask: func(ctx context.Context, names []string) ([]found, error) {
			return s.readAccounts(ctx, statements, names)
		}}
	}
	return all
}

// sized writes a statement for 1, 2, 4… names: so few are prepared, whatever the
// number that comes.
func sized(template string) (statements []string) {
	for n := 1; n <= together; n *= 2 {
		statements = append(statements, strings.ReplaceAll(template, "{names}", "?"+strings.Repeat(", ?", n-1)))
	}
	return statements
}

// readAccounts answers for each name. Where there are fewer than the statement is
// for, the last one stands for those that lack; where it searches by several kinds
// of names, all stand there for each.
func (s *Store) readAccounts(ctx context.Context, statements []string, names []string) ([]found, error) {
	size := bits.Len(uint(len(names) - 1))
	statement := statements[size]
	args := make([]any, strings.Count(statement, "?"))
	for i := range args {
		args[i] = names[min(i%(1<<size), len(names)-1)]
	}
	answers := make([]found, len(names))
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		name, a, err := s.scanAccount(scan)
		if name == "" && err != nil {
			return err
		}
		for i := range names {
			if names[i] == name { // what can't be read of one account is no other's matter
				answers[i].add(a, err)
			}
		}
		return nil
	}, statement, args...)
	return answers, err
}

// Accounts lists accounts by their id, after the given one.
func (s *Store) Accounts(ctx context.Context, after credit.ID, limit int) ([]credit.Account, error) {
	accounts := []credit.Account{}
	a2b, err := s.a2billing(ctx)
	if err != nil {
		return nil, s.fail("list accounts", err)
	}
	err = s.pool().each(ctx, func(scan func(...any) error) error {
		_, a, err := s.scanAccount(scan)
		a.Price = a2b.price(a.Currency)
		accounts = append(accounts, a)
		return err
	}, fmt.Sprintf(accountOf, `SELECT id, username AS name FROM cc_card WHERE id > ? ORDER BY id LIMIT ?`)+` ORDER BY c.id`,
		int64(after), limit)
	return accounts, s.fail("list accounts", err)
}

// HasPaid counts what A2Billing recorded as payments: credit that was given, by
// hand, by a voucher or for an ad, is none.
func (s *Store) HasPaid(ctx context.Context, id credit.ID, refills int) (bool, error) {
	if s.embedded {
		return true, nil
	}
	var paid int
	err := s.pool().row(ctx, `SELECT COUNT(*) FROM (
		SELECT 1 FROM cc_logpayment WHERE card_id = ? AND payment > 0 LIMIT ?) p`, int64(id), refills).Scan(&paid)
	return paid >= refills, s.fail("count the payments of an account", err)
}

// AddAccount makes an account in the embedded database.
func (s *Store) AddAccount(ctx context.Context, a credit.NewAccount) (credit.Account, error) {
	if !s.embedded {
		return credit.Account{}, refuse(wire.Forbidden, "Accounts are made in A2Billing; only the embedded database has its own.")
	}
	settings, err := s.Settings(ctx)
	if err != nil {
		return credit.Account{}, err
	}
	var id int64
	err = s.tx(ctx, func(q session) (err error) {
		id, err = q.insert(ctx, `INSERT INTO cc_card (username, useralias, credit, language, currency, creationdate)
			VALUES (?, ?, {money}, ?, ?, {now})`, a.Card, a.Alias, a.Credit, a.Language, settings.BaseCurrency)
		for _, cid := range a.CallerIDs {
			if err == nil {
				_, err = q.insert(ctx, `INSERT INTO cc_callerid (cid, id_cc_card) VALUES (?, ?)`, cid, id)
			}
		}
		return err
	})
	if err != nil {
		if s.dialect.meaning(err) == duplicate {
			err = refuse(wire.KeyReused, "Another account has this card, alias or caller ID.")
		}
		return credit.Account{}, s.fail("add an account", err)
	}
	return s.Account(ctx, credit.Ref{Kind: credit.ByID, Name: fmt.Sprint(id)})
}

// absent turns "no row" into an answer for the outside.
func absent(err error, code wire.Code, detail string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return refuse(code, detail)
	}
	return err
}
