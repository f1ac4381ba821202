package agi

// Commands for what a caller hears, and recording.

// ControlStreamFile plays a file that the caller can wind. Optional:
// milliseconds to skip, the keys for forward (*), rewind (#) and pause. Res as
// for StreamFile.
func (s *Session) ControlStreamFile(file, escape string, params ...any) (Reply, error) {
	return s.send("CONTROL STREAM FILE", file, escape, params)
}

// GetData plays a file and collects keys. Optional: timeout in ms, most keys.
// Reply.Text has the keys as pressed; Dat is "timeout" when # did not end
// them. Res is -1 when they are no number: see Reply.Res.
func (s *Session) GetData(file string, params ...int) (Reply, error) {
	return s.send("GET DATA", file, params)
}

// GetOption plays a file and then waits for one of the keys in escape.
// Optional: timeout in ms. Res is the key's ASCII code, 0 for none, -1 on error
// or hangup; Reply.Endpos as for StreamFile.
func (s *Session) GetOption(filename, escape string, timeout ...int) (Reply, error) {
	return s.send("GET OPTION", filename, escape, timeout)
}

// RecordFile records until a key in escape or timeout ms (-1: without end).
// Optional: samples to start at, "BEEP", "s=N" to stop after N seconds of
// silence. Res is 0, a key's ASCII code or negative; Dat has the reason and
// endpos.
func (s *Session) RecordFile(file, format, escape string, timeout int, params ...any) (Reply, error) {
	return s.send("RECORD FILE", file, format, escape, timeout, params)
}

// StreamFile plays a file, named without extension, until its end or a key in
// escape. Optional: the sample to start at. Res is 0 at the end, the key's
// ASCII code, or -1: no such file, or hung up. Reply.Endpos is how far it
// came. Before Answer or Progress it answers the same, and the caller hears
// nothing.
func (s *Session) StreamFile(file, escape string, offset ...int) (Reply, error) {
	return s.send("STREAM FILE", file, escape, offset)
}

// SetMusic turns music on hold "on" or "off". Optional: its class. Res is 0.
func (s *Session) SetMusic(opt string, class ...string) (Reply, error) {
	return s.send("SET MUSIC", opt, class)
}

// SayAlpha spells str. For this and all Say methods Res is 0, the ASCII code
// of a key in escape, or -1 on error or hangup.
func (s *Session) SayAlpha(str, escape string) (Reply, error) {
	return s.send("SAY ALPHA", str, escape)
}

// SayDate says a date, in Unix seconds.
func (s *Session) SayDate(date int64, escape string) (Reply, error) {
	return s.send("SAY DATE", date, escape)
}

// SayDateTime says a time, in Unix seconds. Optional: the format (as in
// voicemail.conf), the time zone.
func (s *Session) SayDateTime(time int64, escape string, params ...string) (Reply, error) {
	return s.send("SAY DATETIME", time, escape, params)
}

// SayDigits says digit one figure after the other.
func (s *Session) SayDigits(digit int, escape string) (Reply, error) {
	return s.send("SAY DIGITS", digit, escape)
}

// SayNumber says a number. Optional: its gender, "m", "f", "c" or "n".
func (s *Session) SayNumber(num int, escape string, gender ...string) (Reply, error) {
	return s.send("SAY NUMBER", num, escape, gender)
}

// SayPhonetic spells str in the phonetic alphabet.
func (s *Session) SayPhonetic(str, escape string) (Reply, error) {
	return s.send("SAY PHONETIC", str, escape)
}

// SayTime says the time of day, in Unix seconds.
func (s *Session) SayTime(time int64, escape string) (Reply, error) {
	return s.send("SAY TIME", time, escape)
}
