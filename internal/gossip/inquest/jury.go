package inquest

import (
	"cmp"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The jury, from the accuser's side. All who accuse one member ask the same jurors, found by
// rendezvous hashing (Thaler and Ravishankar 1998), so that one examination serves them all. Jurors
// that are silent get substitutes beside them.

const (
	// a juror that has said nothing for so long is asked again, and another beside it
	pollEvery = 100 * time.Millisecond
	// times Config.Jury are asked at most, half of them before the grace is over
	manyAsked = 8
)

// jury is who is asked about one member.
type jury struct {
	seq    uint32
	called mono.Time
	ranked mono.Time // when the candidates were last chosen; 0: never
	poll   mono.Time
	quorum mono.Time // when enough jurors last answered; at first, when they were called
	heard  mono.Time // the last answer of any
	list   []juror   // candidates, the best first; those that ever answered in front
	asked  int       // of the list
}

// juror is one candidate.
type juror struct {
	id     member.ID
	rank   uint64
	tries  int // without an answer
	asked  mono.Time
	word   wire.Word
	spoken bool
	lapsed bool // it spoke, and then fell silent: it has to speak again to count as answering
	vote   detect.Vote
}

// answers says whether a juror does: it has spoken, and since then not been asked in vain so many
// times.
func (x *juror) answers(most int) bool { return x.spoken && !x.lapsed && x.tries < most }

// unable says whether a juror has no vote.
func (x *juror) unable() bool { return x.word == wire.WordCannot || x.word == wire.WordStranger }

// never is the tries of a juror that is not to be asked again.
const never = 1 << 30

// mostTries is how often a candidate is asked in vain before it counts no more.
func (d *Detector) mostTries() int { return 3 + d.path.attempts(&d.cfg)/3 }

func (j *jury) convened() bool { return j.ranked != 0 }

// forced is the time at which a jury was ranked that is to be drawn anew.
const forced mono.Time = 1

// convene calls the jury.
func (d *Detector) convene(now mono.Time, a *alarm) {
	d.seq++
	a.jury = jury{seq: d.seq, called: now, poll: now, quorum: now}
	d.rank(now, a)
}

// rank chooses the candidates from all live members, beside those that have answered already. The
// incarnation is part of the hash: a member that was failed by mistake, and refuted, meets another
// jury the next time.
func (d *Detector) rank(now mono.Time, a *alarm) {
	j, t := &a.jury, d.host.Table()
	accused, _ := t.Get(a.peer.ID)
	key := scramble(uint64(a.peer.Instance)<<32 | uint64(accused.Incarnation))
	j.ranked = now
	j.list = slices.DeleteFunc(j.list, func(x juror) bool { return !x.spoken && !x.unable() })
	j.asked = len(j.list)
	if !d.ring.Mixed() {
		j.list = append(j.list, d.best(a, key, t.Served(), t.IDAt)...)
		return
	}
	var home []juror
	var others [][]juror
	for zone := range d.ring.Zones() {
		switch b := d.best(a, key, len(zone), func(i int) member.ID { return zone[i].ID }); {
		case zone[0].Zone() == topology.PlaceOf(&accused).Zone():
			home = b
		case len(b) > 0 && !d.isSilent(zone[0].Zone()):
			others = append(others, b)
		}
	}
	slices.SortFunc(others, func(x, y []juror) int { return cmp.Compare(y[0].rank, x[0].rank) })
	j.list = append(j.list, deal(home, others, manyAsked*d.cfg.Jury)...)
}

// best returns the candidates among n members, the best first.
func (d *Detector) best(a *alarm, key uint64, n int, at func(i int) member.ID) (list []juror) {
	most := manyAsked * d.cfg.Jury
	for i := range n {
		id := at(i)
		c := juror{id: id, rank: scramble(uint64(id) ^ key)}
		if len(list) == most && list[most-1].rank >= c.rank || id == a.peer.ID ||
			id == d.host.Self() ||
			slices.ContainsFunc(a.jury.list, func(x juror) bool { return x.id == id }) ||
			d.outOfFamily(id) {
			continue
		}
		at, _ := slices.BinarySearchFunc(list, c, func(x,
			c juror) int {
			return cmp.Compare(c.rank, x.rank)
		})
		list = slices.Insert(list, at, c)[:min(len(list)+1, most)]
	}
	return list
}

// deal mixes a jury: every other seat is for the zone of the accused, so that a crash inside a zone
// is judged by those who are near, and the other zones take turns for the rest, so that they see
// whether it is the way between two zones that is broken.
func deal(home []juror, others [][]juror, most int) (list []juror) {
	for len(list) < most && len(home)+len(others) > 0 {
		if len(home) > 0 {
			list, home = append(list, home[0]), home[1:]
		}
		if len(others) > 0 {
			next := others[0]
			list, others = append(list, next[0]), others[1:]
			if len(next) > 1 {
				others = append(others, next[1:])
			}
		}
	}
	return list[:min(len(list), most)]
}

// pollJury asks those who should be asked now.
func (d *Detector) pollJury(now mono.Time, a *alarm) {
	j := &a.jury
	pace, again := pollEvery, d.cfg.Grace
	age := now.Sub(a.start)
	limit := manyAsked * d.cfg.Jury
	if age < d.cfg.Grace {
		limit /= 2
	}
	// a hopeless case is to cost little, and the less the longer it lasts
	if a.unreachable || d.isolated {
		pace, again = max(pace, 2*d.cfg.Period), min(max(d.cfg.patience(), age/2), maxAge)
		limit = min(limit, 2*d.cfg.Jury)
	}
	j.poll = now.Add(pace)
	if j.heard == 0 { // it may be this node that nobody hears: that is found out at less cost
		limit = min(limit, 2*d.cfg.Jury*int(1+age/d.cfg.Grace))
	}
	d.callWitness(a, limit)
	patience := d.mostTries()
	seats, enough := d.electors(now, a)
	answering, waiting := 0, 0
	for i := range j.list[:j.asked] {
		x := &j.list[i]
		every := pace
		if x.spoken && age < d.cfg.Grace {
			// it will speak up by itself; this is in case that is lost
			every = max(d.cfg.Grace/4, pollEvery)
		}
		asked := now.Sub(x.asked)
		switch {
		case x.tries < patience && asked >= every:
			d.ask(now, a, x)
		case x.tries < patience && (!x.spoken || x.lapsed) && asked < pace:
			waiting++
		}
		if x.answers(patience) {
			answering++
		}
	}
	if answering >= enough {
		j.quorum = now
	}
	// Of a foreign member no number of votes suffices without a witness, who is sought in the usual
	// order.
	for ; answering+waiting < seats; waiting++ {
		inVain := (j.ranked != j.called || j.asked-answering >= 2*seats) &&
			(!d.foreign(a) || d.witnessed(a))
		if !(inVain && d.nextHeard(now, a)) && j.asked >= min(limit, len(j.list)) {
			break
		}
		d.ask(now, a, &j.list[j.asked])
		j.asked++
	}
	if (answering < enough || j.ranked == forced) && now.Sub(j.ranked) >= again {
		d.rank(now, a) // nobody is left to ask, or those who were are dead by now
		for i := range j.list[:j.asked] {
			x := &j.list[i]
			x.lapsed, x.tries = x.lapsed || x.tries >= patience, 0
		}
	}
}

// ask asks one juror.
func (d *Detector) ask(now mono.Time, a *alarm, x *juror) {
	x.asked = now
	x.tries++
	if m, ok := d.host.Table().Get(x.id); ok {
		d.send(now, detect.PeerOf(&m), wire.AppendInquiry(d.scratch[:0], wire.Inquiry{
			Seq: a.jury.seq, Target: a.peer.ID, Instance: a.peer.Instance, Age: now.Sub(a.start),
			Heard: a.sends(now, &d.cfg),
		}))
	}
}

// found takes a juror's word.
func (d *Detector) found(now mono.Time, from detect.Peer, m wire.Finding) {
	i := slices.IndexFunc(d.alarms, func(a alarm) bool {
		return a.jury.convened() &&
			a.jury.seq == m.Seq
	})
	if i < 0 {
		return
	}
	a := &d.alarms[i]
	list := a.jury.list[:a.jury.asked]
	k := slices.IndexFunc(list, func(x juror) bool { return x.id == from.ID })
	if k < 0 {
		return
	}
	d.answers(now, from, m.Seq)
	if i = slices.IndexFunc(d.alarms, func(a alarm) bool {
		return a.jury.convened() &&
			a.jury.seq == m.Seq
	}); i < 0 {
		return
	}
	a = &d.alarms[i]
	x := &a.jury.list[k]
	a.jury.heard = now
	switch m.Word {
	case wire.WordUnknown:
		// it stays out, and another takes its place
		x.spoken, x.tries, x.word = false, never, m.Word
	case wire.WordCannot, wire.WordStranger:
		// the same, and there is one less that could
		x.spoken, x.tries, x.word = false, never, m.Word
		d.judge(now, i)
	case wire.WordAcquit:
		// The way from here to the member is bad, or its answers were lost: it lives. No new alarm
		// for a while.
		d.calm(now, a)
		d.acquitted.add(now, a.peer.ID)
		a.jury, a.barred = jury{}, now.Add(d.cfg.Period)
		a.next = a.barred
	default:
		x.spoken, x.lapsed, x.tries, x.word = true, false, 0, m.Word
		x.vote = detect.Vote{Juror: from.ID, Cause: m.Cause, Pings: int(m.Pings), Span: m.Span}
		d.judge(now, i)
	}
}
