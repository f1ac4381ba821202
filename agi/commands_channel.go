package agi

// Commands for the channel itself: its state, keys, text.

// Answer answers the channel. Res is 0, or -1 when that failed. Asterisk waits
// up to half a second for the first audio.
func (s *Session) Answer() (Reply, error) {
	return s.send("ANSWER")
}

// AsyncagiBreak ends asynchronous AGI. Res is 0.
func (s *Session) AsyncagiBreak() (Reply, error) {
	return s.send("ASYNCAGI BREAK")
}

// ChannelStatus tells the state of this channel or the one named, in Res: 0
// down, 1 down but reserved, 2 off hook, 3 digits dialled, 4 ringing, 5 the
// other end ringing, 6 up, 7 busy. ErrHangup from it is the sure sign that the
// caller is gone.
func (s *Session) ChannelStatus(channel ...string) (Reply, error) {
	return s.send("CHANNEL STATUS", channel)
}

// Hangup hangs up this channel or the one named. Res is 1, or -1 when there is
// no such channel. AGISTATUS becomes FAILURE.
func (s *Session) Hangup(channel ...string) (Reply, error) {
	return s.send("HANGUP", channel)
}

// ReceiveChar waits timeout ms (0: without end) for one character of text. Res
// is its code, 0 when the channel has no text, -1 on error or hangup.
func (s *Session) ReceiveChar(timeout int) (Reply, error) {
	return s.send("RECEIVE CHAR", timeout)
}

// ReceiveText waits timeout ms for a text. Res is 1 with the text in Dat, or
// -1.
func (s *Session) ReceiveText(timeout int) (Reply, error) {
	return s.send("RECEIVE TEXT", timeout)
}

// SendImage sends an image, named without extension. Res is 0, also when the
// channel has no images, or -1 on error or hangup.
func (s *Session) SendImage(image string) (Reply, error) {
	return s.send("SEND IMAGE", image)
}

// SendText sends a text. Res is 0, also when the channel has no text, or -1 on
// error or hangup.
func (s *Session) SendText(text string) (Reply, error) {
	return s.send("SEND TEXT", text)
}

// SetAutohangup hangs up after time seconds; 0 takes that back. Res is 0.
func (s *Session) SetAutohangup(time int) (Reply, error) {
	return s.send("SET AUTOHANGUP", time)
}

// SetCallerid sets the caller ID: a number, or "Name" <number>. Res is 1.
func (s *Session) SetCallerid(cid string) (Reply, error) {
	return s.send("SET CALLERID", cid)
}

// TddMode turns text telephony "on" or "off". Res is 1, or 0 when the channel
// has none.
func (s *Session) TddMode(mode string) (Reply, error) {
	return s.send("TDD MODE", mode)
}

// WaitForDigit waits timeout ms (-1: without end) for a key. Res is its ASCII
// code, 0 when none came, -1 on error or hangup.
func (s *Session) WaitForDigit(timeout int) (Reply, error) {
	return s.send("WAIT FOR DIGIT", timeout)
}
