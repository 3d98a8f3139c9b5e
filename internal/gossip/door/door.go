// Package door is a node's way in and out: its seeds and the welcome, letting others in or refusing
// them, which cluster it is of, what becomes of two nodes with one name, and the leave.
//
// It is a plane: it speaks with its like at other nodes, before one of the two is a member. What it
// learns of members it hands to the roster, which it knows as it is; of the node's other parts it
// knows what Parts has.
package door

import (
	"math/rand/v2"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/roster"
)

// Door is where a node stands between its start and its end.
type Door struct {
	plane.None
	*common
	cluster
	names
	seeds seeds
	porch porch

	next  mono.Time // when the seeds are dialled again
	pause time.Duration
	tries int       // with this pause
	hasty mono.Time // until when pauses stay short
	// when the last round of dialling seeds that are no members began; 0: the next dial begins one
	round    mono.Time
	seen     Sight
	host     bool          // it is in since it let another one in, and no seed has let it in yet
	deaf     bool          // after a long sleep, until the old datagrams that wait are read
	greeted  plane.Peer    // that said welcome in the current datagram
	greeting uint32        // how many members it knew
	took     time.Duration // from the Join that showed its cookie to that
	inside   bool          // this node was in its cluster before
	alone    bool          // this node is the first of its cluster
	draining bool          // it leaves once what it published is out
	drained  mono.Time     // when it leaves in any case
	late     error         // what was not out when it left
	gone     mono.Time     // when leaving ends
	unlike   []Unlike      // settings in which others differ
}

// New returns the door of a node that starts. proof is for numbers that nobody may guess.
func New(c Setup, r *roster.Roster, f *flow.Flow, rng, proof *rand.Rand) *Door {
	b := &common{cfg: c, settings: c.Settings.Hashes(), roster: r, flow: f, rng: rng, proof: proof}
	d := &Door{common: b, next: mono.Never, pause: c.JoinRetry}
	d.seeds.common, d.cluster.common = b, b
	d.porch = porch{common: b, cluster: &d.cluster,
		guests: marks.Table[member.ID, welcomed]{Max: maxGuests}}
	d.names = names{common: b, porch: &d.porch}
	d.cluster.id = c.ClusterID
	return d
}

// Start asks for seeds.
func (d *Door) Start(now mono.Time, p Parts) {
	d.start, d.now, d.Parts = now, now, p
	d.porch.welcomes = rate.Full(welcomeRate, 2*welcomeRate, now)
	d.tell(SeedsWanted, nil)
}

// Deadline is when the seeds are dialled, or a leave ends.
func (d *Door) Deadline() mono.Time {
	switch {
	case d.leaving:
		return d.gone
	case d.draining:
		return min(d.next, d.drained)
	}
	return d.next
}

// Changed takes in that somebody died: its name is free, and this node may be alone.
func (d *Door) Changed(_ mono.Time, _, after member.Member) {
	if after.State.Live() {
		return
	}
	d.names.free(after.ID)
	if d.roster.Table().Live() == 1 {
		d.Lonely()
	}
}

// Stalled makes up for a gap in which this process stood still. After a long one its table is a
// dream of the past: it comes in anew and learns what there is, so that it brings nobody back that
// the others have forgotten.
func (d *Door) Stalled(_ mono.Time, gap time.Duration) {
	d.Woke(gap)
	if gap > d.cfg.Retention/2 {
		d.rejoin()
	}
}

// Woke notes the end of a sleep or an isolation that others may have taken for this node's end.
func (d *Door) Woke(gap time.Duration) {
	if gap > d.cfg.Grace {
		d.WokeNow()
	}
}

// Parting says whether this node leaves, once what it published is out or at once.
func (d *Door) Parting() bool { return d.leaving || d.draining }

// Deaf says whether what comes in is too old to be read.
func (d *Door) Deaf() bool { return d.deaf }

// Held returns how many seeds, claims to a name and namesakes are remembered.
func (d *Door) Held() (seeds, claims, rivals int) {
	return len(d.seeds.list), len(d.names.claims), len(d.names.rivals)
}

// Seen returns what a seed told last.
func (d *Door) Seen() Sight { return d.seen }
