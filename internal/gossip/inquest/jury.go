package inquest

import (
	"cmp"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The jury, from the accuser's side. All that accuse one member ask the same jurors, found by
// rendezvous hashing (Thaler and Ravishankar 1998), so that one examination serves them all. Jurors
// that are silent get substitutes beside them.
//
//	           asked              a Finding             no answer for mostTries
//	candidate -------> waiting --------------> spoken --------------------------> lapsed
//	    ^                |  |                    ^                                   |
//	    +----------------+  |                    +-----------------------------------+
//	   no answer for        | it does not know the accused,             a Finding
//	   mostTries: until the v or cannot send to it
//	   next ranking       never asked again
//
// Only a spoken juror counts as answering; its last word counts as a vote for as long as it lives.

const (
	// a juror that has said nothing for so long is asked again, and another beside it
	pollEvery = 100 * time.Millisecond
	// times Config.Jury are asked at most, half of them before the grace is over
	manyAsked = 8
	// a juror out of turn was heard so lately
	heardJuror = 10 * time.Second
	mostSilent = 4 // times as many are asked as vote where most are dead
)

// pool is where jurors come from.
type pool struct {
	*env
	zones   *silences
	lately  *lately
	accused func(id member.ID) bool // a member that this node accuses is no juror out of turn
}

// accused is what a jury has to know of the member that it is asked about.
type accused struct {
	peer     plane.Peer
	start    mono.Time // of the silence
	sends    bool      // it is heard, and does not answer
	foreign  bool      // of another zone: no number of votes suffices without one from there
	hopeless bool      // it cannot be reached, or this node is alone
}

// jury is the members that are asked about one member.
type jury struct {
	seq    uint32
	called mono.Time
	ranked mono.Time // when the candidates were last chosen; 0: never
	next   mono.Time // when jurors are asked again
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

func (j *jury) convened() bool { return j.ranked != 0 }

// forced is the time at which a jury was ranked that is to be drawn anew.
const forced mono.Time = 1

// askAnew has candidates drawn anew at the next poll, which is due now.
func (j *jury) askAnew(now mono.Time) { j.ranked, j.next = forced, now }

// convene calls the jury.
func (j *jury) convene(now mono.Time, p *pool, of accused) {
	p.seq++
	*j = jury{seq: p.seq, called: now, next: now, quorum: now}
	j.rank(now, p, of)
}

// rank chooses the candidates from all live members, beside those that have answered already. The
// incarnation is part of the hash: a member that was failed by mistake, and refuted, meets another
// jury the next time.
func (j *jury) rank(now mono.Time, p *pool, of accused) {
	t := p.host.Table()
	m, _ := t.Get(of.peer.ID)
	key := scramble(uint64(of.peer.Instance)<<32 | uint64(m.Incarnation))
	j.ranked = now
	j.list = slices.DeleteFunc(j.list, func(x juror) bool { return !x.spoken && !x.unable() })
	j.asked = len(j.list)
	if !p.ring.Mixed() {
		j.list = append(j.list, j.best(p, of, key, t.Served(), t.IDAt)...)
		return
	}
	var home []juror
	var others [][]juror
	for zone := range p.ring.Zones() {
		b := j.best(p, of, key, len(zone), func(i int) member.ID { return zone[i].ID })
		switch {
		case zone[0].Zone() == topology.PlaceOf(&m).Zone():
			home = b
		case len(b) > 0 && !p.zones.on(zone[0].Zone()):
			others = append(others, b)
		}
	}
	slices.SortFunc(others, func(x, y []juror) int { return cmp.Compare(y[0].rank, x[0].rank) })
	j.list = append(j.list, deal(home, others, manyAsked*p.cfg.Jury)...)
}

// best returns the candidates among n members, the best first.
func (j *jury) best(p *pool, of accused, key uint64, n int,
	at func(i int) member.ID) (list []juror) {
	most := manyAsked * p.cfg.Jury
	for i := range n {
		id := at(i)
		c := juror{id: id, rank: scramble(uint64(id) ^ key)}
		if len(list) == most && list[most-1].rank >= c.rank || id == of.peer.ID ||
			id == p.host.Self() || j.find(id) >= 0 || p.outOfFamily(id) {
			continue
		}
		at, _ := slices.BinarySearchFunc(list, c, func(x, c juror) int {
			return cmp.Compare(c.rank, x.rank)
		})
		list = slices.Insert(list, at, c)[:min(len(list)+1, most)]
	}
	return list
}

// find returns the place of a candidate in the list.
func (j *jury) find(id member.ID) int {
	return slices.IndexFunc(j.list, func(x juror) bool { return x.id == id })
}

// deal mixes a jury: every other seat is for the zone of the accused, so that a crash inside a zone
// is judged by those that are near, and the other zones take turns for the rest, so that they see
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

// poll asks the jurors that should be asked now.
func (j *jury) poll(now mono.Time, p *pool, of accused) {
	pace, again := pollEvery, p.cfg.Grace
	age := now.Sub(of.start)
	limit := manyAsked * p.cfg.Jury
	if age < p.cfg.Grace {
		limit /= 2
	}
	// a hopeless case is to cost little, and the less the longer it lasts
	if of.hopeless {
		pace, again = max(pace, 2*p.cfg.Period), min(max(p.cfg.patience(), age/2), maxAge)
		limit = min(limit, 2*p.cfg.Jury)
	}
	j.next = now.Add(pace)
	if j.heard == 0 { // it may be this node that nobody hears: that is found out at less cost
		limit = min(limit, 2*p.cfg.Jury*int(1+age/p.cfg.Grace))
	}
	j.callWitness(p, of, limit)
	patience := p.mostTries()
	seats, enough := j.electors(now, p.env, of.start)
	answering, waiting := 0, 0
	for i := range j.list[:j.asked] {
		x := &j.list[i]
		every := pace
		if x.spoken && age < p.cfg.Grace {
			// it will speak up by itself; this is in case that is lost
			every = max(p.cfg.Grace/4, pollEvery)
		}
		asked := now.Sub(x.asked)
		switch {
		case x.tries < patience && asked >= every:
			j.ask(now, p, of, x)
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
	// Of a foreign member no number of votes suffices without a witness, which is sought in the
	// usual order.
	for ; answering+waiting < seats; waiting++ {
		inVain := (j.ranked != j.called || j.asked-answering >= 2*seats) &&
			(!of.foreign || j.witnessed(p, of))
		if !(inVain && j.nextHeard(now, p, of)) && j.asked >= min(limit, len(j.list)) {
			break
		}
		j.ask(now, p, of, &j.list[j.asked])
		j.asked++
	}
	if (answering < enough || j.ranked == forced) && now.Sub(j.ranked) >= again {
		j.rank(now, p, of) // nobody is left to ask, or those that were are dead by now
		for i := range j.list[:j.asked] {
			x := &j.list[i]
			x.lapsed, x.tries = x.lapsed || x.tries >= patience, 0
		}
	}
}

// ask asks one juror.
func (j *jury) ask(now mono.Time, p *pool, of accused, x *juror) {
	x.asked = now
	x.tries++
	if m, ok := p.host.Table().Get(x.id); ok {
		p.send(now, plane.PeerOf(&m), wire.AppendInquiry(p.scratch[:0], wire.Inquiry{
			Seq: j.seq, Target: of.peer.ID, Instance: of.peer.Instance, Age: now.Sub(of.start),
			Heard: of.sends,
		}))
	}
}

// askedOf says whether a member was asked as a juror.
func (j *jury) askedOf(id member.ID) bool {
	k := j.find(id)
	return k >= 0 && k < j.asked
}

// found takes the word of a juror that was asked, but for an acquittal.
func (j *jury) found(from member.ID, m wire.Finding) {
	x := &j.list[j.find(from)]
	switch m.Word {
	case wire.WordUnknown, wire.WordCannot, wire.WordStranger:
		// It stays out, and another takes its place. But for the first word there is one less that
		// could judge.
		x.spoken, x.tries, x.word = false, never, m.Word
	default:
		x.spoken, x.lapsed, x.tries, x.word = true, false, 0, m.Word
		x.vote = detect.Vote{Juror: from, Cause: m.Cause, Pings: int(m.Pings), Span: m.Span}
	}
}

// electors returns how many jurors a case has, and how many of them have to vote against the
// member. It is held as if there were none but those with which this node can speak, and which know
// the accused and can speak with it: the IP version parts the others from one or the other. Those
// that do not know it are no part of the view in which it is a member, so they neither outvote
// those that do nor vote with them (but see judgeAlone). But if no member that has both IP versions
// has spoken since the accused fell silent, this node may be cut off from all of the other version
// with it, and they count as in any cut.
func (j *jury) electors(now mono.Time, e *env, start mono.Time) (jurors, votes int) {
	able := e.electorate(now, start)
	for i := range j.list {
		if x := &j.list[i]; x.unable() && e.isLive(x.id) {
			able--
		}
	}
	return e.cfg.seats(able), e.cfg.Quorum(able)
}

// votes returns the votes against the member. That of a juror that has left or failed since is
// void: it would judge for a side that is smaller by it.
func (j *jury) votes(e *env) (votes []detect.Vote) {
	for k := range j.list {
		if x := &j.list[k]; x.spoken && x.word == wire.WordGuilty && e.isLive(x.id) {
			votes = append(votes, x.vote)
		}
	}
	return votes
}

// strangers is how many live jurors hold no such member, of those that are somewhere.
func (j *jury) strangers(e *env, there func(id member.ID) bool) (n int) {
	for i := range j.list {
		if x := &j.list[i]; x.word == wire.WordStranger && e.isLive(x.id) && there(x.id) {
			n++
		}
	}
	return n
}

func anywhere(member.ID) bool { return true }

// open says whether a juror that answers has not made up its mind, but for one that only sees that
// the host takes connections.
func (j *jury) open(most int) bool {
	return slices.ContainsFunc(j.list[:j.asked], func(x juror) bool {
		return x.answers(most) && x.word == wire.WordOpen && x.vote.Cause != wire.CauseStalled
	})
}

// fewAnswer says whether the jury of a verdict found most members that it asked silent.
func (j *jury) fewAnswer(votes int) bool { return votes > 0 && j.asked >= mostSilent*votes }
