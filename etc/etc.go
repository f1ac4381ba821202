// Package etc holds what an operator installs and edits, and the one way in
// which both programs read it.
//
// [Files] are the files themselves: the two configurations with every key
// explained, the dialplans, SIP for two Asterisks, the systemd units, A2Billing's
// side and an IMS core's.
//
// [File.Load] reads a configuration strictly: a key that nobody reads, a value
// of the wrong type or one that cannot work is refused with file, line, key,
// what is wrong and what to write instead. All that is wrong is said at once.
//
// [KeyFile] reads a secret from a file of its own, and refuses one that other
// users could read too.
package etc

import "embed"

// Files are the files of this folder that are installed, by their path in it.
//
//go:embed README.md adcredit.toml creditapi.toml asterisk asterisk16 a2billing ims systemd
var Files embed.FS
