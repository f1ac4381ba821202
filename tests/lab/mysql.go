package lab

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	sharedMySQL     = map[string]*Server{} // by their arguments
	sharedMySQLLock sync.Mutex
	mysqlRootOnce   sync.Once
	mysqlRoot       string
)

// MySQL gives the MySQL server that all tests of a package share which want the
// same further arguments of mysqld, started by the first that asks. Without any
// it is as MySQL ships it: its binary log is on, and it keeps GTIDs.
func MySQL(tb testing.TB, args ...string) *Server {
	tb.Helper()
	sharedMySQLLock.Lock()
	defer sharedMySQLLock.Unlock()
	key := strings.Join(args, " ")
	if sharedMySQL[key] == nil { // never stopped: it ends with the namespace
		s := &Server{}
		s.initMySQL(tb, args)
		sharedMySQL[key] = s
	}
	return sharedMySQL[key]
}

// NewMySQL starts a MySQL server of the test's own, with further arguments of
// mysqld. It is stopped when the test ends.
func NewMySQL(tb testing.TB, args ...string) *Server {
	tb.Helper()
	s := &Server{}
	s.initMySQL(tb, args)
	tb.Cleanup(s.Kill)
	return s
}

// initMySQL makes the data folder and starts the server for the first time.
// Its root sees our /dev, and so this lab's memory file system, under the same
// paths as we do.
func (s *Server) initMySQL(tb testing.TB, args []string) {
	tb.Helper()
	if !isolated() {
		tb.Fatal("lab: mysqld would run on this machine's own network; call lab.Main(m, lab.NeedMySQL) from TestMain")
	}
	mysqlRootOnce.Do(func() {
		base, err := distributions[NeedMySQL].base()
		if err == nil {
			mysqlRoot, err = mountRoot(base, "mysql-root-")
		}
		if err != nil {
			tb.Fatal("lab: lay out MySQL's root: ", err)
		}
	})
	s.program, s.chroot = "/"+distributions[NeedMySQL].program, mysqlRoot
	s.place(tb, "", "mysql-")
	// MyISAM is repaired after a crash, as distributions set it: MySQL's own
	// default is not to, and then rows are lost.
	s.args = append(append(s.args, "--mysqlx=OFF", "--secure-file-priv=NULL", "--myisam-recover-options=BACKUP,QUICK"), args...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	initialize := exec.CommandContext(ctx, s.program, "--no-defaults", "--initialize-insecure", "--user=root",
		"--datadir="+filepath.Join(s.Dir, "data"), "--log-error-verbosity=1")
	initialize.SysProcAttr = &syscall.SysProcAttr{Chroot: s.chroot}
	if out, err := initialize.CombinedOutput(); err != nil {
		tb.Fatalf("lab: make MySQL's system tables: %v\n%s", err, out)
	}
	s.Start(tb)
	// As MariaDB has it: without names resolved, root@localhost is the socket's alone.
	for _, statement := range []string{"CREATE USER root@127.0.0.1", "GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION"} {
		if _, err := s.root.Exec(statement); err != nil {
			tb.Fatalf("lab: %s: %v", statement, err)
		}
	}
}

// Version is the server's kind and version, e.g. "MySQL 9.7.0", for a log.
func (s *Server) Version(tb testing.TB) string {
	tb.Helper()
	var version string
	if err := s.root.QueryRow("SELECT VERSION()").Scan(&version); err != nil {
		tb.Fatal("lab: ask a server for its version: ", err)
	}
	if strings.Contains(version, "MariaDB") {
		return "MariaDB " + version
	}
	return "MySQL " + version
}
