package rest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"adcredit/creditapi/credit"
	"adcredit/creditapi/wire"
)

func TestHealth(t *testing.T) {
	w := newWorld(t)
	var answer map[string]string
	w.want(http.StatusOK, get("", "/healthz"), &answer)
	if len(answer) != 1 || answer["status"] != "ok" {
		t.Errorf("healthz: %v", answer)
	}
	answer = nil
	w.want(http.StatusOK, get("", "/readyz"), &answer)
	if len(answer) != 1 || answer["status"] != "ok" {
		t.Errorf("readyz for anybody: %v", answer)
	}
	w.want(http.StatusOK, get("ast1", "/readyz"), &answer)
	if answer["way"] != string(credit.Transaction) || answer["promise"] != credit.Transaction.Promise() {
		t.Errorf("readyz with a key: %v", answer)
	}
}

func TestNotReady(t *testing.T) {
	w := newWorld(t)
	w.store.Fail(errors.New("dial tcp: refused"))
	p, _ := w.problem(wire.Unavailable, get("", "/readyz"))
	if strings.Contains(p.Detail, "refused") {
		t.Errorf("detail: %q", p.Detail)
	}
	w.logged("dial tcp: refused")
	w.want(http.StatusOK, get("", "/healthz"), nil)
	w.store.Fail(nil)
	w.problem(wire.Unavailable, get("", "/readyz")) // asked a moment ago
	w.api.ready.until = time.Time{}                 // that moment is over
	w.want(http.StatusOK, get("", "/readyz"), nil)
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	l := w.started(key1)
	w.started(key1) // again, and counted once
	w.pass(10 * time.Second)
	complete := post("ast1", "/v1/listens/"+l.ID+"/complete", heard)
	w.want(http.StatusOK, complete, nil)
	w.want(http.StatusOK, complete, nil)
	w.problem(wire.NotFound, get("", "/nowhere"))
	w.api.Swept(credit.Swept{Finished: 1, Doubtful: 2, Expired: 3})
	body, err := io.ReadAll(w.ask(get("report", "/metrics")).Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`creditapi_http_requests_total{route="POST /v1/listens",status="201"} 2`,
		`creditapi_http_requests_total{route="none",status="404"} 1`,
		`creditapi_http_request_duration_seconds_count{route="POST /v1/listens/{id}/complete"} 2`,
		`creditapi_refusals_total{code="not_found"} 1`,
		`creditapi_listens_total{outcome="started"} 1`,
		`creditapi_listens_total{outcome="completed"} 1`,
		`creditapi_listens_total{outcome="expired"} 3`,
		`creditapi_grants_total{state="logged"} 1`,
		`creditapi_granted_amount_total 50`,
		`creditapi_sweeps_total 1`,
		`creditapi_swept_total{what="finished"} 1`,
		`creditapi_swept_total{what="doubtful"} 2`,
		`creditapi_swept_total{what="expired"} 3`,
		`creditapi_way{way="transaction"} 1`,
		`creditapi_way{way="stock"} 0`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(string(body), "\n"+line) {
			t.Errorf("no line %s in\n%s", line, body)
		}
	}
	w.problem(wire.Unauthorized, get("", "/metrics"))

	own := httptest.NewRecorder()
	w.api.Metrics().ServeHTTP(own, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if own.Code != http.StatusOK || !strings.Contains(own.Body.String(), "creditapi_way") {
		t.Errorf("on a listener of its own: %d %s", own.Code, own.Body)
	}
}

// TestRecent: the memory of what was counted is bounded, and the oldest goes.
func TestRecent(t *testing.T) {
	var r recent
	for i := range 3 * len(r.ring) {
		if !r.add(strings.Repeat("x", i)) {
			t.Fatalf("text %d is said to be there", i)
		}
	}
	if len(r.set) != len(r.ring) || r.add(strings.Repeat("x", 3*len(r.ring)-1)) || !r.add("") {
		t.Errorf("%d texts are remembered; want the last %d", len(r.set), len(r.ring))
	}
}

// TestMetricsListenerHeaders: also what is not there is answered with them.
func TestMetricsListenerHeaders(t *testing.T) {
	w := newWorld(t)
	for path, status := range map[string]int{"/metrics": http.StatusOK, "/v1/sounds": http.StatusNotFound} {
		rec := httptest.NewRecorder()
		w.api.Metrics().ServeHTTP(rec, w.make(get("", path)))
		if rec.Code != status || rec.Header().Get("X-Content-Type-Options") != "nosniff" || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", path, rec.Code, rec.Header())
		}
	}
}
