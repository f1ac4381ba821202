//go:build lab

package hss

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"adcredit/tests/ims/aka"
	"adcredit/tests/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.NeedKamailio)) }

// registrar is a Kamailio that registers users by what our HSS says.
type registrar struct {
	hss *Server
	log string
}

// startRegistrar starts both; algorithm is what the registrar challenges with.
func startRegistrar(t *testing.T, algorithm string) *registrar {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"scscf.cfg", "scscf.xml"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.NewReplacer("CONFIG", dir, "ALGORITHM", algorithm).Replace(string(text)))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	l, err := net.Listen("tcp", "127.0.0.5:3868")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &registrar{hss: New(Options{Subscribers: load(t), Host: "127.0.0.5", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})}
	served := make(chan error)
	go func() { served <- r.hss.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})

	lab.KamailioEtc(t, dir)
	k := lab.StartKamailio(t, "scscf")
	r.log = k.Log
	k.Await(t, "its CER has come", func() bool {
		r.hss.mu.Lock()
		defer r.hss.mu.Unlock()
		return r.hss.peers["127.0.0.2"] != nil
	})
	return r
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// phone is a UE that registers.
type phone struct {
	*testing.T
	conn net.Conn
	user string
	cseq int
}

func newPhone(t *testing.T, user string) *phone {
	t.Helper()
	conn, err := net.Dial("udp", "127.0.0.2:6060")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &phone{T: t, conn: conn, user: user}
}

// ask sends a request and returns its final answer.
func (p *phone) ask(method string, headers ...string) string {
	p.Helper()
	p.cseq++
	request := fmt.Sprintf("%s sip:ims.test SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]d%[4]s\r\nFrom: <sip:%[4]s@ims.test>;tag=1\r\n"+
		"To: <sip:%[4]s@ims.test>\r\nCall-ID: %[4]s-%[2]s\r\nCSeq: %[3]d %[1]s\r\nMax-Forwards: 70\r\nContact: <sip:%[4]s@%[2]s>\r\n%[5]sContent-Length: 0\r\n\r\n",
		method, p.conn.LocalAddr(), p.cseq, p.user, strings.Join(headers, ""))
	if method == "OPTIONS" {
		request = strings.Replace(request, "OPTIONS sip:", "OPTIONS sip:"+p.user+"@", 1)
	}
	buffer := make([]byte, 64<<10)
	for range 10 {
		if _, err := p.conn.Write([]byte(request)); err != nil {
			p.Fatal(err)
		}
		if err := p.conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			p.Fatal(err)
		}
		for {
			n, err := p.conn.Read(buffer)
			if err != nil {
				break // send it again
			}
			answer := string(buffer[:n])
			if strings.Contains(answer, fmt.Sprintf("CSeq: %d %s", p.cseq, method)) && !strings.HasPrefix(answer, "SIP/2.0 1") {
				return answer
			}
		}
	}
	p.Fatalf("no answer to\n%s", request)
	return ""
}

// status is the code of an answer.
func status(answer string) string { return answer[len("SIP/2.0 "):][:3] }

func field(answer, name string) string {
	for line := range strings.Lines(answer) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// register asks for a challenge and answers it by what password makes of its
// nonce, and the next one, if need be: Kamailio 5.6.3 sends a challenge before it
// has noted it, so an answer can be too early. It returns the challenges and the
// answer that was none.
func (p *phone) register(expires int, password func(nonce string) (password, auts string)) (challenges []string, answer string) {
	p.Helper()
	answer = p.ask("REGISTER", fmt.Sprintf("Expires: %d\r\n", expires),
		fmt.Sprintf("Authorization: Digest username=\"%s@ims.test\", realm=\"ims.test\", uri=\"sip:ims.test\", nonce=\"\", response=\"\"\r\n", p.user))
	for status(answer) == "401" && len(challenges) < 10 {
		challenges = append(challenges, field(answer, "WWW-Authenticate"))
		answer = p.answer(answer, expires, password)
	}
	return challenges, answer
}

// answer answers a 401.
func (p *phone) answer(challenge string, expires int, password func(nonce string) (password, auts string)) string {
	p.Helper()
	value := field(challenge, "WWW-Authenticate")
	secret, auts := password(aka.Parameters(value)["nonce"])
	line, err := aka.Authorization(value, "REGISTER", "sip:ims.test", p.user+"@ims.test", secret, auts)
	if err != nil {
		p.Fatal(err)
	}
	return p.ask("REGISTER", fmt.Sprintf("Expires: %d\r\n", expires), "Authorization: "+line+"\r\n")
}

func (p *phone) wantStatus(answer, code string) {
	p.Helper()
	if status(answer) != code {
		p.Errorf("want %s, got\n%s", code, answer)
	}
}

// A user registers by SIP Digest, is taken off by the operator, comes back and goes.
func TestKamailioDigest(t *testing.T) {
	r := startRegistrar(t, "3GPP-Digest")
	p := newPhone(t, "1000")
	secret := func(string) (string, string) { return "secret1000", "" }
	wrong := func(string) (string, string) { return "secret1001", "" }
	_, answer := p.register(600, wrong)
	p.wantStatus(answer, "403")
	_, answer = p.register(600, secret)
	p.wantStatus(answer, "200")
	want(t, r.hss, Registered)
	p.wantStatus(p.ask("OPTIONS"), "200")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// Kamailio 5.6.3 knows no PPR and does not answer; what follows must not mind.
	short, done := context.WithTimeout(ctx, 300*time.Millisecond)
	defer done()
	if err := r.hss.PushProfile(short, impu); err != nil {
		t.Log(err)
	}
	if err := r.hss.Deregister(ctx, impi); err != nil {
		t.Errorf("RTR: %v", err)
	}
	want(t, r.hss, NotRegistered)
	eventually(t, "the registrar forgets the user", func() bool { return status(p.ask("OPTIONS")) == "404" })

	_, answer = p.register(600, secret)
	p.wantStatus(answer, "200")
	_, answer = p.register(0, secret)
	p.wantStatus(answer, "200")
	want(t, r.hss, NotRegistered)
}

func want(t *testing.T, s *Server, status Status) {
	t.Helper()
	eventually(t, "the user is "+status.String(), func() bool { state, _ := s.State(impu); return state.Status == status })
}

// A user registers by the card in the phone, also when that has seen a number
// greater than the HSS knows.
func TestKamailioAKA(t *testing.T) {
	r := startRegistrar(t, "AKAv1-MD5")
	p := newPhone(t, "1000")
	card := aka.Card{Key: load(t).IMPIs[impi].key()}
	password := func(nonce string) (string, string) {
		t.Helper()
		password, auts, err := card.Password(nonce)
		if err != nil {
			t.Fatal(err)
		}
		return password, auts
	}
	challenges, answer := p.register(600, password)
	p.wantStatus(answer, "200")
	want(t, r.hss, Registered)
	// The keys of the session, which a P-CSCF takes out before the phone sees them.
	if got := aka.Parameters(challenges[0]); len(got["ck"]) != 32 || len(got["ik"]) != 32 || got["algorithm"] != "AKAv1-MD5" {
		t.Errorf("challenge %s", challenges[0])
	}

	card.SQN = 1 << 30
	challenges, answer = p.register(600, password)
	p.wantStatus(answer, "200")
	if len(challenges) < 2 {
		t.Errorf("challenges %q", challenges)
	}
	if card.SQN <= 1<<30 {
		t.Errorf("the card's number is %d", card.SQN)
	}
}
