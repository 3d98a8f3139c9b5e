package multicast

// This file is what SRM and RMTP take for granted and most networks do not offer: multicast by the
// network. Each member has a router of its own. The routers are a tree, with the origin's at the
// root, and flood what a member sends along it. Each link loses each copy independently, so that a
// loss high up is the loss of all below. Routers do not crash with their members, cost their
// members nothing, and always know the tree. The network is to be as good as the direct links that
// the other protocols use. So a path of the mean length from the root loses as much and takes as
// long as one direct datagram: a link has the mean path's share of both.

import (
	"math"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/sim"
)

// scope is how far a multicast goes; it is the first byte of a datagram.
type scope byte

const (
	wholeGroup scope = iota
	below            // to the members whose routers are below the sender's
)

// routers is the tree. Router i belongs to member i.
type routers struct {
	arity int
	depth []int
	link  sim.Latency // of one link between routers
	loss  float64     // of one link
}

func newRouters(o *Options) *routers {
	t := &routers{arity: o.Arity, depth: make([]int, o.Nodes)}
	sum := 0
	for i := 1; i < o.Nodes; i++ {
		t.depth[i] = t.depth[t.parent(i)] + 1
		sum += t.depth[i]
	}
	mean := float64(sum) / float64(o.Nodes-1)
	t.link = o.Latency.Times(1 / mean)
	t.loss = 1 - math.Pow(1-o.Loss, 1/mean)
	return t
}

// parent returns the router above; the root has none.
func (t *routers) parent(i int) int { return (i - 1) / t.arity }

// children returns the range of routers below.
func (t *routers) children(i int) (first, end int) {
	return min(i*t.arity+1, len(t.depth)), min(i*t.arity+t.arity+1, len(t.depth))
}

// hops is how many links are between two routers.
func (t *routers) hops(a, b int) (n int) {
	for ; a != b; n++ {
		if a > b {
			a = t.parent(a)
		} else {
			b = t.parent(b)
		}
	}
	return n
}

// router is one of them, on a host of its own beside its member's.
type router struct {
	w  *world
	me int
}

// Receive passes a datagram on along the tree: to all neighbours but the one that it came from.
func (r *router) Receive(_ gossip.Time, from int, b []byte) {
	w, t := r.w, r.w.tree
	mine := w.host(r.me)
	pass := func(host int) {
		if host == from {
			return
		}
		w.g.Send(w.router(r.me), host, b)
		if host != mine {
			w.hops++
		}
	}
	if r.me > 0 && scope(b[0]) == wholeGroup {
		pass(w.router(t.parent(r.me)))
	}
	first, end := t.children(r.me)
	for c := first; c < end; c++ {
		pass(w.router(c))
	}
	pass(mine)
}

// Wake is for others.
func (r *router) Wake(gossip.Time) {}

// host is where a member is: with routers, each has its own beside it, in another zone.
func (w *world) host(member int) int {
	if w.tree == nil {
		return member
	}
	return 2 * member
}

func (w *world) router(member int) int { return 2*member + 1 }

// member is the member at a host: multicasts come from a member's own router.
func (w *world) member(host int) int {
	if w.tree == nil {
		return host
	}
	return host / 2
}
