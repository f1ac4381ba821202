//go:build !linux

package etc

// KeepToItself does nothing here; see process_linux.go.
func KeepToItself() {}
