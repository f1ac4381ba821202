package callflow

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"adcredit/agi"
)

// packets is how many RTP packets Asterisk has sent to the caller, and whether
// the channel's driver counts them: PJSIP (func CHANNEL, rtcp) and chan_sip
// (rtpqos) do.
func (a *AGI) packets() (n int64, counted bool, err error) {
	if a.PacketTime == 0 {
		return 0, false, nil
	}
	item := ""
	switch a.Session.Env["type"] {
	case "PJSIP":
		item = "rtcp,txcount,audio"
	case "SIP":
		item = "rtpqos,audio,local_count"
	default:
		return 0, false, nil
	}
	reply, err := a.Session.GetFullVariable("${CHANNEL(" + item + ")}")
	if err != nil {
		return 0, false, fmt.Errorf("count the packets sent: %w", err)
	}
	n, bad := strconv.ParseInt(reply.Dat, 10, 64)
	return n, bad == nil && n >= 0, nil
}

// withheld reports whether a good part of what was just played did not leave
// Asterisk, though it "played" as ever: a caller who puts the call on hold is
// sent nothing, and hears nothing. Some packets may be late or replaced.
func (a *AGI) withheld(before int64, length time.Duration) (bool, error) {
	after, counted, err := a.packets()
	if errors.Is(err, agi.ErrHangup) || errors.Is(err, agi.ErrClosed) { // hung up after the end
		return false, nil
	}
	sent := time.Duration(after-before) * a.PacketTime
	return !counted || sent < length*9/10-200*time.Millisecond, err
}
