//go:build lab

package calls

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"adcredit/sounds"
	"adcredit/tests/lab"
)

// arrivals is how many listeners call a second: what an exec of AGI can bear
// beside hundreds of ads.
const arrivals = 8

// BenchmarkListeners has many callers without credit listen at the same time,
// each to the whole of an ad, and counts what each holds meanwhile; then that
// all were heard, credited once, and that the audio came without holes.
func BenchmarkListeners(b *testing.B) {
	listeners := number(b, "LISTENERS", 500)
	var found []listening
	for _, way := range []struct{ name, number string }{{"exec adcredit", "5"}, {"FastAGI adcredit", "6"}} {
		b.Run(way.name, func(b *testing.B) {
			h := newHouse(b)
			ad := time.Duration(20+listeners/arrivals*5/4) * time.Second // the last comes long before the first has heard it
			p := h.asterisk(b, 1, "", h.campaign(b, listeners, ad))
			l := h.listen(b, p, way.number, listeners, ad)
			l.Way = way.name
			found = append(found, l)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(l.Asterisk, "kB-asterisk/listener")
			b.ReportMetric(l.Adcredit, "kB-adcredit/listener")
			l.print(b)
		})
	}
	if !b.Failed() {
		keep(b, "listeners.json", found)
	}
}

// listening is what many listeners cost, each, in kB and in ms of processor.
type listening struct {
	Way       string  `json:"way"`
	Listeners int     `json:"listeners"` // at once
	AdSeconds float64 `json:"ad_seconds"`
	Asterisk  float64 `json:"asterisk_kb"`
	Adcredit  float64 `json:"adcredit_kb"` // its proportional share, where pages are shared
	Creditapi float64 `json:"creditapi_kb"`
	CPU       cost    `json:"cpu_ms"`
	Packets   int     `json:"packets"`
	Lost      int     `json:"packets_lost"` // missing between the first and last of a stream
}

// campaign makes accounts without credit and an ad for them, and returns the
// folder of sounds.
func (h *house) campaign(b *testing.B, listeners int, ad time.Duration) string {
	b.Helper()
	h.database.Exec(b, `SET sql_mode = ''; INSERT INTO cc_card (username, useralias, uipass, credit, tariff, activated, status, language, creationdate)
		SELECT 7000000000 + seq, CONCAT('`+strconv.Itoa(aliasFirst)+`', seq), '', 0, 1, 't', 1, 'en', '2020-01-01' FROM seq_1_to_`+strconv.Itoa(listeners))
	dir := filepath.Join(h.dir, "sounds")
	must(b, os.Mkdir(dir, 0o755))
	must(b, sounds.CopyTo(dir))
	wav := filepath.Join(dir, "ads", "long.wav")
	must(b, os.WriteFile(wav, wave(lab.Tone(440, -20, ad)), 0o644))
	h.manage(b, "campaign", "add", "-name", "long", "-reward", reward, "-budget", strconv.Itoa(100*listeners), "-sound", "en="+wav)
	return dir
}

// wave is a WAV file of 8 kHz, mono, 16 bit.
func wave(samples []int16) []byte {
	data := make([]byte, 44+2*len(samples))
	copy(data, "RIFF")
	binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8))
	copy(data[8:], "WAVEfmt ")
	for at, v := range map[int]uint32{16: 16, 24: lab.SampleRate, 28: 2 * lab.SampleRate} {
		binary.LittleEndian.PutUint32(data[at:], v)
	}
	for at, v := range map[int]uint16{20: 1, 22: 1, 32: 2, 34: 16} {
		binary.LittleEndian.PutUint16(data[at:], v)
	}
	copy(data[36:], "data")
	binary.LittleEndian.PutUint32(data[40:], uint32(2*len(samples)))
	for i, s := range samples {
		binary.LittleEndian.PutUint16(data[44+2*i:], uint16(s))
	}
	return data
}

func (h *house) listen(b *testing.B, p *pbx, number string, listeners int, ad time.Duration) listening {
	b.Helper()
	ear := newEar(b)
	before, spent := h.held(b, p), h.spent(b, p)
	calls := lab.StartSIPp(b, lab.Scenario{
		Name: "listeners", XML: file(b, "testdata/listener.xml"), At: poorAt, PBX: p.at, Calls: listeners,
		Args: []string{"-s", number, "-l", strconv.Itoa(listeners), "-r", strconv.Itoa(arrivals)}, Limit: 3*ad + time.Minute, Quiet: true,
	})
	h.await(b, calls, listeners, 2*ad+30*time.Second)
	during := h.held(b, p)
	calls.Wait(b)
	each := h.spent(b, p).since(spent, listeners)
	h.wantAllCredited(b, p, listeners)
	n := float64(listeners)
	l := listening{Listeners: listeners, AdSeconds: ad.Seconds(), Asterisk: (during.asterisk - before.asterisk) / n,
		Adcredit: (during.adcredit - before.adcredit) / n, Creditapi: (during.creditapi - before.creditapi) / n, CPU: each}
	l.Packets, l.Lost = ear.heard(b, listeners, ad)
	return l
}

// await returns once all listen at the same time.
func (h *house) await(b *testing.B, calls *lab.Phone, listeners int, limit time.Duration) {
	b.Helper()
	n := 0
	for deadline := time.Now().Add(limit); n != listeners; time.Sleep(500 * time.Millisecond) {
		select {
		case <-calls.Done():
			calls.Wait(b) // says why, where it failed
			b.Fatalf("the calls ended, and no more than %d of %d listened at once", n, listeners)
		default:
		}
		var err error
		n, err = strconv.Atoi(h.value(b, `SELECT COUNT(*) FROM adcredit_listen WHERE state = 'started'`))
		must(b, err)
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d listen at once after %s", n, listeners, limit)
		}
	}
}

// holding is memory in kB.
type holding struct{ asterisk, adcredit, creditapi float64 }

// held is what is held now; adcredit are both the programs that run in calls and
// the one that serves FastAGI.
func (h *house) held(b *testing.B, p *pbx) (m holding) {
	b.Helper()
	m.asterisk = float64(memoryOf(p.PID()).pss)
	m.creditapi = float64(memoryOf(h.creditapi.Process.Pid).pss)
	m.adcredit = float64(memoryOf(h.fas.Process.Pid).pss)
	for _, pid := range children(b, p.PID()) {
		m.adcredit += float64(memoryOf(pid).pss)
	}
	return m
}

// wantAllCredited reads the books: each listener was paid once, and nothing else
// moved.
func (h *house) wantAllCredited(b *testing.B, p *pbx, listeners int) {
	b.Helper()
	all := strconv.Itoa(listeners)
	total := strconv.Itoa(50*listeners) + ".00000"
	for query, want := range map[string]string{
		`SELECT COUNT(*) FROM adcredit_listen WHERE state = 'completed'`:                     all,
		`SELECT COUNT(*) FROM adcredit_listen`:                                               all,
		`SELECT COUNT(*) FROM adcredit_ledger WHERE state = 'logged' AND amount = ` + reward: all,
		`SELECT COUNT(*) FROM adcredit_ledger`:                                               all,
		`SELECT COUNT(*) FROM cc_card WHERE credit = ` + reward:                              all,
		`SELECT COUNT(DISTINCT card_id) FROM cc_logrefill WHERE credit = ` + reward:          all,
		`SELECT COUNT(*) FROM cc_logrefill`:                                                  all,
		`SELECT SUM(spent) FROM adcredit_budget WHERE day = 0`:                               total,
		`SELECT SUM(held) FROM adcredit_budget`:                                              "0.00000",
	} {
		if got := h.value(b, query); got != want {
			b.Errorf("%s = %s, want %s", query, got, want)
		}
	}
	for _, spool := range []string{p.Path("/var/spool/adcredit"), filepath.Join(h.dir, "fastagi", "spool")} {
		if left, _ := filepath.Glob(filepath.Join(spool, "*.json")); len(left) > 0 {
			b.Errorf("%d completions wait in %s", len(left), spool)
		}
	}
}

func (l listening) print(b *testing.B) {
	b.Helper()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%d listeners at once by %s, an ad of %.0f s\tAsterisk\tadcredit\tcreditapi\tMariaDB\t\n", l.Listeners, l.Way, l.AdSeconds)
	fmt.Fprintf(w, "memory of each, kB\t%.0f\t%.0f\t%.1f\t\t\n", l.Asterisk, l.Adcredit, l.Creditapi)
	fmt.Fprintf(w, "processor time of each, ms\t%.0f\t%.2f\t%.2f\t%.2f\t\n", l.CPU.Asterisk, l.CPU.Adcredit, l.CPU.Creditapi, l.CPU.MariaDB)
	must(b, w.Flush())
	fmt.Printf("all credited, once; %d packets of audio came, %d were missing\n", l.Packets, l.Lost)
}

// An ear counts the audio of all listeners; Asterisk sends each from a port of
// its own.
type ear struct {
	conn    *net.UDPConn
	mu      sync.Mutex
	streams map[int]*heard
}

// heard is one listener's audio: packets, and those missing between them (RTP's
// sequence numbers, RFC 3550 section 5.1).
type heard struct {
	packets, lost int
	last          uint16
}

func newEar(b *testing.B) *ear {
	b.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 13), Port: 30000})
	must(b, err)
	_ = conn.SetReadBuffer(8 << 20) // as much as the kernel gives
	e := &ear{conn: conn, streams: map[int]*heard{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.run()
	}()
	b.Cleanup(func() {
		conn.Close()
		<-done
	})
	return e
}

func (e *ear) run() {
	var packet [1500]byte
	for {
		n, from, err := e.conn.ReadFromUDPAddrPort(packet[:])
		if err != nil {
			return
		}
		if n < 12 {
			continue
		}
		e.mu.Lock()
		s, sequence := e.streams[int(from.Port())], binary.BigEndian.Uint16(packet[2:])
		if s == nil {
			s = &heard{last: sequence - 1}
			e.streams[int(from.Port())] = s
		}
		s.packets++
		if gap := int16(sequence - s.last - 1); gap > 0 {
			s.lost += int(gap)
		}
		s.last = sequence
		e.mu.Unlock()
	}
}

// heard fails unless each listener got an ad's worth of audio.
func (e *ear) heard(b *testing.B, listeners int, ad time.Duration) (packets, lost int) {
	b.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.streams) != listeners {
		b.Errorf("audio came to %d of %d listeners", len(e.streams), listeners)
	}
	least := int(ad / (20 * time.Millisecond))
	for port, s := range e.streams {
		packets, lost = packets+s.packets, lost+s.lost
		if s.packets+s.lost < least*98/100 {
			b.Errorf("the listener of port %d got %d packets and lacks %d, want %d at least", port, s.packets, s.lost, least)
		}
	}
	return packets, lost
}
