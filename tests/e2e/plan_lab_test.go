//go:build lab

package e2e_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"adcredit/tests/lab"
)

// The addresses of etc/asterisk/pjsip.conf, as shipped, and two of ours.
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

// further is what an operator's own pjsip.conf adds: where calls go out, and
// trunks.
const further = `
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

// extensions is what an operator's own extensions.conf has, as ours asks for
// at its head. The context naive is one that never read it.
const extensions = `#include adcredit.conf
[globals](+)
ADCREDIT_VIA=@carrier

[naive]
exten => _X!,1,AGI(adcredit)
 same => n,Verbose(0,naive status ${ADCREDIT_STATUS} cause ${ADCREDIT_CAUSE} call ${CHANNEL(pjsip,call-id)})
 same => n,Hangup(21)
`

// asterisk starts one with etc/asterisk as shipped but for what an operator
// must choose: our own address, and the plan.
func asterisk(t *testing.T, p plan, db *lab.Database, mounts map[string]string) *lab.PBX {
	t.Helper()
	documentationAddresses(t)
	dialplan, err := os.ReadFile("../../etc/asterisk/extensions.conf")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../etc/asterisk/pjsip.conf")
	if err != nil {
		t.Fatal(err)
	}
	pjsip := string(text)
	for shipped, ours := range map[string]string{"bind=0.0.0.0:5060": "bind=" + pbxAt, "context=test": "context=" + string(p)} {
		if strings.Count(pjsip, shipped) != 1 {
			t.Fatalf("etc/asterisk/pjsip.conf should say %s once", shipped)
		}
		pjsip = strings.Replace(pjsip, shipped, ours, 1)
	}
	return lab.Asterisk(t, lab.AsteriskConfig{
		Files: map[string]string{
			"extensions.conf": extensions, "adcredit.conf": string(dialplan), "pjsip.conf": pjsip + further,
		},
		Mounts: mounts,
		Env: []string{
			fmt.Sprintf("BILLING_DATABASE=root@tcp(127.0.0.1:%d)/%s", db.Server.Port, db.Name), "BILLING_DIAL=PJSIP/%s@carrier",
		},
	})
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
