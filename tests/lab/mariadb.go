package lab

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A Server is a private mariadbd or mysqld. Its user root has no password; it
// listens on Socket and on 127.0.0.1:Port, and nowhere else.
type Server struct {
	Dir    string // data, socket and log
	Socket string
	Port   int
	Log    string // its error log

	program string
	chroot  string // where the program has a root of its own
	args    []string
	env     []string // beyond our own
	cmd     *exec.Cmd
	gone    chan struct{} // closed when the process has ended
	root    *sql.DB
}

// MariaDBOptions says how a server differs from the usual one.
type MariaDBOptions struct {
	// Dir holds the data; by default it lies in memory. Give a folder on disk
	// where the cost of a real fsync is to be measured.
	Dir string
	// Args are further arguments of mariadbd, e.g. "--sql-mode=".
	Args []string
}

var (
	sharedOnce sync.Once
	shared     *Server
	nextPort   atomic.Int32 // counted: in our own network every port is free
)

// MariaDB gives the server that all tests of a package share, started by the
// first that asks. Make a [Server.Database] per test. Commits are flushed as on
// a real server; the data lies in memory, so that costs little.
func MariaDB(tb testing.TB) *Server {
	tb.Helper()
	sharedOnce.Do(func() { // never stopped: it ends with the namespace
		s := &Server{}
		s.init(tb, MariaDBOptions{})
		shared = s
	})
	if shared == nil {
		tb.Fatal("lab: the package's MariaDB did not start; see the first test that asked for it")
	}
	return shared
}

// NewMariaDB starts a server of the test's own, for tests that kill it, change
// its settings or measure it. It is stopped when the test ends.
func NewMariaDB(tb testing.TB, o MariaDBOptions) *Server {
	tb.Helper()
	s := &Server{}
	s.init(tb, o)
	tb.Cleanup(s.Kill)
	return s
}

// init makes the data folder and starts the server for the first time.
func (s *Server) init(tb testing.TB, o MariaDBOptions) {
	tb.Helper()
	s.program = mustProgram(tb, "mariadbd")
	s.place(tb, o.Dir, "mariadb-")
	s.args = append(append(s.args, asDebian...), o.Args...)
	s.systemTables(tb)
	s.Start(tb)
}

// systemTables makes MariaDB's own tables in an empty folder.
func (s *Server) systemTables(tb testing.TB) {
	tb.Helper()
	install := mustProgram(tb, "mariadb-install-db")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, install, "--no-defaults", "--user=root", "--skip-test-db",
		"--datadir="+filepath.Join(s.Dir, "data"), "--auth-root-authentication-method=normal").CombinedOutput()
	if err != nil {
		tb.Fatalf("lab: make MariaDB's system tables with %s: %v\n%s", install, err, out)
	}
}

// asDebian are settings of Debian's own MariaDB, but for the size of its log.
var asDebian = []string{"--innodb-log-file-size=32M", "--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"}

// place says where the server keeps its things, and makes the arguments that
// both kinds of servers have.
func (s *Server) place(tb testing.TB, dir, name string) {
	tb.Helper()
	if s.Dir = dir; dir == "" {
		var err error
		if s.Dir, err = os.MkdirTemp("", name); err != nil { // short: a socket's path has 107 bytes at most
			tb.Fatal("lab: ", err)
		}
	}
	s.Socket = filepath.Join(s.Dir, "sock")
	s.Port = 3306 + int(nextPort.Add(1)) - 1
	s.Log = filepath.Join(s.Dir, "error.log")
	s.args = []string{
		"--no-defaults", "--user=root", "--datadir=" + filepath.Join(s.Dir, "data"),
		"--socket=" + s.Socket, "--bind-address=127.0.0.1", fmt.Sprint("--port=", s.Port),
		"--log-error=" + s.Log, "--pid-file=" + filepath.Join(s.Dir, "pid"),
		"--skip-name-resolve", "--max-connections=500",
	}
}

// Start starts the server on its data and waits until it answers; after
// [Server.Kill] it recovers as after a crash.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	cmd := exec.Command(s.program, s.args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: s.chroot}
	cmd.Env = append(os.Environ(), s.env...)
	if err := cmd.Start(); err != nil {
		tb.Fatalf("lab: start %s: %v", s.program, err)
	}
	s.cmd = cmd
	s.gone = make(chan struct{})
	go func(gone chan struct{}) {
		_ = cmd.Wait() // how it ended stands in its log
		close(gone)
	}(s.gone)
	s.root = open(tb, s.dsn("root", "", ""))
	s.await(tb)
}

// await waits for the first answer.
func (s *Server) await(tb testing.TB) {
	tb.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.gone:
			tb.Fatalf("lab: %s ended instead of starting; the end of %s:\n%s", s.program, s.Log, tail(s.Log, 30))
		case <-deadline:
			s.Kill()
			tb.Fatalf("lab: %s gave no answer within a minute; the end of %s:\n%s", s.program, s.Log, tail(s.Log, 30))
		case <-tick.C:
			if s.root.Ping() == nil {
				return
			}
		}
	}
}

// Kill ends the server as a crash would, with SIGKILL, and waits for its end.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop shuts the server down in order: everything is written.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

func (s *Server) end(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig) // it may have ended already
	<-s.gone
	_ = s.root.Close()
}

// PID is the number of the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Root is a connection pool of the user root, with no database chosen. It ends
// with the server.
func (s *Server) Root() *sql.DB { return s.root }

// SetGlobal sets a server variable, e.g. sql_mode, for connections made from now on.
func (s *Server) SetGlobal(tb testing.TB, name, value string) {
	tb.Helper()
	if _, err := s.root.Exec("SET GLOBAL "+name+" = ?", value); err != nil {
		tb.Fatalf("lab: set %s to %q: %v", name, value, err)
	}
}
