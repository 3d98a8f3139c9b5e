package gossip

import (
	"errors"
	"fmt"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is what a node forgets. By an operator's word members are gone for good. That is no
// verdict: a node obeys it only of members that it holds failed, left or unreachable itself;
// elsewhere it is a doubt, and the member is examined. One that lives contradicts, as it does a
// failure. How the lives ended that are forgotten, for their age or by such a word, stays known, so
// that nobody brings them back. A node that holds dead members says so of a few, again and again:
// one that missed an operator's word is told it by any node that has heard it.

// ErrLives is that of a Forget of a member that answers this node.
var ErrLives = errors.New("the member is live here; only who failed, left or is unreachable can " +
	"be forgotten")

// maxGraves is how many ends of lives a node remembers that it has forgotten: the last ones, for as
// long as the process runs.
const maxGraves = 1 << 16

// maxEnds is how many of them are told in answer to one datagram.
const maxEnds = 32

// tellsGone is of how many dead members a probe says that they are held dead here.
const tellsGone = 8

// grave is how the last life of a name ended that this node has forgotten. A side of a cut that has
// not heard of the end holds that life for live still, and would bring it back.
type grave struct {
	generation uint64
	inc, check uint32
	state      member.State // Failed or Left
	word       bool         // it was forgotten by somebody's word
}

// over says whether a life at an incarnation ended with the grave, or before.
func (g *grave) over(generation uint64, inc uint32) bool {
	return generation < g.generation || generation == g.generation && inc <= g.inc
}

// bury drops a member that is dead, and remembers its end.
func (n *Node) bury(m *member.Member) {
	n.graves.Put(m.ID, grave{generation: m.Generation(), inc: m.Incarnation, check: m.Check,
		state: m.State})
	n.forget(m.ID)
}

// Forgot says whether this node remembers that it has forgotten a member, for its age or by
// somebody's word.
func (v View) Forgot(id member.ID) bool {
	_, known := v.n.table.Get(id)
	_, ok := v.n.graves.Get(id)
	return ok && !known
}

// sealed notes that a life that is forgotten here is so by somebody's word. It returns its end, and
// whether there is one.
func (n *Node) sealed(id member.ID) (g grave, ok bool) {
	if g, ok = n.graves.Get(id); ok && !g.word {
		g.word = true
		n.graves.Put(id, g)
	}
	return g, ok
}

// lastLife returns the generation of the last life of a name that this node has forgotten, 0 if it
// knows of none.
func (n *Node) lastLife(id member.ID) uint64 {
	g, _ := n.graves.Get(id)
	return g.generation
}

// buried says whether a claim is about a life that has ended and is forgotten here, and has to be
// answered: one that the member lives, and, where it was forgotten by somebody's word, any. If so,
// the node that makes it is told: one that missed the end drops the member, and the
// member itself, if it lives, contradicts. That a name is taken again only above what is
// remembered of it holds for everybody but the member itself, whose word is news of its own. Of one
// that is held dead the word is about the whole life: it may have contradicted once, unheard here.
func (n *Node) buried(peer plane.Peer, id member.ID, check uint32, c *wire.Claim,
	r *wire.Record) bool {
	g, ok := n.graves.Get(id)
	if ok && g.word && !c.State.Live() && c.Generation <= g.generation {
		n.tellEnd(id, &grave{generation: c.Generation, inc: c.Incarnation, state: member.Failed})
		return true
	}
	if !ok || !c.State.Live() || !g.over(c.Generation, c.Incarnation) {
		return false
	}
	if r != nil {
		if f, err := r.Fact(); err == nil {
			h := f.Record.Value()
			check = h.Check()
		}
	}
	if peer.ID != id && c.Generation < g.generation {
		g.generation, g.inc = c.Generation, c.Incarnation // of the life that is held there
	}
	g.check = check
	n.tellEnd(id, &g)
	return peer.ID != id
}

// tellEnd has the sender of the current datagram be told how a life ended.
func (n *Node) tellEnd(id member.ID, g *grave) {
	if len(n.ends) >= maxEnds {
		return
	}
	u := wire.Update{ID: id, Check: g.check, Claim: wire.Claim{Generation: g.generation,
		Incarnation: g.inc, State: g.state}}
	if g.state == member.Failed {
		u.Claim.Cause = member.CauseForgotten
	}
	n.ends = append(n.ends, u)
}

// tellEnds tells it.
func (n *Node) tellEnds(peer plane.Peer) {
	if len(n.ends) == 0 || n.stopped {
		return
	}
	start, ok := n.reply(peer)
	if !ok {
		return
	}
	for i := range n.ends {
		before := len(n.out.arena)
		n.out.arena = wire.AppendUpdate(n.out.arena, &n.ends[i])
		if n.room(start) < 0 {
			n.out.arena = n.out.arena[:before]
			break
		}
	}
	n.closeReply(start, peer)
}

// askedAbout tells a member that has another one examined, which this node has forgotten, how that
// one ended.
func (n *Node) askedAbout(q *wire.Inquiry) {
	g, ok := n.graves.Get(q.Target)
	if _, known := n.table.Get(q.Target); known || !ok {
		return
	}
	if q.Instance != member.Instance(q.Target, uint32(g.generation)) {
		g.state = member.Failed // which says that any earlier life is over, too
	}
	n.tellEnd(q.Target, &g)
}

// forgetAll has members forgotten here and everywhere, all of them or none.
func (n *Node) forgetAll(ids []member.ID) error {
	for _, id := range ids {
		m, ok := n.table.Get(id)
		switch {
		case n.Forgot(id): // it is said once more
		case !ok:
			return ErrNoMember
		case id == n.id || m.State.Live() && !n.IsUnreachable(id):
			return fmt.Errorf("%q: %w", m.Name(), ErrLives)
		}
	}
	n.reach.Aged = 0 // all that are missing are known to be gone
	for _, id := range ids {
		if m, ok := n.table.Get(id); ok {
			n.forgetNow(&m)
		} else if g, ok := n.sealed(id); ok {
			n.spreadWord(id, &g)
		}
	}
	return nil
}

// forgetNow drops a member, and passes the word on.
func (n *Node) forgetNow(m *member.Member) {
	n.forgetHere(m)
	n.verdicts.add(verdict{id: m.ID, instance: m.Instance(), incarnation: m.Incarnation,
		kind: Forgotten, at: n.now})
	if g, ok := n.sealed(m.ID); ok {
		n.spreadWord(m.ID, &g)
	}
}

// wordKey is the key of the rumor that a member is to be forgotten.
func wordKey(id member.ID) uint64 { return uint64(id) * 0x9e3779b97f4a7c15 }

// spreadWord passes on that a member is to be forgotten.
func (n *Node) spreadWord(id member.ID, g *grave) {
	word := wire.AppendUpdate(nil, &wire.Update{ID: id, Check: g.check, Claim: wire.Claim{
		Generation: g.generation, Incarnation: g.inc, State: member.Failed,
		Cause: member.CauseForgotten,
	}})
	n.spread(wordKey(id), word)
}

// appendGone says of some members, in turn, that they are held dead here, or unreachable for so
// long that nothing else is said of them. A node that knows that one was forgotten answers. How a
// verdict is told that is younger than an old one is the business of news.
func (n *Node) appendGone(start, reserve, most int) {
	dead := n.table.Len() - n.table.Live()
	all := dead + n.reach.Absent()
	for i := 0; i < all && most > 0; i++ {
		n.upkeep.turn = (n.upkeep.turn + 1) % all
		var m member.Member
		if at := n.upkeep.turn; at < dead {
			m = n.table.At(n.table.Live() + at)
		} else {
			m, _ = n.table.Get(n.reach.At(at - dead))
		}
		if m.ID == 0 || m.ID == n.id || m.State.Live() && !n.isStale(m.ID) ||
			!m.State.Live() && n.now.Sub(m.Since) < oldVerdict {
			continue
		}
		before := len(n.out.arena)
		n.appendMember(&m, false, 0)
		if n.room(start) < reserve {
			n.out.arena = n.out.arena[:before]
			return
		}
		most--
	}
}

// isAlive says whether a datagram goes to a member that nobody doubts.
func (n *Node) isAlive(to plane.Peer) bool {
	m, ok := n.table.Get(to.ID)
	return ok && m.State == member.Alive && m.Instance() == to.Instance
}

// askMore goes on, once the peer knew of one that is forgotten: it may know of others.
func (n *Node) askMore(peer plane.Peer) {
	if !n.upkeep.more || n.stopped || !n.isMember(peer) || n.cfg.private() {
		return
	}
	start, ok := n.reply(peer)
	if !ok {
		return
	}
	n.appendGone(start, 0, maxEnds)
	if len(n.out.arena) == start+wire.HeaderSize {
		n.out.arena = n.out.arena[:start]
		return
	}
	n.closeReply(start, peer)
}

// forgetHere drops a member, and passes nothing on. The end of one that is live here is told to the
// user.
func (n *Node) forgetHere(m *member.Member) {
	if m.State.Live() {
		n.quiet(func() {
			n.apply(member.Fact{Record: m.Handle, Incarnation: m.Incarnation,
				State: member.Failed, Cause: member.CauseForgotten}, false, 0, 0)
		})
	}
	dead := *m
	if after, ok := n.table.Get(m.ID); ok {
		dead = after
	}
	n.bury(&dead)
	n.deserted = n.deserted || m.State.Live() && n.table.Live() <= 1
}

// toldToForget takes in somebody's word about another member.
func (n *Node) toldToForget(by, id member.ID, c *wire.Claim) {
	m, known := n.table.Get(id)
	switch {
	case !known:
		n.words.Heard(wordKey(id))
		if g, ok := n.graves.Get(id); ok && g.over(c.Generation, c.Incarnation) {
			n.sealed(id)
		}
	case c.Generation < m.Generation() || c.Generation == m.Generation() &&
		c.Incarnation < m.Incarnation:
		n.stats.StaleNews++
	case !m.State.Live() || n.IsUnreachable(id):
		n.reach.Aged = 0
		n.forgetNow(&m)
		n.upkeep.more = true
	default:
		w := *c
		if w.Generation > m.Generation() { // then this one is over, too
			w.Generation, w.Incarnation = m.Generation(), m.Incarnation
		}
		n.doubt(&m, &w, by)
	}
}
