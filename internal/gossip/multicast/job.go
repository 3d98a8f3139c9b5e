package multicast

import (
	"cmp"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A duty and its legs. A duty comes from a parent (take.go), from this node's own publishing
// (publish.go), or from nobody: a copy came beside the tree, and the tree is perhaps broken
// (unclaimed.go), or a delegate in this zone is to be looked after (twin). It is divided into legs
// (split.go), each for a span or for one member, so that each member of the duty's span is in one.
// Where many publish it has no legs at first, and waits until the mixed parcel is done that it went
// into (mixed.go). A leg goes this way:
//
//	          send                "taken"
//	begun ------------> asked --------------> taken
//	                    |  ^ late: again, or  |  | late: again,
//	                    |  | somebody else    |  | but offerOnly
//	                    |  +------------------+--+
//	      "done", "void"|                     | "done", given up
//	      given up, died|                     | or died
//	                    v                     v
//	                   done <-----------------+
//	                    |
//	                    +-----> asked: an own parcel is offered again (reopen)
//
// A leg for a zone that is silent, or for a member that turned out to live, begins as done, with
// nobody that has the parcel, and is asked when an own parcel is offered again.
//
// An answer is taken from the member that is asked now and from the two before it: the first one
// that is done ends the leg. A delegate that fails is replaced; when several have failed, the leg
// ends with nobody in its count (of is 0), and its span is divided into legs of this node's own. So
// no member is counted by two legs. A node is a leg of its own duty while it owes a confirmation
// (given.go).
//
// When no leg is open the duty is done (finish.go). Of another's parcel the parents are told what
// the legs add up to, and what was told is remembered for a while. An own parcel lingers while some
// members lack it (linger.go): its legs are asked again, and a member that turns out to live gets a
// leg.

// job is a duty: to bring a parcel to a span of the ring, and to tell the parent when that is done.
// The origin's own span is everybody, and it has no parent.
type job struct {
	wire.Branch // the duty as it came; Attempt is not used
	instance    uint32
	parents     [2]parent // they gave the duty, the latest first; none for an own parcel
	legs        []leg
	open        int  // legs that are not done
	small       bool // the parcel leaves room for others in a datagram
	striped     bool // an own parcel that another of this node's zone is to bring to it
	// this node was not given the parcel when it took the duty: the first leg is its own
	owing  bool
	twin   bool   // nobody gave the duty: this node is a twin
	pooled bool   // it is done when the mixed parcel is that it went into
	shared bool   // an own parcel that a hub is to bring to all
	lane   uint64 // which of the hubs
	pool   []entrant
	used   bool
	stamp  uint32 // tells it from an earlier job in the same slot
	next   int32  // another job of the same parcel, -1 if none
	due    mono.Time
	ticket mono.Time // when it wakes next
	own    ownPart   // of an own parcel
}

type parent struct {
	peer        plane.Peer
	attempt     uint8
	mayDelayAck bool
}

// ownPart is what a job of an own parcel has beside.
type ownPart struct {
	is      bool
	waited  bool          // a publisher waits for a message that ends in it
	out     bool          // it counts for the window
	until   mono.Time     // then it does not any more
	told    mono.Time     // when the host was told last
	tried   bool          // all was done that can be done at once
	backoff time.Duration // until the silent are offered it again
	// when it is seen whether what a publisher waits for is held still; Never: not between rounds
	look mono.Time
}

func (m *ownPart) due() mono.Time {
	switch {
	case !m.is:
		return mono.Never
	case m.out:
		return min(m.until, m.look)
	}
	return m.look
}

// leg is one part of a duty, and the member that was asked to see to it: a delegate for a span, or
// a member for itself.
type leg struct {
	span wire.Span // SpanSelf: the member alone
	id   member.ID // the member that was asked last
	// the helper that was asked in its place, since it does not answer this node; 0: none
	via         member.ID
	former      [2]member.ID // those that were asked before that
	zone        uint16       // of id
	state       legState
	attempt     uint8        // of the last Carry or Offer
	tries       uint8        // without an answer since the last one, or since id was asked
	hands       uint8        // delegates so far
	lacked      uint8        // answers that the parcel is not there
	offerOnly   bool         // the parcel is offered: id may have it
	mute        bool         // id was silent before
	newer       bool         // it joined after the parcel was published, and does not get it
	sent        [4]mono.Time // the last tries, by attempt
	mayDelayAck [4]bool      // of these, those whose answers may wait to share a datagram
	due         mono.Time
	of          int32 // members that the leg is for
	have        int32 // that have the parcel, once it is done
	missing     []member.ID
	digest      uint16 // of a span: that of the members it is for, 0 if that is not known
	// of a span of an own parcel that is waited for: the members that have it, if they are known
	had []member.ID
}

type legState uint8

const (
	asked legState = iota
	taken          // the delegate is at work
	done
)

func (l *leg) single() bool { return l.span.Bits == wire.SpanSelf }

// asks says whether an answer about a span from somebody is one to this leg.
func (l *leg) asks(bits uint8, from member.ID) bool {
	former := from == l.former[0] || from == l.former[1]
	if l.single() {
		return bits == wire.SpanSelf && from == l.id || bits == placeBits &&
			(from == l.via || former)
	}
	return bits == l.span.Bits && (from == l.id || former)
}

// asked is the member that was asked last.
func (l *leg) asked() member.ID { return cmp.Or(l.via, l.id) }

// absent is the leg of a member that lacks a parcel for all that is known, and is to be asked.
func absent(p place) leg {
	return leg{
		span: wire.Span{Bits: wire.SpanSelf}, id: p.ID, zone: p.Zone(), state: done, of: 1,
		missing: []member.ID{p.ID}, due: mono.Never,
	}
}

// adopt notes another parent, or another try of one.
func (j *job) adopt(p parent) {
	if j.parents[0].peer.ID != p.peer.ID {
		j.parents[1] = j.parents[0]
	}
	j.parents[0] = p
}

// legFor returns a job's leg for a member alone, nil if there is none.
func (j *job) legFor(id member.ID) *leg {
	for k := range j.legs {
		if l := &j.legs[k]; l.single() && l.id == id {
			return l
		}
	}
	return nil
}

// legOver returns the leg that counts the member at a place, or may count it; nil if none does.
func (j *job) legOver(at place) *leg {
	if l := j.legFor(at.ID); l != nil {
		return l
	}
	for k := range j.legs {
		l := &j.legs[k]
		if !l.single() && holds(l.span, at.Key) && (l.state != done || l.of > 0 && l.had == nil) {
			return l
		}
	}
	return nil
}

// had says whether a leg for a span, other than one, counts a member among those that have the
// parcel.
func (j *job) had(id member.ID, but *leg) bool {
	for k := range j.legs {
		if l := &j.legs[k]; l != but && slices.Contains(l.had, id) {
			return true
		}
	}
	return false
}

// void says whether a twin's job is of no use to a parent that gives it the duty. That is so if the
// twin only asked another member to see to the whole of it, or did not ask whether its own programs
// were given the parcel.
func (j *job) void() bool {
	return j.twin && (j.Given || len(j.legs) == 1 && j.legs[0].state != done)
}

// alone says whether no leg counts this node.
func (j *job) alone() bool { return !j.owing && !(j.twin && j.legs[0].of > 0) }

// sum adds up what the legs of a job confirmed, with this node, which has the parcel unless a leg
// says otherwise. No member is counted by two legs.
func (j *job) sum() (of, have int32, missing []member.ID) {
	if j.alone() {
		of, have = 1, 1
	}
	for k := range j.legs {
		l := &j.legs[k]
		of, have = of+l.of, have+l.have
		for _, id := range l.missing {
			if len(missing) < wire.MaxMissing && !slices.Contains(missing, id) {
				missing = append(missing, id)
			}
		}
	}
	return of, have, missing
}

// progress is how far an own parcel came.
func (j *job) progress() Progress {
	of, have, missing := j.sum()
	p := Progress{
		Generation: j.Generation, First: j.First, Last: j.First + uint64(j.Count) - 1,
		Have: int(have), Of: int(of), Missing: missing, Done: j.own.tried,
	}
	for k := range j.legs {
		if j.legs[k].newer {
			p.Newer++
		}
	}
	return p
}

// digest is that of the members that a duty's count is of: not of those that turned out to live
// since. It is 0 if they are many, or not all known.
func (j *job) digest(self place) (d uint16) {
	if j.alone() && holds(j.Span, self.Key) {
		d = uint16(self.ID)
	}
	n := int32(1)
	for k := range j.legs {
		l := &j.legs[k]
		n += l.of
		switch {
		case l.of == 0 || l.single() && l.id == self.ID && !holds(j.Span, self.Key):
		case l.single():
			d ^= uint16(l.id)
		case l.digest == 0:
			return 0
		default:
			d ^= l.digest
		}
	}
	if n > direct+1 {
		return 0
	}
	return d
}

// end closes a leg: so many members have the parcel, and these lack it.
func (j *job) end(l *leg, have int32, missing []member.ID) {
	if l.state != done {
		j.open--
	}
	l.state, l.have, l.missing, l.had, l.due = done, have, missing, nil, mono.Never
}

// enlist notes the members that a leg for a span counts. This node knows all of them as the leg's
// delegate does. A member that another leg counts is not counted by this one. That happens when the
// member came to another zone meanwhile.
func (j *job) enlist(l *leg, places []place) {
	counted := func(id member.ID) bool {
		single := j.legFor(id)
		return single != nil && single.of > 0 || j.had(id, l)
	}
	l.missing = slices.DeleteFunc(l.missing, counted)
	l.had = make([]member.ID, 0, len(places))
	for _, p := range places {
		if p.ID != j.Origin && !slices.Contains(l.missing, p.ID) && !counted(p.ID) {
			l.had = append(l.had, p.ID)
		}
	}
	l.have = min(l.have, int32(len(l.had)))
	l.of = l.have + int32(len(l.missing))
}

// bury takes a dead member from those that a leg misses.
func (l *leg) bury(id member.ID) {
	l.newer = l.newer && l.id != id
	for i, m := range l.missing {
		if m == id {
			l.missing = append(l.missing[:i:i], l.missing[i+1:]...)
			l.of--
			if !l.single() && l.digest != 0 {
				l.digest ^= uint16(id)
			}
			return
		}
	}
}
