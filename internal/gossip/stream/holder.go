package stream

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
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

// holders choose the member that is asked for a piece.
type holders struct{ *env }

// holder returns the member to ask for a piece; one of another zone only if abroad is set. If about
// is set, members that denied to have the piece are passed over. Members that let requests time out
// are passed over while there are others, since they may be dead. Once a request brought nothing,
// every second time any other member is asked, also one that denied it. The members that should
// have it may lie, and others may have it by now.
//
// Once a request timed out, members that were heard since it was sent come first. Many others may
// be dead before it is known, and each would cost another time-out.
func (h *holders) holder(st *stream, seq uint64, about, abroad bool) (member.Member, bool) {
	if st.repair.vain > 0 {
		if m, ok := h.heardHolder(st, seq, abroad); ok {
			return m, true
		}
	}
	m, ok := h.holderNow(st, seq, about, abroad)
	if r := st.repair; !ok && r.mute != [maxMute]member.ID{} {
		r.mute = [maxMute]member.ID{}
		return h.holderNow(st, seq, about, abroad)
	}
	return m, ok
}

func (h *holders) holderNow(st *stream, seq uint64, about, abroad bool) (member.Member, bool) {
	r, t := st.repair, h.host.Table()
	var not []member.ID
	if about {
		not = r.denied
	}
	if r.slow > 0 && h.host.Rand().IntN(2) == 0 {
		if m, ok := h.pick(abroad, nil, r.mute[:], 0); ok {
			return m, true
		}
	}
	if about && len(r.denied) >= firstDenied && h.originLives(st) &&
		!slices.Contains(r.denied, st.origin) && !slices.Contains(r.mute[:], st.origin) {
		if m, ok := t.Get(st.origin); abroad || h.isNear(&m) {
			return m, ok
		}
	}
	if m, ok := h.teller(st, seq, abroad, r.mute[:], 0); ok {
		return m, true
	}
	return h.pick(abroad, not, r.mute[:], 0)
}

// heardHolder is holderNow among those that were heard since the last request that timed out was
// sent. Members that said nothing of it are asked only for the first missing piece, which they can
// deny. Otherwise they would be asked before those that said that they have it, again and again.
// Where none is left, members that let a request time out before are asked, after every second
// request in vain: the way to them may be back.
func (h *holders) heardHolder(st *stream, seq uint64, abroad bool) (member.Member, bool) {
	r, first := st.repair, seq == st.solid
	m, ok := h.teller(st, seq, abroad, r.mute[:], r.vain)
	if !ok && first {
		m, ok = h.pick(abroad, r.denied, r.mute[:], r.vain)
	}
	if ok || r.muteAt%2 == 0 {
		return m, ok
	}
	if m, ok = h.teller(st, seq, abroad, nil, r.vain); !ok && first {
		m, ok = h.pick(abroad, r.denied, nil, r.vain)
	}
	return m, ok
}

// teller returns a member that is said to have a piece and was heard since some time. Mute members
// are passed over.
func (h *holders) teller(st *stream, seq uint64, abroad bool, mute []member.ID,
	since mono.Time) (member.Member, bool) {
	r, t := st.repair, h.host.Table()
	at := h.host.Rand().IntN(maxTellers)
	for i := range maxTellers {
		c := r.tellers[(at+i)%maxTellers]
		if c.id == 0 || seq < c.low || seq > c.high || slices.Contains(r.denied, c.id) ||
			slices.Contains(mute, c.id) ||
			since > 0 && h.host.Heard(c.id) < since {
			continue
		}
		if m, ok := t.Get(c.id); ok && m.State.Live() && len(r.requests) < 2 &&
			(abroad || h.isNear(&m)) {
			return m, true
		}
	}
	return member.Member{}, false
}

// blind says whether nobody that can be asked is said to have the first missing piece of a stream:
// its origin is, and a member that claims it.
func (h *holders) blind(st *stream) bool {
	r := st.repair
	if h.originLives(st) && !slices.Contains(r.denied, st.origin) {
		return false
	}
	return !slices.ContainsFunc(r.tellers[:], func(c claim) bool {
		m, ok := h.host.Table().Get(c.id)
		return ok && m.State.Live() && c.low <= r.missing && r.missing <= c.high &&
			!slices.Contains(r.denied, c.id)
	})
}

// abroad says whether this node asks members of other zones for a missing piece, too.
func (h *holders) abroad(now mono.Time, st *stream, seq uint64) bool {
	near := uint64(len(h.host.OwnZone()))
	every := moreAskers
	if h.host.Tight() {
		every = tightAskers
	}
	step := min(uint64(max(now.Sub(st.repair.since), 0)/every), 32)
	if askers<<step >= near {
		return true
	}
	at := member.Mix(uint64(h.host.Self()) +
		member.Mix(st.generation+member.Mix(uint64(st.origin)+member.Mix(seq>>stretchBits))))
	return at%near < askers<<step
}

// pick draws a member to ask, of this node's zone or of all, that was heard since some time.
// Members in not and mute are passed over.
func (h *holders) pick(abroad bool, not, mute []member.ID, since mono.Time) (member.Member, bool) {
	t, near := h.host.Table(), h.host.OwnZone()
	n := t.Served()
	if !abroad {
		n = len(near)
	}
	at := h.host.Rand().IntN(max(n, 1))
	for i := range min(n, 2*enoughDenied) {
		k := (at + i) % n
		id := t.IDAt(k)
		if !abroad {
			id = near[k].ID
		}
		if id != h.host.Self() && !slices.Contains(not, id) && !slices.Contains(mute, id) &&
			(since == 0 || h.host.Heard(id) >= since) {
			if m, ok := t.Get(id); !m.OutOfFamily {
				return m, ok
			}
		}
	}
	return member.Member{}, false
}
