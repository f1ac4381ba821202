package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// a2billing is what we remember of A2Billing's settings and tables.
type a2billing struct {
	settings credit.Settings
	prices   map[string]wire.Money // of one unit of each currency, in the base currency
	way      credit.Way
	unfit    error // why no grant could be kept here; nil: it could
	at       time.Time
}

// price of a currency, 0 when it is unknown. It is found by its upper-case name,
// as A2Billing does.
func (a a2billing) price(currency string) wire.Money { return a.prices[strings.ToUpper(currency)] }

// fresh is how long it is remembered.
const fresh = time.Minute

// Settings is what A2Billing's cc_config says, at most a minute old.
func (s *Store) Settings(ctx context.Context) (credit.Settings, error) {
	known, err := s.a2billing(ctx)
	return known.settings, s.fail("read A2Billing's settings", err)
}

// Way is how grants are run on A2Billing's tables, as they were seen at the
// last look.
func (s *Store) Way() credit.Way { return s.known.Load().way }

// a2billing reads the settings and engines, or remembers them.
func (s *Store) a2billing(ctx context.Context) (a2billing, error) {
	known := s.known.Load()
	if known != nil && s.now().Sub(known.at).Abs() < fresh {
		return *known, nil
	}
	if known == nil {
		s.remember.Lock()
	} else if !s.remember.TryLock() {
		return *known, nil // somebody is asking already
	}
	defer s.remember.Unlock()
	settings, err := s.readSettings(ctx)
	if err != nil {
		return a2billing{}, err
	}
	prices, err := s.readPrices(ctx)
	if err != nil {
		return a2billing{}, err
	}
	way, err := s.readWay(ctx)
	if err != nil {
		return a2billing{}, err
	}
	if way == credit.Stock {
		if err := s.ensureEpoch(ctx); err != nil {
			return a2billing{}, err
		}
	}
	unfit, err := s.unfit(ctx, way)
	if err != nil {
		return a2billing{}, err
	}
	if unfit != nil && (known == nil || known.unfit == nil) {
		slog.Error("no grant could be kept in this database, so no ad is offered", "error", unfit)
	}
	known = &a2billing{settings: settings, prices: prices, way: way, unfit: unfit, at: s.now()}
	s.known.Store(known)
	return *known, nil
}

// errCluster: a credit on one node would be unknown to the others.
// Converting them there would be worse: each node converts the rows that it has.
var errCluster = errors.New("a Galera cluster does not replicate MyISAM, and cc_card or cc_logrefill is kept so: " +
	"stop all nodes but the one that A2Billing writes to, run creditapi a2billing convert there, and let the others join with empty data folders")

// unfit finds out why a grant could not be kept here, by its own statements
// for an entry that does not exist. An ad is offered only where it can be paid.
func (s *Store) unfit(ctx context.Context, way credit.Way) (reason, err error) {
	if s.embedded {
		return nil, nil
	}
	if wsrep, err := s.variable(ctx, "wsrep_on"); err != nil {
		return nil, err
	} else if way == credit.Stock && wsrep == "ON" {
		return errCluster, nil
	}
	err = s.prove(ctx, way)
	switch s.dialect.meaning(err) {
	case down:
		return nil, err
	case conflict: // busy, and fit
		return nil, nil
	}
	if err != nil {
		reason = fmt.Errorf("try a grant's statements: %w", hint(err))
	}
	return reason, nil
}

// variable reads one of a server, "" when it knows none of that name.
func (s *Store) variable(ctx context.Context, name string) (string, error) {
	return s.value(ctx, `SHOW VARIABLES LIKE '`+name+`'`)
}

// value reads what a SHOW of one name says.
func (s *Store) value(ctx context.Context, show string) (value string, err error) {
	var name string
	err = s.pool().row(ctx, show).Scan(&name, &value)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return value, err
}

// prove runs the statements of a grant, as the way runs them, for entry 0,
// which does not exist, and rolls back.
func (s *Store) prove(ctx context.Context, way credit.Way) error {
	apply := func(q session) error {
		changed, err := q.applyOnce(ctx, 0)
		return errors.Join(err, changedNothing(changed))
	}
	if way == credit.Stock {
		if err := apply(s.pool()); err != nil {
			return err
		}
	}
	err := s.tx(ctx, func(q session) error {
		// A transaction that has changed nothing yet may do what a grant's may
		// not: write a MyISAM table where GTID consistency is enforced.
		if _, err := q.count(ctx, tally{kind: starts}, 0); err != nil {
			return err
		}
		if way == credit.Transaction {
			if err := apply(q); err != nil {
				return err
			}
		}
		if _, err := q.exec(ctx, markLogged, 0); err != nil {
			return err
		}
		if err := q.logRefill(ctx, entry{}); err != nil {
			return err
		}
		return errProved
	})
	if errors.Is(err, errProved) {
		err = nil
	}
	return err
}

// errProved rolls a proof back.
var errProved = errors.New("a grant's statements are allowed")

func changedNothing(rows int64) error {
	if rows == 0 {
		return nil
	}
	return fmt.Errorf("%d rows changed for entry 0, which does not exist", rows)
}

// readSettings asks with both key and group, as keys repeat between groups.
func (s *Store) readSettings(ctx context.Context) (credit.Settings, error) {
	var settings credit.Settings
	var key, value string
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		if err := scan(&key, &value); err != nil {
			return err
		}
		if key == "base_currency" {
			settings.BaseCurrency = strings.ToUpper(strings.TrimSpace(value))
			return nil
		}
		minimum, err := wire.ParseMoney(strings.TrimSpace(value))
		if err != nil && value != "" {
			slog.Warn("A2Billing's setting min_credit_2call is not an amount; 0 is used", "error", err)
		}
		settings.MinCreditCall = minimum
		return nil
	}, `SELECT config_key, COALESCE(config_value, '') FROM cc_config
		WHERE (config_group_title = 'global' AND config_key = 'base_currency')
		OR (config_group_title = 'agi-conf1' AND config_key = 'min_credit_2call')`)
	return settings, err
}

func (s *Store) readPrices(ctx context.Context) (map[string]wire.Money, error) {
	prices := map[string]wire.Money{}
	var currency string
	var price wire.Money
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		err := scan(&currency, s.dialect.money(&price))
		prices[currency] = price
		return err
	}, `SELECT currency, value FROM cc_currencies`)
	return prices, err
}

func (s *Store) readWay(ctx context.Context) (credit.Way, error) {
	if s.embedded {
		return credit.Transaction, nil
	}
	tables, err := s.engines(ctx)
	if err != nil {
		return "", err
	}
	for _, table := range tables {
		if table.Engine != "InnoDB" {
			return credit.Stock, nil
		}
	}
	return credit.Transaction, nil
}

// setCurrency makes the configured currency the embedded database's base.
func (s *Store) setCurrency(ctx context.Context, currency string) error {
	if currency == "" {
		return nil
	}
	return s.tx(ctx, func(q session) error {
		_, err := q.exec(ctx, `UPDATE cc_config SET config_value = ?
			WHERE config_group_title = 'global' AND config_key = 'base_currency'`, currency)
		if err != nil {
			err = fmt.Errorf("set the base currency: %w", err)
		}
		return err
	})
}
