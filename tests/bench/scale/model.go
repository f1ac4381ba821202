package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// model is a region's demand and the machines that it is served by.
type model struct {
	Subscribers float64
	Attempts    float64 // calls of each in the busy hour
	Poor        float64 // of calls: without credit
	Heard       float64 // of those: an ad is heard to its end
	Refusals    float64 // started and not heard to their end, as a share of those that are
	AdSeconds   float64
	BusyShare   float64 // of a day's calls, in the busy hour
	Processors  float64
	MemoryGB    float64
	Use         float64 // of the processors, at most
}

func (m model) check(further int) error {
	for name, v := range map[string]float64{"subscribers": m.Subscribers, "attempts": m.Attempts, "ad": m.AdSeconds, "processors": m.Processors, "memory": m.MemoryGB} {
		if !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("-%s must be above 0", name)
		}
	}
	for name, v := range map[string]float64{"poor": m.Poor, "heard": m.Heard, "busy": m.BusyShare, "use": m.Use} {
		if !(v > 0 && v <= 1) {
			return fmt.Errorf("-%s is a share above 0 and at most 1", name)
		}
	}
	if !(m.Refusals >= 0 && m.Refusals <= 10) {
		return fmt.Errorf("-abandoned is a share from 0 to 10")
	}
	if further > 0 {
		return fmt.Errorf("there are arguments that are no flags")
	}
	return nil
}

// demand is what comes in the busy hour, and in a year.
type demand struct {
	calls     float64 // a second
	listens   float64 // a second, heard to their end
	starts    float64 // a second, heard or not
	listening float64 // at once
	yearly    float64 // starts: rows of adcredit_listen
	grants    float64 // a year
}

func (m model) demand(f figures) (d demand) {
	d.calls = m.Subscribers * m.Attempts / 3600
	d.listens = d.calls * m.Poor * m.Heard
	d.starts = d.listens * (1 + m.Refusals)
	d.listening = d.starts * m.audio(f) // Little's law; the abandoned ones as if they stayed
	busyHour := 3600 / m.BusyShare * 365
	d.grants, d.yearly = d.listens*busyHour, d.starts*busyHour
	return d
}

// audio is the seconds that a listener hears: the ad, and the prompts as long as
// they were in the benchmark.
func (m model) audio(f figures) float64 { return m.AdSeconds + f.prompts() }

// prompts are what a listener heard beside the ad.
func (f figures) prompts() float64 { return f.fastAds.seconds() - f.fastAds.AdSeconds }

// need is processors that are wholly busy, by part.
func (m model) need(f figures, c call, l listener, d demand) cpu {
	listen := l.CPU
	listen.Asterisk = m.asteriskOf(f, c, l)
	of := func(call, listen float64) float64 { return (d.calls*call + d.starts*listen) / 1000 }
	return cpu{of(c.CPU.Asterisk, listen.Asterisk), of(c.CPU.Adcredit, listen.Adcredit), of(c.CPU.Creditapi, listen.Creditapi), of(c.CPU.MariaDB, listen.MariaDB)}
}

// asteriskOf is Asterisk's time for one listen of this model: what is not the
// call's is the audio's, and that goes by its length.
func (m model) asteriskOf(f figures, c call, l listener) float64 {
	perSecond := max(0, l.CPU.Asterisk-c.CPU.Asterisk) / l.seconds()
	return perSecond * m.audio(f) // the call itself is counted among all calls
}

// write prints the whole.
func (m model) write(out io.Writer, f figures) {
	d := m.demand(f)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(what, format string, values ...any) {
		fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, values...))
	}
	line("DEMAND, in the busy hour", "")
	line("subscribers", "%s, %.2f calls each", count(m.Subscribers), m.Attempts)
	line("calls", "%s a second", count(d.calls))
	line("without credit", "%s a second (%.1f %% of calls)", count(d.calls*m.Poor), 100*m.Poor)
	line("ads heard to their end", "%s a second, %s started", count(d.listens), count(d.starts))
	line("listening at once", "%s, each for %.0f s (%.0f s of ad)", count(d.listening), m.audio(f), m.AdSeconds)
	line("audio", "%s Mbit/s on the wire (RTP, 80 kbit/s each); an ad is %.2f MB on disk, in the page cache of each Asterisk", count(d.listening*0.08), m.AdSeconds*16000/1e6)
	line("", "")
	m.machines(line, f, d)
	line("", "")
	m.database(line, f, d)
	line("", "")
	m.ends(line, f, d)
	_ = w.Flush() // to standard output or a buffer
}

type printer func(what, format string, values ...any)

// machines says what one holds and how many the region needs.
func (m model) machines(line printer, f figures, d demand) {
	line(fmt.Sprintf("ONE MACHINE of %.0f processors, %.0f %% of them in use", m.Processors, 100*m.Use), "of such calls; of listeners, by memory (%.0f GB)", m.MemoryGB)
	room := m.Processors * m.Use
	for _, way := range []struct {
		name  string
		calls call
		ads   listener
	}{{"Asterisk, FastAGI", f.fast, f.fastAds}, {"Asterisk, exec", f.exec, f.execAds}} {
		need := m.need(f, way.calls, way.ads, d)
		host := need.Asterisk + need.Adcredit
		kb := way.ads.Asterisk + way.ads.Adcredit
		line(way.name+" and adcredit", "%s calls/s; %s listeners at %.0f kB", count(d.calls*room/host), count(m.MemoryGB*m.Use*1e6/kb), kb)
	}
	need := m.need(f, f.fast, f.fastAds, d)
	line("creditapi", "%s calls/s; a listener holds %.0f kB there", count(d.calls*room/need.Creditapi), f.fastAds.Creditapi)
	line("MariaDB", "%s calls/s", count(d.calls*room/need.MariaDB))
	line("", "")
	exec := m.need(f, f.exec, f.execAds, d)
	hosts := func(n float64) float64 { return math.Ceil(n / room) }
	line("THE REGION needs", "processors wholly busy, and machines")
	line("Asterisk, FastAGI", "%s, %.0f machines", count(need.Asterisk+need.Adcredit), hosts(need.Asterisk+need.Adcredit))
	line("Asterisk, exec", "%s, %.0f machines", count(exec.Asterisk), hosts(exec.Asterisk))
	plain := d.calls * f.plain.CPU.Asterisk / 1000
	line("the same calls without AGI", "%s, %.0f machines", count(plain), hosts(plain))
	line("creditapi", "%s, %.0f machines, and one more for when one fails", count(need.Creditapi), hosts(need.Creditapi))
	line("MariaDB", "%s, %.0f machines; Galera: three, each with all the writes and a part of the reads", count(need.MariaDB), hosts(need.MariaDB))
}

// database says what is kept.
func (m model) database(line printer, f figures, d demand) {
	line("KEPT, in a year", "")
	line("rows of adcredit_listen", "%s, %.0f GB (%.0f bytes a row)", count(d.yearly), d.yearly*f.table.BytesPerRow/1e9, f.table.BytesPerRow)
	line("rows of adcredit_ledger, of cc_logrefill", "%s each", count(d.grants))
	daily := d.yearly / 365
	line("creditapi purge, each night", "%s rows: %.1f minutes, and %.1f to look through 10^8 rows", count(daily), daily*f.table.Purge/6e7, f.table.Scan/60)
	line("an archive instead, each night", "%.1f minutes to move as many, and a month is dropped at once", daily*f.table.Archive/6e7)
	line("10^8 rows", "%.0f days", 1e8/daily)
}

// ends lists what is exhausted first as the region grows.
func (m model) ends(line printer, f figures, d demand) {
	need := m.need(f, f.fast, f.fastAds, d)
	room := m.Processors * m.Use
	line("WHERE IT ENDS, of what can't be multiplied by adding machines", "")
	writes := d.starts * f.fastAds.CPU.MariaDB / 1000
	line("writes of one database", "%s busy processors of %.0f: this region %s times over", count(writes), m.Processors, count(room/writes))
	line("checks, if all go to one database", "%s busy: %s times over; other nodes of a cluster can take them", count(need.MariaDB-writes), count(room/max(need.MariaDB-writes, 1e-9)))
	line("commits", "%s a second, two for each ad; a disk that syncs in 1 ms does 1,000 without group commit", count(2*d.starts))
	line("one campaign in 16 shards", "%s grants a second on a row: a row is locked for each", count(d.listens/16))
}

// count writes a number of things with at most three digits after the first two,
// and thousands apart.
func count(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2g", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
