// Package single, imported for its effect, lets a process that lives for
// milliseconds run one goroutine at a time, from before other packages initialise
// (it needs no package but runtime, and packages that are ready initialise in the
// order of their paths). More only wake threads that find nothing to do.
// runtime.SetDefaultGOMAXPROCS takes it back.
package single

import "runtime"

func init() { runtime.GOMAXPROCS(1) }
