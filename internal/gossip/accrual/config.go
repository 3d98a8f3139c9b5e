package accrual

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/counter"
)

// Config is what is measured and how it is judged. The zero value of each field means its default,
// which is right for a LAN.
type Config struct {
	Period time.Duration // between two heartbeats; default 1 s
	// members that a node asks for heartbeats, those after it on the ring, 1 to 32; default 9
	// (Akka)
	Watch     int
	Threshold float64 // the phi from which a member has failed; default 8 (Akka, Cassandra)
	// that is granted a member on top of what is usual, with the normal distribution; default 3 s
	// (Akka)
	Pause time.Duration
	// of the last intervals, over which mean and deviation are taken; default 1,000 (Akka,
	// Cassandra)
	Window int

	// go by gossiped counters of all members, as Cassandra does, and not by heartbeats of a few
	Counters bool
	// with Counters: random members that get some at each period, 1 to 16; default 3
	Fanout      int
	Exponential bool // take the intervals for exponentially distributed, as Cassandra does
}

// maxWatch bounds Config.Watch.
const maxWatch = 32

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		v *time.Duration
		d time.Duration
	}{{&c.Period, time.Second}, {&c.Pause, 3 * time.Second}} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	for _, f := range []struct {
		v *int
		d int
	}{{&c.Watch, 9}, {&c.Fanout, 3}, {&c.Window, 1000}} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	if c.Threshold <= 0 {
		c.Threshold = 8
	}
	c.Watch = min(c.Watch, maxWatch)
	return c
}

func (c *Config) exchange(room int) counter.Config {
	return counter.Config{Period: c.Period, Fanout: c.Fanout, Room: room}
}

// interval is the mean time to be expected between two heartbeats. A counter that reaches so many
// tables in a period is seen to rise at a given node every 1 + 2/reach periods (measured, from 2 to
// 1,000 members).
func (c *Config) interval(live, room int) time.Duration {
	if !c.Counters {
		return c.Period
	}
	return time.Duration((1 + 2/c.exchange(room).Reach(live)) * float64(c.Period))
}

// Expect returns how long after its last heartbeat a member is to be failed, in a quiet cluster of
// so many live members whose datagrams hold room bytes of messages.
func (c Config) Expect(live, room int) time.Duration {
	c = c.withDefaults()
	usual := c.interval(live, room)
	j := newJudge(&c)
	w := window{count: 1, mean: usual.Seconds()}
	return j.patience(&w)
}
