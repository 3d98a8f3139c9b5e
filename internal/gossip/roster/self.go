package roster

import (
	"errors"
	"math"
	"net/netip"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is what a node says of itself. It alone raises its incarnation, to refute (SWIM,
// section 4.2), and begins a new life on paper above what a former process of its name said.

// state is this node's own.
func (r *Roster) state() member.State {
	if r.Door.Leaving() {
		return member.Left
	}
	return member.Alive
}

// AboutSelf answers what others say of this node.
func (r *Roster) AboutSelf(peer plane.Peer, check uint32, c *wire.Claim, rec *wire.Record) {
	self := r.Self()
	own := self.Handle.Value()
	same := check == self.Check
	if rec != nil {
		same = sameRecord(&self, rec)
	}
	switch {
	case c.Generation < own.Generation || self.State == member.Left:
		// a former life, or the truth
	case c.Generation > own.Generation:
		r.laterSelf(peer, c, rec)
	case c.State == member.Failed && !same && c.Incarnation >= self.Incarnation:
		// a former process, in this very generation: it would be called where that one was
		r.GoAbove(c.Generation, c.Incarnation)
		r.Called.IsHeldFailed(r.now, *c)
		r.TellSelf(peer)
	case c.State == member.Failed && !r.Called.Contradicts(r.now, *c):
		r.Called.IsHeldFailed(r.now, *c)
		r.Called.AskCall(r.now, peer, c.Incarnation)
	case c.Incarnation > self.Incarnation || c.Incarnation == self.Incarnation &&
		(c.State != member.Alive || !same):
		r.Refute(c.Incarnation)
		if c.State == member.Failed {
			r.Called.IsHeldFailed(r.now, *c)
			r.TellSelf(peer)
		}
	case c.Incarnation == self.Incarnation:
		r.News.members.Heard(uint64(r.id))
	case !c.State.Live():
		if c.State == member.Failed {
			r.Called.IsHeldFailed(r.now, *c)
		}
		r.TellSelf(peer) // it has missed the refutation
	}
}

// laterSelf meets a later generation of this node's name. At this node's address it was a former
// process with a clock that ran ahead, and this one goes over it; elsewhere it is another node of
// the same name.
func (r *Roster) laterSelf(peer plane.Peer, c *wire.Claim, rec *wire.Record) {
	switch {
	case !c.State.Live() || rec != nil && rec.Addr == r.self.Value().Addr:
		var at netip.AddrPort
		if rec != nil {
			at = rec.Addr
		}
		r.Door.Outlived(c.Generation, at, c.State, c.Cause)
		r.GoAbove(c.Generation, c.Incarnation)
		r.TellSelf(peer)
	case rec != nil:
		r.Door.AskRival(rec.Addr)
	case len(r.In.wanted) < wire.MaxRequest:
		r.In.wanted = append(r.In.wanted, r.id)
	}
}

// Refute says that this node lives, above the incarnation at which others hold the contrary.
func (r *Roster) Refute(incarnation uint32) {
	r.Stats.Refuted++
	r.Detector.Refuted()
	if incarnation == math.MaxUint32 {
		r.GoAbove(r.self.Value().Generation, 0)
		return
	}
	r.inc = incarnation + 1
	r.announce(false)
}

// GoAbove begins a new life on paper, above what others hold of this node's name.
func (r *Roster) GoAbove(generation uint64, incarnation uint32) {
	rec := r.self.Value()
	rec.Generation = min(generation+1, member.MaxGeneration)
	r.inc = 0
	r.Called.NewLife()
	if rec.Generation == generation { // there is no higher generation
		r.inc = min(incarnation, math.MaxUint32-1) + 1
	}
	r.setSelf(member.Share(rec))
	r.announce(true)
}

// GoAboveOwn begins a new life on paper if a former process of this node's name was in this
// generation, or a later one: its clock went back. What that one published and wrote would be taken
// for this one's.
func (r *Roster) GoAboveOwn(generation uint64) {
	own := r.self.Value().Generation
	if generation >= own && generation < member.MaxGeneration && !r.Door.Leaving() {
		r.GoAbove(generation, r.inc)
	}
}

// announce puts this node's record into its table and tells everybody.
func (r *Roster) announce(full bool) {
	r.Apply(member.Fact{Record: r.self, Incarnation: r.inc, State: r.state()}, full, 0, 0)
}

// announceLater puts this node's record into its own table, above what it said last, and tells it
// once somebody asks something.
func (r *Roster) announceLater() {
	r.Called.Hold(r.inc)
	r.inc++
	r.Apply(member.Fact{Record: r.self, Incarnation: r.inc, State: r.state()}, true, 0, 0)
	r.Called.AskCallers(r.now)
}

// TellSelf sends this node's record straight to one peer: it may be one that no news of this
// side reaches.
func (r *Roster) TellSelf(peer plane.Peer) {
	if start, ok := r.flow.Reply(peer); ok {
		self := r.Self()
		r.News.AppendMember(&self, true, 0)
		r.News.AppendFingerprint()
		r.flow.CloseReply(start, peer)
	}
}

// SetTags changes this node's tags.
func (r *Roster) SetTags(t member.Tags) error {
	rec := r.self.Value()
	rec.Tags = t
	if err := rec.Validate(); err != nil {
		return err
	}
	r.setSelf(member.Share(rec))
	if r.Called.Unasked(r.now) {
		r.announceLater()
		return nil
	}
	r.inc++
	r.announce(true)
	return nil
}

// Leave says to all that this node goes; its Door says that it does.
func (r *Roster) Leave() {
	r.inc++
	r.announce(false)
}

var errLinkLocal = errors.New("a link-local address means another host at each member")

// Move has this node say that it is reached at another address, and at outside from other zones if
// that is valid, in the same life. It says whether that is news.
func (r *Roster) Move(addr, outside netip.AddrPort) (moved bool, err error) {
	plain := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	rec := r.self.Value()
	was := rec
	rec.Addr = plain(addr)
	if outside.IsValid() {
		rec.Outside = plain(outside)
	}
	if err := rec.Validate(); err != nil {
		return false, err
	}
	if a := rec.Addr.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		return false, errLinkLocal
	}
	if rec.Addr == was.Addr && rec.Outside == was.Outside || r.Door.Leaving() {
		return false, nil
	}
	r.setSelf(member.Share(rec))
	r.inc++
	r.announce(true)
	return true, nil
}
