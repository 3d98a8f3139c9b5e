package stream

import (
	"cmp"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// stream is what one member publishes in one life, as this node has it.
type stream struct {
	origin     member.ID
	generation uint64

	met    bool // it was known before, and let go
	begun  bool // it is decided where it begins for this node; until then nothing is delivered
	lately bool // used since the hand passed
	gone   bool // let go: what still points here leads nowhere

	next   uint64 // the first piece that is neither delivered nor passed over
	solid  uint64 // the first one from next on that is not held
	top    uint64 // the last one that was here or lies before where the stream began
	head   uint64 // the last one that somebody says there is; at least top
	low    uint64 // the first one that is held, if any is
	from   uint64 // where it began for this node's programs
	middle bool   // that may be in the middle of a message
	// of this node's own: the first one that is not on its way to anybody yet; 0: all are
	late   uint64
	held   int
	recent uint64 // pieces that came since a newcomer was let in, while that is counted
	shelf

	// of the last message delivered or passed over; 0 too if the stream began in the middle
	seq uint64
	// the first of the pieces that were passed over and not told as lost yet; 0: there are none
	hole uint64

	lost []wire.Run // that were passed over, in order: the last ones, see maxLost

	holeSeq uint64    // the last message of that hole, 0 if nobody here knows
	ending  bool      // it is among those whose last message is here in part
	stopped mono.Time // the rest of it is asked for then

	former   uint8     // answers that it waits for: of whether there is more of an earlier life
	formerBy mono.Time // and until then

	fresh   bool // it was heard of in a reunion, and is to be passed on when all of it is here
	passing bool // it is among those to be passed on

	tell   uint8     // so many times its head is to be told yet
	queued bool      // it is among those to be told
	repair *repair   // nil while nothing is missing
	deaf   mono.Time // claims of more are not believed before
}

func (st *stream) compare(origin member.ID, generation uint64) int {
	return cmp.Or(cmp.Compare(st.origin, origin), cmp.Compare(st.generation, generation))
}

// lowest returns the first piece that is held, or the one after the last.
func (st *stream) lowest() uint64 {
	if st.held > 0 {
		return st.low
	}
	return st.highest() + 1
}

// highest returns the last piece of the stream that this node knows of.
func (st *stream) highest() uint64 { return max(st.top, st.next-1) }

// asHead is what others are told. What is not on its way yet is not told of: they would ask for it,
// each for itself.
func (st *stream) asHead() wire.Head {
	h := wire.Head{Origin: st.origin, Generation: st.generation, Low: st.lowest(),
		High: st.highest()}
	if st.late > 0 {
		h.High = st.late - 1
		h.Low = min(h.Low, st.late)
	}
	return h
}

// told returns the first piece that is neither delivered nor told as lost.
func (st *stream) told() uint64 {
	if st.hole > 0 {
		return st.hole
	}
	return st.next
}

// item is the stream's part of the hash over all heads.
func (st *stream) item() uint64 {
	top := st.top
	if st.late > 0 {
		top = st.late - 1
	}
	if st.held == 0 || top < st.low {
		return 0
	}
	return member.Mix(uint64(st.origin) + member.Mix(st.generation+member.Mix(top)))
}

func (s *Streams) search(origin member.ID, generation uint64) (int, bool) {
	return slices.BinarySearchFunc(s.list, origin,
		func(st *stream, _ member.ID) int { return st.compare(origin, generation) })
}

// find returns a stream, nil if it is not known.
func (s *Streams) find(origin member.ID, generation uint64) *stream {
	if st := s.last; st != nil && st.compare(origin, generation) == 0 {
		return st
	}
	i, ok := s.search(origin, generation)
	if !ok {
		return nil
	}
	s.last = s.list[i]
	return s.last
}

// lives returns where the streams of one origin stand in the list.
func (s *Streams) lives(origin member.ID) (from, to int) {
	from, _ = s.search(origin, 0)
	for to = from; to < len(s.list) && s.list[to].origin == origin; {
		to++
	}
	return from, to
}

// add makes a stream that is not known yet. It returns nil if the stream is not taken in: its
// generation is not believed, or older than all of the MaxLives that are known of its origin.
func (s *Streams) add(origin member.ID, generation uint64) *stream {
	if origin == 0 || generation > member.MaxGeneration {
		return nil
	}
	from, to := s.lives(origin)
	if to-from >= MaxLives {
		if generation < s.list[from].generation || s.list[from] == s.own {
			return nil
		}
		s.remove(from)
	}
	if len(s.list) >= MaxStreams {
		s.remove(s.victim())
	}
	st := &stream{origin: origin, generation: generation, lately: true, begun: true}
	st.resume(1, 0)
	if m, ok := s.marks.Take(life{origin, generation}); ok {
		st.resume(m.next, m.seq)
		st.met = true
	}
	i, _ := s.search(origin, generation)
	s.list = slices.Insert(s.list, i, st)
	return st
}

// resume has a stream of which nothing is held go on at a piece. seq is the last message before it.
func (st *stream) resume(next, seq uint64) {
	st.next, st.solid, st.top, st.head, st.seq = next, next, next-1, next-1, seq
	st.from = next
}

// victim returns the stream that makes way for another (second chance, Corbató 1969). The own one
// stays.
func (s *Streams) victim() int {
	for {
		s.hand = (s.hand + 1) % len(s.list)
		st := s.list[s.hand]
		if !st.lately && st != s.own {
			return s.hand
		}
		st.lately = false
	}
}

// remove lets a stream go, with all that is held of it. How far it was delivered stays known.
func (s *Streams) remove(i int) {
	st := s.list[i]
	if next := st.told(); st.begun && next > 1 {
		s.marks.Put(life{st.origin, st.generation}, mark{next, st.seq})
	}
	for st.held > 0 {
		s.drop(st, st.low)
	}
	st.gone = true
	s.endRepair(st)
	s.list = slices.Delete(s.list, i, i+1)
	if s.last == st {
		s.last = nil
	}
	if s.own == st {
		s.own = nil
	}
}

// Forget lets go of all streams of a member that the node has forgotten.
func (s *Streams) Forget(_ mono.Time, origin member.ID) {
	for {
		from, to := s.lives(origin)
		if from == to {
			return
		}
		s.remove(from)
	}
}
