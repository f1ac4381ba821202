// Package ims is the paper's network in a box: an IMS core of real parts, with
// Asterisk and adcredit as its application server, and phones that are scripts.
//
//	UE 1000, 1001   phones in Go (package ims)
//	P-, I-, S-CSCF  three Kamailio with the files of etc/ims/kamailio
//	HSS             package adcredit/tests/ims/hss, provisioned by etc/ims/subscribers.toml
//	AS              Asterisk 22 with etc/ims/asterisk and the real adcredit
//	creditapi       on MariaDB with A2Billing's tables
//
// All of it runs on loopback addresses of a network namespace of its own; see
// adcredit/tests/lab, whose Main a test package calls with [Programs] and [Needs].
// [Start] takes as long as MariaDB needs, some two seconds:
//
//	l := ims.Start(t, ims.Options{})
//	rich, poor := l.UE(t, "1000"), l.UE(t, "1001")
//	rich.Register(t)
//	poor.Register(t)
//	out := poor.Invite(t, "1000", ims.Invitation{})
//	in := rich.Incoming(t)   // after the ad
//	in.Answer(t)
//	out.Answered(t)
//	in.Bye(t)
//	out.Ended(t)
//
// Account 1000 has credit, 1001 has none. For tests only.
package ims
