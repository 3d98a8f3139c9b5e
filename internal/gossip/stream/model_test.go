package stream

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
	"github.com/starling-gossip/starling/internal/size"
)

// The whole against the simplest model there is: a list of what was published. Datagrams are lost,
// doubled and overtaken. Nodes sleep, are cut off, or are started again with what they kept on
// disk. Publishers have several messages waiting, on several topics. In the end each node has every
// message that left its publisher once, whole, each stream in order, and each topic.

type streamKey struct {
	origin     member.ID
	generation uint64
}

type model struct {
	*world
	published map[streamKey][]written // by life
	trace     []string
}

// written is a message that was published. One that has not left as its publisher starts again is
// gone.
type written struct {
	topic   string
	payload []byte
	left    bool
}

func (m *model) tracef(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf("%v ", time.Duration(m.Now-1e12))+fmt.Sprintf(format,
		args...))
}

func TestModel(t *testing.T) {
	for seed := range size.Of(8, 40, 1000) {
		m := runModel(t, uint64(seed), Config{})
		m.check()
		m.report(uint64(seed))
	}
}

// Where much less is kept than is published, not everything comes, but everything is accounted for.
func TestModelWithLittleRoom(t *testing.T) {
	for seed := range size.Of(4, 20, 500) {
		m := runModel(t, uint64(seed), Config{Pieces: 150, Age: 4 * time.Second,
			Patience: 500 * time.Millisecond})
		m.account()
		m.report(uint64(seed))
	}
}

func (m *model) report(seed uint64) {
	m.tb.Helper()
	if m.tb.Failed() {
		for _, line := range m.trace {
			m.tb.Log(line)
		}
		m.tb.Fatalf("seed %d", seed)
	}
}

func runModel(t *testing.T, seed uint64, cfg Config) *model {
	m := &model{world: newWorld(t, seed, 3+int(seed%6), cfg), published: map[streamKey][]written{}}
	rng := m.Chance
	m.loss, m.lossAll, m.Twice = rng.Float64()*0.6, rng.Float64()*0.3, rng.Float64()*0.2
	m.latency = time.Duration(1+m.Chance.IntN(20)) * time.Millisecond
	for range 150 {
		m.step()
		m.run(time.Duration(m.Chance.IntN(100))*time.Millisecond, nil)
	}
	m.Cut = nil
	for _, n := range m.nodes {
		if n.asleep {
			m.wakeUp(n)
		}
		m.leave(n, 1<<20)
	}
	total := 0
	for key := range m.published {
		total += m.leftOf(key)
	}
	m.run(50*time.Second, m.all(total))
	return m
}

// step does one thing at random.
func (m *model) step() {
	n := m.nodes[m.Chance.IntN(len(m.nodes))]
	switch k := m.Chance.IntN(40); {
	case n.asleep:
		if k < 12 {
			m.wakeUp(n)
		}
	case k < 30:
		size := m.Chance.IntN(200)
		if k < 3 {
			size = m.Chance.IntN(60_000)
		}
		m.put(n, payload(size, byte(m.Chance.Uint32())))
		if m.Chance.IntN(3) > 0 {
			m.leave(n, m.Chance.IntN(100))
		}
	case k < 33:
		n.sleep()
		m.tracef("%s sleeps", n.Record.Name)
	case k < 35 && n.Record.Generation < MaxLives:
		m.restart(n)
	case k < 37 && m.Cut == nil:
		cut := m.Chance.IntN(len(m.nodes))
		m.tracef("cut at %d", cut)
		m.Cut = func(from, to *node) bool {
			return slices.Index(m.nodes, from) < cut != (slices.Index(m.nodes, to) < cut)
		}
	case m.Cut != nil:
		m.tracef("healed")
		m.Cut = nil
	}
}

func (m *model) put(n *node, b []byte) {
	topic := string("abc"[m.Chance.IntN(3)])
	p, err := n.s.Append(m.Now, topic, b, m.Chance.IntN(4) == 0)
	if err != nil {
		return // too much waits
	}
	key := streamKey{n.ID(), p.Generation}
	m.published[key] = append(m.published[key], written{topic: topic, payload: b})
	if uint64(len(m.published[key])) != p.Seq {
		m.tb.Errorf("%s published message %d as number %d", n.Record.Name,
			len(m.published[key]), p.Seq)
	}
	m.tracef("%s/%d publishes %d of %d bytes on %s", n.Record.Name, p.Generation, p.Seq, len(b),
		topic)
	n.schedule()
}

// leave has parcels of a node leave, some at most.
func (m *model) leave(n *node, most int) {
	for range most {
		bulk := m.Chance.IntN(2) == 0
		c := n.s.Cut(m.Now, bulk, 1000)
		if c.Count == 0 {
			if c = n.s.Cut(m.Now, !bulk, 1000); c.Count == 0 {
				return
			}
		}
		last := c.First + uint64(c.Count) - 1
		m.tracef("%s/%x: pieces %d to %d leave", n.Record.Name, c.Generation, c.First, last)
		n.s.Sent(m.Now, c.Generation, last)
		n.spread(published{Published{Generation: c.Generation}, c.First, last})
	}
}

// leftOf counts what left its publisher of a life, as that delivered it to itself.
func (m *model) leftOf(key streamKey) (count int) {
	for _, got := range m.byID[key.origin].got {
		if got.Origin == key.origin && wire.LifeOf(got.Generation) == key.generation {
			if w := &m.published[key][got.Seq-1]; !w.left {
				w.left = true
			}
		}
	}
	for _, w := range m.published[key] {
		if w.left {
			count++
		}
	}
	return count
}

func (m *model) wakeUp(n *node) {
	n.wake(3 * time.Second)
	m.tracef("%s wakes", n.Record.Name)
}

// restart has a node start again, with what it kept. No message has left in part.
func (m *model) restart(n *node) {
	for n.s.outbox.queues[0].begun+n.s.outbox.queues[1].begun > 0 {
		m.leave(n, 1) // the rest of a message would be lost
	}
	n.Record.Generation++
	m.tracef("%s starts again as %d", n.Record.Name, n.Record.Generation)
	for _, o := range m.nodes {
		o.merge(n, member.Alive)
	}
	pieces := slices.Clone(n.kept)
	slices.SortStableFunc(pieces, func(a, b wire.Piece) int {
		return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Generation, b.Generation),
			cmp.Compare(a.Seq, b.Seq))
	})
	marks := make([]Mark, 0, len(n.marks))
	for _, mark := range n.marks {
		marks = append(marks, mark)
	}
	slices.SortFunc(marks, func(a, b Mark) int {
		return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Generation, b.Generation))
	})
	n.s = New(n, m.cfg)
	n.s.Restore(m.Now, slices.Values(marks), slices.Values(pieces))
	if by, ok := n.s.anybody(); ok {
		n.s.Joined(m.Now, by, 0)
	}
	n.schedule()
}

func (m *model) check() {
	for _, n := range m.nodes {
		n.checkOrder()
		count := map[streamKey]int{}
		for _, got := range n.got {
			key := streamKey{got.Origin, wire.LifeOf(got.Generation)}
			count[key]++
			if !m.wrote(&got) {
				m.tb.Errorf("%s got a message %d of %v that was never published", n.Record.Name,
					got.Seq, key)
			}
		}
		for key := range m.published {
			if left := m.leftOf(key); count[key] != left {
				m.tb.Errorf("%s got %d of the %d messages of %s/%d: %+v", n.Record.Name, count[key],
					left, m.byID[key.origin].Record.Name,
					key.generation, n.s.Stats())
			}
		}
		if len(n.lost) > 0 {
			m.tb.Errorf("%s lost %+v", n.Record.Name, n.lost)
		}
		n.checkSums()
	}
}

// account fails unless each stream, as a node got it, is messages in order and holes that make up
// for the rest.
func (m *model) account() {
	for _, n := range m.nodes {
		next, lost := map[streamKey]uint64{}, map[streamKey]uint64{}
		most := map[streamKey]uint64{} // messages lost of which nobody knows how many they were
		i, k := 0, 0
		for _, e := range n.events { // messages and holes in the order in which they came
			var key streamKey
			if strings.HasPrefix(e, "lost") {
				l := n.lost[k]
				k++
				key = streamKey{l.Origin, l.Generation}
				if l.Seq == 0 { // the end of what is known
					most[key] += l.Count
					continue
				}
				next[key], lost[key] = next[key]+l.Count, lost[key]+l.Count
				if most[key] > 0 && l.Seq > next[key] && l.Seq <= next[key]+most[key] {
					next[key], most[key] = l.Seq, 0
				}
				if l.Seq != next[key] {
					m.tb.Errorf("%s: a hole to %d, but %d are accounted for: %+v", n.Record.Name,
						l.Seq, next[key], l)
				}
				continue
			}
			g := n.got[i]
			i++
			key = streamKey{g.Origin, g.Generation}
			if most[key] > 0 && g.Order > next[key]+1 && g.Order <= next[key]+1+most[key] {
				next[key], most[key] = g.Order-1, 0
			}
			if next[key]++; g.Order != next[key] || !m.wrote(&g) {
				m.tb.Errorf("%s: message %d of %v, but %d are accounted for", n.Record.Name,
					g.Order, key, next[key])
			}
		}
		n.checkSums()
	}
}

// wrote says whether a message was published as it was delivered.
func (m *model) wrote(got *Message) bool {
	list := m.published[streamKey{got.Origin, wire.LifeOf(got.Generation)}]
	return int(got.Seq) <= len(list) && bytes.Equal(list[got.Seq-1].payload, got.Payload) &&
		list[got.Seq-1].topic == string(got.Topic)
}

// checkSums counts again what a Streams counts as it goes.
func (n *node) checkSums() {
	n.w.tb.Helper()
	if err := n.s.Check(); err != nil {
		n.w.tb.Errorf("%s: %v", n.Record.Name, err)
	}
}
