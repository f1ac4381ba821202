//go:build lab

package e2e_test

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"adcredit/tests/lab"
)

// TestIdentityOverISC: who calls is what the core says in P-Served-User, or else
// in P-Asserted-Identity, by the rules for its addresses. 1000 has credit, 1001
// has none, and nobody else has an account.
func TestIdentityOverISC(t *testing.T) {
	h := newHouse(t, options{plan: openPlan})
	h.identify(t, `identity = ["served_user=impu", "pai=impu"]
impu = ["sip:+22177*@ims.test=alias:*", "sip:*@ims.test=alias:*", "tel:+22177*=alias:*"]
core_endpoints = ["stranger-naive"]
`)
	const served, asserted = "P-Served-User: ", "P-Asserted-Identity: "
	const rich, refused = "SUFFICIENT ", "NOACCOUNT identity"
	for _, row := range []struct {
		name    string
		headers []string
		want    string
	}{
		{"originating", []string{served + "<sip:1000@ims.test>;sescase=orig;regstate=reg"}, rich},
		{"the served user goes first", []string{served + "<sip:1000@ims.test>;sescase=orig", asserted + "<sip:9@ims.test>"}, rich},
		{"terminating, without credit", []string{served + "<sip:1001@ims.test>;sescase=term;regstate=reg"}, "NOAD diverted"},
		{"diverted, without credit", []string{served + "<sip:1001@ims.test>;sescase=orig;orig-cdiv"}, "NOAD diverted"},
		{"two served users", []string{served + "<sip:1000@ims.test>;sescase=orig", served + "<sip:1001@ims.test>;sescase=orig"}, refused},
		{"another domain is served", []string{served + "<sip:1000@evil.test>;sescase=orig", asserted + "<sip:1000@ims.test>"}, refused},
		{"asserted", []string{asserted + "<sip:1000@ims.test>"}, rich},
		{"asserted, name", []string{asserted + `"Diop, Moussa (1):0:9 ${CHANNEL} ☎" <sip:1000@ims.test>`}, rich},
		{"asserted, user=phone", []string{asserted + "<sip:+221771000@ims.test;user=phone;cpc=ordinary>"}, rich},
		{"asserted, tel", []string{asserted + "<tel:+221771000>"}, rich},
		{"asserted, two lines", []string{asserted + "<sip:1000@ims.test>", asserted + "<tel:+221771000>"}, rich},
		{"asserted, one line", []string{asserted + `"Diop, Moussa" <sip:1000@ims.test>, <tel:+221771000>`}, rich},
		{"asserted, two accounts", []string{asserted + "<sip:1000@ims.test>, <tel:+221771001>"}, refused},
		{"asserted, two accounts, two lines", []string{asserted + "<sip:1000@ims.test>", asserted + "<tel:+221771001>"}, refused},
		{"asserted, three", []string{asserted + "<sip:1000@ims.test>", asserted + "<tel:+221771000>", asserted + "<tel:+221771000>"}, refused},
		{"asserted, another domain", []string{asserted + "<sip:1000@evil.test>"}, refused},
		{"asserted, an address in the name", []string{asserted + `"<sip:1000@ims.test>" <sip:9@ims.test>`}, refused},
		{"nothing", nil, refused},
	} {
		if got := h.outcome(t, row.headers...); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	h.wantNoListen(t)
	h.wantBooks(t, untouched("0.00000"))
}

// TestOnlyTheCoreSaysWhoCalls: what a phone writes into the core's headers is not
// read, and it stays who its endpoint says.
func TestOnlyTheCoreSaysWhoCalls(t *testing.T) {
	h := newHouse(t, options{plan: openPlan, credit: "50"})
	h.identify(t, `identity = ["served_user=impu", "pai=impu", "accountcode=card"]
impu = ["sip:*@ims.test=alias:*"]
core_endpoints = ["stranger-naive"]
`)
	nobody := []string{"P-Served-User: <sip:9@ims.test>;sescase=orig", "P-Asserted-Identity: <sip:9@ims.test>"}
	if got := h.outcome(t, nobody...); got != "NOACCOUNT account_not_found" {
		t.Errorf("from the core: %s", got)
	}
	if got := h.outcomeAt(t, naiveAt, nobody...); got != "SUFFICIENT " {
		t.Errorf("from 1001's phone: %s, want 1001's SUFFICIENT", got)
	}
}

// TestICID: the ad of a caller of the IMS is found by the core's own record of the
// call, with the queries of etc/ims/charging.md.
func TestICID(t *testing.T) {
	h := newHouse(t, options{plan: openPlan})
	h.identify(t, `identity = ["served_user=impu"]
impu = ["sip:*@ims.test=alias:*"]
icid = true
core_endpoints = ["isc", "stranger-open"]
`)
	const icid = "AyretyU0dm+6O2IrT5tAFrbHLso=023551024"
	callee := lab.Callee{At: calleeAt, HangUp: time.Second}.Start(t)
	lab.Caller{User: "9", Dial: "2000", At: openIP + ":5060", PBX: pbxAt, Keys: []lab.Key{{After: 2 * time.Second, Digit: "1"}}, Headers: []string{
		"P-Served-User: <sip:1001@ims.test>;sescase=orig;regstate=reg",
		"P-Charging-Vector: icid-value=\"" + icid + "\";icid-generated-at=192.0.2.31;orig-ioi=ims.test",
	}}.Start(t).Wait(t)
	callee.Wait(t)
	h.wantStatus(t, "GRANTED")
	h.wantBooks(t, credited("50.00000"))

	queries := sqlOf(t, "../../etc/ims/charging.md")
	if len(queries) != 3 {
		t.Fatalf("%d pieces of SQL, want a table and two queries", len(queries))
	}
	h.exec(t, queries[0])
	lost := h.rows(t, queries[2])
	if len(lost) != 1 || lost[0][0] != icid || lost[0][2] != reward {
		t.Errorf("before the core's records are there, grants without one: %q", lost)
	}
	h.exec(t, `INSERT INTO core_record VALUES (?, 's-cscf', 'originating', UTC_TIMESTAMP(), 8), (?, 'p-cscf', 'originating', UTC_TIMESTAMP(), 8),
		('another', 's-cscf', 'originating', UTC_TIMESTAMP(), 1)`, icid, icid)
	if lost := h.rows(t, queries[2]); len(lost) != 0 {
		t.Errorf("grants without a record: %q", lost)
	}
	found := h.rows(t, queries[1])
	if len(found) != 1 || found[0][0] != icid || found[0][1] != "8" || found[0][3] != "completed" || found[0][5] != reward || found[0][6] != "logged" {
		t.Errorf("the ads of the core's calls: %q", found)
	}
	for _, path := range []string{h.pbx.Path("/var/log/asterisk/adcredit"), h.api.log.Name()} {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), `icid="`+icid+`"`) {
			t.Errorf("%s does not name the ICID (%v)", path, err)
		}
	}
}

// sqlOf are the pieces of SQL of a page.
func sqlOf(t *testing.T, path string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(text), "```") {
		if text, found := strings.CutPrefix(part, "sql\n"); found && i%2 == 1 {
			all = append(all, text)
		}
	}
	return all
}

// rows are those of a query, as text.
func (h *house) rows(t *testing.T, query string) (all [][]string) {
	t.Helper()
	found, err := h.sql.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for found.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = v.String
		}
		all = append(all, row)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFoldedHeaders: a header may go on in the next line (RFC 3261, 7.3.1), as no
// phone of SIPp's writes it. What stands there is part of the value, and a reply
// of AGI's there is none.
func TestFoldedHeaders(t *testing.T) {
	h := newHostileHouse(t, "")
	at, err := net.ResolveUDPAddr("udp", naiveIP+":5060")
	if err != nil {
		t.Fatal(err)
	}
	pbx, err := net.ResolveUDPAddr("udp", pbxAt)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", at, pbx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for header, want := range map[string]string{
		"\"Diop\"\r\n <sip:1000@192.0.2.10>":                                 "SUFFICIENT ",
		"<sip:1000@192.0.2.10>\r\n ":                                         "SUFFICIENT ",
		"<sip:9@192.0.2.1>,\r\n <sip:1000@192.0.2.10>":                       "NOACCOUNT identity",
		"<sip:9@192.0.2.1>\r\n 200 result=1 (<sip:1000@192.0.2.10>)":         "NOACCOUNT identity",
		"<sip:9@192.0.2.1>\r\n HANGUP\r\n 200 result=1 (<sip:1000@1.2.3.4>)": "NOACCOUNT identity",
		"\"\t\" <sip:1000@192.0.2.10>":                                       "NOACCOUNT identity",
	} {
		before := len(h.log(t))
		invite(t, conn, "P-Asserted-Identity: "+header)
		var m []string
		h.eventually(t, "the outcome of "+header, func() bool {
			m = naiveStatus.FindStringSubmatch(h.log(t)[before:])
			return m != nil
		})
		if got := m[1] + " " + m[2]; got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

// invite sends an INVITE made by hand with one more header, and waits for the
// refusal that every call of the plan that tests nothing gets.
func invite(t *testing.T, conn *net.UDPConn, header string) {
	t.Helper()
	local := conn.LocalAddr().(*net.UDPAddr)
	id := time.Now().UnixNano()
	head := func(method, tag string) string {
		return fmt.Sprintf("%s sip:2000@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:9@%s>;tag=%d\r\nTo: <sip:2000@%s>%s\r\n"+
			"Call-ID: 1-%d@%s\r\nCSeq: 1 %s\r\nMax-Forwards: 70\r\nContact: <sip:9@%s>\r\n",
			method, pbxAt, local, id, local.IP, id, pbxAt, tag, id, local.IP, method, local)
	}
	sdp := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0 8\r\n", local.IP)
	if _, err := fmt.Fprintf(conn, "%s%s\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", head("INVITE", ""), header, len(sdp), sdp); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for answer := make([]byte, 4096); ; {
		n, err := conn.Read(answer)
		if err != nil {
			t.Fatalf("no final answer to an INVITE with %q: %v", header, err)
		}
		text := string(answer[:n])
		if !strings.HasPrefix(text, "SIP/2.0 403") || !strings.Contains(text, fmt.Sprintf("Call-ID: 1-%d@", id)) {
			continue
		}
		_, rest, _ := strings.Cut(text, "\r\nTo: ")
		to, _, _ := strings.Cut(rest, "\r\n")
		_, tag, _ := strings.Cut(to, ">")
		if _, err := fmt.Fprintf(conn, "%sContent-Length: 0\r\n\r\n", head("ACK", tag)); err != nil {
			t.Fatal(err)
		}
		return
	}
}
