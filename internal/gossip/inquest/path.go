package inquest

import "time"

// path is what a node knows of the ways to others: how long round trips take, and how many fail.
type path struct {
	smooth, variation time.Duration
	lost              int // an EWMA of the share of round trips that fail, in 1/65536
}

const one = 1 << 16

// sample takes in a round trip, as TCP does (Jacobson 1988; RFC 6298, section 2).
func (p *path) sample(d time.Duration) {
	if p.smooth == 0 {
		p.smooth, p.variation = max(d, 1), d/2
		return
	}
	p.variation += ((d - p.smooth).Abs() - p.variation) / 4
	p.smooth = max(p.smooth+(d-p.smooth)/8, 1)
}

// timeout returns how long to wait for an answer.
func (p *path) timeout(c *Config) time.Duration {
	if p.smooth == 0 {
		return min(max(200*time.Millisecond, c.MinRTO), c.MaxRTO)
	}
	return min(max(p.smooth+4*p.variation, c.MinRTO), c.MaxRTO)
}

// count takes in round trips that failed, and those that did not.
func (p *path) count(failed, well int) {
	for range failed {
		p.lost += (one - p.lost) * 3 / 100
	}
	for range well {
		p.lost -= p.lost * 3 / 100
	}
}

// attempts returns how many round trips have to fail before a live member is suspected by chance in
// 3 of 1,000 cases: the least m from 3 to 16 with lostᵐ <= 0.003. In integers, since equal inputs
// must give equal bytes on every machine.
func (p *path) attempts(c *Config) int {
	if c.NoAdaptiveAttempts {
		return 3
	}
	m := 0
	for chance := one; chance > one*3/1000 && m < 16; m++ {
		chance = chance * p.lost >> 16
	}
	return max(m, 3)
}
