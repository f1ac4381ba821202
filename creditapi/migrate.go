package main

import (
	"context"
	"flag"

	"adcredit/creditapi/store"
)

var migrateCommand = command{
	name:    "migrate",
	summary: "make or bring up our tables in the database",
	help: `
Makes the tables adcredit_…; A2Billing's own stay as they are. Run it as a user
who may CREATE and ALTER there; creditapi serve needs neither. Again is
harmless. The embedded SQLite migrates itself.

  creditapi migrate
  CREDITAPI_DATABASE=mysql://root@localhost/mya2billing?socket=/run/mysqld/mysqld.sock creditapi migrate`,
	setup: func(*flag.FlagSet) action {
		return func(ctx context.Context, e *environment) error {
			_, database, err := e.configured()
			if err != nil {
				return err
			}
			if err := store.Migrate(ctx, database); err != nil {
				return err
			}
			e.remark("the tables of adcredit are up to date in %s", database.Database)
			return nil
		}
	},
}
