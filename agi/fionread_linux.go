package agi

import "golang.org/x/sys/unix"

// fionread asks a descriptor how many bytes can be read; Linux has it under
// this name too (ioctl_tty(2)).
const fionread = unix.TIOCINQ
