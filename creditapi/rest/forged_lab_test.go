//go:build lab

package rest

import (
	"os"
	"testing"

	"adcredit/creditapi/config"
	"adcredit/creditapi/store"
	"adcredit/tests/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.NeedMariaDB)) }

func TestForgedMariaDB(t *testing.T) {
	for _, engine := range []lab.Engine{lab.MyISAM, lab.InnoDB} {
		t.Run(string(engine), func(t *testing.T) {
			server := lab.MariaDB(t)
			forgeries(t, func(t *testing.T) *bank {
				database := server.Database(t, "mya2billing")
				lab.LoadA2Billing(t, database, engine)
				database.Exec(t, `UPDATE cc_card SET credit = 0`)
				parsed, err := config.ParseDatabase(database.Owner().SocketURL())
				if err != nil {
					t.Fatal(err)
				}
				c := store.Config{Database: parsed}
				if err := store.Migrate(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				s, err := store.Open(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				return newBank(t, s, database.DB(t))
			})
		})
	}
}
