// Package faults kills and cuts everything while money moves, and then counts
// the money in the database alone. More than 64 callers share accounts and a hot
// campaign; each call is the real adcredit under a played Asterisk; two real
// creditapi serve on a real MariaDB, and A2Billing's own statements change the
// same rows. adcredit, creditapi and mariadbd are killed with SIGKILL at random
// moments, and the network between them is cut, delayed, half closed, or loses
// answers ([Proxy]). It is done in both ways of the grant.
//
//	go test -tags lab -v ./tests/faults      about a minute
//	make faults                              some minutes; FAULTS=1h for longer
//
// FAULTS_SEED repeats the choices of a run, whose seed is printed. What happens
// still depends on the scheduler.
//
// MariaDB runs with Debian's --myisam-recover-options=BACKUP,QUICK, its own
// default too. Its data lies in memory: what a killed process has written stays,
// there as on a disk, and what it has not written is lost. A power cut is
// another matter, and not tried here.
package faults
