//go:build lab

package calls

import (
	"database/sql"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"adcredit/tests/lab"
)

// upkeep is what the table of listens costs with so many rows.
type upkeep struct {
	Rows        float64 `json:"rows"`
	BytesPerRow float64 `json:"bytes_per_row"` // of the file, with all indexes
	WriteUS     float64 `json:"write_us"`      // a listen that starts and completes, without what else a grant writes
	ScanSeconds float64 `json:"purge_nothing_s"`
	PurgePerRow float64 `json:"purge_us_per_row"` // creditapi purge, of rows that it changes
	MovePerRow  float64 `json:"archive_us_per_row"`
	DropSeconds float64 `json:"drop_partition_s"` // a month of the archive
}

// BenchmarkTables fills the table of listens as years of calls leave it behind
// and measures its upkeep at two sizes, from which that of 10^8 rows follows.
func BenchmarkTables(b *testing.B) {
	small := number(b, "ROWS", 1_000_000)
	var found []upkeep
	for _, rows := range []int{small, 10 * small} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			u := newTable(b, rows).upkeep(b)
			b.ReportMetric(0, "ns/op")
			found = append(found, u)
		})
	}
	if b.Failed() || len(found) != 2 {
		return
	}
	found = append(found, found[0].extrapolated(found[1], 1e8))
	keep(b, "tables.json", found)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\nrows of adcredit_listen\tbytes a row\tstart and complete\tpurge finds nothing\tpurge changes a row\tarchive moves a row\ta month's partition dropped\t\n")
	for i, u := range found {
		note := ""
		if i == 2 {
			note = " (extrapolated)"
		}
		fmt.Fprintf(w, "%.0f%s\t%.0f\t%.0f us\t%.2f s\t%.1f us\t%.1f us\t%.3f s\t\n", u.Rows, note, u.BytesPerRow, u.WriteUS, u.ScanSeconds, u.PurgePerRow, u.MovePerRow, u.DropSeconds)
	}
	must(b, w.Flush())
}

// extrapolated goes on from u and a larger one to so many rows. What purge does
// when it finds nothing grows with the rows, or by the power by which it grew; what
// one row costs grows as trees do, by the same step for each tenfold.
func (u upkeep) extrapolated(larger upkeep, rows float64) upkeep {
	further := math.Log(rows/larger.Rows) / math.Log(larger.Rows/u.Rows)
	step := func(from, to float64) float64 { return to + further*max(0, to-from) }
	return upkeep{rows, step(u.BytesPerRow, larger.BytesPerRow), step(u.WriteUS, larger.WriteUS),
		larger.ScanSeconds * math.Pow(max(larger.Rows/u.Rows, larger.ScanSeconds/u.ScanSeconds), further),
		step(u.PurgePerRow, larger.PurgePerRow), step(u.MovePerRow, larger.MovePerRow), step(u.DropSeconds, larger.DropSeconds)}
}

// A table is a database with that many listens, of the last 450 days: one in
// nine is older than creditapi's retention of 400 days.
type table struct {
	server *lab.Server
	db     *sql.DB
	url    string
	rows   int
}

const days = 450

func newTable(b *testing.B, rows int) *table {
	b.Helper()
	server := lab.NewMariaDB(b, lab.MariaDBOptions{Args: []string{"--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M", "--innodb-flush-log-at-trx-commit=2"}})
	d := server.Database(b, "mya2billing")
	lab.LoadA2Billing(b, d, lab.InnoDB)
	t := &table{server: server, db: d.DB(b), url: d.Owner().SocketURL(), rows: rows}
	t.creditapi(b, "migrate")
	// The indexes come last, which is many times faster. They are denser than those
	// that grew with calls: up to half as large again are to be expected there.
	d.Exec(b, "ALTER TABLE adcredit_listen DROP KEY adcredit_listen_key, DROP KEY adcredit_listen_open, DROP KEY adcredit_listen_campaign, DROP KEY adcredit_listen_account")
	const part = 100_000
	for from := 0; from < rows; from += part {
		d.Exec(b, "INSERT INTO adcredit_listen ("+listenColumns+") "+listens(from+1, min(from+part, rows), rows))
	}
	d.Exec(b, `ALTER TABLE adcredit_listen ADD UNIQUE KEY adcredit_listen_key (node, idempotency_key), ADD KEY adcredit_listen_open (state, expires_at),
		ADD KEY adcredit_listen_campaign (campaign_id, started_at), ADD KEY adcredit_listen_account (account_id, started_at)`)
	return t
}

const listenColumns = `id, node, idempotency_key, digest, account_id, card, call_id, destination, campaign_id, ad_id, language, reward,
	day, budget_shard, state, started_at, busy_until, expires_at, ended_at, endpos, played_ms, heard_at`

// listens selects rows as creditapi leaves them, the nth of all at its time; ids
// are UUIDs of version 7, so they are sorted by time.
func listens(from, to, rows int) string {
	return fmt.Sprintf(`SELECT
	CONCAT(SUBSTR(h, 1, 8), '-', SUBSTR(h, 9, 4), '-7', SUBSTR(r, 1, 3), '-a', SUBSTR(r, 4, 3), '-', SUBSTR(r, 7, 12)),
	CONCAT('ast', 1 + seq %% 40), r, SHA2(seq, 256), seq %% 1000003, 7000000000 + seq %% 1000003, CONCAT('ast', 1 + seq %% 40, '/', UNIX_TIMESTAMP(t), '.', seq %% 1000),
	CONCAT('22177', LPAD(seq %% 10000000, 7, '0')), 1 + seq %% 50, 1 + seq %% 50, 'fr', 50, TO_DAYS(t), seq %% 16, 'completed', t, t, t + INTERVAL 1 DAY,
	t + INTERVAL 30 SECOND, 160000, 20000, t + INTERVAL 29 SECOND
	FROM (SELECT seq, t, MD5(seq) r, LPAD(HEX(FLOOR(1000 * UNIX_TIMESTAMP(t))), 12, '0') h
		FROM (SELECT seq, NOW(6) - INTERVAL %d SECOND + INTERVAL FLOOR(%d * seq / %d) SECOND t FROM seq_%d_to_%d) a) b`,
		days*86400, days*86400, rows+1, from, to)
}

// creditapi runs one command on the table's database.
func (t *table) creditapi(b *testing.B, args ...string) time.Duration {
	b.Helper()
	cmd := exec.Command(lab.Program("creditapi"), args...)
	cmd.Env = append(os.Environ(), "CREDITAPI_DATABASE="+t.url)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("creditapi %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return time.Since(start)
}

func (t *table) upkeep(b *testing.B) upkeep {
	b.Helper()
	u := upkeep{Rows: float64(t.rows)}
	info, err := os.Stat(filepath.Join(t.server.Dir, "data", "mya2billing", "adcredit_listen.ibd"))
	must(b, err)
	u.BytesPerRow = float64(info.Size()) / u.Rows
	u.WriteUS = t.write(b)

	u.ScanSeconds = math.Inf(1)
	for range 3 { // the least: the machine does other things, too
		u.ScanSeconds = min(u.ScanSeconds, t.creditapi(b, "purge", "-older-than", "3650d").Seconds())
	}
	purged := t.count(b, "started_at <= NOW() - INTERVAL 400 DAY AND card <> ''")
	took := t.creditapi(b, "purge")
	if left := t.count(b, "started_at <= NOW() - INTERVAL 401 DAY AND card <> ''"); left != 0 || purged == 0 {
		b.Fatalf("creditapi purge left %d of %d rows", left, purged)
	}
	u.PurgePerRow = max(0, took.Seconds()-u.ScanSeconds) * 1e6 / float64(purged)

	u.MovePerRow = t.archive(b)
	start := time.Now()
	t.run(b, "ALTER TABLE archive DROP PARTITION m0")
	u.DropSeconds = time.Since(start).Seconds()
	return u
}

// write is the median of starting and completing listens of accounts here and
// there, each in two transactions.
func (t *table) write(b *testing.B) float64 {
	b.Helper()
	var took []float64
	for i := range 1000 {
		// The same columns as of all, far behind their last number.
		insert := strings.Replace(listens(2_000_000_000+i, 2_000_000_000+i, 2_000_000_000), "'completed'", "'started'", 1)
		start := time.Now()
		t.run(b, "INSERT INTO adcredit_listen ("+listenColumns+") "+insert)
		t.run(b, "UPDATE adcredit_listen SET state = 'completed', ended_at = NOW(6) WHERE node = ? AND idempotency_key = MD5(?) AND state = 'started'",
			fmt.Sprintf("ast%d", 1+(2_000_000_000+i)%40), 2_000_000_000+i)
		took = append(took, float64(time.Since(start).Microseconds()))
	}
	return median(took)
}

// archive moves the oldest rows, at most a ninth, in batches by primary key into
// a table that is partitioned by month. adcredit_listen itself can't be: its
// unique keys, which keep an ad from being paid twice, would each have to hold
// the date, and then no longer would.
func (t *table) archive(b *testing.B) float64 {
	b.Helper()
	t.run(b, `CREATE TABLE archive LIKE adcredit_listen`)
	t.run(b, `ALTER TABLE archive DROP KEY adcredit_listen_key, DROP KEY adcredit_listen_playing_account, DROP KEY adcredit_listen_playing_call,
		DROP KEY adcredit_listen_open, DROP PRIMARY KEY, ADD PRIMARY KEY (id, started_at)`)
	t.run(b, `ALTER TABLE archive PARTITION BY RANGE COLUMNS (started_at) (PARTITION m0 VALUES LESS THAN ('`+
		time.Now().AddDate(0, 0, 30-days).Format(time.DateOnly)+`'), PARTITION later VALUES LESS THAN (MAXVALUE))`)
	const batch = 1000
	moved, goal := 0, min(t.rows/9, 200_000)
	start := time.Now()
	for moved < goal {
		var last string
		must(b, t.db.QueryRow(`SELECT MAX(id) FROM (SELECT id FROM adcredit_listen ORDER BY id LIMIT ?) x`, batch).Scan(&last))
		tx, err := t.db.Begin()
		must(b, err)
		_, err = tx.Exec(`INSERT INTO archive SELECT * FROM adcredit_listen WHERE id <= ?`, last)
		must(b, err)
		result, err := tx.Exec(`DELETE FROM adcredit_listen WHERE id <= ?`, last)
		must(b, err)
		must(b, tx.Commit())
		n, err := result.RowsAffected()
		must(b, err)
		moved += int(n)
	}
	return float64(time.Since(start).Microseconds()) / float64(moved)
}

func (t *table) run(b *testing.B, query string, args ...any) {
	b.Helper()
	if _, err := t.db.Exec(query, args...); err != nil {
		b.Fatalf("%s: %v", query, err)
	}
}

func (t *table) count(b *testing.B, where string) (n int) {
	b.Helper()
	must(b, t.db.QueryRow("SELECT COUNT(*) FROM adcredit_listen WHERE "+where).Scan(&n))
	return n
}
