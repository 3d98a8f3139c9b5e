package inquest

import "time"

// DefaultGrace is the silence that is granted a member, and LoneGrace how many graces a node waits
// that has nobody to ask.
const (
	DefaultGrace = 1500 * time.Millisecond
	LoneGrace    = 3
)

// DefaultZoneGrace is what the members of a silent zone are granted: a cut cable is mended, and a
// thousand crashes are rare.
const DefaultZoneGrace = 2 * time.Minute

// DefaultDeafGrace is what a member is granted that sends, and answers nobody.
const DefaultDeafGrace = 5 * time.Second

// Config is how Inquest examines. The zero value of each field means its default, which is right
// for a LAN. Every part can be switched off, so that its worth can be measured.
type Config struct {
	Period time.Duration // between two pings of a node; default 600 ms
	Watch  int           // members that a node pings in turn, 1 to MaxWatch; default 8
	// silence that is granted a member; a crash is known about 0.35 s later; default DefaultGrace
	Grace time.Duration
	// the same while its host still takes connections; default 10 s, at least Grace
	StallGrace time.Duration
	// the same for a member that sends, and answers nobody; default DefaultDeafGrace, at least
	// twice Grace
	DeafGrace time.Duration
	// the same for the members of a zone that is silent as a whole; default DefaultZoneGrace, less
	// than 0: none
	ZoneGrace time.Duration
	Jury      int           // jurors of one case, 1 to MaxJury; default 7
	MinRTO    time.Duration // the least time that an answer is given; default 50 ms
	MaxRTO    time.Duration // the most; default 1 s

	NoLease bool // the pinged side does not notice that a ping is missing
	NoJury  bool // a node judges alone
	// no connections: a dead process and a dead host look alike, and so does a stalled one
	NoKernel           bool
	NoStormBrake       bool // a juror that many seem silent to does not doubt itself
	NoStallShift       bool // what fell due while this process stood still is held against others
	NoAdaptiveAttempts bool // three lost pings call a jury, however many the network loses
}

// The largest values of a Config, and what keeps a node's memory bounded.
const (
	MaxWatch = 32
	MaxJury  = 15

	maxLeases = 512  // members whose next ping is waited for
	maxAlarms = 256  // members that do not answer, before a verdict
	maxCases  = 1024 // members that this node examines for others
	maxAskers = 4    // accusers that are told of a juror's word at once; the others ask
	maxFlaps  = 256  // members that came back lately
	maxSpared = 256  // members that do not answer this node, and that others hear
	maxAbroad = 64   // other zones of which is known how long answers take, and which are silent
)

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		v *time.Duration
		d time.Duration
	}{
		{&c.Period, 600 * time.Millisecond}, {&c.Grace, DefaultGrace}, {&c.StallGrace,
			10 * time.Second},
		{&c.MinRTO, 50 * time.Millisecond}, {&c.MaxRTO, time.Second},
	} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	if c.DeafGrace <= 0 {
		c.DeafGrace = DefaultDeafGrace
	}
	if c.ZoneGrace == 0 {
		c.ZoneGrace = DefaultZoneGrace
	}
	if c.Watch <= 0 {
		c.Watch = 8
	}
	if c.Jury <= 0 {
		c.Jury = 7
	}
	c.Watch, c.Jury = min(c.Watch, MaxWatch), min(c.Jury, MaxJury)
	c.StallGrace, c.MaxRTO = max(c.StallGrace, c.Grace), max(c.MaxRTO, c.MinRTO)
	c.DeafGrace = max(c.DeafGrace, 2*c.Grace)
	return c
}

// Round returns how long a node takes to ping all that it watches.
func (c Config) Round() time.Duration {
	c = c.withDefaults()
	return time.Duration(c.Watch) * c.Period
}

// Quorum returns how many other members have to vote for a verdict in a cluster of so many live
// ones, the accused and the accuser included; 0: the accuser judges alone. So, with a Jury of 7: a
// side fails members that it does not hear if it has five members or more than half of all,
// whichever is fewer. Of two members there is nobody to ask, and each judges alone.
func (c Config) Quorum(live int) int {
	if c.NoJury {
		return 0
	}
	c = c.withDefaults()
	seats := c.seats(live)
	if seats == 0 {
		return 0
	}
	return seats/2 + 1
}

// seats is how many jurors a case has: all but the accuser and the accused could be.
func (c *Config) seats(live int) int { return max(min(c.Jury, live-2), 0) }

// patience is how long a node looks for jurors before it says that a member cannot be reached from
// here, or takes its own word for that of a jury.
func (c *Config) patience() time.Duration { return max(3*c.Grace, 5*time.Second) }
