//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuTime returns what this process has taken of the processors so far: where others use them too,
// real time says little.
func cpuTime() (time.Duration, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
