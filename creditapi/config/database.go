package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"adcredit/etc"
)

// The drivers of a Database.
const (
	SQLite = "sqlite"
	MySQL  = "mysql"
)

// Database says where the accounts are kept.
//
//	sqlite:///path/file.db
//	mysql://user:password@host:3306/name
//	mysql://user@localhost/name?socket=/run/mysqld/mysqld.sock
//
// User, password and path are percent-encoded in the URL, and decoded here.
type Database struct {
	Driver   string     // SQLite or MySQL
	Path     string     // SQLite: the file
	User     string     // MySQL, as all below
	Password etc.Secret // empty when there is none
	Addr     string     // host:port, unless Socket is set
	Socket   string     // path of the server's unix socket
	Name     string     // the database, by convention mya2billing
}

const databaseForm = "write it like mysql://user:password@127.0.0.1:3306/mya2billing or sqlite:///var/lib/adcredit/adcredit.db"

// ParseDatabase reads the URL of a database. Its errors name the part that is
// wrong and never show any of it, since what is taken for a host may be the end
// of a password. For the same reason it does not use url.Parse.
func ParseDatabase(text string) (Database, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return Database{}, errors.New("this is not the address of a database; " + databaseForm)
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return Database{}, errors.New("there is a space or a control character in it; write it percent-encoded, a space as %20")
	}
	switch scheme {
	case SQLite:
		return parseSQLite(rest)
	case MySQL:
		return parseMySQL(rest)
	}
	return Database{}, errors.New("the part before :// is no database that is supported; write mysql or sqlite there")
}

func parseSQLite(rest string) (Database, error) {
	if strings.ContainsAny(rest, "?#") {
		return Database{}, errors.New("an sqlite address has no options; end it with the name of the file (a ? in it is written %3F, a # %23)")
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return Database{}, errors.New("the path has a % that is not followed by two hexadecimal digits; write % as %25")
	}
	if !filepath.IsAbs(path) || strings.HasSuffix(path, "/") || filepath.Clean(path) == "/" || strings.ContainsRune(path, 0) {
		return Database{}, errors.New("the path is not that of a file from the root; write three slashes, like sqlite:///var/lib/adcredit/adcredit.db")
	}
	return Database{Driver: SQLite, Path: filepath.Clean(path)}, nil
}

func parseMySQL(rest string) (Database, error) {
	d := Database{Driver: MySQL}
	rest, options, _ := strings.Cut(rest, "?")
	authority, name, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return d, errors.New("there is no user before the host; write mysql://user:password@host:3306/name, with @ : / ? # % in user or password percent-encoded (@ is %40)")
	}
	if err := d.login(authority[:at]); err != nil {
		return d, err
	}
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, notNameRune) {
		return d, errors.New("the name of the database, after the host and a slash, is missing or not a name; write letters, digits, _, - and $ only, like /mya2billing (a / ? or # in user or password is percent-encoded)")
	}
	d.Name = name
	if err := d.options(options); err != nil {
		return d, err
	}
	addr, err := parseServer(authority[at+1:])
	if err != nil {
		return d, err
	}
	if d.Socket == "" {
		d.Addr = addr
	}
	return d, nil
}

// login reads user:password.
func (d *Database) login(text string) error {
	user, password, _ := strings.Cut(text, ":")
	for _, part := range []struct{ name, value string }{{"user", user}, {"password", password}} {
		if strings.ContainsAny(part.value, "@:#[]") {
			return fmt.Errorf("the %s holds a character that must be percent-encoded; write @ as %%40, : as %%3A, # as %%23, [ as %%5B and ] as %%5D", part.name)
		}
	}
	var err error
	if d.User, err = url.PathUnescape(user); err != nil {
		return errors.New("the user has a % that is not followed by two hexadecimal digits; write % as %25")
	}
	plain, err := url.PathUnescape(password)
	if err != nil {
		return errors.New("the password has a % that is not followed by two hexadecimal digits; write % as %25")
	}
	d.Password = etc.Secret(plain)
	if d.User == "" {
		return errors.New("the user before the @ is empty; write mysql://user@host/name")
	}
	return nil
}

// options reads socket=/path, the only option there is.
func (d *Database) options(text string) error {
	if text == "" {
		return nil
	}
	name, value, _ := strings.Cut(text, "=")
	path, err := url.PathUnescape(value)
	if name != "socket" || err != nil || strings.Contains(value, "&") {
		return errors.New("the part after the ? is not understood; write ?socket=/run/mysqld/mysqld.sock or nothing (a ? in user or password is written %3F)")
	}
	if !filepath.IsAbs(path) || len(path) > 107 { // unix(7)
		return errors.New("the socket is not an absolute path of at most 107 bytes; write ?socket=/run/mysqld/mysqld.sock")
	}
	d.Socket = path
	return nil
}

// parseServer reads host or host:port.
func parseServer(text string) (string, error) {
	host, port := text, "3306"
	if strings.HasSuffix(text, "]") {
		host = strings.TrimPrefix(text[:len(text)-1], "[")
	} else if h, p, err := net.SplitHostPort(text); err == nil {
		host, port = h, p
	}
	if strings.HasPrefix(text, "[") != (strings.Contains(host, ":") && net.ParseIP(host) != nil) ||
		net.ParseIP(host) == nil && (host == "" || len(host) > 253 || strings.ContainsFunc(host, notHostRune)) {
		return "", errors.New("the host is missing or not a name or address; write it like 127.0.0.1, db.example.net or [2001:db8::1]")
	}
	if !isPort(port, 1) {
		return "", errors.New("the port is not a number from 1 to 65535; write it like :3306")
	}
	return net.JoinHostPort(host, port), nil
}

// UnmarshalText reads the URL of a database; an empty text is the embedded one.
func (d *Database) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Database{}
		return nil
	}
	parsed, err := ParseDatabase(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}

// String is the URL without the password, for people and logs.
func (d Database) String() string {
	switch d.Driver {
	case SQLite:
		return (&url.URL{Scheme: SQLite, Path: d.Path}).String()
	case MySQL:
		u := url.URL{Scheme: MySQL, User: url.User(d.User), Host: d.Addr, Path: "/" + d.Name}
		if d.Socket != "" {
			u.Host, u.RawQuery = "localhost", "socket="+d.Socket
		}
		return u.String()
	}
	return ""
}

// MarshalText is String: neither JSON nor slog shows a password.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// GoString hides the password from %#v.
func (d Database) GoString() string { return d.String() }
