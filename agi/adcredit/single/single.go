// Package single, imported for its effect, suits the runtime to a process that
// lives for milliseconds, from before other packages initialise (it needs no
// package but runtime, and packages that are ready initialise in the order of
// their paths).
//
// One goroutine runs at a time: more only wake threads that find nothing to do.
// runtime.SetDefaultGOMAXPROCS takes it back. And the main goroutine has its
// stack at once, where it would grow to it in steps, each with a look-up of all
// frames (measured: 2 % of a call).
package single

import "runtime"

func init() {
	runtime.GOMAXPROCS(1)
	grow(0)
}

// grow needs a stack of 32 KiB, as much as a call does: the next power of two
// after its frame. What it returns means nothing.
//
//go:noinline
func grow(i int) byte {
	var frame [16 << 10]byte
	return frame[i]
}
