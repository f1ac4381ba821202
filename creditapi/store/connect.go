package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"adcredit/creditapi/config"
)

const defaultConnections = 16

// connect makes a store that has not looked at its database yet. What wrap
// makes of the connector is used; nil leaves it.
func connect(ctx context.Context, c Config, wrap func(driver.Connector) driver.Connector) (*Store, error) {
	s := &Store{config: c, now: c.Now}
	if s.now == nil {
		s.now = time.Now
	}
	switch c.Database.Driver {
	case config.SQLite:
		db, err := openSQLite(c.Database.Path)
		if err != nil {
			return nil, err
		}
		s.db, s.dialect, s.embedded = db, sqliteDialect{now: s.now}, true
		s.writer = make(chan struct{}, 1)
	case config.MySQL:
		connector, err := connectMySQL(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", c.Database, hint(err))
		}
		if wrap != nil {
			connector = wrap(connector)
		}
		s.db, s.dialect = sql.OpenDB(connector), mysqlDialect{}
	default:
		return nil, fmt.Errorf("open the database: there is no driver %q; use mysql or sqlite", c.Database.Driver)
	}
	s.asked = s.gathers()
	s.db.SetMaxOpenConns(s.connections())
	s.db.SetMaxIdleConns(s.connections())
	s.db.SetConnMaxLifetime(10 * time.Minute) // so that load comes back to a server that was away
	return s, nil
}

// connections is how many are open at most.
func (s *Store) connections() int {
	if s.config.Connections > 0 {
		return s.config.Connections
	}
	return defaultConnections
}
