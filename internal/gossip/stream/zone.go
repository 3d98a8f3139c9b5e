package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
)

// Where missing pieces are asked for if there are several zones. What a zone lacks, all its members
// lack. If each asked another zone for it, that would cost as many copies as the zone has members.
// So they ask each other. For each stretch of a stream a few of them, chosen by a hash, ask the
// other zones too, and twice as many each time that some time has passed. So there is no election,
// and a dead one costs a moment. In SRM each waits by its distance, and hears others ask (Floyd et
// al. 1995).

const (
	// of a zone's members that ask other zones at first, in the mean
	askers     = 2
	moreAskers = 100 * time.Millisecond // after which there are twice as many
	// the same while a budget holds up what they ask for: more would ask for the same
	tightAskers = 5 * time.Second
	stretchBits = 6 // 64 pieces
)

// abroad says whether this node asks members of other zones for a missing piece, too.
func (s *Streams) abroad(now mono.Time, st *stream, seq uint64) bool {
	near := uint64(len(s.host.Near()))
	every := moreAskers
	if s.host.Tight() {
		every = tightAskers
	}
	step := min(uint64(max(now.Sub(st.repair.since), 0)/every), 32)
	if askers<<step >= near {
		return true
	}
	h := member.Mix(uint64(s.host.Self()) +
		member.Mix(st.generation+member.Mix(uint64(st.origin)+member.Mix(seq>>stretchBits))))
	return h%near < askers<<step
}

// pick draws a member to ask, of this node's zone or of all, that was heard since some time.
// Members in not and mute are passed over.
func (s *Streams) pick(abroad bool, not, mute []member.ID, since mono.Time) (member.Member, bool) {
	t, near := s.host.Table(), s.host.Near()
	n := t.Served()
	if !abroad {
		n = len(near)
	}
	at := s.host.Rand().IntN(max(n, 1))
	for i := range min(n, 2*enoughDenied) {
		k := (at + i) % n
		id := t.IDAt(k)
		if !abroad {
			id = near[k].ID
		}
		if id != s.host.Self() && !slices.Contains(not, id) && !slices.Contains(mute, id) &&
			(since == 0 || s.host.Heard(id) >= since) {
			if m, ok := t.Get(id); !m.OutOfFamily {
				return m, ok
			}
		}
	}
	return member.Member{}, false
}

// isNear says whether a member is of this node's zone, or of the only one.
func (s *Streams) isNear(m *member.Member) bool {
	near := s.host.Near()
	return len(near) == 0 || topology.PlaceOf(m).Zone() == near[0].Zone()
}
