//go:build !linux

package measure

import "time"

// Alone is the variable that tells a child that it has a network namespace of its own; only Linux
// has those.
const Alone = "STARLING_BENCH_ALONE"

func cpuTime() time.Duration { return 0 }

func loopback() sent { return sent{} }

// RaiseLoopback does nothing here.
func RaiseLoopback() error { return nil }
