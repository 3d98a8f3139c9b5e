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

// This file is about two running nodes with one name.

// MaxRivals bounds the namesakes that are remembered.
const MaxRivals = 8

const (
	rivalWait  = 2 * time.Second // for a namesake to bring back a number
	rivalPause = time.Second     // between two numbers to one of them
	// after a sleep or the like: for so long a later life elsewhere is a replacement
	replaceFor = 5 * time.Minute
)

// rival is a node with this node's name that was asked to bring back a number.
type rival struct {
	addr   netip.AddrPort
	number uint32
	at     mono.Time
	// that it drew itself, while it is not clear whether it replaced this node; 0: none
	theirs uint32
	uptime uint64 // that it had then
}

// Outlived tells the user that another process had this node's name while this one was away, in
// a later life, and is no more. at is its address, valid if it is known, and state how it ended:
// Failed for a cause, or Left.
func (n *names) Outlived(generation uint64, at netip.AddrPort, state member.State,
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
	n.tell(Outlived, fmt.Errorf(
		"another process%s had the name %q meanwhile, and %s", where, own.Name, end))
}

// nameTaken hears from a seed that a live member at an address has this node's name. That member
// itself decides, not the seed's word: it is asked, and answers with the number that it is sent. A
// node that was never in hears of its user's mistake from it at once; as long as it does not, this
// node goes on asking to be let in.
func (n *names) nameTaken(peer netip.AddrPort, text string) {
	other, err := netip.ParseAddrPort(text)
	if err != nil || other == n.roster.Record().Addr {
		return
	}
	if !n.welcomed {
		n.tell(Refused, fmt.Errorf(
			"%s: %w: the name %q belongs to a member at %s, which is "+
				"asked", peer, ErrRefused, n.roster.Record().Name, other))
	}
	n.AskRival(other)
}

// nameWaits hears from a seed that this node's name is that of a member which does not answer. It
// is not refused for good: it goes on asking, as often as before.
func (n *names) nameWaits(peer netip.AddrPort, text string) {
	other, err := netip.ParseAddrPort(text)
	if err != nil || n.welcomed {
		return
	}
	n.tell(Refused, fmt.Errorf(
		"%s: %w: %q is the name of the member at %s; it is free once that one is held failed or "+
			"has left, "+
			"or %d s after it was found that nobody can judge it",
		peer, ErrNameWaits, n.roster.Record().Name, other, claimLife/time.Second))
}

// AskRival tells another node of this name that this one is here, and for how long, with a number
// that it has to bring back before this node stops for it.
func (n *names) AskRival(to netip.AddrPort) {
	n.rivals = slices.DeleteFunc(n.rivals,
		func(r rival) bool { return n.now.Sub(r.at) > rivalWait })
	for i := range n.rivals {
		if r := &n.rivals[i]; r.addr == to && n.now.Sub(r.at) < rivalPause {
			return
		}
	}
	if len(n.rivals) == MaxRivals {
		return
	}
	x := rival{addr: to, number: n.drawNumber(), at: n.now}
	n.rivals = append(n.rivals, x)
	n.answerRival(to, x.number, false)
}

// answerRival brings a number back to a namesake, perhaps with the word that it must stop.
func (n *names) answerRival(to netip.AddrPort, number uint32, stop bool) {
	r := n.roster.Record()
	n.sendConflict(plane.Peer{Addr: to}, &wire.Conflict{Number: number, Uptime: n.uptime(),
		Stop: stop}, &r, n.roster.Incarnation())
}

// proven says whether a namesake brought back a number in time.
func (n *names) proven(by netip.AddrPort, number uint32) bool {
	return slices.ContainsFunc(n.rivals, func(r rival) bool {
		return r.addr == by && r.number == number && n.now.Sub(r.at) <= rivalWait
	})
}

// uptime is in microseconds: two nodes that one script starts in a row are less than a millisecond
// apart.
func (n *names) uptime() uint64 { return uint64(n.now.Sub(n.start) / time.Microsecond) }

// claimed says whether a Conflict is about this node's name and another node.
func (n *names) claimed(c *wire.Conflict) bool {
	own := n.roster.Record()
	return string(c.Record.Name) == own.Name && c.Record.Addr != own.Addr && !n.leaving
}

// conflict settles which of two keeps the name: the one that has been up for longer, so that no
// clocks are compared. The one with the lower address judges. Nobody stops for a datagram that does
// not bring back a number which was sent to the other's address.
func (n *names) conflict(c *wire.Conflict) {
	if !n.claimed(c) {
		return
	}
	other := c.Record.Addr
	proven := n.proven(other, c.Number)
	if proven {
		n.flow.Proven(other)
	}
	switch {
	case !n.replaced(c.Record.Generation) || n.poll.denied(n.now, c):
		n.settleName(c, proven)
	case proven:
		n.askMembers(c)
	default:
		n.AskRival(other)
		for i := range n.rivals {
			if r := &n.rivals[i]; r.addr == other {
				r.theirs, r.uptime = c.Number, c.Uptime
			}
		}
	}
}

// settleName is the rule for two neither of which was replaced.
func (n *names) settleName(c *wire.Conflict, proven bool) {
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
		n.AskRival(other)
	case !proven || judges: // the other stops, or judges
		n.answerRival(other, c.Number, judges)
	}
}

// replaced says whether a later life of this name elsewhere began while this node slept, heard
// nobody, or was reached by nobody: the word of it may come before the end of that is noticed.
func (n *names) replaced(generation uint64) bool {
	away := n.Reach.Isolated() || n.Called.IsLost() || n.Called.WaitsForCall() || n.woke != 0 &&
		n.now.Sub(n.woke) < replaceFor
	return away && generation > n.roster.Record().Generation
}

// keepName ends a poll: the usual rule holds between the two.
func (n *names) keepName() {
	x := &n.poll
	x.own, x.at = true, n.now
	for i := range n.rivals {
		if r := n.rivals[i]; r.addr == x.heir && r.theirs != 0 {
			c := wire.Conflict{Number: r.theirs, Uptime: r.uptime}
			c.Record.Addr, c.Record.Generation = x.heir, x.life
			n.settleName(&c, false)
			return
		}
	}
}

// WokeNow notes the end of a sleep or an isolation that others may have taken for this node's end.
func (n *names) WokeNow() {
	n.woke = max(n.now, 1)
	if n.poll.own { // that was before
		n.poll = poll{}
	}
}

// yield stops this node for a namesake. If others hold this node's life for the later one, it says
// that it is over first. One that knows nobody is known to nobody: its namesake keeps its own life.
func (n *names) yield(c *wire.Conflict) {
	other := c.Record.Addr
	if n.welcomed && n.roster.Table().Len() > 1 &&
		n.roster.Record().Generation >= c.Record.Generation {
		n.leaving = true
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
func (n *names) stopFor(why string) {
	n.leaving, n.stopped = true, true
	n.tell(Conflicted, fmt.Errorf(
		"%w: %q: %s; give one of the two another name", ErrNameConflict,
		n.roster.Record().Name, why))
}
