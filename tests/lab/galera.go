package lab

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// galeraProvider is where Debian's galera-4 puts it.
const galeraProvider = "/usr/lib/galera/libgalera_smm.so"

// A Node is one MariaDB of a Galera cluster. All its settings but addresses are
// as shipped: a node that fell silent is given up after 5 s.
type Node struct {
	*Server
	args []string // of its every start
}

//go:embed galera/wsrep_sst_lab
var stateTransfer []byte

// Galera makes a cluster of nodes, for as long as the test runs. The first one
// is filled while it is alone; the others start from copies of its data, and
// fetch what they have missed.
func Galera(tb testing.TB, size int, fill func(first *Server)) []*Node {
	tb.Helper()
	mustProgram(tb, galeraProvider)
	dir, err := os.MkdirTemp("", "galera-")
	if err != nil {
		tb.Fatal("lab: ", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wsrep_sst_lab"), stateTransfer, 0o755); err != nil {
		tb.Fatal("lab: ", err)
	}
	var addresses []string
	for i := range size {
		addresses = append(addresses, fmt.Sprint("127.0.0.", 11+i))
	}
	nodes := make([]*Node, size)
	for i, address := range addresses {
		nodes[i] = newNode(tb, dir, address, addresses)
		tb.Cleanup(func() { nodes[i].Kill() })
		if i == 0 {
			nodes[0].bootstrap(tb, fill)
			continue
		}
		if err := os.CopyFS(nodes[i].data(), os.DirFS(nodes[0].data())); err != nil {
			tb.Fatal("lab: copy the first node's data: ", err)
		}
	}
	nodes[0].start(tb, "--wsrep-new-cluster")
	for _, n := range nodes[1:] {
		n.start(tb)
	}
	return nodes
}

// newNode lays one out; its folder is named by its address in the group.
func newNode(tb testing.TB, dir, address string, group []string) *Node {
	tb.Helper()
	n := &Node{Server: &Server{}}
	own := filepath.Join(dir, address)
	if err := os.Mkdir(own, 0o755); err != nil {
		tb.Fatal("lab: ", err)
	}
	n.env = []string{"LAB_GALERA=" + dir, "PATH=" + dir + ":" + os.Getenv("PATH")}
	n.place(tb, own, "")
	n.program = mustProgram(tb, "mariadbd")
	n.args = append(append(n.Server.args, asDebian...),
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
		"--wsrep-on=ON", "--wsrep-provider="+galeraProvider, "--wsrep-cluster-address=gcomm://"+strings.Join(group, ","),
		"--wsrep-node-address="+address, "--wsrep-sst-method=lab", "--wsrep-sst-receive-address="+address,
		"--wsrep-provider-options=gmcast.listen_addr=tcp://"+address+":4567;ist.recv_addr="+address+":4568")
	return n
}

func (n *Node) data() string { return filepath.Join(n.Dir, "data") }

// bootstrap makes the first node's data, and leaves it stopped in order.
func (n *Node) bootstrap(tb testing.TB, fill func(*Server)) {
	tb.Helper()
	n.systemTables(tb)
	n.start(tb, "--wsrep-new-cluster")
	fill(n.Server)
	n.Stop()
	for _, own := range []string{"galera.cache", "gvwstate.dat"} { // of this node alone
		if err := os.RemoveAll(filepath.Join(n.data(), own)); err != nil {
			tb.Fatal("lab: ", err)
		}
	}
}

// start starts the node and waits until it takes part.
func (n *Node) start(tb testing.TB, args ...string) {
	tb.Helper()
	n.Server.args = append(slices.Clone(n.args), args...)
	n.Start(tb)
	n.AwaitSynced(tb)
}

// AwaitSynced waits until the node has all that the cluster has.
func (n *Node) AwaitSynced(tb testing.TB) {
	tb.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var name, state string
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		err := n.root.QueryRow("SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'").Scan(&name, &state)
		if err == nil && state == "Synced" {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("lab: a node is %q (%v) and not Synced after a minute; the end of %s:\n%s", state, err, n.Log, tail(n.Log, 30))
		}
	}
}

var recovered = regexp.MustCompile(`WSREP: Recovered position: *(\S+)`)

// Rejoin starts a killed node, which finds out where it stood, as the service
// of Debian's package does, and fetches what it has missed.
func (n *Node) Rejoin(tb testing.TB) {
	tb.Helper()
	log := filepath.Join(n.Dir, "recover.log")
	if err := os.RemoveAll(log); err != nil { // it would go on behind the position of the last time
		tb.Fatal("lab: ", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.program, append(slices.Clone(n.args), "--wsrep-recover", "--log-error="+log)...)
	cmd.Env = append(os.Environ(), n.env...)
	out, err := cmd.CombinedOutput()
	text, _ := os.ReadFile(log) // what is missing there is missed below
	position := recovered.FindSubmatch(text)
	if position == nil {
		tb.Fatalf("lab: find a killed node's position: %v\n%s\n%s", err, out, tail(log, 20))
	}
	n.start(tb, "--wsrep-start-position="+string(position[1]))
}

// Isolate cuts the node off from its group and not from its clients, or ends
// that; it comes back by itself then.
func (n *Node) Isolate(tb testing.TB, isolated bool) {
	tb.Helper()
	value := "gmcast.isolate=0"
	if isolated {
		value = "gmcast.isolate=1"
	}
	n.SetGlobal(tb, "wsrep_provider_options", value)
}

// Freeze stops the server where it is: it neither answers nor refuses.
func (s *Server) Freeze() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (s *Server) Thaw() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }
