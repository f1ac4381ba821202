package etc

import "syscall"

// KeepToItself keeps the memory of this process, with the keys and passwords in
// it, out of core dumps, and its memory and environment in /proc from other
// programs of the same user. It is one system call, so that a program that lives
// for milliseconds can afford it.
func KeepToItself() {
	// It fails on no kernel with this number; without it we are as other programs.
	_, _, _ = syscall.Syscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0)
}
