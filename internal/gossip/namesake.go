package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Two nodes with one name. A newcomer's claim to the name of a live member changes nothing: the
// owner is asked, and keeps its name, its life and its keys if it answers. If it does not, its end
// frees the name, or else that nobody can judge it. Of two that both run, the one that was replaced
// stops, or else the one that started later.

const (
	// for the owner's answer; then it is examined, and asked as seldom
	claimWait  = time.Second
	claimTries = 3                      // to ask it at first
	claimPause = 300 * time.Millisecond // between two
	claimLife  = 10 * time.Second       // after which a claim that nobody repeats is forgotten
	// between two words to the user about claims to this node's own name
	claimWord = time.Minute
	maxClaims = 64

	rivalWait  = 2 * time.Second // for a namesake to bring back a number
	maxRivals  = 8
	rivalPause = time.Second // between two numbers to one of them
	// after a sleep or the like: for so long a later life elsewhere is a replacement
	replaceFor = 5 * time.Minute

	// members that a node asks which process has its name, before it takes itself for replaced
	pollAsked  = 3
	pollWait   = 2 * time.Second        // for their answers
	pollPause  = 500 * time.Millisecond // between two questions to those that have not answered
	pollRounds = 5                      // of questions, after which silence is no answer either
)

// claim is a newcomer's claim to a name that a live member has.
type claim struct {
	guest
	owner netip.AddrPort
	ask   uint32 // the number that the owner is to bring back
	tries int
	asked Time // the owner, last
	since Time // the first try
	last  Time
}

// claimName asks the owner of a name whether it lives. If it answers, the newcomer is refused; if
// not, it is examined, and only its end frees the name, or that nobody can judge it (inherits).
func (n *Node) claimName(owner *member.Member, g *guest, r *member.Record) {
	e := &n.entry
	e.claims = slices.DeleteFunc(e.claims,
		func(c claim) bool { return n.now.Sub(c.last) > claimLife })
	i := slices.IndexFunc(e.claims, func(c claim) bool { return c.ID == g.ID && c.Addr == g.Addr })
	if i < 0 {
		if i = len(e.claims); i == maxClaims {
			return
		}
		e.claims = append(e.claims, claim{ask: n.drawNumber()})
	}
	c := &e.claims[i]
	if c.owner != owner.Addr() { // another one has the name now
		c.owner, c.tries, c.since = owner.Addr(), 0, n.now
	}
	c.guest, c.last = *g, n.now
	if c.tries >= claimTries {
		if n.now.Sub(c.since) >= claimWait && n.cfg.Detector == INQUEST {
			n.detector.Accused(n.now, *owner, n.id)
		}
		if n.now.Sub(c.since) >= claimWait {
			n.refuse(g.Peer, g, wire.NameWaits, 0, owner.Addr().String())
		}
		if n.now.Sub(c.asked) < claimWait {
			return
		}
	}
	for j := range e.claims {
		if x := &e.claims[j]; x.ID == g.ID && x.tries > 0 && n.now.Sub(x.asked) < claimPause {
			return
		}
	}
	c.tries, c.asked = c.tries+1, n.now
	n.sendConflict(plane.PeerOf(owner), &wire.Conflict{Number: c.ask}, r, 0)
}

// inherits says whether a newcomer has the name of a live member at another address, that has not
// answered the question whether it lives.
//
// It does if it is that member, which moved: it is in the same life, and says so above what is
// known here. Where all have moved at once, no other news of that can come.
//
// It does too if it started later, and nobody can judge the owner, which has not answered anybody
// for claimLife: too few are left, or its zone is silent. Where others could judge, their verdict
// would free the name in less time; here none ever comes, and most of a cluster that was started
// anew at other addresses would never be let in.
func (n *Node) inherits(owner *member.Member, g *guest, c *wire.Claim) bool {
	moved := c.Generation == owner.Generation() && c.Incarnation > owner.Incarnation
	later := c.Generation > owner.Generation() && n.reach.AwayFor(n.now, owner.ID) >= claimLife
	if !moved && !later {
		return false
	}
	asked := func(c claim) bool {
		return c.ID == g.ID && c.Addr == g.Addr && c.owner == owner.Addr() &&
			c.tries >= claimTries && n.now.Sub(c.asked) >= claimPause
	}
	if !slices.ContainsFunc(n.entry.claims, asked) {
		return false
	}
	n.entry.claims = slices.DeleteFunc(n.entry.claims, func(c claim) bool { return c.ID == g.ID })
	return true
}

// isOutlived says whether a newcomer has to begin above the life that is known of its name: its
// clock went back since. So has one that is in that very life, now over, at another address, unless
// it is that member, which moved, and says so above what is known here. A member that knows of that
// end would call it where it was (package called), so it would never contradict.
func isOutlived(m *member.Member, c *wire.Claim, r *member.Record) bool {
	return c.Generation < m.Generation() || c.Generation == m.Generation() && !m.State.Live() &&
		c.Incarnation <= m.Incarnation && m.Handle.Value().Addr != r.Addr
}

// drawNumber returns a number that nobody can guess, not 0.
func (n *Node) drawNumber() uint32 { return max(uint32(n.proof.Uint64()), 1) }

// freeName asks those that claim a name to come again at once, since its owner is no more.
func (n *Node) freeName(id member.ID) {
	n.entry.claims = slices.DeleteFunc(n.entry.claims, func(c claim) bool {
		if c.ID == id {
			n.challenge(&c.guest, n.cfg.MTU)
		}
		return c.ID == id
	})
}

// hearClaim takes a Conflict that does not come from a namesake: a seed asks whether this node
// lives, whose name a newcomer claims; or a member answers that question of this node's own.
func (n *Node) hearClaim(peer plane.Peer, c *wire.Conflict) {
	if c.Asks || n.vote(peer.ID, c) {
		n.tellName(peer, c)
		return
	}
	if n.claimed(c) {
		n.tellClaim(c.Record.Addr)
		r := n.roster.Record()
		n.sendConflict(peer, &wire.Conflict{Number: c.Number, Uptime: n.uptime()}, &r, n.roster.Incarnation())
		return
	}
	i := slices.IndexFunc(n.entry.claims, func(x claim) bool {
		return x.ID == peer.ID &&
			x.ask == c.Number
	})
	if i < 0 || member.IDOf(string(c.Record.Name)) != peer.ID {
		return
	}
	g := n.entry.claims[i].guest
	n.entry.claims = slices.Delete(n.entry.claims, i, i+1)
	n.refuse(g.Peer, &g, wire.NameTaken, 0, c.Record.Addr.String())
}

// claimedSelf refuses a newcomer that claims this node's own name.
func (n *Node) claimedSelf(g *guest) {
	own := n.roster.Record().Addr
	if g.Addr == own {
		return
	}
	n.tellClaim(g.Addr)
	n.refuse(g.Peer, g, wire.NameTaken, 0, own.String())
}

// tellOutlived tells the user that another process had this node's name while this one was away, in
// a later life, and is no more. at is its address, valid if it is known, and state how it ended:
// Failed for a cause, or Left.
func (n *Node) tellOutlived(generation uint64, at netip.AddrPort, state member.State,
	cause member.Cause) {
	own := n.roster.Record()
	if !n.replaced(generation) || at == own.Addr {
		return
	}
	where, end := "", "has ended"
	if at.IsValid() {
		where = " at " + at.String()
	}
	switch state {
	case member.Left:
		end = "has left"
	case member.Failed:
		end = fmt.Sprintf("has failed (%s)", cause)
	}
	n.out.Events = append(n.out.Events, Event{Kind: Outlived, Err: fmt.Errorf(
		"another process%s had the name %q meanwhile, and %s", where, own.Name, end)})
}

// tellClaim tells the user, now and then, that another node claims this node's name.
func (n *Node) tellClaim(by netip.AddrPort) {
	n.stats.NameClaims++
	if n.entry.claimed != 0 && n.now.Sub(n.entry.claimed) < claimWord {
		return
	}
	n.entry.claimed = n.now
	n.out.Events = append(n.out.Events, Event{Kind: NameClaimed, Err: fmt.Errorf(
		"a node at %s claims the name %q, which this node has and keeps", by, n.roster.Record().Name)})
}

// nameTaken hears from a seed that a live member at an address has this node's name. That member
// itself decides, not the seed's word: it is asked, and answers with the number that it is sent. A
// node that was never in hears of its user's mistake from it at once; as long as it does not, this
// node goes on asking to be let in.
func (n *Node) nameTaken(peer netip.AddrPort, text string) {
	other, err := netip.ParseAddrPort(text)
	if err != nil || other == n.roster.Record().Addr {
		return
	}
	if !n.entry.welcomed {
		n.out.Events = append(n.out.Events, Event{Kind: Refused, Err: fmt.Errorf(
			"%s: %w: the name %q belongs to a member at %s, which is "+
				"asked", peer, ErrRefused, n.roster.Record().Name, other)})
	}
	n.askRival(other)
}

// nameWaits hears from a seed that this node's name is that of a member which does not answer. It
// is not refused for good: it goes on asking, as often as before.
func (n *Node) nameWaits(peer netip.AddrPort, text string) {
	other, err := netip.ParseAddrPort(text)
	if err != nil || n.entry.welcomed {
		return
	}
	n.out.Events = append(n.out.Events, Event{Kind: Refused, Err: fmt.Errorf(
		"%s: %w: %q is the name of the member at %s; it is free once that one is held failed or "+
			"has left, "+
			"or %d s after it was found that nobody can judge it",
		peer, ErrNameWaits, n.roster.Record().Name, other, claimLife/time.Second)})
}

// fromNamesake takes a datagram whose sender has this node's name: it is this node's own, come
// back, or another node.
func (n *Node) fromNamesake(h wire.Header, peer plane.Peer, r wire.Reader) {
	own := h.Generation == uint32(n.roster.Record().Generation)
	asked := false
	for t, body, ok := r.Next(); ok && !n.stopped; t, body, ok = r.Next() {
		switch {
		case own && t == wire.TypeJoin:
			n.dropSeed(peer.Addr)
		case own:
		case t == wire.TypeJoin:
			if j, ok := wire.ReadJoin(body); ok && !asked {
				n.answerJoin(peer, &j)
			}
			asked = true
		case t == wire.TypeChallenge:
			if c, ok := wire.ReadChallenge(body); ok {
				n.challenged(peer, &c)
			}
		case t == wire.TypeRefuse:
			if m, ok := wire.ReadRefuse(body); ok && n.answers(m.Number) {
				n.refused(peer, &m)
			}
		case t == wire.TypeConflict:
			if c, ok := wire.ReadConflict(body); ok {
				n.conflict(&c)
			}
		case t == wire.TypeUpdate: // the other one yields
			if u, ok := wire.ReadUpdate(body); ok && u.ID == n.id && !u.State.Live() {
				n.roster.AboutSelf(peer, u.Check, &u.Claim, nil)
			}
		}
	}
	if !own {
		n.stats.Namesake++
	}
}

// rival is a node with this node's name that was asked to bring back a number.
type rival struct {
	addr   netip.AddrPort
	number uint32
	at     Time
	// that it drew itself, while it is not clear whether it replaced this node; 0: none
	theirs uint32
	uptime uint64 // that it had then
}

// askRival tells another node of this name that this one is here, and for how long, with a number
// that it has to bring back before this node stops for it.
func (n *Node) askRival(to netip.AddrPort) {
	e := &n.entry
	e.rivals = slices.DeleteFunc(e.rivals,
		func(r rival) bool { return n.now.Sub(r.at) > rivalWait })
	for i := range e.rivals {
		if r := &e.rivals[i]; r.addr == to && n.now.Sub(r.at) < rivalPause {
			return
		}
	}
	if len(e.rivals) == maxRivals {
		return
	}
	x := rival{addr: to, number: n.drawNumber(), at: n.now}
	e.rivals = append(e.rivals, x)
	n.answerRival(to, x.number, false)
}

// answerRival brings a number back to a namesake, perhaps with the word that it must stop.
func (n *Node) answerRival(to netip.AddrPort, number uint32, stop bool) {
	r := n.roster.Record()
	n.sendConflict(plane.Peer{Addr: to}, &wire.Conflict{Number: number, Uptime: n.uptime(),
		Stop: stop}, &r, n.roster.Incarnation())
}

// proven says whether a namesake brought back a number in time.
func (n *Node) proven(by netip.AddrPort, number uint32) bool {
	return slices.ContainsFunc(n.entry.rivals, func(r rival) bool {
		return r.addr == by && r.number == number && n.now.Sub(r.at) <= rivalWait
	})
}

func (n *Node) sendConflict(to plane.Peer, c *wire.Conflict, r *member.Record,
	incarnation uint32) {
	if start, ok := n.flow.Reply(to); ok {
		n.flow.Bytes = wire.AppendConflict(n.flow.Bytes, c, r, incarnation)
		n.flow.CloseReply(start, to)
	}
}

// uptime is in microseconds: two nodes that one script starts in a row are less than a millisecond
// apart.
func (n *Node) uptime() uint64 { return uint64(n.now.Sub(n.start) / time.Microsecond) }

// claimed says whether a Conflict is about this node's name and another node.
func (n *Node) claimed(c *wire.Conflict) bool {
	own := n.roster.Record()
	return string(c.Record.Name) == own.Name && c.Record.Addr != own.Addr && !n.entry.leaving
}

// conflict settles which of two keeps the name: the one that has been up for longer, so that no
// clocks are compared. The one with the lower address judges. Nobody stops for a datagram that does
// not bring back a number which was sent to the other's address.
func (n *Node) conflict(c *wire.Conflict) {
	if !n.claimed(c) {
		return
	}
	other := c.Record.Addr
	proven := n.proven(other, c.Number)
	if proven {
		n.flow.Proven(other)
	}
	switch {
	case !n.replaced(c.Record.Generation) || n.entry.poll.denied(n.now, c):
		n.settleName(c, proven)
	case proven:
		n.askMembers(c)
	default:
		n.askRival(other)
		for i := range n.entry.rivals {
			if r := &n.entry.rivals[i]; r.addr == other {
				r.theirs, r.uptime = c.Number, c.Uptime
			}
		}
	}
}

// settleName is the rule for two neither of which was replaced.
func (n *Node) settleName(c *wire.Conflict, proven bool) {
	other, older := c.Record.Addr, n.uptime() >= c.Uptime
	judges := n.roster.Record().Addr.Compare(other) < 0
	switch {
	case proven && (c.Stop || judges && !older):
		n.yield(c)
	case c.Stop || judges && !older:
		if c.Record.Generation < n.roster.Record().Generation {
			// if this node replaced it, it stops when it knows that this one is there
			n.answerRival(other, c.Number, false)
		}
		n.askRival(other)
	case !proven || judges: // the other stops, or judges
		n.answerRival(other, c.Number, judges)
	}
}

// replaced says whether a later life of this name elsewhere began while this node slept, heard
// nobody, or was reached by nobody: the word of it may come before the end of that is noticed.
func (n *Node) replaced(generation uint64) bool {
	e := &n.entry
	away := n.reach.Isolated() || n.called.IsLost() || n.called.WaitsForCall() || e.woke != 0 &&
		n.now.Sub(e.woke) < replaceFor
	return away && generation > n.roster.Record().Generation
}

// poll is what a node asks a few members that may have replaced it: which process has its name. No
// single one of them decides.
type poll struct {
	heir   netip.AddrPort
	life   uint64 // its generation
	at     Time   // the last round
	rounds int
	of     [pollAsked]struct {
		peer   plane.Peer
		number uint32 // 0: it has answered
	}
	asked, yes, no int
	own            bool // the name is this node's, as it turned out
}

// denied says whether it turned out lately that the sender of a Conflict has not replaced this
// node.
func (x *poll) denied(now Time, c *wire.Conflict) bool {
	return x.own && x.is(now, c)
}

// is says whether it is about the sender of a Conflict, and of late.
func (x *poll) is(now Time, c *wire.Conflict) bool {
	return x.asked > 0 && x.heir == c.Record.Addr && x.life == c.Record.Generation &&
		now.Sub(x.at) <= claimLife
}

// askMembers asks a few members whether they hold the sender of a Conflict, which has proven its
// address, for live in place of this node. As long as it repeats its Conflict those are asked again
// that have not answered. Where there is nobody to ask, its address suffices; where nobody answers,
// it has not replaced this node.
func (n *Node) askMembers(c *wire.Conflict) {
	x, r := &n.entry.poll, n.roster.Record()
	if !x.is(n.now, c) {
		*x = poll{heir: c.Record.Addr, life: c.Record.Generation}
		var room [pollAsked]member.Member
		for _, m := range topology.Pick(n.rng, n.roster.Table(), pollAsked, room[:0], n.id) {
			x.of[x.asked].peer, x.of[x.asked].number = plane.PeerOf(&m), n.drawNumber()
			x.asked++
		}
		if x.asked == 0 {
			n.yield(c)
			return
		}
	} else if n.now.Sub(x.at) < pollPause {
		return
	}
	if x.rounds == pollRounds {
		if x.yes == 0 {
			n.keepName()
		} else {
			*x = poll{}
		}
		return
	}
	x.rounds, x.at = x.rounds+1, n.now
	for i := range x.of[:x.asked] {
		if v := &x.of[i]; v.number != 0 {
			n.sendConflict(v.peer, &wire.Conflict{Number: v.number, Asks: true}, &r, n.roster.Incarnation())
		}
	}
}

// vote takes in which process has this node's name, as a member says, and whether it was asked. It
// takes two of three, and all of fewer, for this node to stop; once these cannot be had any more,
// the name is its own.
func (n *Node) vote(by member.ID, c *wire.Conflict) bool {
	x := &n.entry.poll
	for i := range x.of[:x.asked] {
		v := &x.of[i]
		if v.peer.ID != by || v.number != c.Number || v.number == 0 {
			continue
		}
		v.number = 0 // each has one vote
		own := n.roster.Record()
		switch {
		case x.own || n.now.Sub(x.at) >= pollWait:
		case n.claimed(c) && c.Record.Addr == x.heir && n.replaced(c.Record.Generation):
			x.yes++
		case string(c.Record.Name) == own.Name && c.Record.Generation == own.Generation:
			x.no++
		}
		switch enough := min(x.asked, pollAsked-1); {
		case x.own:
		case x.yes >= enough:
			n.yield(c)
		case x.no > x.asked-enough:
			n.keepName()
		}
		return true
	}
	return false
}

// keepName ends a poll: the usual rule holds between the two.
func (n *Node) keepName() {
	x := &n.entry.poll
	x.own, x.at = true, n.now
	for i := range n.entry.rivals {
		if r := n.entry.rivals[i]; r.addr == x.heir && r.theirs != 0 {
			c := wire.Conflict{Number: r.theirs, Uptime: r.uptime}
			c.Record.Addr, c.Record.Generation = x.heir, x.life
			n.settleName(&c, false)
			return
		}
	}
}

// tellName tells a member that asks which process has its name here, if that is a live member.
func (n *Node) tellName(peer plane.Peer, c *wire.Conflict) {
	m, ok := n.roster.Table().Get(peer.ID)
	if !c.Asks || !ok || !m.State.Live() || member.IDOf(string(c.Record.Name)) != peer.ID {
		return
	}
	r := m.Record()
	r.Tags = "" // the address and the life suffice
	n.sendConflict(peer, &wire.Conflict{Number: c.Number}, &r, m.Incarnation)
}

// wake notes the end of a sleep or an isolation that others may have taken for this node's end.
func (n *Node) wake(gap time.Duration) {
	if gap > n.cfg.Inquest.Grace {
		n.wokeNow()
	}
}

func (n *Node) wokeNow() {
	n.entry.woke = max(n.now, 1)
	if n.entry.poll.own { // that was before
		n.entry.poll = poll{}
	}
}

// yield stops this node for a namesake. If others hold this node's life for the later one, it says
// that it is over first. One that knows nobody is known to nobody: its namesake keeps its own life.
func (n *Node) yield(c *wire.Conflict) {
	other := c.Record.Addr
	if n.entry.welcomed && n.roster.Table().Len() > 1 && n.roster.Record().Generation >= c.Record.Generation {
		n.entry.leaving = true
		start := n.flow.Open(0)
		self := n.roster.Self()
		self.State, self.Since = member.Left, n.now
		n.roster.News.AppendMember(&self, false, 0)
		n.flow.Close(start, plane.Peer{Addr: other})
	}
	if n.replaced(c.Record.Generation) {
		n.stopFor(fmt.Sprintf("this node was replaced by %s", other))
		return
	}
	n.stopFor(fmt.Sprintf("it has been running at %s for longer", other))
}

// stopFor ends this node since its name is another's.
func (n *Node) stopFor(why string) {
	n.entry.leaving, n.stopped = true, true
	n.out.Events = append(n.out.Events, Event{Kind: Conflicted, Err: fmt.Errorf(
		"%w: %q: %s; give one of the two another name", ErrNameConflict, n.roster.Record().Name, why)})
}
