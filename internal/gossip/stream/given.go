package stream

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// maxLost is how many runs of lost pieces are remembered of a stream. Beyond them the two oldest
// become one: what lies between them counts as lost, so that no receipt says too much.
const maxLost = 4

// Given says how a piece stands with this node's programs. DutyDone: they were given it, or it is
// held in order, so that they will be as soon as its message is whole. DutyTaken: something before
// it is missing, or it was passed over. DutyLacks: it is not here. DutyVoid: it is from before this
// node's time.
func (s *Streams) Given(origin member.ID, generation, seq uint64) wire.Verdict {
	st := s.find(origin, generation)
	switch {
	case st == nil || seq >= st.next && st.get(seq) == nil:
		return wire.DutyLacks
	case !st.begun:
		return wire.DutyTaken
	case seq < st.from:
		return wire.DutyVoid
	case seq < st.next && !st.wasLost(seq), seq >= st.next && seq < st.solid && !s.waits(st):
		return wire.DutyDone
	}
	return wire.DutyTaken
}

// noteLost remembers what is passed over.
func (st *stream) noteLost(run wire.Run) {
	n := len(st.lost)
	switch {
	case n > 0 && st.lost[n-1].To+1 == run.From:
		st.lost[n-1].To = run.To
		return
	case n == maxLost:
		st.lost[1].From = st.lost[0].From
		st.lost = slices.Delete(st.lost, 0, 1)
	}
	st.lost = append(st.lost, run)
}

func (st *stream) wasLost(seq uint64) bool {
	return slices.ContainsFunc(st.lost, func(r wire.Run) bool {
		return r.From <= seq &&
			seq <= r.To
	})
}

// MessageOf returns the number of the message that a piece is of, 0 if the piece is not held.
func (s *Streams) MessageOf(origin member.ID, generation, seq uint64) uint64 {
	body, ok := s.Body(origin, generation, seq)
	if !ok {
		return 0
	}
	p, _ := readPart(body)
	return p.seq
}
