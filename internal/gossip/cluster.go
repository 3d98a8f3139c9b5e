package gossip

import (
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Which cluster this is, beside its name: two clusters of one name do not become one by accident,
// as when the address of a dead member of one is given to a host of the other. The first node of a
// cluster draws its ID.

// identity is the ID of this node's cluster, 0 while it has none.
type identity struct {
	id uint64
	// until then, configured seeds may be of another cluster that is to be the same
	fresh  Time
	drawn  bool              // this node drew the ID
	former [maxFormer]uint64 // IDs of clusters that became this one, the last one first; 0: none
}

// maxFormer bounds how many IDs of clusters that became one a node remembers: their members may
// have been away.
const maxFormer = 4

// freshFor is for how long after a cluster's ID was drawn, or taken over, a dial of configured
// seeds merges: its nodes may all have started before they could see each other.
const freshFor = 10 * time.Minute

// ClusterID returns the identity of this node's cluster, 0 while it has none. Equal ones mean the
// same cluster; of two clusters that become one the lower stays.
func (v View) ClusterID() uint64 { return v.n.identity.id }

// foundCluster makes this node the first of its cluster, unless it remembers which one it was in.
func (n *Node) foundCluster() {
	for n.identity.id == 0 {
		n.takeIdentity(n.proof.Uint64())
		n.identity.drawn = true
	}
}

func (n *Node) takeIdentity(id uint64) {
	n.identity = identity{id: id, fresh: n.now.Add(freshFor), former: n.identity.former}
}

// foundedAnew says whether this node is alone in its cluster, or its first and the cluster is new.
func (n *Node) foundedAnew() bool {
	return n.table.Len() == 1 || n.identity.drawn && n.now < n.identity.fresh
}

// ofCluster says whether an ID is that of this node's cluster, or of one that became it.
func (n *Node) ofCluster(id uint64) bool {
	return id != 0 && (id == n.identity.id || slices.Contains(n.identity.former[:], id))
}

// noteFormer remembers the ID of a cluster that became this one.
func (n *Node) noteFormer(id uint64) {
	f := &n.identity.former
	if !slices.Contains(f[:], id) {
		copy(f[1:], f[:])
		f[0] = id
	}
}

// otherCluster says whether a newcomer is of another cluster and must not come in. A cluster that
// is new may be the other one, begun anew: its first node lets in a node that was told to ask it.
func (n *Node) otherCluster(j *wire.Join) bool {
	return n.identity.id != 0 && j.ClusterID != 0 && !n.ofCluster(j.ClusterID) && !j.Merge &&
		!j.Alone && !(j.Told() && n.foundedAnew())
}

// admit settles the identity with a newcomer that this node lets in. alone says that this node was
// alone before.
func (n *Node) admit(j *wire.Join, peer plane.Peer, alone bool) {
	own := n.identity.id
	switch {
	case own == 0 && j.ClusterID == 0:
		n.foundCluster()
	case own == 0:
		n.takeIdentity(j.ClusterID)
	case j.ClusterID == 0 || j.ClusterID == own || j.Alone && !alone: // it takes this one's over
	default:
		n.merge(j.ClusterID)
		if !j.Alone && n.entry.whole {
			n.tellMerged(peer, j.ClusterID, "")
		}
	}
}

// admitted settles the identity with the cluster that this node was let into.
func (n *Node) admitted(w *wire.Welcome, peer plane.Peer) {
	own := n.identity.id
	switch alone := n.table.Live() == 1; {
	case w.ClusterID == 0 || w.ClusterID == own:
	case own == 0 || alone && w.Live > 2:
		n.takeIdentity(w.ClusterID)
	default:
		n.merge(w.ClusterID)
		if !alone && n.entry.whole {
			n.tellMerged(peer, w.ClusterID, fmt.Sprintf("%d members of ", w.Live))
		}
	}
}

// merge makes this node's cluster and another one the same, and tells the members of both.
func (n *Node) merge(other uint64) {
	m := wire.Merged{New: min(other, n.identity.id), Old: max(other, n.identity.id)}
	if m.Old == n.identity.id {
		n.takeIdentity(m.New)
	}
	n.noteFormer(m.Old)
	n.spreadMerged(m)
}

func (n *Node) spreadMerged(m wire.Merged) {
	n.spread(mergedKey(m), wire.AppendMerged(make([]byte, 0, wire.MergedSize), m))
}

func mergedKey(m wire.Merged) uint64 { return member.Mix(m.New ^ member.Mix(m.Old)) }

// hearMerged takes over what a member tells of two clusters that are one now, and passes it on.
func (n *Node) hearMerged(m wire.Merged) {
	switch n.identity.id {
	case m.Old:
		n.takeIdentity(m.New)
		n.noteFormer(m.Old)
		n.spreadMerged(m)
	case m.New:
		n.noteFormer(m.Old)
		n.words.Heard(mergedKey(m))
	}
}

func (n *Node) tellMerged(peer plane.Peer, other uint64, members string) {
	n.out.Events = append(n.out.Events, Event{Kind: ClustersMerged, Err: fmt.Errorf(
		"merged with %scluster %016x by %s; the cluster is %016x "+
			"now", members, other, peer.Addr, n.identity.id)})
}
