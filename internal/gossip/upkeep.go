package gossip

import (
	"net/netip"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
)

// upkeep is what a node does for the dead: it dials them again, and forgets them in the end.
type upkeep struct {
	due   Time // Never while nobody is dead or unreachable
	sweep Time
	most  bool // could be reached at the last sweep
	few   Time // the last sweep at which no more than half could be; 0: there was none
	tell  bool // the next probe says of some that they are dead here
	more  bool // the current datagram had somebody forgotten
	turn  int  // of which that was said last
}

const (
	// so often at least the table is searched for members to be forgotten
	sweepEvery = time.Minute
	// so long one that failed is remembered where another member has its address since
	heirAfter = 10 * time.Minute
)

func (n *Node) launchUpkeep() { n.upkeep = upkeep{due: Never, sweep: n.now} }

// sweepPause is the time between two searches of the table.
func (n *Node) sweepPause() time.Duration { return min(sweepEvery, n.cfg.Retention/2) }

// mourn begins the upkeep when somebody died.
func (n *Node) mourn() {
	if n.upkeep.due == Never {
		n.upkeep.due = n.now.Add(plane.Jitter(n.rng, n.cfg.Reconnect))
	}
}

func (n *Node) wakeUpkeep() {
	if n.upkeep.due > n.now {
		return
	}
	if n.upkeep.sweep <= n.now {
		n.upkeep.sweep = n.now.Add(n.sweepPause())
		n.forgetDead()
	}
	n.upkeep.due = Never
	if n.table.Len() > n.table.Live() || n.reach.Absent() > 0 {
		n.reconnect()
		n.upkeep.tell = !n.cfg.private()
		n.upkeep.due = n.now.Add(plane.Jitter(n.rng, n.cfg.Reconnect))
	}
}

// reconnect dials one failed member that it can send to, as likely as there are such for each live
// one: so the cluster dials each about once a period, and a node at most one. A partition that has
// healed is found so, and a process that was given up too soon. The dial asks the member too, so
// that it may refute at once.
func (n *Node) reconnect() {
	failed := 0
	var chosen member.Member
	for i := n.table.Live(); i < n.table.Len(); i++ {
		if m := n.table.At(i); m.State == member.Failed && !m.OutOfFamily {
			failed++
			if n.rng.IntN(failed) == 0 { // reservoir sampling of one
				chosen = m
			}
		}
	}
	if failed > 0 && n.rng.IntN(max(n.table.Live(), 1)) < failed {
		n.called.Call(n.now, &chosen)
	}
}

// forgetDead drops the members that have been dead for the time of retention, or whose address
// another one has. Of those that failed it keeps the number while no more than half of the last
// agreed view can be reached (Reach): the view of a minority never shrinks by age alone.
func (n *Node) forgetDead() {
	reachable, of := n.Reach()
	minority := 2*reachable <= of
	if !minority {
		n.reach.Aged = 0
		if n.upkeep.most { // for long enough that each that lives has answered
			n.forgetStale()
		}
	}
	if n.upkeep.most = !minority; minority {
		n.upkeep.few = n.now
	}
	heirs := n.heirs()
	for i := n.table.Len() - 1; i >= n.table.Live(); i-- {
		m := n.table.At(i)
		dead := n.now.Sub(m.Since)
		if m.ID != n.id && (dead > n.cfg.Retention || dead > heirAfter &&
			m.State == member.Failed && heirs[m.Handle.Value().Addr]) {
			if minority && m.State == member.Failed {
				n.reach.Aged++
			}
			n.bury(&m)
		}
	}
}

// heirs returns the addresses of the live members, if anybody has been failed for so long that it
// matters. Only one that failed gives way to the member that has its address: it is dialled, in
// vain, and counts in the agreed view.
func (n *Node) heirs() map[netip.AddrPort]bool {
	var of map[netip.AddrPort]bool
	for i := n.table.Len() - 1; i >= n.table.Live() && of == nil; i-- {
		if m := n.table.At(i); m.State == member.Failed && n.now.Sub(m.Since) > heirAfter {
			of = map[netip.AddrPort]bool{}
		}
	}
	for i := 0; i < n.table.Live() && of != nil; i++ {
		m := n.table.At(i)
		of[m.Handle.Value().Addr] = true
	}
	return of
}

func (n *Node) forget(id member.ID) {
	n.news.Drop(uint64(id))
	for _, p := range n.planes {
		p.Forget(n.now, id)
	}
	n.table.Forget(id)
	n.ring.Forget()
}
