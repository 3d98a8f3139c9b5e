package stream

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Heads ride on probes: a hash over all heads, by which equal views know that they are, and the
// heads that changed lately, each on a few probes. No later piece shows that the tail of a stream
// is lost. A node that lost it hears of it from the next member that it probes, or that probes it.

const (
	tellings = 4 // probes on which a head is told after it changed
	maxTold  = 8 // heads on one probe
)

// tellHead has a head told on the next probes.
func (s *Streams) tellHead(st *stream) {
	st.tell = tellings
	if !st.queued {
		st.queued = true
		s.telling = append(s.telling, st)
	}
}

// AppendHeads adds a Heads message for a probe or its answer, in at most room bytes; nothing if
// nothing is held and nothing changed. A node that is odd tells no hash: each of the others would
// ask for its heads, in vain. It has asked them, and told them what they lack.
func (s *Streams) AppendHeads(b []byte, room int) []byte {
	hushed := s.hash == 0 || s.sync.odd && s.sync.idle.own == s.hash
	if room < wire.HeadsSize || hushed && len(s.telling) == 0 {
		return b
	}
	start := len(b)
	b = wire.BeginHeads(b, s.hash)
	n := min(len(s.telling), maxTold, (room-wire.HeadsSize)/wire.HeadSize)
	for _, st := range s.telling[:n] {
		h := st.asHead()
		b = wire.AppendHead(b, &h)
		st.tell--
	}
	s.rotate(n)
	return wire.EndHeads(b, start)
}

// Probed tells that this node asks somebody for a sign of life, and shows its heads with that. The
// other's come back with the answer. Where most do not answer that is seldom, and a detector that
// misses answers asks ever more seldom: a node that hears nobody's heads for a while asks for them
// by itself.
func (s *Streams) Probed(now mono.Time) {
	switch y := &s.sync; {
	case y.active || y.newcomer || s.hash == 0:
	case y.alone == mono.Never:
		y.alone = now.Add(aloneFor)
		s.at(y.alone)
	default:
		y.missed = now.Add(missedFor)
	}
}

// heardHeads takes in that heads of somebody came. Those that came with the request to ask somebody
// else, which this node has just done, are no answer of that one.
func (s *Streams) heardHeads(now mono.Time) {
	y := &s.sync
	if y.alone == now.Add(aloneFor) {
		return
	}
	if y.alone = mono.Never; now < y.missed {
		y.alone = now.Add(aloneFor)
		s.at(y.alone)
	}
}

// rotate puts the first n of those to be told at the end, or takes them out if they were told often
// enough.
func (s *Streams) rotate(n int) {
	var again [maxTold]*stream
	k := 0
	for _, st := range s.telling[:n] {
		if st.tell > 0 && !st.gone {
			again[k] = st
			k++
		} else {
			st.queued = false
		}
	}
	rest := copy(s.telling, s.telling[n:])
	copy(s.telling[rest:], again[:k])
	clear(s.telling[rest+k:])
	s.telling = s.telling[:rest+k]
	if len(s.telling) == 0 {
		s.telling = nil
	}
}

func (s *Streams) receiveHeads(now mono.Time, from member.Member, body []byte) bool {
	hash, heads, ok := wire.ReadHeads(body)
	if !ok {
		return false
	}
	for range maxTold {
		h, ok := heads.Next()
		if !ok {
			break
		}
		s.hear(now, from, h)
	}
	s.compareHash(now, from, hash)
	return !heads.Malformed()
}

// hear takes in how far a member has a stream. It returns the stream if that was more than is known
// here.
func (s *Streams) hear(now mono.Time, from member.Member, h wire.Head) (news *stream) {
	if s.isOwn(h.Origin, h.Generation) {
		s.twin(now, h.High)
		return nil
	}
	st := s.find(h.Origin, h.Generation)
	if st == nil {
		_, known := s.host.Table().Get(h.Origin)
		s.sync.strange = s.sync.strange || !known
		if !known || h.High == 0 || s.sync.newcomer {
			return nil
		}
		if st = s.meet(now, h.Origin, h.Generation, h.High); st == nil {
			return nil
		}
	}
	if h.High <= st.head && st.repair == nil {
		return nil
	}
	st.lately = true
	if s.claimed(now, st, h.High) {
		news = st
	}
	if st.repair != nil {
		st.repair.hear(from.ID, h.Low, h.High)
	}
	return news
}

// meet makes a stream that was not known, of which a piece was heard. A newcomer that does not know
// yet where it begins keeps what comes until it does.
func (s *Streams) meet(now mono.Time, origin member.ID, generation, seq uint64) *stream {
	if s.isOwn(origin, generation) {
		s.twin(now, seq)
		return nil
	}
	st := s.add(origin, generation)
	if st != nil && s.sync.newcomer && !st.met {
		st.begun = false
		if seq > Ahead/2 {
			st.next = seq - Ahead/2
			st.solid = st.next
		}
	}
	if st != nil && !s.sync.newcomer {
		s.askFormer(now, st)
	}
	return st
}

// claimed takes in that somebody says that a stream goes up to some piece, and says whether that is
// news.
func (s *Streams) claimed(now mono.Time, st *stream, high uint64) bool {
	high = min(high, st.next+Ahead-1)
	if high <= st.head || s.deafTo(now, st) {
		return false
	}
	st.head = high
	s.missing(now, st, false)
	return true
}
