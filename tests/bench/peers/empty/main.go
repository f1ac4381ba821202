// Command empty does nothing: what a program in Go costs before its first line.
package main

func main() {}
