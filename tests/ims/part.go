package ims

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Part is something that runs, for people.
type Part struct {
	Name, Address string
	PID           int // its first process, as numbered in the lab
}

// Memory is what the part's processes take of this machine, in bytes: the sum of
// their proportional set sizes, which counts shared pages once in all. An HSS is
// part of the program that has started the lab, and so is what that takes.
func (p Part) Memory() (bytes int64, processes int) {
	all := []int{p.PID}
	if p.Name != "HSS" {
		all = append(all, children(p.PID)...)
	}
	for _, pid := range all {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil { // it has ended meanwhile
			continue
		}
		processes++
		for line := range strings.Lines(string(rollup)) {
			if field := strings.Fields(line); len(field) == 3 && field[0] == "Pss:" {
				kB, _ := strconv.ParseInt(field[1], 10, 64)
				bytes += kB << 10
			}
		}
	}
	return bytes, processes
}

// children are the processes below one.
func children(pid int) (all []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// Behind the name in parentheses, which may hold anything: state, parent.
		field := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(field) > 1 && field[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			all = append(append(all, child), children(child)...)
		}
	}
	return all
}
