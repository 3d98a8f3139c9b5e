package multicast

import (
	"encoding/binary"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// answers takes what comes back up the tree.
type answers struct {
	core
	asks      *asks
	tree      *tree
	lingering *lingering
	ends      *ends
}

// maxLacks is how often the tries with a member begin anew because it answered: one that refuses
// the parcel would ask for it for ever.
const maxLacks = 4

// answered finds the leg that a Confirm is about.
func (a *answers) answered(now mono.Time, from plane.Peer, instance uint32, m *wire.Confirmed) {
	a.paths.Heard(from.ID)
	i, ok := a.duties.at[parcel{instance, m.First}]
	for ok && i >= 0 {
		j := &a.duties.jobs[i]
		for k := range j.legs {
			l := &j.legs[k]
			if l.asks(m.Bits, from.ID) && (l.state != done || l.have < l.of) {
				a.answer(now, i, k, from.ID, m)
				return
			}
		}
		i = j.next
	}
}

// answer is called when a member that was asked for a leg says how it stands.
func (a *answers) answer(now mono.Time, i int32, k int, from member.ID, m *wire.Confirmed) {
	j := &a.duties.jobs[i]
	l := &j.legs[k]
	if from == l.asked() {
		a.measure(now, l, m)
	}
	switch {
	case m.Verdict == wire.DutyDone && l.single() && m.Bits == placeBits:
		a.asks.vouched(now, j, l, from, m)
	case m.Verdict == wire.DutyDone && l.single():
		j.end(l, 1, nil)
	case m.Verdict == wire.DutyDone:
		a.compare(now, j, k, from, m)
	case m.Verdict == wire.DutyVoid && (!l.single() || m.Bits == placeBits):
		// only the member itself can say that
	case m.Verdict == wire.DutyVoid && j.own.is:
		l.of, l.newer = 0, true
		j.end(l, 0, nil)
	case m.Verdict == wire.DutyVoid: // the origin leaves it out, once it is named to it
		j.end(l, 0, []member.ID{l.id})
	case from != l.asked() || l.state == done:
		// a member that was given up is at work after all; another is, too
	case m.Verdict == wire.DutyTaken && l.single() && l.state == taken:
		// it was not given it yet: it tells
	case m.Verdict == wire.DutyTaken:
		l.state, l.tries = taken, 0
		l.due = now.Add(a.paths.work(l))
		j.due = min(j.due, l.due)
	case l.offerOnly && l.single() && !j.small && a.host.Narrow(l.asked()):
		// what it lacks does not pass
		if l.via != 0 {
			a.asks.strayed(now, j, l)
		} else {
			j.end(l, 0, []member.ID{l.id})
		}
	case l.offerOnly:
		if l.offerOnly = false; l.lacked < maxLacks {
			l.lacked++
			l.tries = 0 // it answers
		}
		a.asks.again(now, j, l)
	}
	a.duties.schedule(i, j.due)
	if j.open == 0 {
		a.ends.finish(now, i)
	} else if j.own.is {
		a.lingering.progress(now, j)
	}
}

// compare closes the leg of a span. If the delegate knows other members there than this node, this
// node offers the parcel to those that the delegate may not know. For a wide span the delegate's
// own delegates see to that, as far as they know better.
func (a *answers) compare(now mono.Time, j *job, k int, from member.ID, m *wire.Confirmed) {
	l := &j.legs[k]
	places := a.ring.All()
	lo, hi := within(places, l.span)
	wide := hi-lo > direct
	here := a.digest(l.span, j.Origin)
	if wide || m.Digest == here && here != 0 {
		var missing []member.ID
		for i := 0; i+8 <= len(m.Missing); i += 8 {
			missing = append(missing, member.ID(binary.BigEndian.Uint64(m.Missing[i:])))
		}
		if l.digest = here; !wide {
			l.of = int32(a.count(&j.Branch, l.span))
		}
		lack := int32(min(max(m.Of, m.Have)-m.Have, uint32(l.of)))
		j.end(l, min(int32(min(m.Have, 1<<30)), l.of-lack), missing)
		if !wide && j.own.waited && len(missing) == int(lack) {
			j.enlist(l, places[lo:hi])
		}
		return
	}
	l.of, l.digest = 1, uint16(from)
	if j.Given || j.twin { // the delegate, too, is asked for itself
		l.of, from = 0, 0
	}
	j.end(l, l.of, nil)
	for i := lo; i < hi; i++ {
		if places[i].ID != from {
			a.tree.single(now, j, places[i], true)
		}
	}
}

// measure learns from an answer how long they take, and how many tries were lost: those of before
// the one that is answered, not those of since. A helper's answer says nothing of the way to the
// member that it is to reach, and its last one comes when it has tried for long.
func (a *answers) measure(now mono.Time, l *leg, m *wire.Confirmed) {
	if l.via != 0 {
		return
	}
	k, since := m.Attempt&3, (l.attempt-m.Attempt)&15
	if since > 3 || l.sent[k] == 0 || l.sent[k] > now {
		return
	}
	rtt := now.Sub(l.sent[k])
	l.sent[k] = 0
	gone := int(l.tries) - int(since)
	if l.state == taken {
		gone-- // the first time it was late it had answered before
	}
	for range min(max(gone, 0), maxPolls) {
		a.paths.lost(l.zone, true)
	}
	a.paths.lost(l.zone, false)
	if m.Verdict != wire.DutyDone || l.single() {
		a.paths.path(l.zone).heard(now, rtt, l.mayDelayAck[k])
	}
}
