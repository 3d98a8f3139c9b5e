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
	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/multicast"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/quota"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/reach"
	"github.com/starling-gossip/starling/internal/gossip/reconcile"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/state"
	"github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/ways"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Version is the protocol version that this package speaks.
const Version = 2

// Node is one member of a cluster, as a pure state machine. The package comment has its contract.
// It is not safe for concurrent use.
type Node struct {
	View
	cfg     Config
	cluster uint32
	rng     *rand.Rand
	proof   *rand.Rand // of numbers that nobody may guess
	name    []byte     // the cluster's
	family  Family     // of the socket
	routes  Family     // of the host

	id       member.ID
	self     member.Handle
	inc      uint32
	instance uint32
	start    Time

	table    member.Table
	ring     *topology.Ring // of the table
	detector detect.Detector
	listener detect.Listener  // the detector, if it is one
	prober   detect.Prober    // the detector, if it is one
	lossy    detect.Lossy     // the detector, if it is one
	accruer  detect.Accruer   // the detector, if it is one
	damper   detect.Damper    // the detector, if it is one
	reach    *reach.Reach     // which members it reaches
	news     rumor.Queue      // of members, by ID
	streams  *stream.Streams  // what everybody publishes, as this node has it
	relay    *multicast.Relay // how it travels
	spreads  spreads
	keys     *state.Store // what everybody tells about itself, as this node has it
	seq      uint64       // of this node's last message

	repair   *reconcile.Repair
	shown    wire.Fingerprint // in the current datagram, if hasShown
	shownBy  member.Member
	twin     bool // the current datagram shows that a former process was in this node's generation
	hasShown bool
	hushed   bool // what is learned now is not spread

	budget   rate.Bucket
	replies  rate.Bucket // for what strangers and the dead provoke
	welcomes rate.Bucket // for the samples that newcomers get
	flushAt  Time        // no news leaves before; the coalescing delay, or the pace of a storm

	verdicts verdicts
	alarms   *alarms.Alarms // which members do not answer which
	words    rumor.Queue    // messages that are spread as they are, by key

	entry    entry
	called   *called.Called // whether its address leads to it
	identity identity
	settings wire.Hashes // this node's
	unlike   []Unlike    // in which others differ from them
	deserted bool        // it had the last live members forgotten unheard, and has met nobody since
	graves   marks.Table[member.ID, grave]
	coords   *coords.Coords // where this node stands, and others do
	ways     *ways.Ways     // to the members that it talks to
	upkeep   upkeep
	unproven unproven
	told     []member.ID // in the news of the current datagram
	size     int         // of the current datagram, in bytes
	// the types of the messages that the current datagram held so far, a bit each
	asked  uint64
	kin    bool          // a Mistaken of the current datagram comes from a member of this cluster
	wanted []member.ID   // records to ask the sender of the current datagram for
	ends   []wire.Update // to tell it

	stats   Stats
	traffic traffic
	quota   *quota.Quota  // what this node's zone may send to others
	planes  []plane.Plane // all that are one; the order is fixed, and means nothing
	enders  []plane.Ender // those of them that hear of the end of a datagram
	// the deadline, once it was asked for after a step: it changes in steps alone
	due      Time
	dueKnown bool
	readers  [wire.Planes]plane.Plane // which of them reads what
	stopped  bool

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
		cfg:      c,
		cluster:  wire.ClusterHash(c.Cluster),
		rng:      rand.New(rng),
		proof:    rand.New(proof),
		name:     []byte(c.Cluster),
		family:   self.Family,
		routes:   self.Routes,
		settings: c.hashes(),
		identity: identity{id: self.ClusterID},
		id:       member.IDOf(r.Name),
		news:     rumor.NewQueue(c.Rounds, enough),
		words:    rumor.NewQueue(c.Rounds, enough),
		graves:   marks.Table[member.ID, grave]{Max: maxGraves},
		entry:    entry{door: door{guests: marks.Table[member.ID, welcomed]{Max: maxGuests}}},

		now: Never,
	}
	n.View = View{n}
	n.table.SetHome(r.Zone)
	n.reach = reach.New(0, reachHost{env{n}}, c.Retention/2)
	n.quota = quota.New(quotaHost{env{n}}, c.quota())
	n.setFamily()
	n.setSelf(member.Share(r))
	return n, nil
}

// enough duplicates of a rumor tell that the others know it.
const enough = 8

// Deadline returns the next moment that the node needs Wake; 0 before the first Wake, Never once it
// has stopped.
func (n *Node) Deadline() Time {
	switch {
	case n.stopped:
		return Never
	case n.detector == nil:
		return 0
	}
	if !n.dueKnown {
		n.dueKnown, n.due = true, min(n.upkeep.due, n.entry.due(), n.flushDue())
		for _, p := range n.planes {
			n.due = min(n.due, p.Deadline())
		}
	}
	return n.due
}

// Wake does what has fallen due.
func (n *Node) Wake(now Time, out *Outbox) {
	if !n.begin(now, out) {
		return
	}
	for _, p := range n.planes {
		if p.Deadline() <= n.now {
			p.Wake(n.now)
		}
	}
	n.wakeEntry()
	n.wakeUpkeep()
	n.finish()
}

// begin opens a step. A step that comes long after the deadline tells that this process stood
// still.
func (n *Node) begin(now Time, out *Outbox) bool {
	if n.stopped {
		return false
	}
	n.out = out
	n.unproven.source = netip.AddrPort{}
	if n.detector == nil {
		n.now = now
		n.launch()
		return true
	}
	n.verifyBegin()
	awake := max(n.now, n.Deadline()) // up to then nothing was late
	n.now, n.dueKnown = max(now, n.now), false
	if awake != Never && n.now.Sub(awake) > n.cfg.Stall {
		n.stalled(n.now.Sub(awake))
	}
	return true
}

// finish closes a step: messages and news that came in go out at once, unless the last went out a
// moment ago.
func (n *Node) finish() {
	if !n.stopped {
		n.complete()
		n.drain()
		n.relay.Flush(n.now)
		n.keys.Flush(n.now)
		n.tellRoom()
	}
	n.reach.Settle(n.now)
	if n.flushDue() <= n.now && !n.stopped {
		n.flush()
	}
	n.verifyEnd()
	n.out = nil
}

// launch sets the clock going, once the time is known.
func (n *Node) launch() {
	n.start = n.now
	n.table.Merge(n.now, member.Fact{Record: n.self, Incarnation: n.inc})
	n.ring = topology.NewRing(&n.table)
	n.budget = rate.Full(n.cfg.Budget, max(n.cfg.Budget/4, 8*n.cfg.MTU), n.now)
	n.replies = rate.Full(replyRate, replyRate, n.now)
	n.welcomes = rate.Full(welcomeRate, 2*welcomeRate, n.now)
	n.repair = reconcile.New(repairHost{n}, n.cfg.Repair)
	n.launchMessages()
	n.coords = coords.New(coordsHost{env{n}})
	n.called = n.newCalled()
	n.ways = ways.New(n.now, waysHost{env{n}}, n.Longest())
	n.alarms = alarms.New(alarmsHost{env{n}}, n.cfg.ShareSuspicions)
	n.keys = state.New(keysHost{streamHost{n}}, n.cfg.Keys)
	n.detector = n.cfg.Detector.row().start(n)
	n.listener, _ = n.detector.(detect.Listener)
	n.prober, _ = n.detector.(detect.Prober)
	n.accruer, _ = n.detector.(detect.Accruer)
	n.damper, _ = n.detector.(detect.Damper)
	n.lossy, _ = n.detector.(detect.Lossy)
	n.planes = []plane.Plane{
		n.detector, n.reach, n.called, n.repair, n.streams, n.relay, n.keys, n.alarms, n.coords,
		n.ways, n.quota,
	}
	for _, p := range n.planes {
		if e, ok := p.(plane.Ender); ok {
			n.enders = append(n.enders, e)
		}
	}
	n.readers = [wire.Planes]plane.Plane{
		wire.Probing: n.detector, wire.Repairs: n.repair, wire.Tree: n.relay,
		wire.Streams: n.streams, wire.Keys: n.keys, wire.Quota: n.quota, wire.Places: n.coords,
		wire.Ways: n.ways,
	}
	n.launchEntry()
	n.launchUpkeep()
}

// stalled makes up for a gap in which this process stood still. After a long one its table is a
// dream of the past: it comes in anew and learns what there is, so that it brings nobody back that
// the others have forgotten.
func (n *Node) stalled(gap time.Duration) {
	n.stats.Stalls++
	n.out.Events = append(n.out.Events, Event{Kind: StoodStill, Gap: gap})
	n.wake(gap)
	for _, p := range n.planes {
		p.Stalled(n.now, gap)
	}
	if gap > n.cfg.Retention/2 {
		n.rejoin()
	}
}

// Table returns what the node knows of all members, itself included. The caller only reads it,
// between steps.
func (n *Node) Table() *member.Table { return &n.table }

// Self returns what the node says of itself.
func (n *Node) Self() member.Member {
	m, ok := n.table.Get(n.id)
	if !ok {
		r := n.self.Value()
		m = member.Member{ID: n.id, Handle: n.self, Check: r.Check()}
	}
	return m
}

// Health returns the detector's local health: 0 is good, higher is worse.
func (v View) Health() int {
	if v.n.detector == nil {
		return 0
	}
	return v.n.detector.Health()
}

// RTT returns the smoothed round-trip time to the members, 0 while unknown.
func (v View) RTT() time.Duration {
	if v.n.detector == nil {
		return 0
	}
	return v.n.detector.RTT()
}

// Phi returns the level of suspicion of a member at a moment, −log10 of the probability that it
// lives and is only late; ok is false if the detector has none, which only ACCRUAL does, or if this
// node does not watch the member.
func (v View) Phi(now Time, id member.ID) (phi float64, ok bool) {
	if v.n.accruer == nil {
		return 0, false
	}
	return v.n.accruer.Phi(now, id)
}

// Damped returns how long a member that came back lately in the same life may be silent at a
// moment, how long others may, and how many of its returns count still; 0 returns if it did not
// come back, or if the detector does not damp, which only INQUEST does.
func (v View) Damped(now Time, id member.ID) (grace, usual time.Duration, returns int) {
	if v.n.damper == nil {
		return 0, 0, 0
	}
	return v.n.damper.Damped(now, id)
}

// Connected tells what came of a Connect that the node asked for, if anything did.
func (n *Node) Connected(now Time, c Connect, o detect.Outcome, out *Outbox) {
	if !n.begin(now, out) {
		return
	}
	if n.prober != nil {
		n.prober.Connected(n.now, c.Peer, o)
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

// Stopped says whether the node has left, or had to stop. It does nothing any more.
func (n *Node) Stopped() bool { return n.stopped }

// setSelf makes a record this node's own.
func (n *Node) setSelf(h member.Handle) {
	n.self = h
	n.instance = member.Instance(n.id, uint32(h.Value().Generation))
}

// tell puts an event about a member in the outbox.
func (n *Node) tell(kind EventKind, m member.Member) {
	n.out.Events = append(n.out.Events, Event{Kind: kind, Member: m})
}

// host is the node as its detector sees it.
type host struct{ n *Node }

func (h host) Self() member.ID      { return h.n.id }
func (h host) Table() *member.Table { return &h.n.table }
func (h host) Ring() *topology.Ring { return h.n.ring }
func (h host) Rand() *rand.Rand     { return h.n.rng }

func (h host) Send(_ Time, to plane.Peer, messages []byte) { h.n.sendProbe(to, messages) }

func (h host) Suspect(_ Time, id member.ID) { h.n.accuse(id, member.Suspect, 0) }
func (h host) Fail(_ Time, id member.ID)    { h.n.accuse(id, member.Failed, 0) }

func (h host) Connect(_ Time, to plane.Peer) {
	h.n.out.Connects = append(h.n.out.Connects, Connect{to})
}

func (h host) Alarm(_ Time, id member.ID, on bool) {
	if m, ok := h.n.table.Get(id); ok && m.State.Live() && !on {
		h.n.streams.Heard(h.n.now)
	}
	h.n.alarms.Raise(h.n.now, id, on)
}

func (h host) FailWith(_ Time, id member.ID, e detect.Evidence) { h.n.failWith(id, e) }

func (h host) FailHere(_ Time, id member.ID, e detect.Evidence) {
	h.n.quiet(func() { h.n.failWith(id, e) })
}

func (h host) Forget(_ Time, id member.ID) {
	if m, ok := h.n.table.Get(id); ok && !m.State.Live() {
		h.n.forget(id)
	}
}

func (h host) Unreachable(_ Time, id member.ID, on bool) {
	h.n.reach.SetSilent(h.n.now, id, on)
}

func (h host) Silent(_ Time, zone uint16, on bool) { h.n.reach.SetZoneSilent(h.n.now, zone, on) }

func (h host) Spread(_ Time, key uint64, message []byte) {
	h.n.spread(key, message)
}

func (h host) Undecided(_ Time, silent int) { h.n.reach.SetUndecided(silent) }

func (h host) Isolated(_ Time, on, unheard bool) {
	h.n.reach.SetAlone(h.n.now, on, unheard)
}

func pick(on bool, yes, no EventKind) EventKind {
	if on {
		return yes
	}
	return no
}

// Bridged says whether a bridge has spoken since a moment, or all live members can be sent to.
func (h host) Bridged(now, since Time) bool { return h.n.reach.Bridged(now, since) }
