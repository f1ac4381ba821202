package rest

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

// metrics are the figures of this process. The ledger is the truth about money;
// amounts here are floats, as Prometheus wants them, for curves and alarms.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	refusals *prometheus.CounterVec
	listens  *prometheus.CounterVec
	grants   *prometheus.CounterVec
	granted  prometheus.Counter
	swept    *prometheus.CounterVec
	sweeps   prometheus.Counter
	odd      *prometheus.CounterVec
	counted  recent

	mu       sync.Mutex
	answered map[answered]series
}

// answered is what requests are counted by.
type answered struct {
	route  string
	status int
}

// series are the figures of such requests. They are kept, as to find them by their
// labels takes longer than to count; there are as many as routes and statuses.
type series struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

func newMetrics(way func() credit.Way) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "creditapi_" + name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		answered: map[answered]series{},
		requests: counter("http_requests_total", "Requests answered.", "route", "status"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "creditapi_http_request_duration_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10},
		}, []string{"route"}),
		refusals: counter("refusals_total", "Requests answered with a problem, by its code.", "code"),
		listens:  counter("listens_total", "Listens by what became of them here; an answer repeated soon counts once.", "outcome"),
		grants:   counter("grants_total", "Grants by state; an answer repeated soon counts once.", "state"),
		granted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "creditapi_granted_amount_total", Help: "Credit granted for listens, in the base currency."}),
		odd:    counter("suspicious_total", "What a person should look at (creditapi report suspicious), by node and reason.", "node", "reason"),
		swept:  counter("swept_total", "What sweeps mended.", "what"),
		sweeps: prometheus.NewCounter(prometheus.CounterOpts{Name: "creditapi_sweeps_total", Help: "Sweeps that came to their end."}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.refusals, m.listens, m.grants, m.granted, m.swept, m.sweeps, m.odd,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, w := range []credit.Way{credit.Transaction, credit.Stock} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "creditapi_way", Help: "1 for the way in which grants are run now.",
			ConstLabels: prometheus.Labels{"way": string(w)},
		}, func() float64 {
			if way() == w {
				return 1
			}
			return 0
		}))
	}
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true})
}

func (m *metrics) request(route string, status int, took time.Duration, code wire.Code) {
	of := m.seriesOf(answered{route, status})
	of.requests.Inc()
	of.duration.Observe(took.Seconds())
	if code != "" && code != wire.InDoubt {
		m.refusals.WithLabelValues(string(code)).Inc()
	}
}

func (m *metrics) seriesOf(a answered) series {
	m.mu.Lock()
	defer m.mu.Unlock()
	of, known := m.answered[a]
	if !known {
		of = series{m.requests.WithLabelValues(a.route, strconv.Itoa(a.status)), m.duration.WithLabelValues(a.route)}
		m.answered[a] = of
	}
	return of
}

// listen counts an outcome of a listen once, however often it is answered.
func (m *metrics) listen(outcome credit.ListenState, id string) {
	if m.counted.add(string(outcome) + " " + id) {
		m.listens.WithLabelValues(string(outcome)).Inc()
	}
}

func (m *metrics) grant(g wire.Grant) {
	if !m.counted.add(g.State + " " + g.ListenID) {
		return
	}
	m.grants.WithLabelValues(g.State).Inc()
	if g.State != string(credit.InDoubt) {
		m.granted.Add(float64(g.Amount) / float64(wire.Units(1)))
	}
	m.listen(credit.Completed, g.ListenID)
}

func (m *metrics) noticed(node string, reason credit.Suspicion) {
	m.odd.WithLabelValues(node, string(reason)).Inc()
}

func (m *metrics) sweep(s credit.Swept) {
	m.sweeps.Inc()
	m.swept.WithLabelValues("finished").Add(float64(s.Finished))
	m.swept.WithLabelValues("doubtful").Add(float64(s.Doubtful))
	m.swept.WithLabelValues("expired").Add(float64(s.Expired))
	m.listens.WithLabelValues(string(credit.Lapsed)).Add(float64(s.Expired))
}

// recent remembers the last few thousand texts that were added.
type recent struct {
	mu   sync.Mutex
	set  map[string]struct{}
	ring [4096]string
	next int
}

// add reports whether the text is new.
func (r *recent) add(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, again := r.set[text]; again {
		return false
	}
	if r.set == nil {
		r.set = map[string]struct{}{}
	}
	delete(r.set, r.ring[r.next])
	r.set[text], r.ring[r.next] = struct{}{}, text
	r.next = (r.next + 1) % len(r.ring)
	return true
}
