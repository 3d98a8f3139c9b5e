package roster

import (
	"math"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/rumor"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// OldVerdict is the age from which a second-hand verdict about a member that lives here is not
// believed: it comes from the other side of a partition, or out of a long sleep. The member itself
// is told, and refutes if it can.
const OldVerdict = 10 * time.Second

// MaxLead and MaxFirst bound what is believed. A generation is milliseconds of Unix time. Nobody
// believes one that is more than MaxLead (557 years) above the last that is known of a name, nor
// one above MaxFirst of a name that is not known. So a forged claim leaves the owner room to go
// above it: to reach member.MaxGeneration takes 2^17 claims in a row.
const (
	MaxLead  = 1 << 44
	MaxFirst = 1 << 61
)

// credible says whether the owner of a name whose last generation is known, 0 if none is, could go
// above a claim.
func credible(known uint64, c *wire.Claim) bool {
	if c.Generation >= member.MaxGeneration && c.Incarnation == math.MaxUint32 {
		return false
	}
	return known == 0 && c.Generation <= MaxFirst || known != 0 && c.Generation <= known+MaxLead
}

// Credible says whether a claim about a name is. What a node that is not let in yet knows of its
// own name is no measure: its former life may have had to go far up.
func (r *Roster) Credible(id member.ID, c *wire.Claim) bool {
	if id == r.id && !r.Door.Welcomed() {
		return credible(0, c)
	}
	if m, ok := r.table.Get(id); ok {
		return credible(m.Generation(), c)
	}
	return credible(r.Graves.LastLife(id), c)
}

// Learn weighs a claim about a member, and believes it if it prevails over what the table holds.
// rec is nil if the claim came without its record; check then says which record is meant.
func (r *Roster) Learn(peer plane.Peer, id member.ID, check uint32, c *wire.Claim,
	rec *wire.Record) {
	if !r.Credible(id, c) {
		r.Malformed++
		return
	}
	if id == r.id {
		r.AboutSelf(peer, check, c, rec)
		return
	}
	if c.State == member.Failed && c.Cause == member.CauseForgotten {
		r.toldToForget(peer.ID, id, c)
		return
	}
	if c.State == member.Failed && r.private {
		return
	}
	m, known := r.table.Get(id)
	if !known && r.Buried(peer, id, check, c, rec) {
		r.StaleNews++
		return
	}
	fact, ok := r.factOf(&m, known, id, check, c, rec)
	if !ok {
		return
	}
	fact.Cause = c.Cause
	order := 1
	if known {
		order = m.Compare(fact)
	}
	switch {
	case known && order < 0:
		r.StaleNews++
		r.contradict(&m, c)
	case known && order == 0:
		r.News.members.Heard(uint64(id))
		if c.State == member.Suspect {
			r.accused(m, c.Accuser)
		}
	case known && c.State == member.Failed && m.State.Live() && c.Generation == m.Generation() &&
		time.Duration(c.Age)*time.Second >= OldVerdict:
		r.doubt(&m, c, peer.ID)
	default:
		r.Apply(fact, rec != nil && (!known || m.Handle != fact.Record), c.Accuser,
			time.Duration(c.Age)*time.Second)
	}
}

// contradict tells the sender, which says that a member failed, in a life in which it has refuted
// since: it missed that, and where most is lost the next comparison of tables may be long in
// coming.
func (r *Roster) contradict(m *member.Member, c *wire.Claim) {
	if c.State == member.Failed && m.State.Live() && c.Generation == m.Generation() &&
		!r.In.hushed && len(r.In.ends) < MaxEnds {
		r.In.ends = append(r.In.ends,
			wire.Update{ID: m.ID, Check: m.Check, Claim: r.News.Claim(m, r.id)})
	}
}

// factOf makes a fact of a claim. A claim that is newer than the table but lacks a record that is
// not known either leads to a request. It builds a record only when it needs one, since that
// allocates.
func (r *Roster) factOf(m *member.Member, known bool, id member.ID, check uint32, c *wire.Claim,
	rec *wire.Record) (member.Fact, bool) {
	switch {
	case !known && !c.State.Live():
		return member.Fact{}, false // the death of a stranger is no news
	case known && c.Generation == m.Generation() &&
		(rec == nil && check == m.Check || rec != nil && sameRecord(m, rec)):
		return member.Fact{Record: m.Handle, Incarnation: c.Incarnation, State: c.State}, true
	case known && (c.Generation < m.Generation() || c.Generation == m.Generation() &&
		c.Incarnation < m.Incarnation):
		r.StaleNews++
		return member.Fact{}, false
	case rec == nil:
		r.In.want(id)
		return member.Fact{}, false
	}
	fact, err := rec.Fact()
	if err != nil {
		r.Malformed++
		return member.Fact{}, false
	}
	return fact, true
}

// sameRecord compares without allocating.
func sameRecord(m *member.Member, rec *wire.Record) bool {
	k := m.Handle.Value()
	return k.Generation == rec.Generation && k.Name == string(rec.Name) && k.Addr == rec.Addr &&
		k.Outside == rec.Outside &&
		k.Zone == string(rec.Zone) && string(k.Tags) == string(rec.Tags) &&
		k.Protocol == rec.Protocol
}

// Apply puts a fact that prevails into the table, and tells all that should know: the
// detector, the user, and by way of the queue of news the other members. age is how long ago a
// verdict was reached.
func (r *Roster) Apply(f member.Fact, full bool, accuser member.ID, age time.Duration) {
	before, known, changed, err := r.table.Merge(r.now.Add(-age), f)
	if err != nil {
		r.TableRefused++
		return
	}
	if !changed {
		return
	}
	id := member.IDOf(f.Record.Value().Name)
	after, _ := r.table.Get(id)
	switch {
	case r.In.hushed && id != r.id:
		r.News.members.Drop(uint64(id)) // what waits there is older
	case r.Called.Untold() && id == r.id:
	default:
		r.News.put(rumor.Item{Key: uint64(id), Full: full, Accuser: accuser})
	}
	r.changed(before, after)
	if known {
		r.Verdicts.remember(r.now, &before, &after)
	}
	if after.State == member.Suspect {
		r.Detector.Accused(r.now, after, accuser)
	}
	switch {
	case id != r.id:
		r.tellChange(known, &before, &after)
	case known && before.Check != after.Check && before.Generation() == after.Generation():
		r.Host.Tell(MemberUpdated, after) // one's own tags
	}
}

// changed tells that the table changed.
func (r *Roster) changed(before, after member.Member) {
	r.ring.Changed(before, after)
	if after.ID != r.id && after.State.Live() {
		r.deserted = false
	}
	r.Host.Changed(before, after)
}

// tellChange makes an event of a change, if it is one for the user.
func (r *Roster) tellChange(known bool, before, after *member.Member) {
	again := known && before.Generation() != after.Generation()
	switch {
	case after.State == member.Left && known && before.State != member.Left:
		r.Host.Tell(MemberLeft, *after)
	case after.State == member.Failed && known && before.State.Live():
		r.Host.Tell(MemberFailed, *after)
	case !after.State.Live():
	case !known || again:
		if again && before.State.Live() {
			r.TellOver(*before, member.CauseRestarted)
		}
		r.Host.Tell(MemberJoined, *after)
		if after.State == member.Suspect {
			r.Host.Tell(MemberSuspected, *after)
		}
	case after.State == member.Alive && before.State != member.Alive:
		r.Host.Tell(MemberRecovered, *after)
	case after.State == member.Suspect && before.State != member.Suspect:
		if !before.State.Live() { // that it was alive in between, nobody here has heard
			r.Host.Tell(MemberRecovered, *after)
		}
		r.Host.Tell(MemberSuspected, *after)
	}
	if known && !again && before.Check != after.Check {
		r.Host.Tell(MemberUpdated, *after)
	}
}

// TellOver tells the user that a life is over that was live here, though no verdict said so: of a
// member nothing is told as joined twice without an end between.
func (r *Roster) TellOver(m member.Member, cause member.Cause) {
	m.State, m.Cause, m.Since = member.Failed, cause, r.now
	r.Host.Tell(MemberFailed, m)
}

// Accuse is what the detector says of a member: it holds it a suspect, or failed for a cause.
func (r *Roster) Accuse(id member.ID, s member.State, cause member.Cause) {
	m, ok := r.table.Get(id)
	if !ok || !m.State.Live() || id == r.id {
		return
	}
	if s == member.Suspect && m.State == member.Suspect {
		r.accused(m, r.id)
		return
	}
	r.Apply(member.Fact{Record: m.Handle, Incarnation: m.Incarnation, State: s, Cause: cause},
		false, r.id, 0)
}

// accused counts the members that suspect a suspect; an independent confirmation is passed on.
func (r *Roster) accused(m member.Member, accuser member.ID) {
	if accuser != 0 && r.Detector.Accused(r.now, m, accuser) {
		r.News.put(rumor.Item{Key: uint64(m.ID), Accuser: accuser})
	}
}

// doubt takes an old verdict for an accusation, which is not spread: the member becomes a suspect
// here, or the suspicion gets another confirmation. The verdict is passed to the member itself each
// time, which refutes if it lives.
func (r *Roster) doubt(m *member.Member, c *wire.Claim, accuser member.ID) {
	if m.State == member.Suspect && !r.Detector.Accused(r.now, *m, accuser) {
		return
	}
	r.Doubted++
	r.Quiet(func() {
		r.Apply(member.Fact{Record: m.Handle, Incarnation: c.Incarnation,
			State: member.Suspect}, false, accuser, 0)
	})
	if m.OutOfFamily {
		return // others tell it
	}
	peer := plane.PeerOf(m)
	if start, ok := r.flow.Reply(peer); ok {
		r.flow.Bytes = wire.AppendUpdate(r.flow.Bytes,
			&wire.Update{ID: m.ID, Check: m.Check, Claim: *c})
		r.flow.CloseReply(start, peer)
	}
}

// Fail is the detector's verdict, with its reasons.
func (r *Roster) Fail(id member.ID, e detect.Evidence) {
	r.Accuse(id, member.Failed, e.Cause)
	m, ok := r.table.Get(id)
	if !ok || m.State != member.Failed {
		return
	}
	w := wire.Evidence{
		Target: id, Instance: m.Instance(), Incarnation: m.Incarnation,
		Accuser: e.Accuser, Cause: e.Cause, Pings: uint32(e.Pings), Span: e.Span,
		Seats: min(e.Seats, 255), Count: min(len(e.Votes), wire.MaxVotes),
	}
	for i, v := range e.Votes[:w.Count] {
		w.Votes[i] = wire.Vote{Juror: v.Juror, Cause: v.Cause, Pings: uint32(v.Pings), Span: v.Span}
	}
	r.Verdicts.explain(&w)
}

// Quiet does something without spreading what it learns.
func (r *Roster) Quiet(f func()) {
	before := r.In.hushed
	r.In.hushed = true
	f()
	r.In.hushed = before
}
