package swim

import "time"

// rtt estimates round-trip times as TCP does (Jacobson 1988; RFC 6298, section 2).
type rtt struct {
	smooth, variation time.Duration
}

func (r *rtt) sample(d time.Duration) {
	if r.smooth == 0 {
		r.smooth, r.variation = max(d, 1), d/2
		return
	}
	r.variation += ((d - r.smooth).Abs() - r.variation) / 4
	r.smooth = max(r.smooth+(d-r.smooth)/8, 1)
}

// timeout returns how long to wait for an answer, a third of the period while nothing is known.
func (r *rtt) timeout(floor, period time.Duration) time.Duration {
	if r.smooth == 0 {
		return max(floor, period/3)
	}
	return min(max(floor, r.smooth+4*r.variation), period)
}
