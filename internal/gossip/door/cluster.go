package door

import (
	"fmt"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Which cluster this is, beside its name: two clusters of one name do not become one by accident,
// as when the address of a dead member of one is given to a host of the other. The first node of a
// cluster draws its ID.

// cluster is the ID of this node's cluster, 0 while it has none.
type cluster struct {
	*common
	id uint64
	// until then, configured seeds may be of another cluster that is to be the same
	fresh  mono.Time
	drawn  bool              // this node drew the ID
	former [maxFormer]uint64 // IDs of clusters that became this one, the last one first; 0: none
}

// maxFormer bounds how many IDs of clusters that became one a node remembers: their members may
// have been away.
const maxFormer = 4

// FreshFor is for how long after a cluster's ID was drawn, or taken over, a dial of configured
// seeds merges: its nodes may all have started before they could see each other.
const FreshFor = 10 * time.Minute

// found makes this node the first of its cluster, unless it remembers which one it was in.
func (c *cluster) found() {
	for c.id == 0 {
		c.take(c.proof.Uint64())
		c.drawn = true
	}
}

// ClusterID returns the identity of this node's cluster, 0 while it has none.
func (c *cluster) ClusterID() uint64 { return c.id }

func (c *cluster) take(id uint64) {
	c.id, c.fresh, c.drawn = id, c.now.Add(FreshFor), false
}

// FoundedAnew says whether this node is alone in its cluster, or its first and the cluster is new.
func (c *cluster) FoundedAnew() bool {
	return c.roster.Table().Len() == 1 || c.drawn && c.now < c.fresh
}

// is says whether an ID is that of this node's cluster, or of one that became it.
func (c *cluster) is(id uint64) bool {
	return id != 0 && (id == c.id || slices.Contains(c.former[:], id))
}

// noteFormer remembers the ID of a cluster that became this one.
func (c *cluster) noteFormer(id uint64) {
	f := &c.former
	if !slices.Contains(f[:], id) {
		copy(f[1:], f[:])
		f[0] = id
	}
}

// isOther says whether a newcomer is of another cluster and must not come in. A cluster that is new
// may be the other one, begun anew: its first node lets in a node that was told to ask it.
func (c *cluster) isOther(j *wire.Join) bool {
	return c.id != 0 && j.ClusterID != 0 && !c.is(j.ClusterID) && !j.Merge &&
		!j.Alone && !(j.Told() && c.FoundedAnew())
}

// admit settles the identity with a newcomer that this node lets in. alone says that this node was
// alone before.
func (c *cluster) admit(j *wire.Join, peer plane.Peer, alone bool) {
	own := c.id
	switch {
	case own == 0 && j.ClusterID == 0:
		c.found()
	case own == 0:
		c.take(j.ClusterID)
	case j.ClusterID == 0 || j.ClusterID == own || j.Alone && !alone: // it takes this one's over
	default:
		c.merge(j.ClusterID)
		if !j.Alone && c.whole {
			c.tellMerged(peer, j.ClusterID, "")
		}
	}
}

// admitted settles the identity with the cluster that this node was let into.
func (c *cluster) admitted(w *wire.Welcome, peer plane.Peer) {
	own := c.id
	switch alone := c.roster.Table().Live() == 1; {
	case w.ClusterID == 0 || w.ClusterID == own:
	case own == 0 || alone && w.Live > 2:
		c.take(w.ClusterID)
	default:
		c.merge(w.ClusterID)
		if !alone && c.whole {
			c.tellMerged(peer, w.ClusterID, fmt.Sprintf("%d members of ", w.Live))
		}
	}
}

// merge makes this node's cluster and another one the same, and tells the members of both.
func (c *cluster) merge(other uint64) {
	m := wire.Merged{New: min(other, c.id), Old: max(other, c.id)}
	if m.Old == c.id {
		c.take(m.New)
	}
	c.noteFormer(m.Old)
	c.spreadMerged(m)
}

func (c *cluster) spreadMerged(m wire.Merged) {
	c.roster.News.Spread(mergedKey(m), wire.AppendMerged(make([]byte, 0, wire.MergedSize), m))
}

// hearMerged takes over what a member tells of two clusters that are one now, and passes it on.
func (c *cluster) hearMerged(m wire.Merged) {
	switch c.id {
	case m.Old:
		c.take(m.New)
		c.noteFormer(m.Old)
		c.spreadMerged(m)
	case m.New:
		c.noteFormer(m.Old)
		c.roster.News.Heard(mergedKey(m))
	}
}

func (c *cluster) tellMerged(peer plane.Peer, other uint64, members string) {
	c.tell(ClustersMerged, fmt.Errorf(
		"merged with %scluster %016x by %s; the cluster is %016x "+
			"now", members, other, peer.Addr, c.id))
}

func mergedKey(m wire.Merged) uint64 { return member.Mix(m.New ^ member.Mix(m.Old)) }
