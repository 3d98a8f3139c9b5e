package stream

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// intake is what comes from others: pieces, and words of how far they have a stream.
type intake struct {
	core
	retention *retention
	arrival   *arrival
	former    *former

	strange bool // a head was passed over since its origin is not known
}

// Take takes in a piece that came from another node, and says whether it is new. It copies the
// body. A piece that is not new may have been here before (see Knows) or be refused: it is of a
// stream that is not taken in, malformed, or more than Ahead beyond what is delivered. A refused
// piece is not held, and will be pulled when its time comes.
func (in *intake) Take(now mono.Time, p wire.Piece) (fresh bool) {
	st := in.known.find(p.Origin, p.Generation)
	if st == nil {
		if _, ok := readPart(p.Body); !ok {
			in.stats.Malformed++
			return false
		}
		if st = in.meet(now, p.Origin, p.Generation, p.Seq); st == nil {
			in.stats.Refused++
			return false
		}
	}
	return in.take(now, st, p.Seq, p.Body, true)
}

// take takes in a piece. by itself says that it was not asked for.
func (in *intake) take(now mono.Time, st *stream, seq uint64, body []byte,
	byItself bool) (fresh bool) {
	st.lately = true
	own := in.isOwn(st.origin, st.generation) // that of a former generation is like any other's
	switch {
	case seq < st.next || own || st.get(seq) != nil:
		in.stats.Duplicates++
		if own {
			in.known.twin(now, st.generation, seq)
		}
		return false
	case seq-st.next >= Ahead:
		in.stats.Beyond++
		in.gaps.claimed(now, st, st.next+Ahead-1)
		return false
	}
	p, ok := readPart(body)
	if !ok {
		in.stats.Malformed++
		return false
	}
	kept := make([]byte, len(body))
	copy(kept, body)
	in.known.hold(now, st, seq, kept)
	if p.after > 0 {
		in.small(now, st, p.after)
	}
	st.widen(seq, &p)
	in.order.deliver(now, st, false)
	in.gaps.missing(now, st, byItself)
	in.retention.retain(now)
	return true
}

// small takes in that a large message comes after small ones.
func (in *intake) small(now mono.Time, bulk *stream, last uint64) {
	st := in.known.find(bulk.origin, bulk.life())
	if st == nil {
		st = in.meet(now, bulk.origin, bulk.life(), last)
	}
	if st != nil && last > st.head {
		in.gaps.claimed(now, st, last)
	}
}

// hear takes in how far a member has a stream. It returns the stream if that was more than is known
// here.
func (in *intake) hear(now mono.Time, from member.Member, h wire.Head) (news *stream) {
	if in.isOwn(h.Origin, h.Generation) {
		in.known.twin(now, h.Generation, h.High)
		return nil
	}
	st := in.known.find(h.Origin, h.Generation)
	if st == nil {
		_, known := in.host.Table().Get(h.Origin)
		in.strange = in.strange || !known
		if !known || h.High == 0 || in.arrival.newcomer {
			return nil
		}
		if st = in.meet(now, h.Origin, h.Generation, h.High); st == nil {
			return nil
		}
	}
	if h.High <= st.head && st.repair == nil {
		return nil
	}
	st.lately = true
	if in.gaps.claimed(now, st, h.High) {
		news = st
	}
	if st.repair != nil {
		st.repair.hear(from.ID, h.Low, h.High)
	}
	return news
}

// meet makes a stream that was not known, of which a piece was heard. A newcomer that does not know
// yet where it begins keeps what comes until it does.
func (in *intake) meet(now mono.Time, origin member.ID, generation, seq uint64) *stream {
	if in.isOwn(origin, generation) {
		in.known.twin(now, generation, seq)
		return nil
	}
	st := in.known.add(origin, generation)
	if st != nil && in.arrival.newcomer && !st.met {
		st.begun = false
		if seq > Ahead/2 {
			st.next = seq - Ahead/2
			st.solid = st.next
		}
	}
	if st != nil && !in.arrival.newcomer {
		in.former.ask(now, st)
	}
	return st
}
