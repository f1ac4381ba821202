// Package systemd tries the units of etc/systemd as far as that goes without a
// running systemd: systemd-analyze judges them, and both programs are run under
// the same restrictions of the kernel that the units ask for.
package systemd
