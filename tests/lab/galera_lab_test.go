//go:build lab

package lab_test

import (
	"testing"
	"time"

	"adcredit/tests/lab"
)

// A killed node and one that was cut off come back with what they have missed.
func TestGaleraComesBack(t *testing.T) {
	nodes := lab.Galera(t, 3, func(first *lab.Server) {
		for _, statement := range []string{"CREATE DATABASE d", "CREATE TABLE d.t (n INT PRIMARY KEY) ENGINE=InnoDB", "INSERT INTO d.t VALUES (0)"} {
			if _, err := first.Root().Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	})
	write := func(n int) {
		t.Helper()
		if _, err := nodes[0].Root().Exec("INSERT INTO d.t VALUES (?)", n); err != nil {
			t.Fatal(err)
		}
	}
	nodes[1].Kill()
	write(1) // waits until the group has given the node up
	nodes[1].Rejoin(t)

	nodes[2].Isolate(t, true)
	write(2)
	refused := func() bool {
		_, err := nodes[2].Root().Exec("INSERT INTO d.t VALUES (99)")
		return err != nil
	}
	for deadline := time.Now().Add(time.Minute); !refused(); {
		if time.Now().After(deadline) {
			t.Fatal("a node that is cut off still takes writes")
		}
	}
	nodes[2].Isolate(t, false)
	nodes[2].AwaitSynced(t)
	for i, node := range nodes {
		var rows, sum int
		if err := node.Root().QueryRow("SELECT COUNT(*), SUM(n) FROM d.t").Scan(&rows, &sum); err != nil || rows != 3 || sum != 3 {
			t.Errorf("node %d: %d rows, sum %d, %v", i, rows, sum, err)
		}
	}
}
