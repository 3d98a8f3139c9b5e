package heartbeat

import (
	"math/bits"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/counter"
)

// Config is how heartbeats are told and when they are missed. The zero value of each field means
// its default, which is right for a LAN.
type Config struct {
	Period time.Duration // T_gossip: between two beats of a node; default 1 s
	// b: random members that get a datagram of counters at each, 1 to 16; default 3
	Fanout int
	// T_fail: a counter that does not rise for so long is that of a failed member; default:
	// Config.FailAfter
	Fail time.Duration
	// T_cleanup, with Local: such a member is forgotten after so long; default 2·T_fail, at least
	// T_fail
	Cleanup time.Duration

	// Local is the protocol as published: each node judges by the counters that it has itself,
	// tells nobody of its verdict and believes nobody's, and forgets the dead after Cleanup. It is
	// for studies. Otherwise the first verdict goes to all, and a member that lives refutes it with
	// a higher incarnation. The order of incarnations keeps stale rumors from bringing the dead
	// back; with Local, T_cleanup does.
	Local bool
}

func (c Config) withDefaults() Config {
	if c.Period <= 0 {
		c.Period = time.Second
	}
	if c.Fanout <= 0 {
		c.Fanout = 3
	}
	return c
}

func (c Config) exchange(room int) counter.Config {
	return counter.Config{Period: c.Period, Fanout: c.Fanout, Room: room}
}

// FailAfter returns T_fail in a cluster of so many live members whose datagrams hold room bytes of
// messages: Fail, or if that is 0 so long that a cluster without loss makes about one mistake a
// day.
//
// The chance that a counter is not seen to rise for t falls as exp(-reach·t/Period). reach is how
// many members a node tells any one counter to in a period. A day has 86,400 s, for each of n²
// pairs: T_fail = Period·(2 + (13 + 2·ln n)/reach).
func (c Config) FailAfter(live, room int) time.Duration {
	c = c.withDefaults()
	if c.Fail > 0 {
		return c.Fail
	}
	// ln n < 0.7·bits
	rounds := 2 + (13+1.4*float64(bits.Len(uint(live))))/c.exchange(room).Reach(live)
	return time.Duration(rounds * float64(c.Period))
}

// cleanupAfter returns T_cleanup.
func (c Config) cleanupAfter(fail time.Duration) time.Duration {
	if c.Cleanup > 0 {
		return max(c.Cleanup, fail)
	}
	return 2 * fail
}
