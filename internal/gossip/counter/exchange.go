// Package counter is how nodes exchange heartbeat counters (van Renesse, Minsky, Hayden 1998). Each
// raises its own from time to time, and tells a few others the counters that it knows. Of two
// counters for one member the higher prevails. What is made of a counter that rises, or does not,
// is the failure detectors' affair: packages heartbeat and accrual.
//
// The paper sends the whole table. Here one datagram of it goes to each chosen member, and the next
// one has the next part of the table, in turn. So the load on a node does not grow with the
// cluster. The time between two rises of a counter does, once the table is larger than a datagram.
// Another order was tried: counters that have risen last go first. The mean gap is shorter by a
// third then, but the longest gaps, which T_fail has to allow for, are the same.
package counter

import (
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/topology"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// MaxFanout bounds Config.Fanout.
const MaxFanout = 16

// Config is how often a node tells how many.
type Config struct {
	Period time.Duration // between two beats of a node's heart
	Fanout int           // random members that get counters at each, 1 to MaxFanout
	Room   int           // bytes of messages that a datagram holds
}

// Entry is what is known of a live member's heart. T is what a detector keeps beside it.
type Entry[T any] struct {
	ID       member.ID
	Instance uint32
	Count    uint32    // 0: none heard yet
	Risen    mono.Time // when the count last rose here, or when the member came
	Data     T
}

// Exchange is one node's part. Its memory grows with the live members, and nothing else.
type Exchange[T any] struct {
	cfg  Config
	host detect.Host
	rose func(now mono.Time, e *Entry[T]) // before Count and Risen change

	own     uint32
	tick    mono.Time
	entries []Entry[T]
	index   map[member.ID]int32
	turn    int // the entry that is told next
	now     mono.Time
	take    func(wire.Counter) // made once, so that a datagram costs no closure
	scratch []byte
}

// New makes an Exchange. It beats first at a random moment of the first period, so that the nodes
// of a cluster that starts at once do not beat in step. rose is called for each count that rises,
// before the entry is changed; it may be nil.
func New[T any](cfg Config, host detect.Host, now mono.Time,
	rose func(now mono.Time, e *Entry[T])) *Exchange[T] {
	x := &Exchange[T]{cfg: cfg, host: host, rose: rose, index: map[member.ID]int32{}}
	x.cfg.Fanout = min(x.cfg.Fanout, MaxFanout)
	x.tick = now.Add(time.Duration(host.Rand().Int64N(int64(cfg.Period))))
	x.take = func(c wire.Counter) { x.heard(c) }
	return x
}

// Deadline returns when the heart beats next.
func (x *Exchange[T]) Deadline() mono.Time { return x.tick }

// Entries returns the live members other than this node. The caller may change their Data.
func (x *Exchange[T]) Entries() []Entry[T] { return x.entries }

// Get returns what is known of a live member, nil if there is none. It is good until the membership
// changes.
func (x *Exchange[T]) Get(id member.ID) *Entry[T] {
	if i, ok := x.index[id]; ok {
		return &x.entries[i]
	}
	return nil
}

// Wake raises the node's own counter, if it is time, and tells a few others what it knows.
func (x *Exchange[T]) Wake(now mono.Time) {
	if x.tick > now {
		return
	}
	x.tick = now.Add(x.cfg.Period)
	x.own++
	var room [MaxFanout]member.Member
	for _, m := range topology.Pick(x.host.Rand(), x.host.Table(), x.cfg.Fanout, room[:0],
		x.host.Self()) {
		x.send(now, &m)
	}
}

// send tells a member this node's own counter and the next part of the others'.
func (x *Exchange[T]) send(now mono.Time, m *member.Member) {
	b := detect.AppendDoubt(x.scratch[:0], m, x.host.Self())
	start := len(b)
	b = wire.BeginCounters(b, x.own)
	told := 0
	for range x.entries {
		if len(b)+wire.MaxCounter > x.cfg.Room {
			break
		}
		if x.turn >= len(x.entries) {
			x.turn = 0
		}
		e := &x.entries[x.turn]
		x.turn++
		if e.Count > 0 && e.ID != m.ID {
			b = wire.AppendCounter(b, wire.Counter{ID: e.ID, Instance: e.Instance, Count: e.Count})
			told++
		}
	}
	b = wire.EndCounters(b, start, told)
	x.scratch = b
	x.host.Send(now, plane.PeerOf(m), b)
}

// Receive takes a Counters message, and says whether it could be read.
func (x *Exchange[T]) Receive(now mono.Time, from plane.Peer, body []byte) (ok bool) {
	x.now = now
	own, ok := wire.ReadCounters(body, x.take)
	if ok {
		x.heard(wire.Counter{ID: from.ID, Instance: from.Instance, Count: own})
	}
	return ok
}

// heard takes in a counter if it is higher than what is known of the same life of a live member.
func (x *Exchange[T]) heard(c wire.Counter) {
	i, ok := x.index[c.ID]
	if !ok {
		return
	}
	e := &x.entries[i]
	if e.Instance != c.Instance || c.Count <= e.Count {
		return
	}
	if x.rose != nil {
		x.rose(x.now, e)
	}
	e.Count, e.Risen = c.Count, x.now
}

// Changed keeps the entries in step with the table, and says whether a member came, or came back.
// Such a one begins anew: what was counted in a former life, or before it was held dead, is no
// measure.
func (x *Exchange[T]) Changed(now mono.Time, before, after member.Member) (came bool) {
	if after.ID == x.host.Self() {
		return false
	}
	i, known := x.index[after.ID]
	instance := after.Instance()
	switch {
	case !after.State.Live():
		if known {
			x.drop(int(i))
		}
		return false
	case known && x.entries[i].Instance == instance && before.ID != 0:
		return false
	case !known:
		i = int32(len(x.entries))
		x.entries = append(x.entries, Entry[T]{})
		x.index[after.ID] = i
	}
	x.entries[i] = Entry[T]{ID: after.ID, Instance: instance, Risen: now}
	return true
}

// Drop forgets a member that the table has let go without a word.
func (x *Exchange[T]) Drop(id member.ID) {
	if i, ok := x.index[id]; ok {
		x.drop(int(i))
	}
}

func (x *Exchange[T]) drop(i int) {
	last := len(x.entries) - 1
	delete(x.index, x.entries[i].ID)
	if i != last {
		x.entries[i] = x.entries[last]
		x.index[x.entries[i].ID] = int32(i)
	}
	x.entries[last] = Entry[T]{}
	x.entries = x.entries[:last]
}

// Stalled moves everything by a gap in which this process stood still: others beat meanwhile, and
// it did not hear.
func (x *Exchange[T]) Stalled(gap time.Duration) {
	x.tick = x.tick.Add(gap)
	for i := range x.entries {
		x.entries[i].Risen = x.entries[i].Risen.Add(gap)
	}
}

// Reach is how many members a node tells any one counter in a period, on average: Fanout, or less
// if the table is larger than a datagram, or the cluster smaller. The chance that a counter is not
// seen to rise for t falls as exp(-Reach·t/Period).
func (c Config) Reach(live int) float64 {
	others := max(live-1, 1)
	part := float64(c.Room) / typicalEntry / float64(others)
	return float64(min(c.Fanout, MaxFanout, others)) * min(1, part)
}

// typicalEntry is what a counter takes of a datagram in the first weeks of a process, in bytes.
const typicalEntry = 8 + 4 + 3
