// Package mono is the clock of the protocol core: a moment as a number that somebody else reads off
// a clock.
package mono

import (
	"math"
	"time"
)

// Time is a moment in nanoseconds on a monotonic clock whose zero means nothing. It is 8 bytes and
// comparable, and the core only ever receives one: it reads no clock. Times of different processes
// cannot be compared.
type Time int64

// Never is later than every moment that a clock shows.
const Never Time = math.MaxInt64

// Add returns the moment d after t; Never stays Never.
func (t Time) Add(d time.Duration) Time {
	if t == Never {
		return Never
	}
	return t + Time(d)
}

// Sub returns the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }
