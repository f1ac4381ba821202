// Package cluster proves what several servers promise: two creditapi, each on
// its own node of a Galera cluster of three, callers who know both, and
// A2Billing's debits on all nodes. Programs and nodes are killed, frozen and cut
// off under load; then the books are counted. No grant is lost or doubled, no
// debit that was acknowledged is lost, and no caller waits beyond the timeout.
package cluster
