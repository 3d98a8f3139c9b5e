package state

import (
	"cmp"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Receive takes a message about keys from a live member, and says whether it could be read.
func (s *Store) Receive(now mono.Time, sender plane.Sender, t wire.Type, body []byte) (ok bool) {
	from := sender.Member
	s.catchUp(now)
	switch t {
	case wire.TypeKeySketch:
		ok = s.receiveSketch(now, from, body)
	case wire.TypeKeyDigest:
		ok = s.receiveDigest(now, from, body)
	case wire.TypeDeltas:
		ok = s.takeDeltas(now, from.ID, body)
	}
	if !ok {
		s.stats.Malformed++
	}
	return ok
}

// receiveDigest sends what the sender of a digest lacks, and tells it what this node lacks itself,
// if it wants to know.
func (s *Store) receiveDigest(now mono.Time, from member.Member, body []byte) bool {
	d, marks, ok := wire.ReadKeyDigest(body)
	if !ok {
		return false
	}
	wait := s.answer[:0]
	back := s.digest(0, false)
	n := 0
	for k, ok := marks.Next(); ok; k, ok = marks.Next() {
		m, known := s.host.Table().Get(k.Owner)
		if !known || m.Instance() != k.Instance {
			continue
		}
		n++
		o := s.owner(k.Owner)
		switch {
		case k.Owner == s.host.Self() && (o == nil || o.version < k.Version):
			s.twin(now, k.Instance, k.Version)
		case o != nil && o.version > k.Version && !(d.Reply && s.fresh(now, o)):
			if k.Floor > o.version {
				continue // it builds a map that is later than this
			}
			s.adopt(o, k.Floor)
			p := position{from: k.Version, floor: k.Floor, part: k.Part, offset: int(k.Offset)}
			wait = append(wait, pending{owner: o.id, position: p, end: d.End})
		case d.Reply && (o == nil || o.version < k.Version):
			back = s.mark(now, from, back, &m)
			// this or the answer may be lost
			s.askAt(now.Add(answerWait), ask{owner: k.Owner, peer: from.ID})
		case d.Reply && o != nil && o.version > 0 && o.version == k.Version && k.Floor <= k.Version:
			s.suspect(now, o)
		}
	}
	if d.Reply {
		s.repair.answered(from.ID)
		s.told(2 * n)
	}
	s.sendMarks(now, from, back)
	s.answer = wait
	s.serve(now, from)
	return !marks.Malformed()
}

// serve sends what s.answer names: the stalest first (Scuttlebutt's scuttle-depth), each owner as
// much as fits a datagram in turn. What does not fit the answer is named, so that the peer asks for
// it; but not while the budget for its zone is spent, or questions and names alone would keep it
// so.
func (s *Store) serve(now mono.Time, to member.Member) {
	wait := s.answer
	slices.SortStableFunc(wait, func(a, b pending) int {
		return cmp.Compare(s.gapOf(b),
			s.gapOf(a))
	})
	for range maxAnswer {
		if len(wait) == 0 || !s.budget.Ready(now) {
			break
		}
		wait = s.pack(now, wait, -1)
		if s.send(now, to, s.buf) == 0 {
			wait = wait[:0]
			break
		}
		s.stats.Served++
	}
	if len(wait) > 0 {
		end := wait[0].end
		b := wire.BeginDeltas(s.buf[:0], end)
		for _, p := range wait {
			if o := s.owner(p.owner); o != nil && len(b)+wire.MaxDelta <= s.host.Room() {
				b = wire.AppendDelta(b, &wire.Delta{Owner: o.id, Instance: o.instance,
					Floor: p.floor, From: p.from, To: p.from, More: true})
			}
		}
		s.buf = wire.EndDeltas(b, 0)
		s.send(now, to, s.buf)
	}
	s.answer = wait[:0]
}

func (s *Store) gapOf(p pending) uint64 {
	if o := s.owner(p.owner); o != nil && o.version > p.from {
		return o.version - p.from
	}
	return 0
}
