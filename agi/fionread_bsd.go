//go:build darwin || freebsd || netbsd || openbsd

package agi

// fionread is _IOR('f', 127, int) of sys/filio.h, the same number on all of them.
const fionread = 0x4004667f
