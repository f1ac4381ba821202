package lab

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// A Database is one database of a [Server].
type Database struct {
	Server *Server
	Name   string
}

// A Login is a user of one database.
type Login struct {
	User     string
	Password string
	Database *Database
}

// Database makes a fresh, empty database; one of that name is dropped first, and
// it is dropped when the test ends.
func (s *Server) Database(tb testing.TB, name string) *Database {
	tb.Helper()
	d := &Database{Server: s, Name: name}
	d.root(tb, "DROP DATABASE IF EXISTS "+quote(name))
	d.root(tb, "CREATE DATABASE "+quote(name))
	tb.Cleanup(func() { // the server may be down by then, and that is well
		_, _ = s.root.Exec("DROP DATABASE IF EXISTS " + quote(name))
	})
	return d
}

// root runs one statement as root, on no database in particular.
func (d *Database) root(tb testing.TB, query string) {
	tb.Helper()
	if _, err := d.Server.root.Exec(query); err != nil {
		tb.Fatalf("lab: %s: %v", query, err)
	}
}

// Owner is root, who may do everything.
func (d *Database) Owner() Login { return Login{User: "root", Database: d} }

// User makes a user with just these rights in the database, each written as in
// "SELECT ON cc_card", "UPDATE (credit) ON cc_card" or "ALL ON *". A table must
// exist before rights on it can be given.
func (d *Database) User(tb testing.TB, name string, rights ...string) Login {
	tb.Helper()
	l := Login{User: name, Password: "p:a@s/s w%rd", Database: d} // needs escaping in a URL, as good ones do
	who := "'" + name + "'@'%'"
	d.root(tb, "DROP USER IF EXISTS "+who)
	d.root(tb, "CREATE USER "+who+" IDENTIFIED BY '"+l.Password+"'")
	for _, right := range rights {
		what, table, ok := strings.Cut(right, " ON ")
		if !ok {
			tb.Fatalf("lab: right %q is not of the form RIGHT ON TABLE", right)
		}
		if table != "*" {
			table = quote(table)
		}
		d.root(tb, "GRANT "+what+" ON "+quote(d.Name)+"."+table+" TO "+who)
	}
	return l
}

// DB is a connection pool of the owner, closed when the test ends.
func (d *Database) DB(tb testing.TB) *sql.DB {
	tb.Helper()
	return d.Owner().DB(tb)
}

// Exec runs statements as the owner, several in one text if need be.
func (d *Database) Exec(tb testing.TB, query string, args ...any) {
	tb.Helper()
	db := open(tb, d.Owner().DSN("multiStatements=true", "interpolateParams=true"))
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		tb.Fatalf("lab: %.200s: %v", query, err)
	}
}

// DB is a connection pool of this user, closed when the test ends.
func (l Login) DB(tb testing.TB) *sql.DB {
	tb.Helper()
	db := open(tb, l.DSN())
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// DSN names the database to go-sql-driver, over the socket. Params are written
// as in "parseTime=true".
func (l Login) DSN(params ...string) string {
	return l.Database.Server.dsn(l.User, l.Password, l.Database.Name, params...)
}

// URL names the database as creditapi's configuration does, over TCP:
// mysql://user:password@127.0.0.1:port/name.
func (l Login) URL() string {
	u := url.URL{
		Scheme: "mysql", User: l.userinfo(), Path: l.Database.Name,
		Host: fmt.Sprint("127.0.0.1:", l.Database.Server.Port),
	}
	return u.String()
}

// SocketURL is [Login.URL] over the socket:
// mysql://user:password@localhost/name?socket=/path.
func (l Login) SocketURL() string {
	u := url.URL{
		Scheme: "mysql", User: l.userinfo(), Host: "localhost", Path: l.Database.Name,
		RawQuery: "socket=" + l.Database.Server.Socket,
	}
	return u.String()
}

func (l Login) userinfo() *url.Userinfo {
	if l.Password == "" {
		return url.User(l.User)
	}
	return url.UserPassword(l.User, l.Password)
}

func (s *Server) dsn(user, password, database string, params ...string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = user, password, database
	c.Net, c.Addr = "unix", s.Socket
	dsn := c.FormatDSN()
	for _, p := range params {
		sep := "?"
		if strings.Contains(dsn[strings.LastIndex(dsn, "/"):], "?") {
			sep = "&"
		}
		dsn += sep + p
	}
	return dsn
}

// open makes a pool that keeps quiet when its server is killed: tests do that.
func open(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		tb.Fatalf("lab: read %s: %v", dsn, err)
	}
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		tb.Fatalf("lab: open %s: %v", dsn, err)
	}
	return sql.OpenDB(connector)
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
