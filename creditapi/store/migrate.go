package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

const (
	schemaTable = "adcredit_schema"
	lockTable   = "adcredit_schema_lock"
)

// ErrSchema is returned when the database's schema is not the one that this
// program knows. Its versions count migrations; 0 is a database without ours.
type ErrSchema struct {
	Have, Need int64
}

func (e ErrSchema) Error() string {
	switch {
	case e.Have == 0:
		return fmt.Sprintf("the database has no tables of adcredit; make them (schema %d) with: creditapi migrate", e.Need)
	case e.Have < e.Need:
		return fmt.Sprintf("the database has schema %d, and this program needs %d; bring it up with: creditapi migrate", e.Have, e.Need)
	}
	return fmt.Sprintf("the database has schema %d, made by a newer creditapi, and this program knows %d; "+
		"run the newer creditapi (creditapi migrate never goes back)", e.Have, e.Need)
}

// Migrate makes or brings up our tables. It runs as a user who owns the
// database, and is safe to run twice, also at once. An error leaves a schema
// that the next run completes.
func Migrate(ctx context.Context, c Config) error {
	c.patient = true
	s, err := connect(ctx, c, nil)
	if err != nil {
		return err
	}
	defer s.db.Close()
	if err := s.migrate(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", c.Database, hint(err))
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) error {
	provider, err := s.provider()
	if err != nil {
		return err
	}
	have, err := s.schema(ctx)
	if err != nil {
		return err
	}
	if need := latest(provider); have > need {
		return ErrSchema{Have: have, Need: need}
	} else if have == need && s.embedded {
		return nil
	}
	if !s.embedded {
		if _, err := s.engines(ctx); err != nil { // before a table of ours is made in the wrong place
			return err
		}
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	return s.checkEngines(ctx)
}

// provider is goose over our migrations: one DDL statement each, repeatable,
// since MySQL commits each by itself and a crash may come before its version
// is noted.
func (s *Store) provider() (*goose.Provider, error) {
	options := []goose.ProviderOption{goose.WithTableName(schemaTable), goose.WithDisableGlobalRegistry(true)}
	folder := "migrations/sqlite"
	if !s.embedded {
		folder = "migrations/mysql"
		locker, err := lock.NewMySQLTableLocker(lock.WithTableName(lockTable),
			lock.WithTableLockTimeout(200*time.Millisecond, 600), lock.WithTableLogger(slog.New(slog.DiscardHandler)),
			// Wait for another migration, and not for an error to go away.
			lock.WithTableRetryPolicy(func(err error) bool { return !fromServer(err) || s.dialect.meaning(err) == conflict }))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithLocker(locker))
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(s.dialect.goose(), s.db, files, options...)
}

func latest(p *goose.Provider) int64 {
	sources := p.ListSources()
	return sources[len(sources)-1].Version
}

// schema is the version of the database's schema, 0 when there is none.
func (s *Store) schema(ctx context.Context) (version int64, err error) {
	var found int
	err = s.pool().row(ctx, s.dialect.hasTable(), schemaTable).Scan(&found)
	if err != nil || found == 0 {
		return 0, err
	}
	err = s.pool().row(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM adcredit_schema WHERE is_applied = 1`).Scan(&version)
	return version, err
}

// checkSchema returns an ErrSchema unless the schema is ours.
func (s *Store) checkSchema(ctx context.Context) error {
	provider, err := s.provider()
	if err != nil {
		return err
	}
	have, err := s.schema(ctx)
	if err != nil {
		return err
	}
	if need := latest(provider); have != need {
		return ErrSchema{Have: have, Need: need}
	}
	return nil
}

// checkEngines verifies that our tables are kept by the engines that they were
// made for: a server without InnoDB gives another one, and says so in a
// warning at most.
func (s *Store) checkEngines(ctx context.Context) error {
	if s.embedded {
		return nil
	}
	var wrong []error
	var name, engine string
	err := s.pool().each(ctx, func(scan func(...any) error) error {
		if err := scan(&name, &engine); err != nil {
			return err
		}
		want := "InnoDB"
		if name == "adcredit_epoch" {
			want = "MEMORY"
		}
		if engine != want {
			wrong = append(wrong, fmt.Errorf("table %s has engine %s and needs %s; enable it in the server, then: ALTER TABLE %s ENGINE=%s",
				name, engine, want, name, want))
		}
		return nil
	}, `SELECT table_name, COALESCE(engine, 'none') FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name LIKE 'adcredit\_%' ORDER BY table_name`)
	return errors.Join(err, errors.Join(wrong...))
}
