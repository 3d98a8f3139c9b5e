package gossip

import (
	"time"

	"github.com/starling-gossip/starling/gossip/member"
)

// upkeep is what a node does for the dead: it dials them again, and forgets them in the end.
type upkeep struct {
	due   Time // Never while nobody is dead
	sweep Time
}

// sweepEvery is how often the table is searched for members to be forgotten.
const sweepEvery = time.Minute

func (n *Node) launchUpkeep() { n.upkeep = upkeep{due: Never, sweep: n.now} }

// mourn begins the upkeep when somebody died.
func (n *Node) mourn() {
	if n.upkeep.due == Never {
		n.upkeep.due = n.now.Add(n.jitter(n.cfg.Reconnect))
	}
}

func (n *Node) wakeUpkeep() {
	if n.upkeep.due > n.now {
		return
	}
	if n.upkeep.sweep <= n.now {
		n.upkeep.sweep = n.now.Add(sweepEvery)
		n.forgetDead()
	}
	n.upkeep.due = Never
	if n.table.Len() > n.table.Live() {
		n.reconnect()
		n.upkeep.due = n.now.Add(n.jitter(n.cfg.Reconnect))
	}
}

// reconnect dials one failed member, as likely as there are failed ones for each live one: so the cluster dials each
// about once a period, and a node at most one. A partition that has healed is found so, and a process that was given
// up too soon. The dial asks the member too, so that it may refute at once.
func (n *Node) reconnect() {
	failed := 0
	var chosen member.Member
	for i := n.table.Live(); i < n.table.Len(); i++ {
		if m := n.table.At(i); m.State == member.Failed {
			failed++
			if n.rng.IntN(failed) == 0 { // reservoir sampling of one
				chosen = m
			}
		}
	}
	if failed > 0 && n.rng.IntN(max(n.table.Live(), 1)) < failed {
		n.call(&chosen)
	}
}

// forgetDead drops the members that have been dead for the time of retention. Of those who failed it keeps the number while no
// more than half of the last agreed view can be reached (Reach): the view of a minority never shrinks by age alone.
func (n *Node) forgetDead() {
	reachable, of := n.Reach()
	minority := 2*reachable <= of
	if !minority {
		n.aged = 0
	}
	for i := n.table.Len() - 1; i >= n.table.Live(); i-- {
		if m := n.table.At(i); n.now.Sub(m.Since) > n.cfg.Retention && m.ID != n.id {
			if minority && m.State == member.Failed {
				n.aged++
			}
			n.forget(m.ID)
		}
	}
}

func (n *Node) forget(id member.ID) {
	n.news.Drop(uint64(id))
	n.streams.Forget(id)
	n.keys.Forget(n.now, id)
	n.table.Forget(id)
	n.ring.Forget()
}
