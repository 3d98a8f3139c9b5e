//go:build !unix

package dev

import "time"

// cpuTime is not measured here.
func cpuTime() time.Duration { return 0 }
