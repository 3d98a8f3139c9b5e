// Package called is whether a node's address leads to it.
//
// What others ask (a Ping, a Lease, an Inquiry) they send to the address of their tables, and what
// they answer to where the question came from. So a node whose address is wrong, or lets nothing
// new in, hears answers and is asked nothing: it is held failed, with the cause deaf, and is told
// so. Its word that it lives would not help: nothing that is sent to it arrives. So a node
// contradicts a failure only if it was asked of late. Else it asks the member that told it to call
// back.
package called

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Host is the node, as far as Called needs more of it than an Env.
type Host interface {
	plane.Env
	// NoMajority says whether this node reaches no more than half of the live, Isolated that it
	// reaches nobody. IsUnreachable says that it does not reach a member, Silent goes through those
	// that its detector does not hear, and Absent counts all that it does not reach.
	NoMajority() bool
	Isolated() bool
	IsUnreachable(id member.ID) bool
	Silent() iter.Seq[member.ID]
	Absent() int
	// Ways returns how many members this node talks to. WayAt is one of them, and when it was heard
	// last. LastHeard returns that of a member; 0: it was not.
	Ways() int
	WayAt(i int) (plane.Peer, mono.Time)
	LastHeard(id member.ID) mono.Time

	// Refute contradicts, above an incarnation. TellSelf sends this node's record to a peer. Note
	// tells a member what is held of it.
	Refute(incarnation uint32)
	TellSelf(to plane.Peer)
	// SpreadSelf tells all of this node's record.
	SpreadSelf()
	Note(m member.Member, to plane.Peer)
	// AppendNote writes what Note tells.
	AppendNote(b []byte, m member.Member) []byte
	// SetDeaf gives a failed member that cause.
	SetDeaf(now mono.Time, m member.Member)
	// Woke tells that this node was held failed, or not asked, until now.
	Woke()
	// Asked tells that a member asks this node about another one.
	Asked(q wire.Inquiry)

	// HeldFailed tells the user that others hold this node failed, as self says, for some time.
	HeldFailed(self member.Member, since time.Duration)
	// Unreached tells the user that this node's address does not lead to it, or does again.
	Unreached(on bool)
}

const (
	// askedFor is how long after a question a node may contradict a failure: less than
	// inquest.DefaultDeafGrace, so that what was asked before its address changed does not count,
	// and six times as long as members wait to ask it. callableFor is the same after its start.
	askedFor    = 4 * time.Second
	callableFor = 6 * time.Second
	begPause    = 100 * time.Millisecond // between two requests for a call
	owedFor     = 2 * time.Second        // after which a node that was not called back says so
	// between two rounds of requests by a node that is asked nothing
	callEvery = 15 * time.Second
	callers   = 3 // members that it asks in each
	// between two words to the user that others hold this node failed
	toldPause  = time.Second
	maxGhosts  = 32
	deafAfter  = 2500 * time.Millisecond // a failed member that is heard for so long is deaf
	ghostLife  = 10 * time.Second
	maxCallers = 64              // hosts that are remembered
	cameAfter  = 3 * time.Second // the last datagram, so that it shows that these do not come
	// members that a node which is told that it failed asks to call it, and of which more than half
	// have to
	maxBegged   = 5
	maxAskers   = 8               // that are remembered, the last ones
	lately      = 5 * time.Second // members that are asked so were heard so lately
	callersMost = 2               // members that have to come so; one, if there is one alone
)

// Called is what a node knows of that.
type Called struct {
	plane.None
	env   Host
	round time.Duration // of the detector; 0: it asks in other ways
	start mono.Time
	buf   []byte

	asked  mono.Time // the last question that came in; 0: none
	answer mono.Time // the last answer to a probe; 0: none. So others hear this node
	begged mono.Time // when this node last asked for a call; 0: never
	owed   mono.Time // since when it is told that it failed, and has not contradicted; 0: it is not
	begs   []beggar
	turn   int // of those that were asked again last
	askers []asker
	inc    uint32 // at which it is told so
	seq    uint32
	due    mono.Time // when it looks whether it was asked anything
	called mono.Time // when the last round of requests left; 0: none did
	rounds int       // of requests that were in vain, though others hear this node
	// the incarnation, and 1, at which the user was last told that others hold this node failed
	told   uint64
	toldAt mono.Time
	// it has changed its tags, and says no later incarnation than this before it is asked something
	untold bool
	said   uint32
	lost   bool // its address does not lead to it: one of these
	// nobody asks anything
	uncalled bool
	// those that do not answer come to its TCP port
	deafened bool
	callers  []caller
	ghosts   []ghost
}

// beggar is a member that was asked to call this node back, since it was told that it failed.
type beggar struct {
	peer   plane.Peer
	called bool
}

// asker is a member that asked this node something.
type asker struct {
	id member.ID
	at mono.Time // the last time
}

// caller is a host from which somebody came to this node's TCP port.
type caller struct {
	ip netip.Addr
	at mono.Time // the last time
}

// ghost is a member that failed and is heard.
type ghost struct {
	id          member.ID
	inc         uint32
	first, last mono.Time
	from        netip.AddrPort
}

// New returns what a node that starts knows. The detector is Inquest, with rounds of its probes, or
// another one: 0.
func New(now mono.Time, env Host, round time.Duration) *Called {
	r := &Called{env: env, round: round, start: now, due: mono.Never}
	if round > 0 {
		r.due = now.Add(r.quietFor())
	}
	return r
}

// IsLost says whether this node's address does not lead to it, isolated or not.
func (r *Called) IsLost() bool { return r.lost }

// Deafened says whether members that do not answer come to this node's TCP port.
func (r *Called) Deafened() bool { return r.deafened }

// Answered takes in an answer to a probe: others hear this node.
func (r *Called) Answered(now mono.Time) { r.answer = now }

// NewLife takes in that this node begins a new life on paper.
func (r *Called) NewLife() { r.told, r.untold = 0, false }

// callable says whether this node's address leads to it, as far as it knows. Only Inquest can tell:
// the other detectors ask in other ways. One that waits for a call does not know.
func (r *Called) callable(now mono.Time) bool {
	if r.round == 0 {
		return true
	}
	return r.owed == 0 && (now.Sub(r.start) < callableFor || r.askedByMost(now))
}

// askedByMost says whether more than half of those that ask a node as a rule did of late: all
// others, or as many as watch one member. A few whose addresses lead to each other alone, as those
// of two containers on a host, ask each other; that is no sign that others reach them.
func (r *Called) askedByMost(now mono.Time) bool {
	k := 0
	for _, a := range r.askers {
		if now.Sub(a.at) < askedFor {
			k++
		}
	}
	return 2*k > min(r.env.Table().Live()-1, maxAskers)
}

// noteAsker remembers the members that asked this node last.
func (r *Called) noteAsker(now mono.Time, id member.ID) {
	i := slices.IndexFunc(r.askers, func(a asker) bool { return a.id == id })
	if i >= 0 {
		r.askers = slices.Delete(r.askers, i, i+1)
	} else if len(r.askers) >= maxAskers {
		r.askers = slices.Delete(r.askers, 0, 1)
	}
	r.askers = append(r.askers, asker{id, now})
}

// Contradicts says whether this node may say at once that it lives, of a verdict that it failed. If
// the host at its address refused connections, or another member sends from there, what was asked
// before does not count: its address may have become another's.
func (r *Called) Contradicts(now mono.Time, c wire.Claim) bool {
	self := r.env.Self()
	return r.callable(now) && (c.Cause != member.CauseRefused || c.Incarnation < self.Incarnation)
}

// WaitsForCall says whether others hold this node failed, and it has not contradicted: it has asked
// them to call it, and does so when something that they send to its address comes here.
func (r *Called) WaitsForCall() bool { return r.owed != 0 }

// IsHeldFailed tells the user that others hold this node failed: once for each incarnation.
func (r *Called) IsHeldFailed(now mono.Time, c wire.Claim) {
	r.env.Woke() // its name was free meanwhile
	if r.told > uint64(c.Incarnation) || r.toldAt != 0 && now.Sub(r.toldAt) < toldPause {
		return
	}
	r.told, r.toldAt = uint64(c.Incarnation)+1, now
	self := r.env.Self()
	self.Cause = c.Cause
	r.env.HeldFailed(self, time.Duration(c.Age)*time.Second)
}

// AskCall asks the member that told this node that it failed to call back at the address of its
// table, and a few others that it heard of late: more than half have to, before it contradicts.
func (r *Called) AskCall(now mono.Time, peer plane.Peer, incarnation uint32) {
	r.inc = max(r.inc, incarnation)
	if r.owed != 0 && now.Sub(r.owed) >= owedFor && r.answer > r.owed {
		r.unreached(true)
	}
	if r.owed == 0 {
		r.owed, r.begged = now, now
		r.begs = append(r.begs[:0], beggar{peer: peer})
		at := r.env.Rand().IntN(r.env.Ways() + 1)
		for i := range r.env.Ways() {
			to, heard := r.env.WayAt((at + i) % r.env.Ways())
			if len(r.begs) < maxBegged && to.ID != peer.ID && heard != 0 &&
				now.Sub(heard) < lately {
				r.begs = append(r.begs, beggar{peer: to})
			}
		}
		for _, b := range r.begs {
			r.beg(now, b.peer)
		}
		return
	}
	if now.Sub(r.begged) >= begPause {
		known := slices.ContainsFunc(r.begs, func(b beggar) bool { return b.peer.ID == peer.ID })
		if !known && !r.begs[0].called { // the one that told it before may be dead
			r.begs[0] = beggar{peer: peer}
		}
		r.beg(now, peer)
		r.turn++
		if b := &r.begs[r.turn%len(r.begs)]; !b.called && b.peer.ID != peer.ID {
			r.beg(now, b.peer)
		}
	}
}

// calledByMost takes in that somebody asked this node something while it waits for calls, and says
// whether enough have.
func (r *Called) calledByMost(id member.ID) bool {
	called, of := 0, 0
	for i := range r.begs {
		b := &r.begs[i]
		b.called = b.called || b.peer.ID == id
		m, known := r.env.Table().Get(b.peer.ID)
		if b.called {
			called++
		}
		if b.called || i == 0 || known && m.State.Live() && !r.env.IsUnreachable(m.ID) {
			of++
		}
	}
	return 2*called > of
}

// beg asks somebody to call this node back.
func (r *Called) beg(now mono.Time, peer plane.Peer) {
	self := r.env.Self()
	r.buf = wire.AppendInquiry(r.buf[:0],
		wire.Inquiry{Seq: r.seq + 1, Target: self.ID, Instance: self.Instance()})
	if r.env.Send(now, peer, plane.Reply, r.buf) > 0 {
		r.begged = now
		r.seq++
	}
}

// quietFor is how long nothing is asked of a node by chance: three rounds of the members that
// watch others.
func (r *Called) quietFor() time.Duration { return 3 * r.round }

// Wake has a node that was asked nothing for long ask a few others to call it back. That
// nobody watches a node happens by chance, so it is the calls that decide.
func (r *Called) Wake(now mono.Time) {
	if quiet := max(r.asked, r.start).Add(r.quietFor()); quiet > now || r.env.Table().Live() < 2 {
		r.due = max(quiet, now.Add(r.quietFor()/3))
		return
	}
	if r.answer > r.called || r.called == 0 { // else nobody heard the last request
		r.rounds++
	}
	if r.rounds > 2 {
		r.unreached(true)
	}
	r.called = now
	r.due = now.Add(callEvery)
	r.AskCallers(now)
}

// AskCallers asks a few members to call this node.
func (r *Called) AskCallers(now mono.Time) {
	var room [callers]member.Member
	for _, m := range topology.Pick(r.env.Rand(), r.env.Table(), callers, room[:0], r.env.ID()) {
		r.beg(now, plane.PeerOf(&m))
	}
}

// Receive reads nothing: no type is this plane's own. It sees the questions for others (Question).
func (r *Called) Receive(mono.Time, plane.Sender, wire.Type, []byte) bool { return false }

// Deadline is when it is looked whether this node was asked anything.
func (r *Called) Deadline() mono.Time { return r.due }

// unreached takes in that nobody asks this node anything, or that somebody does again.
func (r *Called) unreached(on bool) {
	r.uncalled = on
	r.settleReached()
}

// settleReached tells that this node's address does not lead to it, or does again.
func (r *Called) settleReached() {
	if on := r.uncalled || r.deafened; r.lost != on {
		r.lost = on
		r.env.Unreached(on)
	}
}

// Unreached says whether this node's address does not lead to it: others hear it, and nothing that
// they send to the address of its record comes here. While it is isolated nobody knows.
func (r *Called) Unreached() bool { return r.lost && !r.env.Isolated() }

// Question takes in that this node was asked something: what it owes it says now. It says whether
// the question was a request for a call, which is answered here.
func (r *Called) Question(now mono.Time, peer plane.Peer, t wire.Type, body []byte) bool {
	if t == wire.TypeInquiry {
		if q, ok := wire.ReadInquiry(body); ok && q.Target == peer.ID {
			if m, known := r.env.Table().Get(peer.ID); known && m.Instance() == peer.Instance &&
				q.Instance == peer.Instance {
				r.Call(now, m)
			}
			return true
		} else if ok && plane.IsLive(r.env.Table(), peer) {
			r.env.Asked(q)
		}
	}
	r.asked, r.rounds = now, 0
	r.noteAsker(now, peer.ID)
	if r.owed != 0 && !r.calledByMost(peer.ID) && !r.askedByMost(now) {
		return false
	}
	if r.uncalled || r.owed != 0 { // it was held failed, and another may have its name by now
		r.env.Woke()
	}
	r.unreached(false)
	untold := r.untold
	r.untold = false
	if r.owed != 0 {
		r.owed = 0
		if self := r.env.Self(); r.inc >= self.Incarnation && self.State != member.Left {
			r.env.Refute(r.inc)
		}
		r.env.TellSelf(peer)
	}
	if untold {
		r.env.SpreadSelf()
	}
	return false
}

// Call asks a member, at the address of the table, and tells it what is held of it: if the question
// comes to it, it may contradict.
func (r *Called) Call(now mono.Time, m member.Member) {
	peer := plane.PeerOf(&m)
	if r.round == 0 {
		r.env.Note(m, peer)
		return
	}
	r.buf = r.env.AppendNote(wire.AppendPing(r.buf[:0], r.seq+1), m)
	if r.env.Send(now, peer, plane.Reply, r.buf) > 0 {
		r.seq++
	}
}

// Haunted takes in a datagram of a member that failed. One that goes on sending for long, though it
// is told each time that it failed, does not hear: its verdict gets the cause deaf, whatever the
// members saw that reached it.
func (r *Called) Haunted(now mono.Time, m member.Member, peer plane.Peer) {
	if r.round == 0 || m.State != member.Failed {
		return
	}
	r.ghosts = slices.DeleteFunc(r.ghosts,
		func(g ghost) bool { return now.Sub(g.last) > ghostLife })
	i := slices.IndexFunc(r.ghosts, func(g ghost) bool { return g.id == m.ID })
	if i < 0 {
		if len(r.ghosts) >= maxGhosts {
			return
		}
		i = len(r.ghosts)
		r.ghosts = append(r.ghosts, ghost{id: m.ID, inc: m.Incarnation, first: now})
	}
	g := &r.ghosts[i]
	if g.inc != m.Incarnation {
		g.inc, g.first = m.Incarnation, now
	}
	g.last, g.from = now, peer.Addr
	if m.Cause < member.CauseDeaf && now.Sub(g.first) >= deafAfter {
		r.env.SetDeaf(now, m)
	}
}

// HeardFrom returns where the datagrams of a failed member come from that is heard still.
func (r *Called) HeardFrom(now mono.Time, id member.ID) (from netip.AddrPort, ok bool) {
	i := slices.IndexFunc(r.ghosts, func(g ghost) bool {
		return g.id == id && now.Sub(g.last) <= ghostLife
	})
	if i < 0 {
		return from, false
	}
	return r.ghosts[i].from, true
}
