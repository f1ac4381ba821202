//go:build lab

package e2e_test

import (
	"fmt"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"adcredit/tests/lab"
)

// The addresses of etc/asterisk/pjsip.conf and etc/asterisk16/sip.conf, as shipped,
// and some of ours.
const (
	pbxAt    = "192.0.2.2:5060"
	calleeAt = "192.0.2.1:5060"  // the carrier of its example
	richAt   = "192.0.2.10:5060" // caller 1000
	poorAt   = "192.0.2.11:5060" // caller 1001
	trunkAt  = "192.0.2.20:5060" // a trunk whose From is believed, with 1001's account code
	naiveAt  = "192.0.2.21:5060" // the same, with a dialplan that tests nothing
	openIP   = "192.0.2.31"      // trunks of callers without an account, one for each plan
	guardIP  = "192.0.2.32"
	naiveIP  = "192.0.2.33"
)

// A plan is one of the two dialplans, by the paper's name of its context.
type plan string

const (
	openPlan    plan = "test"
	guardedPlan plan = "a2billing"
)

// pjsipFurther is what an operator's own pjsip.conf adds: where calls go out, and
// trunks.
const pjsipFurther = `
[carrier]
type=endpoint
transport=udp
context=nowhere
disallow=all
allow=alaw,ulaw
direct_media=no
aors=carrier

[carrier]
type=aor
contact=sip:192.0.2.1:5060

[trunk](adcredit-phone)
accountcode=9700203963

[trunk-address]
type=identify
endpoint=trunk
match=192.0.2.20

[naive](adcredit-phone)
context=naive
accountcode=9700203963

[naive-address]
type=identify
endpoint=naive
match=192.0.2.21

[stranger](!,adcredit-phone)
trust_id_inbound=yes

[stranger-open](stranger)
context=test

[stranger-open-address]
type=identify
endpoint=stranger-open
match=192.0.2.31

[stranger-guarded](stranger)
context=a2billing

[stranger-guarded-address]
type=identify
endpoint=stranger-guarded
match=192.0.2.32

[stranger-naive](stranger)
context=naive

[stranger-naive-address]
type=identify
endpoint=stranger-naive
match=192.0.2.33
`

// chanSIPFurther is the same in sip.conf.
const chanSIPFurther = `
[carrier]
type=peer
host=192.0.2.1
context=nowhere
disallow=all
allow=alaw,ulaw
directmedia=no

[trunk](adcredit-phone)
host=192.0.2.20
accountcode=9700203963

[naive](adcredit-phone)
host=192.0.2.21
context=naive
accountcode=9700203963
`

// extensions is what an operator's own extensions.conf has after ours. The
// context naive is one that never read it.
const extensions = `
[globals](+)
ADCREDIT_VIA=@carrier

[naive]
exten => _X!,1,AGI(${ADCREDIT_AGI})
 same => n,Verbose(0,naive status ${ADCREDIT_STATUS} cause ${ADCREDIT_CAUSE} call ${CHANNEL(pjsip,call-id)})
 same => n,Hangup(21)
`

// An asterisk is one of the two that adcredit is for, with the files that we ship
// for it.
type asterisk struct {
	name    string // of a subtest
	channel string // what its SIP channels are called
	conf    string // its SIP's, in etc
	bind    string // the line there that says where it listens
	further string // what an operator's own adds to that
}

var (
	asterisk22 = asterisk{name: "Asterisk 22", channel: "PJSIP", conf: "asterisk/pjsip.conf", bind: "bind=0.0.0.0:5060", further: pjsipFurther}
	asterisk16 = asterisk{name: "Asterisk 16", channel: "SIP", conf: "asterisk16/sip.conf", bind: "bindaddr=0.0.0.0:5060", further: chanSIPFurther}
)

// onBoth makes a test's calls on the one and on the other: what comes of them must
// be the same.
func onBoth(t *testing.T, test func(*testing.T, asterisk)) {
	for _, on := range []asterisk{asterisk22, asterisk16} {
		t.Run(on.name, func(t *testing.T) { test(t, on) })
	}
}

// start starts it with our files as shipped but for what an operator must choose:
// our own address, and the plan.
func (a asterisk) start(t *testing.T, o options, db *lab.Database, mounts map[string]string) *lab.PBX {
	t.Helper()
	documentationAddresses(t)
	sip := shipped(t, a.conf)
	address, _, _ := strings.Cut(a.bind, "=")
	for ours, theirs := range map[string]string{address + "=" + pbxAt: a.bind, "\ncontext=" + string(o.plan): "\ncontext=test"} {
		if strings.Count(sip, theirs) != 1 {
			t.Fatalf("etc/%s should say %s once", a.conf, theirs)
		}
		sip = strings.Replace(sip, theirs, ours, 1)
	}
	own := extensions
	if o.fast != "" {
		own = strings.Replace(own, "[globals](+)\n", "[globals](+)\nADCREDIT_AGI="+o.fast+"\n", 1)
	}
	files := map[string]string{
		"adcredit.conf":   shipped(t, "asterisk/extensions.conf"),
		"extensions.conf": "#include adcredit.conf\n" + own,
		path.Base(a.conf): sip + a.further,
	}
	chanSIP := a.channel == "SIP"
	if chanSIP {
		files["extensions.conf"] = shipped(t, "asterisk16/extensions.conf") + own
	}
	return lab.Asterisk(t, lab.AsteriskConfig{
		ChanSIP: chanSIP, Files: files, Mounts: mounts,
		Env: []string{
			fmt.Sprintf("BILLING_DATABASE=root@tcp(127.0.0.1:%d)/%s", db.Server.Port, db.Name), "BILLING_DIAL=" + a.channel + "/%s@carrier",
		},
	})
}

// shipped is a file of etc.
func shipped(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../etc", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var addressesOnce = sync.OnceValue(func() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	at := netip.MustParseAddrPort(pbxAt).Addr().As4()
	if err := ifr.SetInet4Addr(at[:]); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCSIFADDR, ifr)
})

// documentationAddresses gives the lab's loopback interface 192.0.2.0/24 (RFC
// 5737): on it one address makes the whole network local.
func documentationAddresses(t *testing.T) {
	t.Helper()
	if err := addressesOnce(); err != nil {
		t.Fatal(fmt.Errorf("give the loopback interface %s: %w", pbxAt, err))
	}
}
