package swim

// A detector without a node around it: a table, and a list of what it sent and said.

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// sent is one message of a datagram that the detector sent.
type sent struct {
	at   mono.Time
	to   member.ID
	kind wire.Type
	body []byte
}

func (s sent) seq() uint32 { q, _ := wire.ReadSeq(s.body); return q }

// fake is a detect.Host. Like the node, it puts verdicts into the table and tells the detector of
// the changes.
type fake struct {
	t        testing.TB
	d        *Detector
	now      mono.Time
	self     member.ID
	table    member.Table
	rng      *rand.Rand
	sent     []sent
	suspects []member.ID
	failed   []member.ID
	evidence detect.Evidence // of the last
}

func (f *fake) Self() member.ID      { return f.self }
func (f *fake) Table() *member.Table { return &f.table }
func (f *fake) Rand() *rand.Rand     { return f.rng }

func (f *fake) Send(now mono.Time, to plane.Peer, messages []byte) {
	datagram := append(wire.AppendHeader(nil, wire.Header{}), messages...)
	_, r, _ := wire.Open(datagram)
	for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
		f.sent = append(f.sent, sent{now, to.ID, t, body})
	}
	if r.Malformed() {
		f.t.Error("the detector sent a malformed datagram")
	}
}

func (f *fake) Suspect(_ mono.Time, id member.ID) {
	f.suspects = append(f.suspects, id)
	f.set(id, member.Suspect, f.self)
}

func (f *fake) FailWith(now mono.Time, id member.ID, e detect.Evidence) {
	f.evidence = e
	f.Fail(now, id)
}

func (f *fake) Fail(_ mono.Time, id member.ID) {
	f.failed = append(f.failed, id)
	f.set(id, member.Failed, 0)
}

func name(i int) string { return fmt.Sprintf("m%d", i) }

func id(i int) member.ID { return member.IDOf(name(i)) }

func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7747)
}

// newFake makes a detector of member 0 in a cluster of n.
func newFake(t testing.TB, n int, cfg Config) *fake {
	f := &fake{t: t, now: mono.Time(time.Hour), self: id(0),
		rng: rand.New(rand.NewPCG(3, uint64(n)))}
	f.d = New(cfg, f, f.now)
	for i := range n {
		f.add(i)
	}
	return f
}

func (f *fake) add(i int) {
	f.merge(member.Fact{Record: member.Share(member.Record{Name: name(i), Generation: 1,
		Addr: addr(i)})}, 0)
}

// merge puts a fact into the table and tells the detector, as the node does.
func (f *fake) merge(fact member.Fact, accuser member.ID) {
	before, _, changed, err := f.table.Merge(f.now, fact)
	if err != nil || !changed {
		f.t.Fatalf("the table did not take %+v: %v", fact, err)
	}
	after, _ := f.table.Get(member.IDOf(fact.Record.Value().Name))
	f.d.Changed(f.now, before, after)
	if after.State == member.Suspect {
		f.d.Accused(f.now, after, accuser)
	}
}

// set changes a member's state at its incarnation.
func (f *fake) set(id member.ID, s member.State, accuser member.ID) {
	m := f.get(id)
	f.merge(member.Fact{Record: m.Handle, Incarnation: m.Incarnation, State: s}, accuser)
}

// refute makes a member alive at the next incarnation.
func (f *fake) refute(id member.ID) {
	m := f.get(id)
	f.merge(member.Fact{Record: m.Handle, Incarnation: m.Incarnation + 1, State: member.Alive}, 0)
}

func (f *fake) get(id member.ID) member.Member {
	m, ok := f.table.Get(id)
	if !ok {
		f.t.Fatal("no such member")
	}
	return m
}

func (f *fake) peer(i int) plane.Peer { m := f.get(id(i)); return plane.PeerOf(&m) }

// wake moves on to the next deadline. What is due then is done then.
func (f *fake) wake() {
	f.t.Helper()
	f.now = max(f.now, f.d.Deadline())
	if f.d.Wake(f.now); f.d.Deadline() <= f.now {
		f.t.Fatalf("woken at %d, and due again at %d", f.now, f.d.Deadline())
	}
}

// run moves on for a time; answer, if not nil, sees each message that is sent, when it is sent.
func (f *fake) run(d time.Duration, answer func(s sent)) {
	for end := f.now.Add(d); ; {
		for answer != nil && len(f.sent) > 0 {
			s := f.sent[0]
			f.sent = f.sent[1:]
			answer(s)
		}
		if f.d.Deadline() > end {
			f.now = end
			return
		}
		f.wake()
	}
}

// nextPing moves on until the detector pings somebody, and forgets what it sent besides.
func (f *fake) nextPing() sent {
	f.t.Helper()
	for range 100 {
		f.wake()
		for _, s := range f.sent {
			if s.kind == wire.TypePing {
				f.sent = nil
				return s
			}
		}
	}
	f.t.Fatal("no ping")
	return sent{}
}

func (f *fake) receive(from int, t wire.Type, seq uint32) {
	b := wire.AppendPing(nil, seq)
	f.d.Receive(f.now, plane.Sender{Peer: f.peer(from)}, t, wire.Body(b))
}

func (f *fake) index(of member.ID) int {
	for i := range f.table.Len() {
		if id(i) == of {
			return i
		}
	}
	return -1
}

func (f *fake) count(kind wire.Type) (n int) {
	for _, s := range f.sent {
		if s.kind == kind {
			n++
		}
	}
	return n
}

// ackAll answers each ping at once.
func (f *fake) ackAll(s sent) {
	if s.kind == wire.TypePing {
		f.receive(f.index(s.to), wire.TypeAck, s.seq())
	}
}
