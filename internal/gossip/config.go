package gossip

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/accrual"
	"github.com/starling-gossip/starling/internal/gossip/heartbeat"
	"github.com/starling-gossip/starling/internal/gossip/inquest"
	"github.com/starling-gossip/starling/internal/gossip/multicast"
	"github.com/starling-gossip/starling/internal/gossip/reconcile"
	"github.com/starling-gossip/starling/internal/gossip/roster"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/state"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/swim"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Config is how a node behaves. The zero value of each field means its default, which is right for
// a LAN. A Config is not changed by the nodes made with it, which share it.
type Config struct {
	// the cluster's name; default "starling". Clusters of different names never mix
	Cluster   string
	Detector  Detector // default DefaultDetector
	SWIM      swim.Config
	Inquest   inquest.Config
	Heartbeat heartbeat.Config
	Accrual   accrual.Config
	Repair    reconcile.Config
	Streams   stream.Config    // of messages: what is held, and for how long
	Tree      multicast.Config // of messages: how they travel; Size is set by the node
	Keys      state.Config     // of versioned keys: how they travel, and what is held
	// put what Restore needs at the next start in Outbox.Pieces and Outbox.Marks
	Keep bool

	// MTU is how many bytes of UDP payload a datagram has at most, with what sealing adds; default
	// and least 1,200. What sealing takes is left free in the clear too. More is for networks whose
	// every path carries it: nobody looks for what passes.
	MTU int
	// bytes a second of news that this node sends at most; default 1 MiB. Messages have Tree.Rate
	Budget int

	// bytes a second that the members of a zone send to each other zone at most, all together; 0:
	// no bound
	ZoneBudget  int
	PairBudgets []PairBudget // the same between two zones, in place of ZoneBudget

	Fanout int             // peers that get a piece of news in one round; default 4
	Rounds []time.Duration // when news is pushed after it came in; default 0, 5 and 20 ms
	// news to one peer waits this long for company after the last; default 2 ms
	Coalesce time.Duration

	Retention time.Duration // how long failed and left members are remembered; default 24 h
	Reconnect time.Duration // how often failed members are dialled, one at a time; default 2 s
	Reseed    time.Duration // how often the seeds are dialled again; default 60 s
	// the first pause between two tries to join, doubling up to 5 s; default 200 ms
	JoinRetry time.Duration

	// ShareSuspicions has this node tell all members which it suspects, and when it does no more,
	// for their users to act early. Only INQUEST suspects in private; with the others, suspicion is
	// public or there is none.
	ShareSuspicions bool

	// a turn later than this after its deadline is a stall of one's own; default 100 ms
	Stall time.Duration
}

// ErrConfig is wrapped by every error about a configuration.
var ErrConfig = errors.New("configuration")

func (c *Config) withDefaults() (Config, error) {
	d := *c
	def(&d.Cluster, "starling")
	def(&d.Detector, DefaultDetector)
	def(&d.MTU, wire.DefaultMTU)
	def(&d.Budget, 1<<20)
	def(&d.Fanout, 4)
	if d.Rounds == nil {
		d.Rounds = []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond}
	}
	def(&d.Coalesce, 2*time.Millisecond)
	def(&d.Retention, 24*time.Hour)
	def(&d.Reconnect, 2*time.Second)
	def(&d.Reseed, time.Minute)
	def(&d.JoinRetry, 200*time.Millisecond)
	def(&d.Stall, 100*time.Millisecond)
	def(&d.Inquest.Grace, inquest.DefaultGrace)
	switch {
	case d.Detector.row() == nil:
		return d, fmt.Errorf("%w: there is no detector %d", ErrConfig, d.Detector)
	case d.MTU < wire.MinMTU:
		return d, fmt.Errorf("%w: an MTU of %d bytes; it must be at least %d", ErrConfig,
			d.MTU, wire.MinMTU)
	case d.MTU > wire.MaxMTU:
		return d, fmt.Errorf("%w: an MTU of %d bytes; it must be at most %d", ErrConfig, d.MTU,
			wire.MaxMTU)
	case len(d.Cluster) > wire.MaxCluster:
		return d, fmt.Errorf("%w: the cluster's name has %d bytes, at most %d are allowed",
			ErrConfig, len(d.Cluster), wire.MaxCluster)
	case d.Budget < d.MTU:
		return d, fmt.Errorf("%w: a budget of %d bytes a second; at least one datagram of the "+
			"MTU, %d bytes, is needed", ErrConfig, d.Budget, d.MTU)
	case d.Fanout < 0 || d.Fanout > roster.MaxFanout:
		return d, fmt.Errorf("%w: a fanout of %d, from 1 to %d are allowed", ErrConfig,
			d.Fanout, roster.MaxFanout)
	case len(d.Rounds) == 0 || len(d.Rounds) > rumor.MaxRounds || !slices.IsSorted(d.Rounds) ||
		d.Rounds[0] < 0:
		return d, fmt.Errorf("%w: rounds %v; from 1 to %d rising times are allowed", ErrConfig,
			d.Rounds, rumor.MaxRounds)
	case min(d.Coalesce, d.Retention, d.Reconnect, d.Reseed, d.JoinRetry, d.Stall) < 0:
		return d, fmt.Errorf("%w: a negative time", ErrConfig)
	}
	budgets := d.quota()
	if err := budgets.Validate(); err != nil {
		return d, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return d, nil
}

// probeRoom is how many bytes of a detector's messages fit a datagram beside the header, the
// fingerprint and what is asked and told of locations.
func (c *Config) probeRoom() int {
	return c.room() - wire.MessageSize - fingerprintSize - wire.LocateSize - wire.LocatedSize
}

// room is how many bytes of messages fit a datagram.
func (c *Config) room() int { return wire.RoomOf(c.MTU) - wire.HeaderSize }

// private says whether each node judges for itself and believes no other.
func (c *Config) private() bool { return c.Detector == HEARTBEAT && c.Heartbeat.Local }

// def sets what is zero to its default.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// round is how often Inquest probes, 0 if the detector is another one.
func (c *Config) round() time.Duration {
	if c.Detector != INQUEST {
		return 0
	}
	return c.Inquest.Round()
}
