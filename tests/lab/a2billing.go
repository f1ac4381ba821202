package lab

import (
	_ "embed"
	"testing"
)

// Engine says how an operator keeps A2Billing's tables.
type Engine string

// The three that are met: as shipped, as "creditapi a2billing convert" leaves
// them, and with all converted.
const (
	MyISAM    Engine = "MyISAM"
	InnoDB    Engine = "InnoDB"
	AllInnoDB Engine = "all InnoDB"
)

//go:embed a2billing.sql
var a2billingTables string

//go:embed accounts.sql
var a2billingRows string

// A2BillingTables are the tables of the fixture.
var A2BillingTables = []string{
	"cc_card", "cc_card_seria", "cc_card_group", "cc_callerid", "cc_logrefill", "cc_logpayment",
	"cc_call", "cc_config", "cc_currencies", "cc_version", "cc_tariffgroup", "cc_tariffgroup_plan",
	"cc_tariffplan", "cc_ratecard", "cc_trunk",
}

// LoadA2Billing fills a database with A2Billing's tables, its settings as
// shipped, one call plan, and the paper's accounts:
//
//	id  username    alias  credit      caller ID
//	1   8987344413  1000   2000.00000  221770001000
//	2   9700203963  1001   1812.08333  221770001001
//	3   3377949903  1002   1999.75000  221770001002
func LoadA2Billing(tb testing.TB, d *Database, engine Engine) {
	tb.Helper()
	d.Exec(tb, "SET sql_mode='';\n"+a2billingTables+a2billingRows)
	var convert []string
	switch engine {
	case MyISAM:
	case InnoDB:
		convert = []string{"cc_card", "cc_card_seria", "cc_logrefill"}
	case AllInnoDB:
		convert = A2BillingTables
	default:
		tb.Fatalf("lab: unknown engine %q; use lab.MyISAM, lab.InnoDB or lab.AllInnoDB", engine)
	}
	for _, table := range convert {
		d.Exec(tb, "SET sql_mode=''; ALTER TABLE "+table+" ENGINE=InnoDB")
	}
}
