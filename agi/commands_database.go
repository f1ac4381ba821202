package agi

// Commands for Asterisk's own database.

// DatabaseDel removes a key. Res is 1, or 0 when there was none.
func (s *Session) DatabaseDel(family, key string) (Reply, error) {
	return s.send("DATABASE DEL", family, key)
}

// DatabaseDelTree removes a family. Optional: only the keys under keytree. Res
// is 1, or 0.
func (s *Session) DatabaseDelTree(family string, keytree ...string) (Reply, error) {
	return s.send("DATABASE DELTREE", family, keytree)
}

// DatabaseGet reads a key. Res is 1 with the value in Dat, or 0.
func (s *Session) DatabaseGet(family, key string) (Reply, error) {
	return s.send("DATABASE GET", family, key)
}

// DatabasePut writes a key. Res is 1, or 0.
func (s *Session) DatabasePut(family, key, value string) (Reply, error) {
	return s.send("DATABASE PUT", family, key, value)
}
