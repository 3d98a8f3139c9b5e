package door

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is about newcomers that claim a name which a member has.
//
// Two nodes with one name. A newcomer's claim to the name of a live member changes nothing: the
// owner is asked, and keeps its name, its life and its keys if it answers. If it does not, its end
// frees the name, or else that nobody can judge it. Of two that both run, the one that was replaced
// stops, or else the one that started later (rivals.go).

// ClaimWait is for the owner's answer; then it is examined, and asked as seldom.
const ClaimWait = time.Second

// MaxClaims bounds the claims that are remembered.
const MaxClaims = 64

const (
	claimTries = 3                      // to ask it at first
	claimPause = 300 * time.Millisecond // between two
	claimLife  = 10 * time.Second       // after which a claim that nobody repeats is forgotten
	// between two words to the user about claims to this node's own name
	claimWord = time.Minute
)

// names is what is known of others that have, or claim, a name which is taken.
type names struct {
	*common
	porch  *porch
	claims []claim
	rivals []rival
	poll   poll
	told   mono.Time // when the user last heard that another node claims this name; 0: never
	woke   mono.Time // when a sleep or an isolation of more than a grace ended; 0: there was none
}

// claim is a newcomer's claim to a name that a live member has.
type claim struct {
	guest
	owner netip.AddrPort
	ask   uint32 // the number that the owner is to bring back
	tries int
	asked mono.Time // the owner, last
	since mono.Time // the first try
	last  mono.Time
}

// isOutlived says whether a newcomer has to begin above the life that is known of its name: its
// clock went back since. So has one that is in that very life, now over, at another address, unless
// it is that member, which moved, and says so above what is known here. A member that knows of that
// end would call it where it was (package called), so it would never contradict.
func isOutlived(m *member.Member, c *wire.Claim, r *member.Record) bool {
	return c.Generation < m.Generation() || c.Generation == m.Generation() && !m.State.Live() &&
		c.Incarnation <= m.Incarnation && m.Handle.Value().Addr != r.Addr
}

// claimName asks the owner of a name whether it lives. If it answers, the newcomer is refused; if
// not, it is examined, and only its end frees the name, or that nobody can judge it (inherits).
func (n *names) claimName(owner *member.Member, g *guest, r *member.Record) {
	n.claims = slices.DeleteFunc(n.claims,
		func(c claim) bool { return n.now.Sub(c.last) > claimLife })
	i := slices.IndexFunc(n.claims, func(c claim) bool { return c.ID == g.ID && c.Addr == g.Addr })
	if i < 0 {
		if i = len(n.claims); i == MaxClaims {
			return
		}
		n.claims = append(n.claims, claim{ask: n.drawNumber()})
	}
	c := &n.claims[i]
	if c.owner != owner.Addr() { // another one has the name now
		c.owner, c.tries, c.since = owner.Addr(), 0, n.now
	}
	c.guest, c.last = *g, n.now
	if c.tries >= claimTries {
		if n.now.Sub(c.since) >= ClaimWait && n.cfg.Examines {
			n.Detector.Accused(n.now, *owner, n.roster.ID())
		}
		if n.now.Sub(c.since) >= ClaimWait {
			n.porch.refuse(g.Peer, g, wire.NameWaits, 0, owner.Addr().String())
		}
		if n.now.Sub(c.asked) < ClaimWait {
			return
		}
	}
	for j := range n.claims {
		if x := &n.claims[j]; x.ID == g.ID && x.tries > 0 && n.now.Sub(x.asked) < claimPause {
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
func (n *names) inherits(owner *member.Member, g *guest, c *wire.Claim) bool {
	moved := c.Generation == owner.Generation() && c.Incarnation > owner.Incarnation
	later := c.Generation > owner.Generation() && n.Reach.AwayFor(n.now, owner.ID) >= claimLife
	if !moved && !later {
		return false
	}
	asked := func(c claim) bool {
		return c.ID == g.ID && c.Addr == g.Addr && c.owner == owner.Addr() &&
			c.tries >= claimTries && n.now.Sub(c.asked) >= claimPause
	}
	if !slices.ContainsFunc(n.claims, asked) {
		return false
	}
	n.claims = slices.DeleteFunc(n.claims, func(c claim) bool { return c.ID == g.ID })
	return true
}

// free asks those that claim a name to come again at once, since its owner is no more.
func (n *names) free(id member.ID) {
	n.claims = slices.DeleteFunc(n.claims, func(c claim) bool {
		if c.ID == id {
			n.porch.challenge(&c.guest, n.cfg.MTU)
		}
		return c.ID == id
	})
}

// hearClaim takes a Conflict that does not come from a namesake: a seed asks whether this node
// lives, whose name a newcomer claims; or a member answers that question of this node's own.
func (n *names) hearClaim(peer plane.Peer, c *wire.Conflict) {
	if c.Asks || n.vote(peer.ID, c) {
		n.tellName(peer, c)
		return
	}
	if n.claimed(c) {
		n.tellClaim(c.Record.Addr)
		r := n.roster.Record()
		n.sendConflict(peer, &wire.Conflict{Number: c.Number, Uptime: n.uptime()}, &r,
			n.roster.Incarnation())
		return
	}
	i := slices.IndexFunc(n.claims, func(x claim) bool {
		return x.ID == peer.ID &&
			x.ask == c.Number
	})
	if i < 0 || member.IDOf(string(c.Record.Name)) != peer.ID {
		return
	}
	g := n.claims[i].guest
	n.claims = slices.Delete(n.claims, i, i+1)
	n.porch.refuse(g.Peer, &g, wire.NameTaken, 0, c.Record.Addr.String())
}

// claimedSelf refuses a newcomer that claims this node's own name.
func (n *names) claimedSelf(g *guest) {
	own := n.roster.Record().Addr
	if g.Addr == own {
		return
	}
	n.tellClaim(g.Addr)
	n.porch.refuse(g.Peer, g, wire.NameTaken, 0, own.String())
}

// tellClaim tells the user, now and then, that another node claims this node's name.
func (n *names) tellClaim(by netip.AddrPort) {
	n.NameClaims++
	if n.told != 0 && n.now.Sub(n.told) < claimWord {
		return
	}
	n.told = n.now
	n.tell(NameClaimed, fmt.Errorf(
		"a node at %s claims the name %q, which this node has and keeps", by,
		n.roster.Record().Name))
}

// tellName tells a member that asks which process has its name here, if that is a live member.
func (n *names) tellName(peer plane.Peer, c *wire.Conflict) {
	m, ok := n.roster.Table().Get(peer.ID)
	if !c.Asks || !ok || !m.State.Live() || member.IDOf(string(c.Record.Name)) != peer.ID {
		return
	}
	r := m.Record()
	r.Tags = "" // the address and the life suffice
	n.sendConflict(peer, &wire.Conflict{Number: c.Number}, &r, m.Incarnation)
}

// drawNumber returns a number that nobody can guess, not 0.
func (n *names) drawNumber() uint32 { return max(uint32(n.proof.Uint64()), 1) }

func (n *names) sendConflict(to plane.Peer, c *wire.Conflict, r *member.Record,
	incarnation uint32) {
	if start, ok := n.flow.Reply(to); ok {
		n.flow.Bytes = wire.AppendConflict(n.flow.Bytes, c, r, incarnation)
		n.flow.CloseReply(start, to)
	}
}
