package state

import (
	"cmp"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// receiveDigest sends what the sender of a digest lacks, and tells it what this node lacks itself,
// if it wants to know.
func (x *exchange) receiveDigest(now mono.Time, from member.Member, body []byte) bool {
	d, marks, ok := wire.ReadKeyDigest(body)
	if !ok {
		return false
	}
	wait := x.answer[:0]
	back := x.digests.begin(0, false)
	n := 0
	for k, ok := marks.Next(); ok; k, ok = marks.Next() {
		m, known := x.host.Table().Get(k.Owner)
		if !known || m.Instance() != k.Instance {
			continue
		}
		n++
		o := x.known.owner(k.Owner)
		switch {
		case k.Owner == x.host.Self() && (o == nil || o.version < k.Version):
			x.own.twin(now, k.Instance, k.Version)
		case o != nil && o.version > k.Version && !(d.Reply && x.fresh(now, o)):
			if k.Floor > o.version {
				continue // it builds a map that is later than this
			}
			x.known.adopt(o, k.Floor)
			p := position{from: k.Version, floor: k.Floor, part: k.Part, offset: int(k.Offset)}
			wait = append(wait, pending{owner: o.id, position: p, end: d.End})
		case d.Reply && (o == nil || o.version < k.Version):
			back = x.digests.mark(now, from, back, &m)
			// this or the answer may be lost
			x.asks.add(now.Add(answerWait), ask{owner: k.Owner, peer: from.ID})
		case d.Reply && o != nil && o.version > 0 && o.version == k.Version && k.Floor <= k.Version:
			x.suspect(now, o)
		}
	}
	if d.Reply {
		x.answered(from.ID)
		x.told(2 * n)
	}
	x.digests.end(now, from, back)
	x.answer = wait
	x.serve(now, from)
	return !marks.Malformed()
}

// serve sends what x.answer names: the stalest first (Scuttlebutt's scuttle-depth), each owner as
// much as fits a datagram in turn. What does not fit the answer is named, so that the peer asks for
// it; but not while the budget for its zone is spent, or questions and names alone would keep it
// so.
func (x *exchange) serve(now mono.Time, to member.Member) {
	wait := x.answer
	slices.SortStableFunc(wait, func(a, b pending) int {
		return cmp.Compare(x.gapOf(b), x.gapOf(a))
	})
	for range maxAnswer {
		if len(wait) == 0 || !x.budget.Ready(now) {
			break
		}
		wait = x.packer.pack(now, wait, -1)
		if x.send(now, to, x.buf) == 0 {
			wait = wait[:0]
			break
		}
		x.stats.Served++
	}
	if len(wait) > 0 {
		end := wait[0].end
		b := wire.BeginDeltas(x.buf[:0], end)
		for _, p := range wait {
			if o := x.known.owner(p.owner); o != nil && len(b)+wire.MaxDelta <= x.host.Room() {
				b = wire.AppendDelta(b, &wire.Delta{Owner: o.id, Instance: o.instance,
					Floor: p.floor, From: p.from, To: p.from, More: true})
			}
		}
		x.buf = wire.EndDeltas(b, 0)
		x.send(now, to, x.buf)
	}
	x.answer = wait[:0]
}

func (x *exchange) gapOf(p pending) uint64 {
	if o := x.known.owner(p.owner); o != nil && o.version > p.from {
		return o.version - p.from
	}
	return 0
}

// suspect notes that a peer holds something else at the same version: the owner is asked to tell
// all.
func (x *exchange) suspect(now mono.Time, o *owner) {
	switch {
	case o.id == x.host.Self() || now.Sub(o.changed) < doubtAfter:
	case !o.doubt && o.doubted > 0 && now.Sub(o.doubted) < doubtPause:
	default:
		o.doubt, o.doubted = true, now
		x.asks.ask(now, o, o.id, 0, false)
	}
}
