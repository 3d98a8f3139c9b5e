package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
	streams "github.com/starling-gossip/starling/internal/gossip/stream"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// What a process keeps on its disk, as package store does. It is kept in the order of the writes,
// so that a crash loses the last ones and nothing else.

// disk is what one process keeps.
type disk struct {
	log []written
}

// written is a piece, or a mark if its Next is not 0.
type written struct {
	at    gossip.Time
	piece wire.Piece
	mark  streams.Mark
}

// keptEntries is how many are kept at most; the oldest go.
const keptEntries = 20_000

// keep writes what a node wants kept.
func (p *proc) keep(now gossip.Time, out *gossip.Outbox) {
	if len(out.Pieces)+len(out.Marks) == 0 {
		return
	}
	for _, x := range out.Pieces {
		p.disk.log = append(p.disk.log, written{at: now, piece: x})
	}
	for _, m := range out.Marks {
		p.disk.log = append(p.disk.log, written{at: now, mark: m})
	}
	if over := len(p.disk.log) - keptEntries; over > keptEntries/4 {
		p.disk.log = slices.Delete(p.disk.log, 0, over)
	}
}

// tear loses what a crash keeps from the disk: up to so many of the last writes.
func (p *proc) tear(most int) {
	if n := len(p.disk.log); most > 0 && n > 0 {
		rng := newStream(p.w.seed, 8, uint64(p.index), uint64(p.lives))
		p.disk.log = p.disk.log[:n-min(n, int(rng.Uint64()%uint64(most+1)))]
	}
}

// streamID is one life's stream.
type streamID struct {
	origin     member.ID
	generation uint64
}

// restored returns what is on the disk, for the next start: all marks, and the pieces that are not
// too old.
func (p *proc) restored(age time.Duration) (marks []streams.Mark, pieces []wire.Piece) {
	last := map[streamID]int{}
	for i := range p.disk.log {
		x := &p.disk.log[i]
		switch {
		case x.mark.Next > 0:
			id := streamID{x.mark.Origin, x.mark.Generation}
			if k, ok := last[id]; ok {
				marks[k] = x.mark
				continue
			}
			last[id] = len(marks)
			marks = append(marks, x.mark)
		case p.w.now.Sub(x.at) < age:
			pieces = append(pieces, x.piece)
		}
	}
	slices.SortStableFunc(pieces, func(a, b wire.Piece) int {
		return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Generation, b.Generation),
			cmp.Compare(a.Seq, b.Seq))
	})
	return marks, pieces
}

// restore gives a node back what its former life kept, and tells how far each stream was delivered.
func (p *proc) restore(now gossip.Time, s *shard) error {
	marks, pieces := p.restored(cmp.Or(p.config.Streams.Age, time.Minute))
	for _, m := range marks {
		p.w.rec.take(&Obs{At: now, Kind: Restored, Node: p.index, host: p.host.index,
			Member: p.w.memberOf(m.Origin),
			After:  Holding{Gen: wire.LifeOf(m.Generation)}, Seq: m.Seq,
			Bulk: m.Generation&wire.Bulk > 0})
	}
	return p.node.Do(p.clock(now), gossip.Restore{Marks: slices.Values(marks),
		Pieces: slices.Values(pieces)}, &s.out)
}
