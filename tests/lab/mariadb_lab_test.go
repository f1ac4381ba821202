//go:build lab

package lab_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"adcredit/tests/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.Main(m, lab.NeedMariaDB, lab.NeedMySQL, lab.NeedGalera, lab.NeedAsterisk, lab.NeedAsterisk16, lab.NeedSIPp))
}

func TestMariaDBRecovers(t *testing.T) { testRecovers(t, lab.NewMariaDB(t, lab.MariaDBOptions{})) }

func TestMySQLRecovers(t *testing.T) { testRecovers(t, lab.NewMySQL(t)) }

func testRecovers(t *testing.T, s *lab.Server) {
	d := s.Database(t, "crash")
	d.Exec(t, "CREATE TABLE kept (n int) ENGINE=InnoDB; CREATE TABLE lost (n int) ENGINE=MEMORY; INSERT INTO kept VALUES (1); INSERT INTO lost VALUES (1)")
	s.Kill()
	if err := d.DB(t).Ping(); err == nil {
		t.Fatal("a killed server still answers")
	}
	s.Start(t)
	var kept, lost int
	if err := d.DB(t).QueryRow("SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM lost)").Scan(&kept, &lost); err != nil {
		t.Fatal(err)
	}
	if kept != 1 || lost != 0 {
		t.Errorf("after a crash the InnoDB table has %d rows and the MEMORY table %d; want 1 and 0", kept, lost)
	}
}

func TestLoginsReachTheirDatabase(t *testing.T) {
	for _, s := range []*lab.Server{lab.MariaDB(t), lab.MySQL(t)} {
		t.Run(s.Version(t), func(t *testing.T) { testLogins(t, s) })
	}
}

func testLogins(t *testing.T, s *lab.Server) {
	d := s.Database(t, "logins")
	d.Exec(t, "CREATE TABLE open_ (n int); CREATE TABLE closed (n int)")
	l := d.User(t, "reader", "SELECT ON open_")
	if _, err := l.DB(t).Exec("SELECT n FROM open_"); err != nil {
		t.Errorf("read what the user may read: %v", err)
	}
	if _, err := l.DB(t).Exec("SELECT n FROM closed"); err == nil || !strings.Contains(err.Error(), "1142") {
		t.Errorf("read what the user may not read: %v, want error 1142", err)
	}
	for _, l := range []lab.Login{l, d.Owner()} {
		tcp := mysql.Config{User: l.User, Passwd: l.Password, DBName: d.Name, Net: "tcp", Addr: fmt.Sprint("127.0.0.1:", s.Port), AllowNativePasswords: true}
		db, err := sql.Open("mysql", tcp.FormatDSN())
		if err == nil {
			err = errors.Join(db.Ping(), db.Close())
		}
		if err != nil {
			t.Errorf("%s over TCP: %v", l.User, err)
		}
	}
	if want := fmt.Sprintf("mysql://reader:p%%3Aa%%40s%%2Fs%%20w%%25rd@127.0.0.1:%d/logins", s.Port); l.URL() != want {
		t.Errorf("URL %s, want %s", l.URL(), want)
	}
}

func TestExecReportsALateError(t *testing.T) {
	d := lab.MariaDB(t).Database(t, "late")
	probe := &probe{TB: t}
	func() {
		defer func() { _ = recover() }()
		d.Exec(probe, "SELECT 1; SELECT nonsense FROM nowhere")
	}()
	if !probe.failed {
		t.Error("the second statement failed and Exec did not say so")
	}
}

// probe is a test that notes its failure.
type probe struct {
	testing.TB
	failed bool
}

func (p *probe) Fatalf(string, ...any) { p.failed = true; panic(p) }
func (p *probe) Helper()               {}

func TestA2BillingIsAsShipped(t *testing.T) {
	for engine, want := range map[lab.Engine][3]string{ // cc_card and cc_logrefill, cc_card_seria, cc_call
		lab.MyISAM:    {"MyISAM", "MyISAM", "MyISAM"},
		lab.InnoDB:    {"InnoDB", "InnoDB", "MyISAM"},
		lab.AllInnoDB: {"InnoDB", "InnoDB", "InnoDB"},
	} {
		for _, s := range []*lab.Server{lab.MariaDB(t), lab.MySQL(t)} {
			t.Run(string(engine)+" on "+s.Version(t), func(t *testing.T) { testFixture(t, s, engine, want) })
		}
	}
}

func testFixture(t *testing.T, s *lab.Server, engine lab.Engine, want [3]string) {
	d := s.Database(t, "fixture")
	lab.LoadA2Billing(t, d, engine)
	one := func(want, query string) {
		t.Helper()
		var got string
		if err := d.DB(t).QueryRow(query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", query, got, err, want)
		}
	}
	const columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema='fixture' AND table_name='cc_card'"
	one("69", columns)
	one("20", columns+" AND is_nullable='NO' AND column_default IS NULL AND extra=''")
	const engineOf = "SELECT engine FROM information_schema.tables WHERE table_schema='fixture' AND table_name="
	one(want[0], engineOf+"'cc_card'")
	one(want[0], engineOf+"'cc_logrefill'")
	one(want[1], engineOf+"'cc_card_seria'")
	one(want[2], engineOf+"'cc_call'")
	one(fmt.Sprint(len(lab.A2BillingTables)), "SELECT count(*) FROM information_schema.tables WHERE table_schema='fixture'")
	one("1812.08333", "SELECT credit FROM cc_card WHERE useralias='1001'")
	one("0000-00-00 00:00:00", "SELECT lastuse FROM cc_card WHERE useralias='1001'")
	one("9700203963", "SELECT username FROM cc_card JOIN cc_callerid ON id_cc_card=cc_card.id WHERE cid='221770001001'")
	one("usd", "SELECT config_value FROM cc_config WHERE config_key='base_currency' AND config_group_title='global'")
}

func TestSerialTravelsThroughTheSession(t *testing.T) {
	d := lab.MariaDB(t).Database(t, "serial")
	lab.LoadA2Billing(t, d, lab.MyISAM)
	serial := func() (n *int) {
		if err := d.DB(t).QueryRow("SELECT serial FROM cc_card WHERE id=2").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	d.Exec(t, "UPDATE cc_card SET credit=credit+1 WHERE id=2")
	if n := serial(); n != nil {
		t.Errorf("a credit on a connection of its own wrote serial %d", *n)
	}
	d.Exec(t, `INSERT INTO cc_card_seria (id, name, value) VALUES (1, 's', 100);
		UPDATE cc_card SET id_seria=1 WHERE id=1; UPDATE cc_card SET credit=credit+1 WHERE id=2`)
	if n := serial(); n == nil || *n != 101 {
		t.Errorf("serial %v, want 101 carried over from the card saved before on this connection", n)
	}
}
