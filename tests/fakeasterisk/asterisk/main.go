// Command asterisk plays Asterisk for one AGI call, in real time: see
// [fakeasterisk.Run], or asterisk -help.
package main

import (
	"os"

	"adcredit/tests/fakeasterisk"
)

func main() { os.Exit(fakeasterisk.Main()) }
