package store

import (
	"context"
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
	way      credit.Way
	at       time.Time
}

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
	way, err := s.readWay(ctx)
	if err != nil {
		return a2billing{}, err
	}
	if way == credit.Stock {
		if err := s.ensureEpoch(ctx); err != nil {
			return a2billing{}, err
		}
	}
	known = &a2billing{settings: settings, way: way, at: s.now()}
	s.known.Store(known)
	return *known, nil
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
