package multicast

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Receipts. Having a parcel is enough for the tree: it need not be sent there again. For a parcel
// that a publisher waits for it is not: a piece behind a gap has been given to nobody yet, and may
// never be. Such a parcel says so (Branch.Given). A member confirms it when its programs were given
// it, or would be at once; one that has it behind a gap says "taken", which ends the sending, and
// owes the confirmation. One that was passed over never pays. One that came later than the parcel
// says "void" and is counted neither here nor there.

// debts are the confirmations that this node owes.
type debts struct {
	core
	ends  *ends
	list  []debt
	moved bool // something was given since they were gone through
}

// debt is a confirmation that a parent waits for, or the leg of a job of this node's own duty.
type debt struct {
	b     wire.Branch
	to    parent // nobody: the job's first leg
	job   int32
	stamp uint32
}

// account answers for this node alone.
func (s *debts) account(now mono.Time, p parent, b *wire.Branch) {
	v := s.parcels.standing(b)
	if v == wire.DutyTaken {
		s.owe(debt{b: *b, to: p, job: -1})
	}
	s.outbox.confirm(now, p, b, v)
}

// owe remembers a confirmation until it can be given. The oldest makes way: its parent asks again.
func (s *debts) owe(d debt) {
	s.list = slices.DeleteFunc(s.list, func(o debt) bool {
		return o.job == d.job && o.to.peer.ID == d.to.peer.ID && o.b.Instance() == d.b.Instance() &&
			o.b.First == d.b.First && o.b.Span == d.b.Span
	})
	if len(s.list) == maxDebts {
		s.list = slices.Delete(s.list, 0, 1)
	}
	s.list = append(s.list, d)
}

// Moved tells that this node's programs were given something, or that something was passed over.
func (s *debts) Moved() { s.moved = true }

// settle pays the debts that can be paid by now.
func (s *debts) settle(now mono.Time) {
	if !s.moved {
		return
	}
	s.moved = false
	kept := s.list[:0]
	for i := range s.list {
		d := &s.list[i]
		switch v := s.parcels.standing(&d.b); {
		case d.job >= 0 && (!s.duties.jobs[d.job].used || s.duties.jobs[d.job].stamp != d.stamp):
			// it was closed without
		case v == wire.DutyTaken:
			kept = append(kept, *d)
		case v == wire.DutyLacks: // the stream is forgotten
		case d.job < 0:
			s.outbox.confirm(now, d.to, &d.b, v)
		case v == wire.DutyDone:
			j := &s.duties.jobs[d.job]
			if j.end(&j.legs[0], 1, nil); j.open == 0 {
				s.ends.finish(now, d.job)
			}
		}
	}
	clear(s.list[len(kept):])
	s.list = kept
}
