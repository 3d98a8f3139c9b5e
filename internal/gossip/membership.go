package gossip

import (
	"math"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// oldVerdict is the age from which a second-hand verdict about a member that lives here is not
// believed: it comes from the other side of a partition, or out of a long sleep. The member itself
// is told, and refutes if it can.
const oldVerdict = 10 * time.Second

// A generation is milliseconds of Unix time. Nobody believes one that is more than maxLead (557
// years) above the last that is known of a name, nor one above maxFirst of a name that is not
// known. So a forged claim leaves the owner room to go above it: to reach member.MaxGeneration
// takes 2^17 claims in a row.
const (
	maxLead  = 1 << 44
	maxFirst = 1 << 61
)

// credible says whether the owner of a name whose last generation is known, 0 if none is, could go
// above a claim.
func credible(known uint64, c *wire.Claim) bool {
	if c.Generation >= member.MaxGeneration && c.Incarnation == math.MaxUint32 {
		return false
	}
	return known == 0 && c.Generation <= maxFirst || known != 0 && c.Generation <= known+maxLead
}

// lastOf returns the last generation that is known of a name, 0 if none is. What a node that is not
// let in yet knows of its own name is no measure: its former life may have had to go far up.
func (n *Node) lastOf(id member.ID) uint64 {
	if id == n.id && !n.entry.welcomed {
		return 0
	}
	if m, ok := n.table.Get(id); ok {
		return m.Generation()
	}
	return n.lastLife(id)
}

// learnRecord weighs what a Record says.
func (n *Node) learnRecord(peer plane.Peer, r *wire.Record) {
	if n.passedOver() {
		return
	}
	id := member.IDOf(string(r.Name)) // the conversion does not escape: no allocation
	n.learn(peer, id, 0, &r.Claim, r)
}

// learn weighs a claim about a member, and believes it if it prevails over what the table holds. r
// is nil if the claim came without its record; check then says which record is meant.
func (n *Node) learn(peer plane.Peer, id member.ID, check uint32, c *wire.Claim, r *wire.Record) {
	if !credible(n.lastOf(id), c) {
		n.stats.Malformed++
		return
	}
	if id == n.id {
		n.aboutSelf(peer, check, c, r)
		return
	}
	if c.State == member.Failed && c.Cause == member.CauseForgotten {
		n.toldToForget(peer.ID, id, c)
		return
	}
	if c.State == member.Failed && n.cfg.private() {
		return
	}
	m, known := n.table.Get(id)
	if !known && n.buried(peer, id, check, c, r) {
		n.stats.StaleNews++
		return
	}
	fact, ok := n.factOf(&m, known, id, check, c, r)
	if !ok {
		return
	}
	fact.Cause = c.Cause
	order := 1
	if known {
		order = m.Compare(fact)
	}
	switch {
	case known && order < 0:
		n.stats.StaleNews++
		n.contradict(&m, c)
	case known && order == 0:
		n.news.Heard(uint64(id))
		if c.State == member.Suspect {
			n.accused(m, c.Accuser)
		}
	case known && c.State == member.Failed && m.State.Live() && c.Generation == m.Generation() &&
		time.Duration(c.Age)*time.Second >= oldVerdict:
		n.doubt(&m, c, peer.ID)
	default:
		n.apply(fact, r != nil && (!known || m.Handle != fact.Record), c.Accuser,
			time.Duration(c.Age)*time.Second)
	}
}

// contradict tells the sender, which says that a member failed, in a life in which it has refuted
// since: it missed that, and where most is lost the next comparison of tables may be long in
// coming.
func (n *Node) contradict(m *member.Member, c *wire.Claim) {
	if c.State == member.Failed && m.State.Live() && c.Generation == m.Generation() &&
		!n.hushed && len(n.ends) < maxEnds {
		n.ends = append(n.ends, wire.Update{ID: m.ID, Check: m.Check, Claim: n.claim(m, n.id)})
	}
}

// factOf makes a fact of a claim. A claim that is newer than the table but lacks a record that is
// not known either leads to a request. It builds a record only when it needs one, since that
// allocates.
func (n *Node) factOf(m *member.Member, known bool, id member.ID, check uint32, c *wire.Claim,
	r *wire.Record) (member.Fact, bool) {
	switch {
	case !known && !c.State.Live():
		return member.Fact{}, false // the death of a stranger is no news
	case known && c.Generation == m.Generation() &&
		(r == nil && check == m.Check || r != nil && sameRecord(m, r)):
		return member.Fact{Record: m.Handle, Incarnation: c.Incarnation, State: c.State}, true
	case known && (c.Generation < m.Generation() || c.Generation == m.Generation() &&
		c.Incarnation < m.Incarnation):
		n.stats.StaleNews++
		return member.Fact{}, false
	case r == nil:
		n.want(id)
		return member.Fact{}, false
	}
	fact, err := r.Fact()
	if err != nil {
		n.stats.Malformed++
		return member.Fact{}, false
	}
	return fact, true
}

// sameRecord compares without allocating.
func sameRecord(m *member.Member, r *wire.Record) bool {
	k := m.Handle.Value()
	return k.Generation == r.Generation && k.Name == string(r.Name) && k.Addr == r.Addr &&
		k.Outside == r.Outside &&
		k.Zone == string(r.Zone) && string(k.Tags) == string(r.Tags) && k.Protocol == r.Protocol
}

// apply puts a fact that prevails into the table, and tells all that should know: the
// detector, the user, and by way of the queue of news the other members. age is how long ago a
// verdict was reached.
func (n *Node) apply(f member.Fact, full bool, accuser member.ID, age time.Duration) {
	before, known, changed, err := n.table.Merge(n.now.Add(-age), f)
	if err != nil {
		n.stats.TableRefused++
		return
	}
	if !changed {
		return
	}
	id := member.IDOf(f.Record.Value().Name)
	after, _ := n.table.Get(id)
	switch {
	case n.hushed && id != n.id:
		n.news.Drop(uint64(id)) // what waits there is older
	case n.called.Untold() && id == n.id:
	default:
		n.putNews(rumor.Item{Key: uint64(id), Full: full, Accuser: accuser})
	}
	n.changed(before, after)
	if known {
		n.remember(&before, &after)
	}
	if after.State == member.Suspect {
		n.detector.Accused(n.now, after, accuser)
	}
	switch {
	case id != n.id:
		n.tellChange(known, &before, &after)
	case known && before.Check != after.Check && before.Generation() == after.Generation():
		n.tell(MemberUpdated, after) // one's own tags
	}
}

// changed tells the node's other parts that the table changed.
func (n *Node) changed(before, after member.Member) {
	n.ring.Changed(before, after)
	for _, p := range n.planes {
		p.Changed(n.now, before, after)
	}
	if n.called.Deafened() {
		n.called.Settle()
	}
	if after.ID != n.id && after.State.Live() {
		n.deserted = false
	}
	if !after.State.Live() {
		n.mourn()
		n.freeName(after.ID)
		if n.table.Live() == 1 {
			n.lonely()
		}
	}
}

// tellChange makes an event of a change, if it is one for the user.
func (n *Node) tellChange(known bool, before, after *member.Member) {
	again := known && before.Generation() != after.Generation()
	switch {
	case after.State == member.Left && known && before.State != member.Left:
		n.tell(MemberLeft, *after)
	case after.State == member.Failed && known && before.State.Live():
		n.tell(MemberFailed, *after)
	case !after.State.Live():
	case !known || again:
		if again && before.State.Live() {
			n.tellOver(*before, member.CauseRestarted)
		}
		n.tell(MemberJoined, *after)
		if after.State == member.Suspect {
			n.tell(MemberSuspected, *after)
		}
	case after.State == member.Alive && before.State != member.Alive:
		n.tell(MemberRecovered, *after)
	case after.State == member.Suspect && before.State != member.Suspect:
		if !before.State.Live() { // that it was alive in between, nobody here has heard
			n.tell(MemberRecovered, *after)
		}
		n.tell(MemberSuspected, *after)
	}
	if known && !again && before.Check != after.Check {
		n.tell(MemberUpdated, *after)
	}
}

// tellOver tells the user that a life is over that was live here, though no verdict said so: of a
// member nothing is told as joined twice without an end between.
func (n *Node) tellOver(m member.Member, cause member.Cause) {
	m.State, m.Cause, m.Since = member.Failed, cause, n.now
	n.tell(MemberFailed, m)
}

// accuse is what the detector says of a member: it holds it a suspect, or failed for a cause.
func (n *Node) accuse(id member.ID, s member.State, cause member.Cause) {
	m, ok := n.table.Get(id)
	if !ok || !m.State.Live() || id == n.id {
		return
	}
	if s == member.Suspect && m.State == member.Suspect {
		n.accused(m, n.id)
		return
	}
	n.apply(member.Fact{Record: m.Handle, Incarnation: m.Incarnation, State: s, Cause: cause},
		false, n.id, 0)
}

// accused counts the members that suspect a suspect; an independent confirmation is passed on.
func (n *Node) accused(m member.Member, accuser member.ID) {
	if accuser != 0 && n.detector.Accused(n.now, m, accuser) {
		n.putNews(rumor.Item{Key: uint64(m.ID), Accuser: accuser})
	}
}

// doubt takes an old verdict for an accusation, which is not spread: the member becomes a suspect
// here, or the suspicion gets another confirmation. The verdict is passed to the member itself each
// time, which refutes if it lives.
func (n *Node) doubt(m *member.Member, c *wire.Claim, accuser member.ID) {
	if m.State == member.Suspect && !n.detector.Accused(n.now, *m, accuser) {
		return
	}
	n.stats.Doubted++
	n.quiet(func() {
		n.apply(member.Fact{Record: m.Handle, Incarnation: c.Incarnation,
			State: member.Suspect}, false, accuser, 0)
	})
	if m.OutOfFamily {
		return // others tell it
	}
	peer := plane.PeerOf(m)
	if start, ok := n.reply(peer); ok {
		n.out.arena = wire.AppendUpdate(n.out.arena,
			&wire.Update{ID: m.ID, Check: m.Check, Claim: *c})
		n.closeReply(start, peer)
	}
}

// aboutSelf answers what others say of this node: it alone raises its incarnation, to refute (SWIM,
// section 4.2).
func (n *Node) aboutSelf(peer plane.Peer, check uint32, c *wire.Claim, r *wire.Record) {
	self := n.Self()
	own := self.Handle.Value()
	same := check == self.Check
	if r != nil {
		same = sameRecord(&self, r)
	}
	switch {
	case c.Generation < own.Generation || self.State == member.Left:
		// a former life, or the truth
	case c.Generation > own.Generation:
		n.laterSelf(peer, c, r)
	case c.State == member.Failed && !same && c.Incarnation >= self.Incarnation:
		// a former process, in this very generation: it would be called where that one was
		n.goAbove(c.Generation, c.Incarnation)
		n.called.IsHeldFailed(n.now, c)
		n.answerWithSelf(peer)
	case c.State == member.Failed && !n.called.Contradicts(n.now, c):
		n.called.IsHeldFailed(n.now, c)
		n.called.AskCall(n.now, peer, c.Incarnation)
	case c.Incarnation > self.Incarnation || c.Incarnation == self.Incarnation &&
		(c.State != member.Alive || !same):
		n.refute(c.Incarnation)
		if c.State == member.Failed {
			n.called.IsHeldFailed(n.now, c)
			n.answerWithSelf(peer)
		}
	case c.Incarnation == self.Incarnation:
		n.news.Heard(uint64(n.id))
	case !c.State.Live():
		if c.State == member.Failed {
			n.called.IsHeldFailed(n.now, c)
		}
		n.answerWithSelf(peer) // it has missed the refutation
	}
}

// laterSelf meets a later generation of this node's name. At this node's address it was a former
// process with a clock that ran ahead, and this one goes over it; elsewhere it is another node of
// the same name.
func (n *Node) laterSelf(peer plane.Peer, c *wire.Claim, r *wire.Record) {
	switch {
	case !c.State.Live() || r != nil && r.Addr == n.self.Value().Addr:
		n.tellOutlived(c.Generation, c, r)
		n.goAbove(c.Generation, c.Incarnation)
		n.answerWithSelf(peer)
	case r != nil:
		n.askRival(r.Addr)
	case len(n.wanted) < wire.MaxRequest:
		n.wanted = append(n.wanted, n.id)
	}
}

// refute says that this node lives, above the incarnation at which others hold the contrary.
func (n *Node) refute(incarnation uint32) {
	n.stats.Refuted++
	n.detector.Refuted()
	if incarnation == math.MaxUint32 {
		n.goAbove(n.self.Value().Generation, 0)
		return
	}
	n.inc = incarnation + 1
	n.announce(false)
}

// goAbove begins a new life on paper, above what others hold of this node's name.
func (n *Node) goAbove(generation uint64, incarnation uint32) {
	r := n.self.Value()
	r.Generation = min(generation+1, member.MaxGeneration)
	n.inc = 0
	n.called.NewLife()
	if r.Generation == generation { // there is no higher generation
		n.inc = min(incarnation, math.MaxUint32-1) + 1
	}
	n.setSelf(member.Share(r))
	n.announce(true)
}

// goAboveOwn begins a new life on paper if a former process of this node's name was in this
// generation, or a later one: its clock went back. What that one published and wrote would be taken
// for this one's.
func (n *Node) goAboveOwn(generation uint64) {
	own := n.self.Value().Generation
	if generation >= own && generation < member.MaxGeneration && !n.entry.leaving {
		n.goAbove(generation, n.inc)
	}
}

// announce puts this node's record into its table and tells everybody.
func (n *Node) announce(full bool) {
	n.apply(member.Fact{Record: n.self, Incarnation: n.inc, State: n.entry.state()}, full, 0, 0)
}

// answerWithSelf sends this node's record straight to one peer: it may be one that no news of this
// side reaches.
func (n *Node) answerWithSelf(peer plane.Peer) {
	if start, ok := n.reply(peer); ok {
		self := n.Self()
		n.appendMember(&self, true, 0)
		n.appendFingerprint()
		n.closeReply(start, peer)
	}
}
