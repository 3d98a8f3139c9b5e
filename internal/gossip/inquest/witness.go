package inquest

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// Jurors out of turn. Where most members are dead, so are most of a jury that is drawn among all.
// Jurors that are asked in vain are replaced by members that were heard lately. And a case of
// another zone needs a witness: a juror of that zone.

// nextHeard puts a member that was heard lately next in turn to be a juror, if there is one that is
// not asked yet.
func (j *jury) nextHeard(now mono.Time, p *pool, of accused) bool {
	for i := range p.lately {
		h := &p.lately[i]
		if h.id == 0 || h.id == of.peer.ID || h.id == p.host.Self() ||
			now.Sub(h.at) >= heardJuror || p.accused(h.id) {
			continue
		}
		k := j.find(h.id)
		if m, ok := p.host.Table().Get(h.id); k >= 0 && k < j.asked || !ok ||
			!m.State.Live() || m.OutOfFamily {
			continue
		}
		if k < 0 {
			k = len(j.list)
			j.list = append(j.list, juror{id: h.id})
		}
		j.list[k], j.list[j.asked] = j.list[j.asked], j.list[k]
		return true
	}
	return false
}

// witnessed says whether a juror of the member's own zone answers.
func (j *jury) witnessed(p *pool, of accused) bool {
	z, most := p.zoneOf(of.peer.ID), p.mostTries()
	return slices.ContainsFunc(j.list[:j.asked],
		func(x juror) bool { return x.answers(most) && p.zoneOf(x.id) == z })
}

// callWitness has the member of a foreign member's zone that was heard last join the jury, or be
// asked again, if no juror from there answers: where most of a zone are dead, so are those that the
// lot falls to; and those that were cut off are asked no more.
func (j *jury) callWitness(p *pool, of accused, limit int) {
	if !of.foreign || j.witnessed(p, of) {
		return
	}
	z := p.zoneOf(of.peer.ID)
	x := p.abroadOf(z)
	j.recall(p, z)
	if x.last == 0 || x.last == of.peer.ID {
		return
	}
	k := j.find(x.last)
	if k < 0 {
		k = len(j.list)
		j.list = append(j.list, juror{id: x.last})
	}
	if k >= j.asked && j.asked < limit {
		j.list[k], j.list[j.asked] = j.list[j.asked], j.list[k]
		k = j.asked
		j.asked++
	}
	if x.heard > j.list[k].asked {
		j.list[k].tries = 0
	}
}

// recall has a juror of a foreign member's zone asked once more, where all that were asked there
// did not answer: they may have been cut off, or have died, and nobody else of their zone may send
// to this node.
func (j *jury) recall(p *pool, zone uint16) {
	most := p.mostTries()
	var oldest *juror
	for i := range j.list[:j.asked] {
		x := &j.list[i]
		switch {
		case p.zoneOf(x.id) != zone || x.tries == never:
		case x.tries < most:
			return
		case oldest == nil || x.asked < oldest.asked:
			oldest = x
		}
	}
	if oldest != nil {
		oldest.tries = most - 1
	}
}
