package main

import (
	"bufio"
	"context"
	"strings"
	"testing"

	"adcredit/agi"
	"adcredit/agi/callflow"
)

// TestTell: the dialplan gets every variable and the status last, whatever
// Asterisk makes of MSet.
func TestTell(t *testing.T) {
	sufficient := callflow.Outcome{Status: callflow.Sufficient, Balance: 100_00000, Currency: "XOF"}
	const atOnce = `EXEC "MSet" "ADCREDIT_CAUSE=,ADCREDIT_BALANCE=100.00000,ADCREDIT_CURRENCY=XOF,ADCREDIT_GRANTED=,` +
		`ADCREDIT_CAMPAIGN=,ADCREDIT_LISTEN_ID=,ADCREDIT_STATUS=SUFFICIENT"` + "\n"
	oneByOne := func(campaign string) string {
		return `SET VARIABLE "ADCREDIT_CAUSE" ""` + "\n" + `SET VARIABLE "ADCREDIT_BALANCE" "100.00000"` + "\n" +
			`SET VARIABLE "ADCREDIT_CURRENCY" "XOF"` + "\n" + `SET VARIABLE "ADCREDIT_GRANTED" ""` + "\n" +
			`SET VARIABLE "ADCREDIT_CAMPAIGN" "` + campaign + `"` + "\n" + `SET VARIABLE "ADCREDIT_LISTEN_ID" ""` + "\n" +
			`SET VARIABLE "ADCREDIT_STATUS" "SUFFICIENT"` + "\n"
	}
	for name, row := range map[string]struct {
		campaign, replies, want string
	}{
		"at once":                  {"", "200 result=0\n", atOnce},
		"no such application":      {"", "200 result=-2\n", atOnce + oneByOne("")},
		"no such command":          {"", "510 Invalid or unknown command\n", atOnce + oneByOne("")},
		"the caller is gone":       {"", "511 Command Not Permitted on a dead channel or intercept routine\n", atOnce + oneByOne("")},
		"MSet fails":               {"", "503 Failed\n", atOnce + oneByOne("")},
		"MSet is used wrongly":     {"", "520-Invalid command syntax.  Proper usage follows:\nUsage: EXEC\n520 End of proper usage.\n", atOnce + oneByOne("")},
		"gone, by the line HANGUP": {"", "HANGUP\n", oneByOne("")},
		"gone, by SIGHUP":          {"", "", oneByOne("")},
		"a value with a comma":     {"a,ADCREDIT_STATUS=GRANTED", "", oneByOne("a,ADCREDIT_STATUS=GRANTED")},
		"a value with a backslash": {`a\b`, "", oneByOne(`a\\b`)},
		"a value with a dollar":    {"${EXTEN}", "", oneByOne("${EXTEN}")},
		"a value with a space":     {"a b", "", oneByOne("a b")},
	} {
		t.Run(name, func(t *testing.T) {
			var said strings.Builder
			s := agi.New()
			s.Lax = true // the replies are here ahead
			replies := honest + row.replies + strings.Repeat("200 result=1\n", 8)
			if err := s.Init(bufio.NewReadWriter(bufio.NewReader(strings.NewReader(replies)), bufio.NewWriter(&said))); err != nil {
				t.Fatal(err)
			}
			if row.replies == "HANGUP\n" {
				if _, err := s.Noop(); err != nil {
					t.Fatal(err)
				}
				said.Reset()
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if name == "gone, by SIGHUP" {
				cancel()
			}
			outcome := sufficient
			outcome.Campaign = row.campaign
			if err := tell(ctx, s, outcome); err != nil {
				t.Fatal(err)
			}
			if got := said.String(); got != row.want {
				t.Errorf("Asterisk was told\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}
