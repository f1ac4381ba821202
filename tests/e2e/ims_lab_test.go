//go:build lab

package e2e_test

import "testing"

// TestIdentityOverISC: who calls is what the core says in P-Served-User, or else
// in P-Asserted-Identity, by the rules for its addresses. 1000 has credit, 1001
// has none, and nobody else has an account.
func TestIdentityOverISC(t *testing.T) {
	h := newHouse(t, options{plan: openPlan})
	h.identify(t, `identity = ["served_user=impu", "pai=impu"]
impu = ["sip:+22177*@ims.test=alias:*", "sip:*@ims.test=alias:*", "tel:+22177*=alias:*"]
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
