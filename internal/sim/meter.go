package sim

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// meter measures what a person wants to know of a run.
type meter struct {
	*ledger
	marked  gossip.Time // from then on traffic is measured
	packets []uint64    // of each host by then
	bytes   []uint64
	crossed []crossing // by then
	last    []uint64   // bytes that crossed by the last second's end, of each pair of zones
	peak    []uint64   // the most in one second since the mark

	crashes  []*crash
	dead     map[int32]*crash // those whose process is still down
	messages map[messageKey]*spread
	order    []messageKey
	troubled map[int32]gossip.Time // since when, those in trouble
	absences []absence

	silences *Silences // nil without any
	silent   []int     // zones that each process was told were silent

	falseSuspicions, falseFailures, falseAtHealthy int
	liveFailures, liveSameSide                     int
	revived                                        int
}

// crash is which nodes came to know of one crash, and when.
type crash struct {
	node         int32
	gen          uint64
	at           gossip.Time
	first, until gossip.Time             // the first suspicion; the process's return
	knew         map[int32]time.Duration // by observer
}

// absence is a time of trouble that is over.
type absence struct {
	node     int32
	from, to gossip.Time
}

// spread is which nodes got one message, and when.
type spread struct {
	at     gossip.Time
	got    map[int32]time.Duration
	topic  string
	copies int
	across int // of these, to other zones
}

// mark starts the measurement of traffic.
func (m *meter) mark(w *World) {
	m.marked, m.crossed = w.now, w.crossings()
	m.last, m.peak = totals(m.crossed), make([]uint64, len(m.crossed))
	for _, h := range w.hosts {
		m.packets = append(m.packets, h.packets)
		m.bytes = append(m.bytes, h.bytes)
	}
}

// second takes in what crossed between zones in the second that ends.
func (m *meter) second(w *World) {
	if len(m.peak) == 0 {
		return
	}
	now := totals(w.crossings())
	for i, b := range now {
		m.peak[i] = max(m.peak[i], b-m.last[i])
	}
	m.last = now
}

func (m *meter) take(o *Obs) {
	switch o.Kind {
	case Saw:
		m.saw(o)
	case Crashed:
		c := &crash{node: o.Node, gen: m.peers[o.Node].gen, at: o.At, first: gossip.Never,
			until: gossip.Never,
			knew:  map[int32]time.Duration{}}
		if m.dead == nil {
			m.dead = map[int32]*crash{}
		}
		m.dead[o.Node] = c
		m.crashes = append(m.crashes, c)
	case Started:
		if c := m.dead[o.Node]; c != nil {
			c.until = o.At
			delete(m.dead, o.Node)
		}
	case ZoneLost, ZoneBack:
		m.zone(o)
	case Delivered, Copied, Published:
		m.message(o)
	case Troubled:
		if m.troubled == nil {
			m.troubled = map[int32]gossip.Time{}
		}
		m.troubled[o.Node] = o.At
	case Healthy:
		m.absences = append(m.absences, absence{o.Node, m.troubled[o.Node], o.At})
	}
}

// saw counts a view of the dead as knowledge, and a bad view of the living as an error. A suspicion
// is a table's, which all share, or the private alarm of one observer.
func (m *meter) saw(o *Obs) {
	if c := m.dead[o.Member]; c != nil && o.After.live() && !o.Before.live() &&
		o.After.Gen <= c.gen {
		if _, knew := c.knew[o.Node]; knew {
			m.revived++
		}
	}
	if o.Member < 0 || o.Node == o.Member || !o.After.Known || o.After.State == member.Alive &&
		!o.Alarm {
		return
	}
	p := &m.peers[o.Member]
	if c := m.dead[o.Member]; c != nil && o.After.Gen >= c.gen {
		c.first = min(c.first, o.At)
		if _, ok := c.knew[o.Node]; !ok && !o.After.live() {
			c.knew[o.Node] = o.At.Sub(c.at)
		}
	}
	if o.After.Gen != p.gen || !p.up || o.After.State == member.Left {
		return
	}
	if o.After.State == member.Failed {
		m.liveFailures++
		if !o.Apart {
			m.liveSameSide++
		}
	}
	switch {
	case !m.blameless(o.Member):
	case o.After.State != member.Failed:
		m.falseSuspicions++
	case !m.blameless(o.Node):
		m.falseFailures++
	default:
		m.falseFailures++
		m.falseAtHealthy++
	}
}

func (m *meter) message(o *Obs) {
	k := messageKey{o.Member, o.After.Gen, o.Seq}
	s := m.messages[k]
	if s == nil {
		s = &spread{at: o.At, got: map[int32]time.Duration{}}
		if m.messages == nil {
			m.messages = map[messageKey]*spread{}
		}
		m.messages[k] = s
		m.order = append(m.order, k)
	}
	switch {
	case o.Kind == Published: // it may have waited, and an own one is delivered as it leaves
		since := gossip.Time(o.From)
		for node := range s.got {
			s.got[node] += s.at.Sub(since)
		}
		s.at, s.topic = since, o.Text
	case o.Kind == Copied:
		s.copies++
		if o.Across {
			s.across++
		}
	default:
		if _, ok := s.got[o.Node]; !ok {
			s.got[o.Node] = o.At.Sub(s.at)
		}
	}
}

// caughtUp returns how long it took, after each absence, until the node had all messages that were
// sent during it. Absences without messages, or of a node that never had them all, are left out.
func (m *meter) caughtUp() (all []time.Duration) {
	for _, a := range m.absences {
		var last time.Duration
		sent, whole := 0, true
		for _, k := range m.order {
			s := m.messages[k]
			if s.at < a.from || s.at > a.to {
				continue
			}
			d, ok := s.got[a.node]
			sent++
			whole = whole && ok
			last = max(last, s.at.Add(d).Sub(a.to))
		}
		if sent > 0 && whole {
			all = append(all, last)
		}
	}
	return all
}

// throughout returns the processes that were up from one time to another.
func (m *meter) throughout(from, to gossip.Time) (all []int32) {
	for i, p := range m.peers {
		if p.gen != 0 && (p.up && p.since <= from || !p.up && p.since >= to && p.since > from) {
			all = append(all, int32(i))
		}
	}
	return all
}

// readers returns the processes that a message is for: those that were in the cluster when it was
// published, and up since. A newcomer, or a member that starts again without a store, gets what is
// published from its welcome on.
func (m *meter) readers(s *spread) []int32 {
	return slices.DeleteFunc(m.throughout(s.at, m.now), func(i int32) bool {
		p := &m.peers[i]
		return !p.welcome || p.welcomed > s.at
	})
}

// coverage is when shares of the nodes that should know something did.
type coverage struct {
	half, most, all []time.Duration // of each thing that reached so many
	due, reached    int             // pairs of a thing and a node that should know it
}

// add takes in one thing: the nodes that should know it, and when each of those that do came to
// know it.
func (c *coverage) add(who []int32, when map[int32]time.Duration) {
	var t []time.Duration
	for _, i := range who {
		if d, ok := when[i]; ok {
			t = append(t, d)
		}
	}
	slices.Sort(t)
	c.due += len(who)
	c.reached += len(t)
	for _, x := range []struct {
		p   float64
		out *[]time.Duration
	}{{0.5, &c.half}, {0.99, &c.most}, {1, &c.all}} {
		if k := rank(x.p, len(who)); len(who) > 0 && k < len(t) {
			*x.out = append(*x.out, t[k])
		}
	}
}
