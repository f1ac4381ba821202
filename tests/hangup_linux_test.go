package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"adcredit/creditapi/wire"
	"adcredit/tests/fakeasterisk"
)

// A call can end at any point and in many ways. TestHangup walks every step of
// it and every kind of end, and judges the money, the listen, the exit code and
// how long the dialplan's extension h waited.

const (
	owedTime   = time.Second            // for what is owed to creditapi after a hangup
	replyTime  = 5 * time.Second        // for Asterisk's reply to the command in progress
	noticeTime = 100 * time.Millisecond // from the hangup to SIGHUP
	slack      = 2500 * time.Millisecond
	atOnce     = 24 // calls
)

// An end is a way in which a call ends.
type end struct {
	name string
	act  func(fakeasterisk.Moment) fakeasterisk.Act
	call func(*fakeasterisk.Call)
	exit int

	alive   bool // the caller still listens: the program alone is told to end
	mute    bool // nothing tells the program before its next command
	replied bool // the reply to the command in progress still comes
	fast    bool // the program is a FastAGI server: no signal, no exit code
}

func variable(name, value string) func(*fakeasterisk.Call) {
	return func(c *fakeasterisk.Call) { c.Variables = map[string]string{name: value} }
}

func signal(sig syscall.Signal) func(fakeasterisk.Moment) fakeasterisk.Act {
	return func(m fakeasterisk.Moment) fakeasterisk.Act { return fakeasterisk.Signal(m, sig) }
}

var ends = []end{
	{name: "hangup", act: fakeasterisk.HangUp},
	{name: "hangup, AGISIGHUP=no", act: fakeasterisk.HangUp, call: variable("AGISIGHUP", "no"), mute: true},
	{name: "hangup, AGIEXITONHANGUP=yes", act: fakeasterisk.HangUp, call: variable("AGIEXITONHANGUP", "yes"), exit: 1, replied: true},
	{name: "hangup, told by the line HANGUP", act: fakeasterisk.HangUp, call: func(c *fakeasterisk.Call) { c.HangupLine = true }, mute: true},
	{name: "SIGHUP", act: signal(syscall.SIGHUP), alive: true},
	{name: "SIGTERM", act: signal(syscall.SIGTERM), alive: true},
	{name: "stdin closes", act: fakeasterisk.CloseStdin, exit: 1, mute: true},
	{name: "stdout closes, SIGPIPE", act: fakeasterisk.CloseStdout, exit: 1, mute: true, replied: true},
	// Nothing but the connection tells these, also while creditapi is asked.
	{name: "FastAGI, hangup", act: fakeasterisk.HangUp, fast: true},
	{name: "FastAGI, the connection closes", act: fakeasterisk.CloseStdout, fast: true, exit: 1, replied: true},
}

// A step is a point of the call at which it ends.
type step struct {
	name  string
	when  fakeasterisk.Moment
	wait  string // instead of when: while creditapi is asked this
	how   answering
	at    func(*row) fakeasterisk.Moment
	heard bool // the ad, to its end
	held  bool // the reward is, until the listen's window ends: nobody knows the listen
}

// answering is what creditapi does with the question during which the call ends.
type answering int

const (
	late  answering = iota // it answers after the end
	never                  // the question does not reach it
	lost                   // it answers, and the answer is lost
)

var (
	on     = fakeasterisk.OnCommand
	during = fakeasterisk.During
)

var steps = []step{
	{name: "reading the environment", when: fakeasterisk.At(time.Second)},
	{name: "first SET VARIABLE", when: on("SET VARIABLE")},
	{name: "identity", when: on("GET FULL VARIABLE")},
	{name: "waiting for the balance", wait: "credit"},
	{name: "waiting for a balance that never comes", wait: "credit", how: never},
	{name: "CHANNEL STATUS before the answer", when: on("CHANNEL STATUS")},
	{name: "ANSWER", when: on("ANSWER")},
	{name: "CHANNEL STATUS after the answer", when: on("CHANNEL STATUS").Nth(2)},
	{name: "offer", when: during("offer").Percent(50)},
	{name: "waiting for the key", when: on("WAIT FOR DIGIT").Plus(50 * time.Millisecond)},
	{name: "accepted", when: during("accepted").Percent(50)},
	{name: "waiting for the start", wait: "listens"},
	{name: "waiting for a start that is never asked", wait: "listens", how: never},
	{name: "waiting for a start whose answer is lost", wait: "listens", how: lost, held: true},
	{name: "CHANNEL STATUS before the ad", when: on("CHANNEL STATUS").Nth(3)},
	{name: "ad begins", when: during("ads/short")},
	{name: "ad, middle", when: during("ads/short").Percent(50)},
	{name: "ad, just before its end", when: during("ads/short").Percent(90)},
	{name: "ad, just after its end", when: fakeasterisk.AfterSound("ads/short"), heard: true},
	{name: "spool write", at: (*row).spooling, heard: true},
	{name: "waiting for the completion", wait: "complete", heard: true},
	{name: "waiting for a completion that never arrives", wait: "complete", how: never, heard: true},
	{name: "waiting for a completion whose answer is lost", wait: "complete", how: lost, heard: true},
	{name: "CHANNEL STATUS before thanks", when: on("CHANNEL STATUS").Nth(4), heard: true},
	{name: "thanks", when: during("thanks").Percent(50), heard: true},
	{name: "balance", when: during("balance").Percent(50), heard: true},
	{name: "SAY NUMBER", when: on("SAY NUMBER").Plus(50 * time.Millisecond), heard: true},
	{name: "variables", when: on(`EXEC "MSet"`), heard: true},
}

var questionSteps = []step{
	{name: "ad before the question", when: during("ads/short").Plus(300 * time.Millisecond)},
	{name: "the ad is stopped", when: on("NOOP")},
	{name: "question", when: during("attention").Percent(50)},
	{name: "SAY DIGITS", when: on("SAY DIGITS").Plus(50 * time.Millisecond)},
	{name: "waiting for the digit", when: on("WAIT FOR DIGIT").Nth(2).Plus(50 * time.Millisecond)},
	{name: "rest of the ad", when: during("ads/short").Nth(2).Plus(300 * time.Millisecond)},
	{name: "rest of the ad, just after its end", when: fakeasterisk.AfterSound("ads/short").Nth(2), heard: true},
	{name: "waiting for a completion that never arrives", wait: "complete", how: never, heard: true},
}

// row is one call of the matrix, and what came of it.
type row struct {
	step
	end
	*caller

	reached chan struct{} // the step that is not Asterisk's
	ended   chan struct{}
	endedAt time.Duration
	once    [2]sync.Once

	t       *fakeasterisk.Transcript
	err     error
	pending int // completions in the spool after the call
	credit  wire.Money
	listens string
}

func TestHangup(t *testing.T) { walk(t, newHouse(t, 1, 0), steps) }

// The digit that is asked for in the middle of the ad makes more steps of it.
func TestHangupAroundTheQuestion(t *testing.T) { walk(t, newHouse(t, 2, 1), questionSteps) }

// walk plays every step with every end.
func walk(t *testing.T, h *house, steps []step) {
	var rows []*row
	for _, s := range steps {
		for _, e := range ends {
			c, err := h.newCaller(t.Context(), len(rows))
			must(t, err)
			rows = append(rows, &row{step: s, end: e, caller: c, reached: make(chan struct{}), ended: make(chan struct{})})
		}
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, r := range rows {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			r.err = r.play(t.Context())
		})
	}
	all.Wait()
	for _, r := range rows {
		t.Run(r.step.name+"/"+r.end.name, r.judge)
	}
	t.Run("held", func(t *testing.T) { balanced(t, h) })
}

// play makes the call, and delivers afterwards what it has left.
func (r *row) play(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r.between = r.inBetween
	stop, err := r.serve()
	if err != nil {
		return err
	}
	defer stop()
	call := fakeasterisk.Call{
		Program: r.adcredit, Environ: r.environ("ast1"), CallerID: r.alias, HangupNotice: noticeTime,
		Headers: map[string][]string{"P-Asserted-Identity": {"<sip:" + r.alias + "@ims.example.net>"}},
		Acts: []fakeasterisk.Act{
			fakeasterisk.Press(on("WAIT FOR DIGIT").Plus(keyTime), "1"),
			fakeasterisk.Press(on("WAIT FOR DIGIT").Nth(2).Plus(keyTime), "?"), // what was said
			r.end.act(r.moment()),
		},
		OnEvent: r.note,
	}
	if r.end.call != nil {
		r.end.call(&call)
	}
	if r.step.name == "reading the environment" {
		call.EnvInstead = []byte("agi_request: adcredit\nagi_channel: PJSIP/x")
	}
	end := func() error { return nil }
	if r.fast {
		if call.Program, end, err = fastAGI(ctx, r.adcredit, call.Environ); err != nil {
			return err
		}
	}
	if r.t, err = fakeasterisk.Play(ctx, call); err != nil {
		return errors.Join(err, end())
	}
	over := time.Now()
	if err := end(); err != nil {
		return err
	}
	if r.fast { // it has drained: that is the end of the call
		r.t.Ended += time.Since(over)
	}
	r.pending = len(r.waiting())
	r.finish() // a call that ended before its end came
	if out, err := r.flush(ctx, "ast1"); err != nil {
		return fmt.Errorf("adcredit -flush: %w\n%s", err, out)
	}
	r.credit, r.listens, err = r.money(ctx)
	return err
}

func (r *row) moment() fakeasterisk.Moment {
	switch {
	case r.at != nil:
		return r.at(r)
	case r.step.wait != "":
		return fakeasterisk.When(r.reached)
	}
	return r.when
}

func (r *row) reach()  { r.once[0].Do(func() { close(r.reached) }) }
func (r *row) finish() { r.once[1].Do(func() { close(r.ended) }) }

// note sees the end come.
func (r *row) note(e fakeasterisk.Event) {
	told := e.Kind == fakeasterisk.Wire || e.Kind == fakeasterisk.Caller && e.Text == "hangs up"
	if told && r.endedAt == 0 {
		r.endedAt = e.At
		r.finish()
	}
}

// inBetween lets the call end while creditapi is asked.
func (r *row) inBetween(step string, w http.ResponseWriter, req *http.Request) {
	if step != r.step.wait || r.over() {
		r.api.ServeHTTP(w, req)
		return
	}
	if err := drain(req); err != nil {
		panic(http.ErrAbortHandler)
	}
	answer := httptest.NewRecorder()
	if r.how == lost {
		r.api.ServeHTTP(answer, req.WithContext(context.WithoutCancel(req.Context())))
	}
	r.reach()
	<-r.ended
	if r.how != late {
		<-req.Context().Done()
		panic(http.ErrAbortHandler)
	}
	select {
	case <-time.After(3 * noticeTime):
	case <-req.Context().Done():
	}
	r.api.ServeHTTP(w, req)
}

func (r *row) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// spooling is when the first file appears in the spool.
func (r *row) spooling() fakeasterisk.Moment {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		_, err = unix.InotifyAddWatch(fd, filepath.Join(r.caller.dir, "spool"), unix.IN_CREATE)
	}
	if err != nil {
		panic(err)
	}
	watch := os.NewFile(uintptr(fd), "inotify")
	go func() {
		defer watch.Close()
		if _, err := watch.Read(make([]byte, 4096)); err == nil {
			r.reach()
		}
	}()
	return fakeasterisk.When(r.reached)
}

// told reports whether the program was told that the ad was played to its end.
func (r *row) told() bool {
	return slices.Contains(r.t.Lines(fakeasterisk.Reply), fmt.Sprintf("200 result=0 endpos=%d", r.samples))
}

func (r *row) judge(t *testing.T) {
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer func() {
		if t.Failed() {
			for _, e := range r.t.Events {
				t.Logf("%7.3f %s", e.At.Seconds(), e)
			}
		}
	}()
	if r.endedAt == 0 {
		t.Fatal("the call was over before its end came: the step was not reached")
	}
	granted := r.heard
	if r.alive { // who hears it to its end all the same, since the signal came late, has earned it
		granted = r.heard || r.told()
	}
	r.judgeMoney(t, granted)
	if want := r.exitCode(); !r.fast && r.t.ExitCode != want || r.t.Killed != "" {
		t.Errorf("exit %d %s, want %d", r.t.ExitCode, r.t.Killed, want)
	}
	if lived := r.t.Ended - r.endedAt; lived > r.bound() {
		t.Errorf("lived on for %v after the end, want %v at most", lived, r.bound())
	}
	if strings.Contains(r.t.Stderr, "panic") || strings.Contains(r.t.Stderr, "goroutine ") {
		t.Error("a panic")
	}
	for _, reply := range r.t.Lines(fakeasterisk.Reply) {
		if strings.HasPrefix(reply, "510") || strings.HasPrefix(reply, "520") {
			t.Errorf("Asterisk did not understand: %s", reply)
		}
	}
}

func (r *row) judgeMoney(t *testing.T, granted bool) {
	want, listens := wire.Money(0), "abandoned"
	switch {
	case granted:
		want, listens = wire.Units(50), "completed"
	case r.held:
		listens = "started"
	case !slices.ContainsFunc(r.t.Events, func(e fakeasterisk.Event) bool {
		return e.Kind == fakeasterisk.Command && strings.HasSuffix(e.Text, `/ads/short" ""`)
	}) && (r.step.wait != "listens" || r.how == never) && !strings.HasSuffix(r.step.name, "before the ad"):
		listens = "" // nothing was started
	}
	if r.credit != want || r.listens != listens {
		t.Errorf("credit %s, listen %q; want %s, %q", r.credit, r.listens, want, listens)
	}
	if status := r.t.Variables["ADCREDIT_STATUS"]; r.exit == 0 && granted != (status == "GRANTED" || status == "PENDING") {
		t.Errorf("status %q", status)
	}
	if r.pending > 0 && !granted {
		t.Errorf("%d completions in the spool of an ad that was not heard", r.pending)
	}
	if left := r.waiting(); len(left) > 0 {
		t.Errorf("left in the spool: %s", left)
	}
}

func (r *row) exitCode() int {
	switch {
	case r.step.name == "reading the environment":
		return 1 // that was not AGI
	case r.step.name == "variables" && r.replied:
		return 0 // the last word was heard
	}
	return r.exit
}

// bound is how long the program may live on.
func (r *row) bound() time.Duration {
	switch {
	case r.step.name == "reading the environment" || r.alive:
		return replyTime + owedTime + slack
	case r.mute && r.how != late:
		return stepTime + owedTime + slack // it learns of the end when the step is over
	}
	return noticeTime + owedTime + slack
}

// balanced checks that the budget holds what started listens hold, and has spent
// what was granted.
func balanced(t *testing.T, h *house) {
	var held, spent, started, completed, credit int64
	err := h.db.QueryRow(`SELECT
		(SELECT SUM(held) FROM adcredit_budget WHERE day = 0), (SELECT SUM(spent) FROM adcredit_budget WHERE day = 0),
		(SELECT COUNT(*) FROM adcredit_listen WHERE state = 'started'), (SELECT COUNT(*) FROM adcredit_listen WHERE state = 'completed'),
		(SELECT SUM(credit) FROM cc_card)`).Scan(&held, &spent, &started, &completed, &credit)
	must(t, err)
	reward := int64(wire.Units(50))
	if held != started*reward || spent != completed*reward || credit != spent {
		t.Errorf("held %d for %d started listens, spent %d for %d completed, credit %d", held, started, spent, completed, credit)
	}
}
