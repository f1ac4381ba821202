// Package e2e is the whole of adcredit on real parts: SIPp calls a real
// Asterisk 22, whose dialplans are those of etc/asterisk, or, for the calls that
// matter most, an Asterisk 16 with chan_sip and etc/asterisk16. It runs the real
// adcredit, which asks the real creditapi, which reads and credits A2Billing's
// tables on a real MariaDB as the user of etc/a2billing's grants. What must come
// of a call is read from the SIP messages and the sound on the wire, from
// Asterisk's log and from the tables. Run as root:
//
//	go test -tags lab ./tests/e2e
//
// The folder billing holds the stand-in for a2billing.php. Where ADCREDIT_FIGURES
// names a file, the measured times and levels are written there too.
package e2e
