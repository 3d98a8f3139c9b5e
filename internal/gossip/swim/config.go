package swim

import (
	"time"
)

// Config is how SWIM probes. The zero value of each field means its default, which is right for a
// LAN. Every part can be switched off, so that its worth can be measured.
type Config struct {
	Period   time.Duration // the protocol period: one member is probed in each; default 800 ms
	MinRTO   time.Duration // the least time that a direct ping is given; default 50 ms
	Indirect int           // members asked to ping indirectly (SWIM's k); default 3
	Alpha    float64       // the least suspicion timeout is Alpha·log10(n)·Period; default 1.5
	Beta     float64       // the largest is Beta times that; default 6
	// independent confirmations that shrink it to the least (Lifeguard's K), at most 4; default 3
	Confirm int

	// Lifeguard (Dadgar, Phillips, Currey 2018) and what came before it, each off if true.
	NoSuspicion   bool // plain SWIM: a failed probe is a verdict (SWIM, section 3)
	NoLocalHealth bool // section IV-A: a node that misses answers slows down and doubts itself
	NoNack        bool // part of it: a helper that was asked to ping says so when it gets no answer
	NoShrink      bool // section IV-B: the timeout begins long and shrinks with confirmations
	NoBuddy       bool // section IV-C: the suspect is told with the first packet that it gets
	// probe a random member, not the next of a shuffled round (SWIM, section 4.3)
	RandomTargets  bool
	NoStallShift   bool // forgive what fell due while this process stood still
	NoIndirectPing bool
}

// The largest values that keep a node's memory bounded.
const (
	maxConfirm = 4
	maxHealth  = 8   // Lifeguard's S
	maxRelays  = 256 // indirect pings under way for others
)

func (c Config) withDefaults() Config {
	if c.Period <= 0 {
		c.Period = 800 * time.Millisecond
	}
	if c.MinRTO <= 0 {
		c.MinRTO = 50 * time.Millisecond
	}
	if c.Indirect <= 0 {
		c.Indirect = 3
	}
	if c.Alpha <= 0 {
		c.Alpha = 1.5
	}
	if c.Beta < 1 {
		c.Beta = 6
	}
	if c.Confirm <= 0 {
		c.Confirm = 3
	}
	c.Confirm = min(c.Confirm, maxConfirm)
	return c
}

// suspicionTimeout returns how long a suspicion lasts in a cluster of n live members after c
// independent confirmations of k looked for (Lifeguard, section IV-B):
//
//	max(least, most − (most − least)·log(c+1)/log(k+1)),
//	least = Alpha·log10(n)·Period, most = Beta·least
func (c *Config) suspicionTimeout(n, confirmations int) time.Duration {
	least := time.Duration(c.Alpha * max(1, log2(n)/log2(10)) * float64(c.Period))
	k := min(c.Confirm, n-2) // the suspect and the first accuser confirm nothing
	if c.NoShrink || k < 1 {
		return least
	}
	most := time.Duration(c.Beta * float64(least))
	shrunk := float64(most-least) * log2(min(confirmations, k)+1) / log2(k+1)
	return max(least, most-time.Duration(shrunk))
}

// LeastSuspicion returns the shortest time from a suspicion to the verdict in a cluster of n live
// members.
func (c Config) LeastSuspicion(n int) time.Duration {
	c = c.withDefaults()
	if c.NoSuspicion {
		return 0
	}
	return c.suspicionTimeout(n, c.Confirm)
}

// Slowest returns how long it takes, but for rare bad luck, until the survivors of n members know
// that all others are dead; left is how many survive. While most probes fail, each survivor takes
// that for its own bad health, and begins one probe in nine periods (Lifeguard, section IV-A). A
// round takes up to 2n−1 probes (SWIM, section 4.3), which the survivors share. The longest
// suspicion comes on top.
func (c Config) Slowest(n, left int) time.Duration {
	c = c.withDefaults()
	period := c.Period
	if !c.NoLocalHealth {
		period *= maxHealth + 1
	}
	return time.Duration(2*n-1)*period/time.Duration(max(left, 1)) + c.suspicionTimeout(n, 0)
}

// log2 is exact for the counts of confirmations and interpolates between powers of two for others,
// within 0.09. It uses no function whose last bit differs between machines.
func log2(n int) float64 {
	switch n {
	case 3:
		return 1.584962500721156
	case 5:
		return 2.321928094887362
	}
	if n < 1 {
		return 0
	}
	whole, power := 0, 1
	for power <= n/2 {
		whole, power = whole+1, power*2
	}
	return float64(whole) + float64(n-power)/float64(power)
}
