package roster

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/flow"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rate"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// This file is what a roster takes from a datagram, and answers to its sender.

// Inbound is what is remembered of the current datagram.
type Inbound struct {
	wanted   []member.ID   // records to ask its sender for
	ends     []wire.Update // to tell it
	hushed   bool          // what is learned now is not spread
	passOver bool          // its records are nobody's here
	forgot   bool          // it had somebody forgotten
	told     bool          // its sender's own record came
}

// Strangers are the types of what is said before the sender is known, or wants to be: a newcomer is
// in, or not yet; a seed wants to see a cookie, or refuses; and what lives at the address of a
// dead member is nobody's concern.
const Strangers = 1<<wire.TypeJoin | 1<<wire.TypeChallenge | 1<<wire.TypeRefuse |
	1<<wire.TypeMistaken | 1<<wire.TypeUnopened

// Records that were not taken are asked for again so often a second, and so many in a row.
const (
	againRate  = 20
	againBurst = 40
)

// farewell is how long a member that left may still be heard of as it goes. One that is heard later
// has come back with the generation that it had.
const farewell = time.Second

// Wanted returns how many records its sender is to be asked for.
func (in *Inbound) Wanted() int { return len(in.wanted) }

// refused says whether its sender's record came and was not taken, and so many were asked for again
// of late that this is not. Under loss asking again helps two of one name to meet.
func (in *Inbound) refused(again *rate.Bucket, now mono.Time) bool {
	if !in.told {
		return false
	}
	if !again.Ready(now) {
		return true
	}
	again.Take(1)
	return false
}

// Hush has the rest of the current datagram not spread: all others know it.
func (in *Inbound) Hush() { in.hushed = true }

// PassOver says whether the records of the current datagram are nobody's here.
func (in *Inbound) PassOver(on bool) { in.passOver = on }

// want remembers to ask the sender of the current datagram for a record.
func (in *Inbound) want(id member.ID) {
	if len(in.wanted) < wire.MaxRequest {
		in.wanted = append(in.wanted, id)
	}
}

// tellEnd has the sender of the current datagram be told how a life ended.
func (in *Inbound) tellEnd(id member.ID, g *grave) {
	if len(in.ends) >= MaxEnds {
		return
	}
	u := wire.Update{ID: id, Check: g.check, Claim: wire.Claim{Generation: g.generation,
		Incarnation: g.inc, State: g.state}}
	if g.state == member.Failed {
		u.Claim.Cause = member.CauseForgotten
	}
	in.ends = append(in.ends, u)
}

// tellEnds tells a peer how lives ended.
func (in *Inbound) tellEnds(f *flow.Flow, peer plane.Peer) {
	start, ok := f.Reply(peer)
	if !ok {
		return
	}
	for i := range in.ends {
		before := len(f.Bytes)
		f.Bytes = wire.AppendUpdate(f.Bytes, &in.ends[i])
		if f.Room(start) < 0 {
			f.Drop(before)
			break
		}
	}
	f.CloseReply(start, peer)
}

// Ask asks the sender of the current datagram for the records that are missing.
func (in *Inbound) Ask(f *flow.Flow, peer plane.Peer) {
	if len(in.wanted) > 0 {
		start := f.Open(peer.Instance)
		f.Bytes = wire.AppendRequest(f.Bytes, in.wanted)
		f.Close(start, peer)
	}
}

// BeginDatagram is called before the first message of a datagram.
func (r *Roster) BeginDatagram() {
	r.In = Inbound{wanted: r.In.wanted[:0], ends: r.In.ends[:0]}
}

// Receive takes what is said of members, and says whether it could be read.
func (r *Roster) Receive(peer plane.Peer, t wire.Type, body []byte) (ok bool) {
	switch t {
	case wire.TypeUpdate:
		var u wire.Update
		if u, ok = wire.ReadUpdate(body); ok {
			r.Learn(peer, u.ID, u.Check, &u.Claim, nil)
		}
	case wire.TypeRecord:
		var rec wire.Record
		if rec, ok = wire.ReadRecord(body); ok && !r.In.passOver {
			id := member.IDOf(string(rec.Name))
			r.In.told = r.In.told || id == peer.ID
			r.Learn(peer, id, 0, &rec.Claim, &rec)
		}
	case wire.TypeRequest:
		ok = r.answerRequest(peer, body)
	case wire.TypeEvidence:
		var e wire.Evidence
		if e, ok = wire.ReadEvidence(body); ok {
			r.Verdicts.explain(&e)
		}
	}
	return ok
}

// Meet looks at the sender of a datagram that held messages of some types, a bit each, once they
// are taken in.
func (r *Roster) Meet(h wire.Header, peer plane.Peer, types uint64) {
	switch {
	case types&Strangers == 0:
		r.meet(h, peer, types&(1<<wire.TypeRequest) != 0)
	case types&(1<<wire.TypeMistaken) != 0 && !r.In.passOver:
		r.correct(h, peer)
	}
}

// meet looks at the sender of a datagram. One whose record is unknown is
// asked for it. One that is known in another life is told of that too: of the two, the older life
// must learn that it is over, or that it has a namesake. One that this node holds dead is told, so
// that it can refute. A question is not answered with a question, nor is a record that is not
// taken, but once in a while: two that do not know each other would ask for ever.
func (r *Roster) meet(h wire.Header, peer plane.Peer, asks bool) {
	m, ok := r.table.Get(h.From)
	if (!ok || uint32(m.Generation()) != h.Generation) && !asks && !r.In.refused(&r.again, r.now) {
		r.In.want(h.From)
	}
	switch {
	case !ok:
	case uint32(m.Generation()) != h.Generation:
		r.Note(&m, peer, true)
	case m.State == member.Failed, m.State == member.Left && r.now.Sub(m.Since) > farewell:
		r.Called.Haunted(r.now, m, peer)
		r.Note(&m, peer, false)
	}
}

// correct tells one that answered for a member, in a life before the one that is held here, of that
// later life: its clock went back, and it goes above it. Nobody else may tell it: where few are
// left, none of its former lives is ever failed.
func (r *Roster) correct(h wire.Header, peer plane.Peer) {
	if m, ok := r.table.Get(h.From); ok && uint32(m.Generation()) != h.Generation {
		r.Note(&m, peer, true)
	}
}

// Note tells a member directly what is held of it. It refutes, if it lives, and answers. One whose
// address nobody knows is told which life is known, where, and nothing beside, so that few bytes
// suffice.
func (r *Roster) Note(m *member.Member, peer plane.Peer, full bool) {
	if start, ok := r.flow.Reply(peer); ok {
		if full && r.flow.IsStrange(peer) {
			rec, c := m.Record(), r.News.Claim(m, r.id)
			rec.Tags = ""
			r.flow.Bytes = wire.AppendRecord(r.flow.Bytes, &rec, &c)
		} else {
			r.News.AppendMember(m, full, r.id)
		}
		r.News.AppendFingerprint()
		r.flow.CloseReply(start, peer)
	}
}

// answerRequest sends the records asked for, as many as fit one datagram; one that needs more asks
// again. It says whether the Request could be read.
func (r *Roster) answerRequest(peer plane.Peer, body []byte) (ok bool) {
	start, ready := r.flow.Reply(peer)
	if !ready {
		return wire.ReadRequest(body, func(member.ID) {})
	}
	ok = wire.ReadRequest(body, func(id member.ID) {
		m, ok := r.table.Get(id)
		if !ok || r.Reach.IsStale(r.now, id) {
			return
		}
		before := len(r.flow.Bytes)
		r.News.AppendMember(&m, true, r.id)
		if r.flow.Room(start) < 0 {
			r.flow.Drop(before)
		}
	})
	if r.flow.IsEmpty(start) {
		r.flow.Drop(start)
		return ok
	}
	r.flow.CloseReply(start, peer)
	return ok
}

// EndDatagram answers the sender of the current datagram: how lives ended that it holds for live.
// It says whether that had somebody forgotten here.
func (r *Roster) EndDatagram(peer plane.Peer) (forgot bool) {
	if len(r.In.ends) > 0 {
		r.In.tellEnds(r.flow, peer)
	}
	return r.In.forgot
}
