package multicast

import (
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// starts begins duties.
type starts struct {
	core
	tree  *tree
	debts *debts
}

// begin takes a duty, and sends its first legs.
func (s *starts) begin(now mono.Time, b *wire.Branch, offerOnly bool) int32 {
	i := s.duties.enter(b)
	s.open(now, i, offerOnly)
	return i
}

// open makes the legs of a job that has none, and sends them.
func (s *starts) open(now mono.Time, i int32, offerOnly bool) {
	j := &s.duties.jobs[i]
	if j.Given {
		s.selfLeg(now, i)
	}
	if j.Bits <= 64 {
		s.tree.divide(now, j, j.Span, offerOnly)
	}
	s.duties.schedule(i, j.due)
}

// selfLeg makes this node a leg of a duty if it was not given the parcel yet.
func (s *starts) selfLeg(now mono.Time, i int32) {
	j := &s.duties.jobs[i]
	v := s.parcels.standing(&j.Branch)
	if v == wire.DutyDone {
		return
	}
	j.owing = true
	self := s.host.Self()
	l := leg{span: wire.Span{Bits: wire.SpanSelf}, id: self, zone: s.self().Zone(),
		state: taken, of: 1}
	if l.due = now.Add(s.paths.work(&l)); v == wire.DutyVoid {
		l.state, l.missing, l.due = done, []member.ID{self}, mono.Never
		j.legs = append(j.legs, l)
		return
	}
	j.legs = append(j.legs, l)
	j.open++
	j.due = min(j.due, l.due)
	s.debts.owe(debt{b: j.Branch, job: i, stamp: j.stamp})
}
