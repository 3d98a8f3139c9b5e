package gossip

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/alarms"
	"github.com/starling-gossip/starling/internal/gossip/called"
	"github.com/starling-gossip/starling/internal/gossip/coords"
	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/door"
	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/multicast"
	"github.com/starling-gossip/starling/internal/gossip/quota"
	"github.com/starling-gossip/starling/internal/gossip/reach"
	"github.com/starling-gossip/starling/internal/gossip/reconcile"
	"github.com/starling-gossip/starling/internal/gossip/roster"
	"github.com/starling-gossip/starling/internal/gossip/state"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/upkeep"
	"github.com/starling-gossip/starling/internal/gossip/ways"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Version is the protocol version that this package speaks.
const Version = 2

// Node is one member of a cluster, as a pure state machine. The package comment has its contract.
// It is not safe for concurrent use.
type Node struct {
	View
	planes
	cfg     Config
	cluster uint32
	id      member.ID
	rng     *rand.Rand
	proof   *rand.Rand // of numbers that nobody may guess
	start   Time
	flow    *flow.Flow     // what leaves
	roster  *roster.Roster // the members that it knows
	spreads spreads        // how far its messages have come
	seq     uint64         // of its last message
	in      datagram
	stats   Stats

	now Time    // of the current step
	out *Outbox // of the current step
}

// New makes a node. cfg may be nil; self.Addr is where others reach it. rng and proof are the
// node's only sources of chance: numbers that prove something come from proof, which nobody must be
// able to guess. The caller calls Wake with the first moment of its clock next.
func New(cfg *Config, self Self, rng, proof rand.Source) (*Node, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := member.Record{
		Name: self.Name, Generation: self.Generation, Zone: self.Zone, Tags: self.Tags,
		Protocol: Version,
		Addr:     netip.AddrPortFrom(self.Addr.Addr().Unmap().WithZone(""), self.Addr.Port()),
	}
	if self.Outside.IsValid() {
		r.Outside = netip.AddrPortFrom(self.Outside.Addr().Unmap().WithZone(""),
			self.Outside.Port())
	}
	if err := r.Validate(); err != nil {
		return nil, fmt.Errorf("this node: %w", err)
	}
	n := &Node{
		cfg:     c,
		cluster: wire.ClusterHash(c.Cluster),
		id:      member.IDOf(r.Name),
		rng:     rand.New(rng),
		proof:   rand.New(proof),
		now:     Never,
	}
	n.View = View{n}
	table := new(member.Table)
	n.flow = flow.New(n.cluster, c.MTU, n.id, table)
	n.roster = roster.New(roster.Setup{
		Self: r, Family: self.Family, Routes: self.Routes, Private: c.private(),
		Fanout: c.Fanout, Rounds: c.Rounds, Coalesce: c.Coalesce,
	}, n.flow, table, n.rng)
	e := env{n, n.roster}
	n.reach = reach.New(0, reachHost{e}, c.Retention/2)
	n.quota = quota.New(quotaHost{e, n.reach}, c.quota())
	n.flow.Meter = n.quota
	n.door = door.New(door.Setup{
		Cluster: c.Cluster, ClusterID: self.ClusterID, Detector: uint8(c.Detector),
		DetectorName: c.Detector.String(), Examines: c.Detector == INQUEST, MTU: c.MTU,
		JoinRetry: c.JoinRetry, Reseed: c.Reseed, Retention: c.Retention, Grace: c.Inquest.Grace,
		LastRound: c.Rounds[len(c.Rounds)-1], Settings: c.settings(),
	}, n.roster, n.flow, n.rng, n.proof)
	return n, nil
}

// Deadline returns the next moment that the node needs Wake; 0 before the first Wake, Never once it
// has stopped.
func (n *Node) Deadline() Time {
	switch {
	case n.door.Stopped():
		return Never
	case n.detector == nil:
		return 0
	}
	return n.planes.deadline(n.roster.News.Due())
}

// Wake does what has fallen due.
func (n *Node) Wake(now Time, out *Outbox) {
	if !n.begin(now, out) {
		return
	}
	n.planes.wake(n.now)
	n.finish()
}

// begin opens a step. A step that comes long after the deadline tells that this process stood
// still.
func (n *Node) begin(now Time, out *Outbox) bool {
	if n.door.Stopped() {
		return false
	}
	n.out = out
	if n.detector == nil {
		n.now = now
		n.flow.Begin(now, &out.Out)
		n.launch()
		return true
	}
	n.verifyBegin()
	awake := max(n.now, n.Deadline()) // up to then nothing was late
	n.now, n.dueKnown = max(now, n.now), false
	n.flow.Begin(n.now, &out.Out)
	n.roster.Begin(n.now)
	n.door.Begin(n.now)
	if awake != Never && n.now.Sub(awake) > n.cfg.Stall {
		n.stalled(n.now.Sub(awake))
	}
	return true
}

// finish closes a step: messages and news that came in go out at once, unless the last went out a
// moment ago.
func (n *Node) finish() {
	if !n.door.Stopped() {
		n.door.Complete()
		n.door.Drain()
		n.relay.Flush(n.now)
		n.keys.Flush(n.now)
		n.spreads.tellRoom(n.out)
	}
	n.reach.Settle(n.now)
	if n.roster.News.Due() <= n.now && !n.door.Stopped() {
		n.roster.News.Push()
	}
	n.verifyEnd()
	n.out = nil
}

// launch sets the clock going, once the time is known.
func (n *Node) launch() {
	n.start = n.now
	n.roster.Start(n.now)
	n.flow.Start(n.now, n.cfg.Budget)
	e := env{n, n.roster}
	n.repair = reconcile.New(repairHost{e}, n.cfg.Repair)
	n.streams = stream.New(streamHost{e}, n.cfg.Streams)
	tree := n.cfg.Tree
	tree.Size = n.cfg.room()
	n.relay = multicast.New(tree, relayHost{e}, n.streams)
	n.coords = coords.New(coordsHost{e})
	n.called = called.New(n.now, calledHost{e, n.reach}, n.cfg.round())
	n.ways = ways.New(n.now, waysHost{e}, n.flow.Longest())
	n.alarms = alarms.New(alarmsHost{e}, n.cfg.ShareSuspicions)
	n.keys = state.New(keysHost{streamHost{e}}, n.cfg.Keys)
	n.detector = n.cfg.Detector.row().start(n)
	n.upkeep = upkeep.New(n.now, upkeep.Setup{
		Reconnect: n.cfg.Reconnect, Retention: n.cfg.Retention, Private: n.cfg.private(),
	}, n.roster, n.flow, n.rng, n.reach, n.called)
	n.roster.Parts = roster.Parts{Host: rosterHost{n}, Detector: n.detector, Called: n.called,
		Reach: n.reach, Keys: n.keys, Door: n.door}
	if d, ok := n.detector.(detect.Lossy); ok {
		n.roster.Losses = d.Losses
	}
	n.planes.list()
	n.door.Start(n.now, door.Parts{Host: doorHost{n}, Detector: n.detector, Reach: n.reach,
		Called: n.called, Streams: n.streams, Relay: n.relay, Repair: n.repair})
}

// stalled makes up for a gap in which this process stood still.
func (n *Node) stalled(gap time.Duration) {
	n.stats.Stalls++
	n.out.Events = append(n.out.Events, Event{Kind: StoodStill, Gap: gap})
	n.planes.stalled(n.now, gap)
}

// Connected tells what came of a Connect that the node asked for, if anything did.
func (n *Node) Connected(now Time, c Connect, o detect.Outcome, out *Outbox) {
	if !n.begin(now, out) {
		return
	}
	if d, ok := n.detector.(detect.Prober); ok {
		d.Connected(n.now, c.Peer, o)
	}
	n.finish()
}

// Taken tells that somebody made a TCP connection to this node's own port. Once in a second
// suffices.
func (n *Node) Taken(now Time, out *Outbox) { n.TakenFrom(now, netip.Addr{}, out) }

// TakenFrom is Taken with the address of the host that made it. Once in a second of each suffices.
func (n *Node) TakenFrom(now Time, from netip.Addr, out *Outbox) {
	if !n.begin(now, out) {
		return
	}
	if d, ok := n.detector.(interface{ Taken(Time) }); ok {
		d.Taken(n.now)
	}
	n.called.Came(n.now, from.Unmap())
	n.called.Settle()
	n.finish()
}

// Unopened tells that a datagram of so many bytes came from an address and did not open: it is
// sealed with a key that this node lacks, or it is not sealed, or it is and this node has no key.
// Its sender is told so, ten times a second at most, by a datagram that is shorter; what is as
// short as that is not answered, so that two nodes never answer each other.
func (n *Node) Unopened(now Time, from netip.AddrPort, size int, out *Outbox) {
	if !n.begin(now, out) {
		return
	}
	n.door.Unopened(from, size)
	n.finish()
}
