package stream

import (
	"iter"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Restore takes in what a driver kept of a former run, before anything else comes in: how far
// streams were delivered, and pieces of them, in rising order of each stream's sequence. Nothing
// before a mark is delivered again; what lies after it and is whole is delivered now. A node that
// was restored was there before. So streams that it does not know began while it was away, and
// begin at their first piece, as for all members that were there. Restore returns the last
// generation of this node's own that it finds, 0 if none: the present one has to be later.
func (s *Streams) Restore(now mono.Time, marks iter.Seq[Mark],
	pieces iter.Seq[wire.Piece]) (own uint64) {
	s.arrival.joined = true
	for m := range marks {
		if st := s.add(m.Origin, m.Generation); st != nil && m.Next > 0 {
			st.resume(m.Next, m.Seq)
		}
	}
	for p := range pieces {
		s.restore(now, p)
	}
	for _, st := range s.list {
		s.deliver(now, st, false)
		s.gaps.missing(now, st, true)
	}
	s.retention.retain(now)
	if from, to := s.lives(s.host.Self()); to > from {
		own = s.list[to-1].generation
	}
	return own
}

func (s *Streams) restore(now mono.Time, p wire.Piece) {
	st := s.find(p.Origin, p.Generation)
	if st == nil {
		if st = s.add(p.Origin, p.Generation); st == nil {
			return
		}
	}
	_, ok := readPart(p.Body)
	far := st.held > 0 && max(st.top, p.Seq)-min(st.low, p.Seq) > uint64(2*Ahead+s.cfg.Pieces)
	if !ok || far || st.get(p.Seq) != nil || p.Seq == 0 || p.Seq >= st.next+Ahead {
		return
	}
	s.shelve(now, st, p.Seq, append([]byte(nil), p.Body...))
}
