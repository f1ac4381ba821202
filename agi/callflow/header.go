package callflow

import (
	"fmt"
	"strings"

	"adcredit/agi"
)

const (
	// piece is how much of a header is read at a time. Asterisk writes a value
	// into its reply as it is, so what holds a line feed could bring a reply or a
	// HANGUP of its own: the shortest needs 8 bytes, a line feed at each end.
	piece = 7
	// maxHeader is more than an IMS core writes into any header that is read here.
	maxHeader = 512
)

// header reads the nth header of a name, from 1, of the INVITE that made this
// channel: "" where there is none, or where the channel's driver has none to
// tell. It can't be read whole. FILTER and LEN are no help where quotes and
// parentheses may come: Asterisk puts the value between theirs before it looks
// for their end. Here it looks for nothing: all arguments are ours, and of the
// value it cuts pieces, by bytes. The command after the last piece meets whatever
// may wait behind it. A header that is too long is an [ErrIdentity].
func header(s *agi.Session, name string, n int) (string, error) {
	function, ok := headerFunction(s.Env["type"], name, n)
	if !ok {
		return "", nil
	}
	var value strings.Builder
	for value.Len() <= maxHeader {
		reply, err := s.GetFullVariable(fmt.Sprintf("${%s:%d:%d}", function, value.Len(), piece))
		if err != nil {
			return "", fmt.Errorf("read %s: %w", name, err)
		}
		if reply.Dat == "" {
			return value.String(), nil
		}
		value.WriteString(reply.Dat)
	}
	return "", fmt.Errorf("%w: %s is longer than %d bytes", ErrIdentity, name, maxHeader)
}

// headerFunction is how a channel's driver hands out a header: PJSIP, or chan_sip
// of Asterisk 16 to 20.
func headerFunction(driver, name string, n int) (function string, ok bool) {
	switch driver {
	case "PJSIP":
		return fmt.Sprintf("PJSIP_HEADER(read,%s,%d)", name, n), true
	case "SIP":
		return fmt.Sprintf("SIP_HEADER(%s,%d)", name, n), true
	}
	return "", false
}
