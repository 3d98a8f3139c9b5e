package swim

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// suspicion is what runs while a member is a suspect.
type suspicion struct {
	id       member.ID
	start    mono.Time
	deadline mono.Time
	accusers [1 + maxConfirm]member.ID // the first, then those that confirmed independently
	count    int
}

// suspicions are all that run, at most one for each live member. The slice keeps their order the
// same everywhere; the map finds one.
type suspicions struct {
	list []suspicion
	at   map[member.ID]int
	next mono.Time // no suspicion ends before; may be too early after one was dropped
}

// Accused starts a suspicion, or counts an independent confirmation of one.
func (d *Detector) Accused(now mono.Time, m member.Member, accuser member.ID) bool {
	s := d.suspicions.get(m.ID)
	if s == nil {
		s = d.suspicions.add(m.ID, now)
	} else if s.count > d.cfg.Confirm || s.has(accuser) {
		return false
	}
	s.accusers[s.count] = accuser
	s.count++
	s.deadline = s.start.Add(d.cfg.suspicionTimeout(d.host.Table().Live(), s.count-1))
	d.suspicions.next = min(d.suspicions.next, s.deadline)
	return true
}

// expireSuspicions fails the members whose suspicion nobody refuted in time.
func (d *Detector) expireSuspicions(now mono.Time) {
	ss := &d.suspicions
	if now < ss.next {
		return
	}
	ss.next = mono.Never
	for i := 0; i < len(ss.list); {
		s := &ss.list[i]
		if s.deadline > now {
			ss.next = min(ss.next, s.deadline)
			i++
			continue
		}
		id, e := s.id, s.evidence(now, d.host.Self())
		ss.drop(id)
		d.host.Fail(now, id, e)
	}
}

// evidence is what a verdict rests on: how long no refutation came, and which members suspected.
func (s *suspicion) evidence(now mono.Time, self member.ID) detect.Evidence {
	e := detect.Evidence{Accuser: self, Span: now.Sub(s.start)}
	for _, a := range s.accusers[:s.count] {
		e.Votes = append(e.Votes, detect.Vote{Juror: a})
	}
	return e
}

func (s *suspicion) has(accuser member.ID) bool {
	for _, a := range s.accusers[:s.count] {
		if a == accuser {
			return true
		}
	}
	return false
}

func (ss *suspicions) get(id member.ID) *suspicion {
	if i, ok := ss.at[id]; ok {
		return &ss.list[i]
	}
	return nil
}

func (ss *suspicions) add(id member.ID, now mono.Time) *suspicion {
	if ss.at == nil {
		ss.at = make(map[member.ID]int)
	}
	ss.at[id] = len(ss.list)
	ss.list = append(ss.list, suspicion{id: id, start: now})
	return &ss.list[len(ss.list)-1]
}

// drop ends a suspicion; the last one takes its place.
func (ss *suspicions) drop(id member.ID) {
	i, ok := ss.at[id]
	if !ok {
		return
	}
	last := len(ss.list) - 1
	ss.list[i] = ss.list[last]
	ss.at[ss.list[i].id] = i
	delete(ss.at, id)
	ss.list = ss.list[:last]
	if last == 0 {
		*ss = suspicions{next: mono.Never} // give back what a storm took
	}
}

func (ss *suspicions) shift(gap time.Duration) {
	for i := range ss.list {
		ss.list[i].start = ss.list[i].start.Add(gap)
		ss.list[i].deadline = ss.list[i].deadline.Add(gap)
	}
	ss.next = ss.next.Add(gap)
}
