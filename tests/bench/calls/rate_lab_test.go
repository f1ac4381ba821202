//go:build lab

package calls

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"

	"adcredit/tests/lab"
)

// inFlight is how many calls SIPp keeps up at once.
const inFlight = 20

// way is one dialplan, with an Asterisk of its own: ended calls stay in Asterisk
// for half a minute, and the more of them the slower it forks. So nobody pays for
// the calls of another.
type way struct {
	Name   string
	Number string // what is dialled
	pbx    *pbx
	rates  []float64
	ratios []float64 // to the dialplan without AGI, round by round
	empty  []float64 // to the empty program
	costs  []cost

	freshMB float64 // of Asterisk, before any call
}

func ways() []*way {
	return []*way{{Name: "no AGI", Number: "1"}, {Name: "exec, empty C", Number: "2"},
		{Name: "exec adcredit", Number: "3"}, {Name: "FastAGI adcredit", Number: "4"}, {Name: "FastAGI, empty", Number: "7"}}
}

// moduleLists are the Asterisks that are compared: as Debian ships it, and with
// what adcredit needs alone.
var moduleLists = []struct {
	Name, conf string
	exec       float64 // what exec adcredit should reach of the empty program
}{{"all modules", "[modules]\nautoload=yes\n", 0.9}, {"few modules", "", 0.8}}

const fastAim = 0.85 // what FastAGI should reach of the dialplan without AGI

// BenchmarkRate finds how many calls a second of callers with credit Asterisk
// sustains, and what each costs. It makes its own rounds, whatever b.N is.
func BenchmarkRate(b *testing.B) {
	rounds, length := number(b, "CALL_ROUNDS", 5), time.Duration(number(b, "CALL_SECONDS", 5))*time.Second
	var found []figures
	for _, modules := range moduleLists {
		b.Run(modules.Name, func(b *testing.B) {
			h := newHouse(b)
			serveNothing(b)
			all := ways()
			for i, w := range all {
				w.pbx = h.asterisk(b, i+1, modules.conf, "")
				w.freshMB = mb(memoryOf(w.pbx.PID()).rss)
			}
			sizes := h.interleave(b, all, rounds, length)
			f := figures{Modules: modules.Name, Aims: []aim{
				atLeast(modules.Name+", exec adcredit, of an empty C program", median(all[2].empty), modules.exec),
				atLeast(modules.Name+", FastAGI, of no AGI", median(all[3].ratios), fastAim),
			}}
			for _, w := range all {
				f.Ways = append(f.Ways, w.figure())
			}
			found = append(found, f)
			b.ReportMetric(0, "ns/op") // of all rounds together: it means nothing
			b.ReportMetric(median(all[2].empty), "exec/empty")
			b.ReportMetric(median(all[3].ratios), "fastagi/none")
			f.print(b, rounds, sizes)
		})
	}
	if !b.Failed() {
		keep(b, "calls.json", found)
		keepChart(b, "calls.svg", found[len(found)-1])
	}
}

// serveNothing takes FastAGI's connections and ends them at once: what a call
// costs with it is Asterisk's own.
func serveNothing(b *testing.B) {
	b.Helper()
	listener, err := net.Listen("tcp", emptyAt)
	must(b, err)
	b.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				// Closed with the environment unread, it would be a reset, and a warning.
				for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; {
				}
			}()
		}
	}()
}

// interleave runs every way once per round, in an order of its own, each for
// about the given time; the first round is not counted but sizes the others.
func (h *house) interleave(b *testing.B, all []*way, rounds int, length time.Duration) []int {
	b.Helper()
	sizes := make([]int, len(all))
	for i, w := range all {
		rate, _ := h.batch(b, w, 40, 0)
		rate, _ = h.batch(b, w, max(40, int(rate)), 0)
		sizes[i] = max(40, int(rate*length.Seconds()))
	}
	for round := range rounds {
		for _, i := range rand.Perm(len(all)) {
			rate, c := h.batch(b, all[i], sizes[i], round+1)
			all[i].rates, all[i].costs = append(all[i].rates, rate), append(all[i].costs, c)
		}
		for _, w := range all {
			w.ratios = append(w.ratios, w.rates[round]/all[0].rates[round])
			w.empty = append(w.empty, w.rates[round]/all[1].rates[round])
		}
	}
	return sizes
}

var batches int // gives each run of SIPp a name

// batch makes calls, all of which must be answered by the callee, and returns how
// many a second there were and what each cost.
func (h *house) batch(b *testing.B, w *way, calls, round int) (rate float64, each cost) {
	b.Helper()
	batches++
	before, start := h.spent(b, w.pbx), time.Now()
	p := lab.StartSIPp(b, lab.Scenario{
		Name: fmt.Sprintf("caller-%d", batches), XML: file(b, "testdata/caller.xml"), At: richAt, PBX: w.pbx.at, Calls: calls,
		Args: []string{"-s", w.Number, "-l", strconv.Itoa(inFlight), "-r", "2000", "-timer_resol", "1"}, Limit: 3 * time.Minute, Quiet: true,
	})
	p.Wait(b)
	return float64(calls) / time.Since(start).Seconds(), h.spent(b, w.pbx).since(before, calls)
}

func (w *way) figure() wayFigures {
	f := wayFigures{Name: w.Name, Rate: sampleOf(w.rates), Ratio: sampleOf(w.ratios), ToEmpty: sampleOf(w.empty),
		FreshMB: w.freshMB, WornMB: mb(memoryOf(w.pbx.PID()).rss)}
	pick := func(of func(cost) float64) float64 {
		values := make([]float64, len(w.costs))
		for i, c := range w.costs {
			values[i] = of(c)
		}
		return median(values)
	}
	f.CPU = cost{pick(func(c cost) float64 { return c.Asterisk }), pick(func(c cost) float64 { return c.Adcredit }),
		pick(func(c cost) float64 { return c.Creditapi }), pick(func(c cost) float64 { return c.MariaDB })}
	return f
}

func (f figures) print(b *testing.B, rounds int, sizes []int) {
	b.Helper()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%s, %d in flight, %d rounds\tcalls/s\tx no AGI\tx empty C\tCPU ms: Asterisk\tadcredit\tcreditapi\tMariaDB\tAsterisk MB\tafter\tcalls a round\t\n", f.Modules, inFlight, rounds)
	for i, x := range f.Ways {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%d\t\n", x.Name, x.Rate, x.Ratio, x.ToEmpty,
			x.CPU.Asterisk, x.CPU.Adcredit, x.CPU.Creditapi, x.CPU.MariaDB, x.FreshMB, x.WornMB, sizes[i])
	}
	must(b, w.Flush())
	fmt.Println("Asterisk's time is with the programs that it starts.")
	for _, a := range f.Aims {
		verdict := "met   "
		if !a.Met {
			verdict = "MISSED"
		}
		fmt.Printf("%s  %s: at least %s, is %s\n", verdict, a.What, digits(a.AtLeast), digits(a.Value))
	}
}
