package gossip

import (
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is whether this node's address leads to it. What others ask (a Ping, a Lease, an
// Inquiry) they send to the address of their tables, and what they answer to where the question
// came from. So a node whose address is wrong, or lets nothing new in, hears answers and is asked
// nothing: it is held failed, with the cause deaf, and is told so. Its word that it lives would not
// help: nothing that is sent to it arrives. So a node contradicts a failure only if it was asked of
// late. Else it asks whoever told it to call back.

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

// reached is what this node knows of the ways to it.
type reached struct {
	asked  Time // the last question that came in; 0: none
	answer Time // the last answer to a probe; 0: none. So others hear this node
	begged Time // when this node last asked for a call; 0: never
	owed   Time // since when it is told that it failed, and has not contradicted; 0: it is not
	begs   []beggar
	turn   int // of those that were asked again last
	askers []asker
	inc    uint32 // at which it is told so
	seq    uint32
	due    Time // when it looks whether it was asked anything
	called Time // when the last round of requests left; 0: none did
	rounds int  // of requests that were in vain, though others hear this node
	// the incarnation, and 1, at which the user was last told that others hold this node failed
	told   uint64
	toldAt Time
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
	peer   detect.Peer
	called bool
}

// asker is a member that asked this node something.
type asker struct {
	id member.ID
	at Time // the last time
}

// caller is a host from which somebody came to this node's TCP port.
type caller struct {
	ip netip.Addr
	at Time // the last time
}

// ghost is a member that failed and is heard.
type ghost struct {
	id          member.ID
	inc         uint32
	first, last Time
	from        netip.AddrPort
}

// callable says whether this node's address leads to it, as far as it knows. Only Inquest can tell:
// the other detectors ask in other ways. One that waits for a call does not know.
func (n *Node) callable() bool {
	if n.cfg.Detector != INQUEST {
		return true
	}
	return n.reached.owed == 0 && (n.now.Sub(n.start) < callableFor || n.askedByMost())
}

// askedByMost says whether more than half of those that ask a node as a rule did of late: all
// others, or as many as watch one member. A few whose addresses lead to each other alone, as those
// of two containers on a host, ask each other; that is no sign that others reach them.
func (n *Node) askedByMost() bool {
	k := 0
	for _, a := range n.reached.askers {
		if n.now.Sub(a.at) < askedFor {
			k++
		}
	}
	return 2*k > min(n.table.Live()-1, maxAskers)
}

// noteAsker remembers the members that asked this node last.
func (r *reached) noteAsker(now Time, id member.ID) {
	i := slices.IndexFunc(r.askers, func(a asker) bool { return a.id == id })
	if i >= 0 {
		r.askers = slices.Delete(r.askers, i, i+1)
	} else if len(r.askers) >= maxAskers {
		r.askers = slices.Delete(r.askers, 0, 1)
	}
	r.askers = append(r.askers, asker{id, now})
}

// contradicts says whether this node may say at once that it lives, of a verdict that it failed. If
// the host at its address refused connections, or another member sends from there, what was asked
// before does not count: its address may have become another's.
func (n *Node) contradicts(c *wire.Claim) bool {
	self := n.Self()
	return n.callable() && (c.Cause != member.CauseRefused || c.Incarnation < self.Incarnation)
}

// WaitsForCall says whether others hold this node failed, and it has not contradicted: it has asked
// them to call it, and does so when something that they send to its address comes here.
func (n *Node) WaitsForCall() bool { return n.reached.owed != 0 }

// heldFailed tells the user that others hold this node failed: once for each incarnation.
func (n *Node) heldFailed(c *wire.Claim) {
	r := &n.reached
	n.wokeNow() // its name was free meanwhile
	if r.told > uint64(c.Incarnation) || r.toldAt != 0 && n.now.Sub(r.toldAt) < toldPause {
		return
	}
	r.told, r.toldAt = uint64(c.Incarnation)+1, n.now
	self := n.Self()
	self.Cause = c.Cause
	n.out.Events = append(n.out.Events, Event{Kind: HeldFailed, Member: self,
		Gap: time.Duration(c.Age) * time.Second})
}

// askCall asks the member that told this node that it failed to call back at the address of its
// table, and a few others that it heard of late: more than half have to, before it contradicts.
func (n *Node) askCall(peer detect.Peer, incarnation uint32) {
	r := &n.reached
	r.inc = max(r.inc, incarnation)
	if r.owed != 0 && n.now.Sub(r.owed) >= owedFor && r.answer > r.owed {
		n.unreached(true)
	}
	if r.owed == 0 {
		r.owed, r.begged = n.now, n.now
		r.begs = append(r.begs[:0], beggar{peer: peer})
		at := n.rng.IntN(n.ways.Len() + 1)
		for i := range n.ways.Len() {
			to, heard := n.ways.At((at + i) % n.ways.Len())
			if len(r.begs) < maxBegged && to.ID != peer.ID && heard != 0 &&
				n.now.Sub(heard) < lately {
				r.begs = append(r.begs, beggar{peer: to})
			}
		}
		for _, b := range r.begs {
			n.beg(b.peer)
		}
		return
	}
	if n.now.Sub(r.begged) >= begPause {
		known := slices.ContainsFunc(r.begs, func(b beggar) bool { return b.peer.ID == peer.ID })
		if !known && !r.begs[0].called { // the one that told it before may be dead
			r.begs[0] = beggar{peer: peer}
		}
		n.beg(peer)
		r.turn++
		if b := &r.begs[r.turn%len(r.begs)]; !b.called && b.peer.ID != peer.ID {
			n.beg(b.peer)
		}
	}
}

// calledByMost takes in that somebody asked this node something while it waits for calls, and says
// whether enough have.
func (n *Node) calledByMost(id member.ID) bool {
	r := &n.reached
	called, of := 0, 0
	for i := range r.begs {
		b := &r.begs[i]
		b.called = b.called || b.peer.ID == id
		m, known := n.table.Get(b.peer.ID)
		if b.called {
			called++
		}
		if b.called || i == 0 || known && m.State.Live() && !n.IsUnreachable(m.ID) {
			of++
		}
	}
	return 2*called > of
}

// beg asks somebody to call this node back.
func (n *Node) beg(peer detect.Peer) {
	r := &n.reached
	if start, ok := n.reply(peer); ok {
		r.begged = n.now
		r.seq++
		n.out.arena = wire.AppendInquiry(n.out.arena,
			wire.Inquiry{Seq: r.seq, Target: n.id, Instance: n.instance})
		n.closeReply(start, peer)
	}
}

// launchReached begins to look.
func (n *Node) launchReached() {
	n.reached.due = Never
	if n.cfg.Detector == INQUEST {
		n.reached.due = n.now.Add(n.quietFor())
	}
}

// quietFor is how long nothing is asked of a node by chance: three rounds of those who watch
// others.
func (n *Node) quietFor() time.Duration { return 3 * n.cfg.Inquest.Round() }

// wakeReached has a node that was asked nothing for long ask a few others to call it back. That
// nobody watches a node happens by chance, so it is the calls that decide.
func (n *Node) wakeReached() {
	r := &n.reached
	if r.due > n.now {
		return
	}
	if quiet := max(r.asked, n.start).Add(n.quietFor()); quiet > n.now || n.table.Live() < 2 {
		r.due = max(quiet, n.now.Add(n.quietFor()/3))
		return
	}
	if r.answer > r.called || r.called == 0 { // else nobody heard the last request
		r.rounds++
	}
	if r.rounds > 2 {
		n.unreached(true)
	}
	r.called = n.now
	r.due = n.now.Add(callEvery)
	n.askCallers()
}

// askCallers asks a few members to call this node.
func (n *Node) askCallers() {
	var room [callers]member.Member
	for _, m := range topology.Pick(n.rng, &n.table, callers, room[:0], n.id) {
		n.beg(detect.PeerOf(&m))
	}
}

// unasked says whether nobody asked this node anything for so long that it may be held failed, and
// not hear of that.
func (n *Node) unasked() bool {
	return n.cfg.Detector == INQUEST && n.table.Live() > 1 &&
		n.now.Sub(n.start) >= callableFor && n.now.Sub(n.reached.asked) >= askedFor
}

// announceLater puts this node's record into its own table, above what it said last, and tells it
// once somebody asks something. To others a later incarnation is the word that this node lives,
// which it gives only if it is reached.
func (n *Node) announceLater() {
	if r := &n.reached; !r.untold {
		r.untold, r.said = true, n.inc
	}
	n.inc++
	n.apply(member.Fact{Record: n.self, Incarnation: n.inc, State: n.entry.state()}, true, 0, 0)
	n.askCallers()
}

// saidInc is the incarnation that this node says it is at.
func (n *Node) saidInc() uint32 {
	if n.reached.untold {
		return n.reached.said
	}
	return n.inc
}

// unreached takes in that nobody asks this node anything, or that somebody does again.
func (n *Node) unreached(on bool) {
	n.reached.uncalled = on
	n.settleReached()
}

// settleReached tells that this node's address does not lead to it, or does again.
func (n *Node) settleReached() {
	r := &n.reached
	if on := r.uncalled || r.deafened; r.lost != on {
		r.lost = on
		n.out.Events = append(n.out.Events, Event{Kind: pick(on, Unreached, Reached),
			Member: n.Self()})
	}
}

// came notes from which host somebody came to this node's TCP port; over the bound the one that
// came longest ago makes way.
func (r *reached) came(now Time, ip netip.Addr) {
	if !ip.IsValid() {
		return
	}
	i := slices.IndexFunc(r.callers, func(c caller) bool { return c.ip == ip })
	switch {
	case i >= 0:
	case len(r.callers) < maxCallers:
		i = len(r.callers)
		r.callers = append(r.callers, caller{})
	default:
		i = 0
		for k := range r.callers {
			if r.callers[k].at < r.callers[i].at {
				i = k
			}
		}
	}
	r.callers[i] = caller{ip, now}
}

// settleDeafened finds out whether this node is deaf in company: a few that hear each other, and
// nothing of the others. What they ask each other is no sign that anybody else reaches them; and
// that the others do not answer may be their death, or a cut. But a juror of a member comes to
// its TCP port too. So if this node reaches no more than half of the live, and of the others some
// came to its port from hosts of which no datagram has come for long, these live, and what they
// send is lost.
func (n *Node) settleDeafened() {
	r := &n.reached
	on := n.NoMajority() && n.comeUnheard()
	if on != r.deafened {
		r.deafened = on
		n.settleReached()
	}
}

// comeUnheard says whether members that this node cannot reach came to its port since it last heard
// them. Hosts that others share say nothing.
func (n *Node) comeUnheard() bool {
	came := 0
	for i := range n.reach.Absent() {
		m, ok := n.table.Get(n.reach.At(i))
		if !ok || !n.reach.SilentAt(i) {
			continue
		}
		heard := n.start // of one that was never heard
		if at := n.ways.Heard(m.ID); at != 0 {
			heard = at
		}
		ip := m.Addr().Addr()
		if slices.ContainsFunc(n.reached.callers, func(c caller) bool {
			return c.ip == ip && c.at.Sub(heard) >= cameAfter
		}) && n.hasHostAlone(ip, m.ID) {
			came++
		}
	}
	return came > 0 && came >= min(callersMost, n.reach.Absent())
}

// hasHostAlone says whether a member is the only live one at an address.
func (n *Node) hasHostAlone(ip netip.Addr, id member.ID) bool {
	for i := range n.table.Live() {
		if m := n.table.At(i); m.ID != id && m.Addr().Addr() == ip {
			return false
		}
	}
	return true
}

// Unreached says whether this node's address does not lead to it: others hear it, and nothing that
// they send to the address of its record comes here. While it is isolated nobody knows.
func (n *Node) Unreached() bool { return n.reached.lost && !n.reach.Isolated() }

// wasCalled takes in that this node was asked something: what it owes it says now. It says whether
// the question was a request for a call, which is answered here.
func (n *Node) wasCalled(peer detect.Peer, t wire.Type, body []byte) bool {
	if t == wire.TypeInquiry {
		if q, ok := wire.ReadInquiry(body); ok && q.Target == peer.ID {
			if m, known := n.table.Get(peer.ID); known && m.Instance() == peer.Instance &&
				q.Instance == peer.Instance {
				n.call(&m)
			}
			return true
		} else if ok && n.isMember(peer) {
			n.askedAbout(&q)
		}
	}
	r := &n.reached
	r.asked, r.rounds = n.now, 0
	r.noteAsker(n.now, peer.ID)
	if r.owed != 0 && !n.calledByMost(peer.ID) && !n.askedByMost() {
		return false
	}
	if r.uncalled || r.owed != 0 { // it was held failed, and another may have its name by now
		n.wokeNow()
	}
	n.unreached(false)
	untold := r.untold
	r.untold = false
	if r.owed != 0 {
		r.owed = 0
		if self := n.Self(); r.inc >= self.Incarnation && self.State != member.Left {
			n.refute(r.inc)
		}
		n.answerWithSelf(peer)
	}
	if untold {
		n.putNews(rumor.Item{Key: uint64(n.id), Full: true})
	}
	return false
}

// call asks a member, at the address of the table, and tells it what is held of it: if the question
// comes to it, it may contradict.
func (n *Node) call(m *member.Member) {
	peer := detect.PeerOf(m)
	if n.cfg.Detector != INQUEST {
		n.note(m, peer, false)
		return
	}
	if start, ok := n.reply(peer); ok {
		n.reached.seq++
		n.out.arena = wire.AppendPing(n.out.arena, n.reached.seq)
		n.appendMember(m, false, n.id)
		n.appendFingerprint()
		n.closeReply(start, peer)
	}
}

// haunted takes in a datagram of a member that failed. One that goes on sending for long, though it
// is told each time that it failed, does not hear: its verdict gets the cause deaf, whatever those
// saw who reached it.
func (n *Node) haunted(m *member.Member, peer detect.Peer) {
	if n.cfg.Detector != INQUEST || m.State != member.Failed {
		return
	}
	r := &n.reached
	r.ghosts = slices.DeleteFunc(r.ghosts,
		func(g ghost) bool { return n.now.Sub(g.last) > ghostLife })
	i := slices.IndexFunc(r.ghosts, func(g ghost) bool { return g.id == m.ID })
	if i < 0 {
		if len(r.ghosts) >= maxGhosts {
			return
		}
		i = len(r.ghosts)
		r.ghosts = append(r.ghosts, ghost{id: m.ID, inc: m.Incarnation, first: n.now})
	}
	g := &r.ghosts[i]
	if g.inc != m.Incarnation {
		g.inc, g.first = m.Incarnation, n.now
	}
	g.last, g.from = n.now, peer.Addr
	if m.Cause < member.CauseDeaf && n.now.Sub(g.first) >= deafAfter {
		f := m.Fact()
		f.Cause = member.CauseDeaf
		n.apply(f, false, 0, n.now.Sub(m.Since))
	}
}

// HeardFrom returns where the datagrams of a failed member come from that is heard still.
func (n *Node) HeardFrom(id member.ID) (from netip.AddrPort, ok bool) {
	i := slices.IndexFunc(n.reached.ghosts, func(g ghost) bool {
		return g.id == id &&
			n.now.Sub(g.last) <= ghostLife
	})
	if i < 0 {
		return from, false
	}
	return n.reached.ghosts[i].from, true
}
