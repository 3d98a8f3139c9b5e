package roster

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
// that nobody brings them back (graves.go). A node that holds dead members says so of a few, again
// and again (package upkeep): one that missed an operator's word is told it by any node that has
// heard it.

// ErrLives is that of a Forget of a member that answers this node.
var ErrLives = errors.New("the member is live here; only who failed, left or is unreachable can " +
	"be forgotten")

// MaxEnds is how many ends of lives are told in answer to one datagram.
const MaxEnds = 32

// Forgot says whether this node remembers that it has forgotten a member, for its age or by
// somebody's word.
func (r *Roster) Forgot(id member.ID) bool {
	_, known := r.table.Get(id)
	_, ok := r.Graves.Get(id)
	return ok && !known
}

// Bury drops a member that is dead, and remembers its end.
func (r *Roster) Bury(m *member.Member) {
	r.Graves.dig(m)
	r.Forget(m.ID)
}

// Buried says whether a claim is about a life that has ended and is forgotten here, and has to be
// answered: one that the member lives, and, where it was forgotten by somebody's word, any. If so,
// the node that makes it is told: one that missed the end drops the member, and the
// member itself, if it lives, contradicts. That a name is taken again only above what is
// remembered of it holds for everybody but the member itself, whose word is news of its own. Of one
// that is held dead the word is about the whole life: it may have contradicted once, unheard here.
func (r *Roster) Buried(peer plane.Peer, id member.ID, check uint32, c *wire.Claim,
	rec *wire.Record) bool {
	g, ok := r.Graves.Get(id)
	if ok && g.word && !c.State.Live() && c.Generation <= g.generation {
		r.In.tellEnd(id, &grave{generation: c.Generation, inc: c.Incarnation, state: member.Failed})
		return true
	}
	if !ok || !c.State.Live() || !g.over(c.Generation, c.Incarnation) {
		return false
	}
	if rec != nil {
		if f, err := rec.Fact(); err == nil {
			h := f.Record.Value()
			check = h.Check()
		}
	}
	if peer.ID != id && c.Generation < g.generation {
		g.generation, g.inc = c.Generation, c.Incarnation // of the life that is held there
	}
	g.check = check
	r.In.tellEnd(id, &g)
	return peer.ID != id
}

// Asked tells a member that has another one examined, which this node has forgotten, how that
// one ended.
func (r *Roster) Asked(q wire.Inquiry) {
	g, ok := r.Graves.Get(q.Target)
	if _, known := r.table.Get(q.Target); known || !ok {
		return
	}
	if q.Instance != member.Instance(q.Target, uint32(g.generation)) {
		g.state = member.Failed // which says that any earlier life is over, too
	}
	r.In.tellEnd(q.Target, &g)
}

// ForgetAll has members forgotten here and everywhere, all of them or none.
func (r *Roster) ForgetAll(ids []member.ID) error {
	for _, id := range ids {
		m, ok := r.table.Get(id)
		switch {
		case r.Forgot(id): // it is said once more
		case !ok:
			return plane.ErrNoMember
		case id == r.id || m.State.Live() && !r.Reach.IsUnreachable(id):
			return fmt.Errorf("%q: %w", m.Name(), ErrLives)
		}
	}
	r.Reach.AllCounted() // all that are missing are known to be gone
	for _, id := range ids {
		if m, ok := r.table.Get(id); ok {
			r.forgetNow(&m)
		} else if g, ok := r.Graves.seal(id); ok {
			r.spreadWord(id, &g)
		}
	}
	return nil
}

// forgetNow drops a member, and passes the word on.
func (r *Roster) forgetNow(m *member.Member) {
	r.ForgetHere(m)
	r.Verdicts.add(verdict{id: m.ID, instance: m.Instance(), incarnation: m.Incarnation,
		kind: Forgotten, at: r.now})
	if g, ok := r.Graves.seal(m.ID); ok {
		r.spreadWord(m.ID, &g)
	}
}

// wordKey is the key of the rumor that a member is to be forgotten.
func wordKey(id member.ID) uint64 { return uint64(id) * 0x9e3779b97f4a7c15 }

// spreadWord passes on that a member is to be forgotten.
func (r *Roster) spreadWord(id member.ID, g *grave) {
	word := wire.AppendUpdate(nil, &wire.Update{ID: id, Check: g.check, Claim: wire.Claim{
		Generation: g.generation, Incarnation: g.inc, State: member.Failed,
		Cause: member.CauseForgotten,
	}})
	r.News.Spread(wordKey(id), word)
}

// ForgetHere drops a member, and passes nothing on. The end of one that is live here is told to the
// user.
func (r *Roster) ForgetHere(m *member.Member) {
	if m.State.Live() {
		r.Quiet(func() {
			r.Apply(member.Fact{Record: m.Handle, Incarnation: m.Incarnation,
				State: member.Failed, Cause: member.CauseForgotten}, false, 0, 0)
		})
	}
	dead := *m
	if after, ok := r.table.Get(m.ID); ok {
		dead = after
	}
	r.Bury(&dead)
	r.deserted = r.deserted || m.State.Live() && r.table.Live() <= 1
}

// toldToForget takes in somebody's word about another member.
func (r *Roster) toldToForget(by, id member.ID, c *wire.Claim) {
	m, known := r.table.Get(id)
	switch {
	case !known:
		r.News.Heard(wordKey(id))
		if g, ok := r.Graves.Get(id); ok && g.over(c.Generation, c.Incarnation) {
			r.Graves.seal(id)
		}
	case c.Generation < m.Generation() || c.Generation == m.Generation() &&
		c.Incarnation < m.Incarnation:
		r.StaleNews++
	case !m.State.Live() || r.Reach.IsUnreachable(id):
		r.Reach.AllCounted()
		r.forgetNow(&m)
		r.In.forgot = true
	default:
		w := *c
		if w.Generation > m.Generation() { // then this one is over, too
			w.Generation, w.Incarnation = m.Generation(), m.Incarnation
		}
		r.doubt(&m, &w, by)
	}
}

// Forget drops a member, and remembers nothing.
func (r *Roster) Forget(id member.ID) {
	r.News.members.Drop(uint64(id))
	r.Host.Forget(id)
	r.table.Forget(id)
	r.ring.Forget()
}
