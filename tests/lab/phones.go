package lab

import (
	_ "embed"
	"fmt"
	"html"
	"net"
	"strings"
	"testing"
	"text/template"
	"time"
)

// A Caller is a phone that makes one call and talks µ-law.
type Caller struct {
	User    string        // user part of From, as it goes on the wire: "1001", "10%0a00"
	Name    string        // display name of From; none when empty
	Dial    string        // user part of the request URI
	At      string        // our address and port, e.g. "127.0.0.11:5060"
	PBX     string        // Asterisk's address and port
	Headers []string      // further lines of the INVITE, e.g. "P-Asserted-Identity: <sip:…>"
	Status  int           // the final answer that the call must get; 0 means 200
	Keys    []Key         // pressed in turn once answered, by SIP INFO
	HangUp  time.Duration // we hang up, this long after the last key; 0: the other side must
	Cancel  time.Duration // we give up, this long after the last provisional answer; then 487 must follow
	Audio   []byte        // raw µ-law, repeated for the whole call; nil: a tone of 300 Hz
	Limit   time.Duration // of the whole call; 0 means a minute
}

// A Key is one digit, pressed a while after the answer or the key before it.
type Key struct {
	After time.Duration
	Digit string // "": what [Phone.Press] says, when it does
}

// Press makes the phone of a Caller press a key for which its Keys have no
// digit: one that is only known when the caller has heard it.
func (p *Phone) Press(tb testing.TB, digit string) {
	tb.Helper()
	conn, err := net.Dial("udp", p.at.String())
	if err != nil {
		tb.Fatalf("lab: tell phone %s to press %s: %v", p.name, digit, err)
	}
	defer conn.Close()
	// SIPp takes it for its call by the Call-ID, which is its default.
	_, err = fmt.Fprintf(conn, "MESSAGE sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK-press\r\n"+
		"From: <sip:test@%[2]s>;tag=press\r\nTo: <sip:%[1]s>\r\nCall-ID: 1-%[3]d@%[4]s\r\nCSeq: 1 MESSAGE\r\n"+
		"X-Key: %[5]s\r\nContent-Length: 0\r\n\r\n", p.at, conn.LocalAddr(), p.cmd.Process.Pid, p.at.Addr(), digit)
	if err != nil {
		tb.Fatalf("lab: tell phone %s to press %s: %v", p.name, digit, err)
	}
}

// A Callee is a phone that rings, answers and talks µ-law.
type Callee struct {
	At     string        // our address and port
	Calls  int           // how many to take; 0 means 1
	Ring   time.Duration // from 180 to the final answer
	Status int           // the final answer, e.g. 486; 0 means 200
	HangUp time.Duration // we hang up, this long after ACK; 0: the other side must
	Audio  []byte        // raw µ-law, repeated for the whole call; nil: a tone of 440 Hz
	Limit  time.Duration // from the start of the phone to the end of its last call; 0 means a minute
}

//go:embed sipp/caller.xml
var callerXML string

//go:embed sipp/callee.xml
var calleeXML string

var scenarios = template.Must(template.Must(template.New("caller").Funcs(template.FuncMap{
	"ms":   time.Duration.Milliseconds,
	"xml":  html.EscapeString,
	"cseq": func(key int) int { return key + 2 },
}).Parse(callerXML)).New("callee").Parse(calleeXML))

// Start makes the call; [Phone.Wait] awaits its end.
func (c Caller) Start(tb testing.TB) *Phone {
	tb.Helper()
	if c.Status == 0 {
		c.Status = 200
	}
	answered := c.Status < 300 && c.Cancel == 0
	return StartSIPp(tb, Scenario{
		Name: "caller-" + strings.NewReplacer("/", "_", "%", "_").Replace(c.User) + "-at-" + c.At,
		XML: expand(tb, "caller", struct {
			Caller
			Answered bool
		}{c, answered}),
		At: c.At, PBX: c.PBX, Limit: c.Limit,
		Files: map[string][]byte{"audio.ulaw": orTone(c.Audio, 300)},
	})
}

// Start makes the phone listen; [Phone.Wait] awaits the end of its last call.
func (c Callee) Start(tb testing.TB) *Phone {
	tb.Helper()
	if c.Status == 0 {
		c.Status = 200
	}
	return StartSIPp(tb, Scenario{
		Name: "callee-at-" + c.At,
		XML: expand(tb, "callee", struct {
			Callee
			Answered bool
		}{c, c.Status < 300}),
		At: c.At, Calls: c.Calls, Limit: c.Limit,
		Files: map[string][]byte{"audio.ulaw": orTone(c.Audio, 440)},
	})
}

func expand(tb testing.TB, name string, data any) string {
	tb.Helper()
	var xml strings.Builder
	if err := scenarios.ExecuteTemplate(&xml, name, data); err != nil {
		tb.Fatalf("lab: write the scenario of a %s: %v", name, err)
	}
	return xml.String()
}

func orTone(audio []byte, hz float64) []byte {
	if audio != nil {
		return audio
	}
	return EncodeULaw(Tone(hz, -20, time.Second))
}
