package door

import (
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is whether this node was replaced: no single member decides that.

const (
	// members that a node asks which process has its name, before it takes itself for replaced
	pollAsked  = 3
	pollWait   = 2 * time.Second        // for their answers
	pollPause  = 500 * time.Millisecond // between two questions to those that have not answered
	pollRounds = 5                      // of questions, after which silence is no answer either
)

// poll is what a node asks a few members that may have replaced it: which process has its name. No
// single one of them decides.
type poll struct {
	heir   netip.AddrPort
	life   uint64    // its generation
	at     mono.Time // the last round
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
func (x *poll) denied(now mono.Time, c *wire.Conflict) bool {
	return x.own && x.is(now, c)
}

// is says whether it is about the sender of a Conflict, and of late.
func (x *poll) is(now mono.Time, c *wire.Conflict) bool {
	return x.asked > 0 && x.heir == c.Record.Addr && x.life == c.Record.Generation &&
		now.Sub(x.at) <= claimLife
}

// askMembers asks a few members whether they hold the sender of a Conflict, which has proven its
// address, for live in place of this node. As long as it repeats its Conflict those are asked again
// that have not answered. Where there is nobody to ask, its address suffices; where nobody answers,
// it has not replaced this node.
func (n *names) askMembers(c *wire.Conflict) {
	x, r := &n.poll, n.roster.Record()
	if !x.is(n.now, c) {
		*x = poll{heir: c.Record.Addr, life: c.Record.Generation}
		var room [pollAsked]member.Member
		some := topology.Pick(n.rng, n.roster.Table(), pollAsked, room[:0], n.roster.ID())
		for _, m := range some {
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
			n.sendConflict(v.peer, &wire.Conflict{Number: v.number, Asks: true}, &r,
				n.roster.Incarnation())
		}
	}
}

// vote takes in which process has this node's name, as a member says, and whether it was asked. It
// takes two of three, and all of fewer, for this node to stop; once these cannot be had any more,
// the name is its own.
func (n *names) vote(by member.ID, c *wire.Conflict) bool {
	x := &n.poll
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
