package state

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// A writer of 10,000 updates a second costs what its links carry, and readers see what is new.
func TestFlow(t *testing.T) {
	w := newWorld(t, 32, 5, Config{})
	writes := 0
	for end := w.Now.Add(2 * time.Second); w.Now < end; writes++ {
		w.nodes[0].set("hot", fmt.Sprint(writes), 0)
		w.run(100 * time.Microsecond)
	}
	bytes, links := w.nodes[0].bytes, len(w.nodes[0].store.links.list)
	perLink := 2 * int(time.Second/(20*time.Millisecond))
	if most := links * (perLink + 2) * 150; bytes > most {
		t.Errorf("%d writes cost their writer %d bytes over %d links, over %d", writes, bytes,
			links, most)
	}
	for _, x := range w.nodes[1:] {
		v, _ := x.store.Get(w.Now, w.nodes[0].ID(), "hot")
		// 0.2 s of writes
		if behind := w.nodes[0].store.Version(w.nodes[0].ID()) - v.Version; behind > 2000 {
			t.Errorf("%s is %d writes behind", x.Record.Name, behind)
		}
	}
	w.run(time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
}

// What a node sends of keys stays within its rate, whatever is written.
func TestRate(t *testing.T) {
	cfg := Config{Rate: 64 << 10}
	w := newWorld(t, 16, 6, cfg)
	for range 100 {
		for i, x := range w.nodes[:4] {
			x.set(fmt.Sprint("k", i), strings.Repeat("x", 20_000+w.Chance.IntN(1000)), 0)
		}
		w.run(50 * time.Millisecond)
	}
	for _, x := range w.nodes {
		if most := cfg.Rate*5 + cfg.Rate/8 + 4096; x.bytes > most {
			t.Errorf("%s sent %d bytes in 5 s, over %d", x.Record.Name, x.bytes, most)
		}
	}
	w.run(30 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
}

// A node with a large map does not starve those with small ones: a member that comes back has the
// small maps first.
func TestFairness(t *testing.T) {
	w := newWorld(t, 20, 7, Config{})
	w.Cut = func(a, b int) bool { return a == 19 || b == 19 }
	for k := range 200 {
		w.nodes[0].set(fmt.Sprint("big", k), strings.Repeat("x", 1000), 0)
	}
	for _, x := range w.nodes[1:19] {
		x.set("small", "x", 0)
	}
	w.run(2 * time.Second)
	late := w.nodes[19]
	small, before := 0, 0
	late.told = func(c Change) {
		if c.Key == "small" {
			small++
		} else if small < 18 {
			before++
		}
	}
	w.Cut = nil
	w.run(10 * time.Second)
	if what := w.equal(); what != "" {
		t.Fatal(what)
	}
	if small != 18 || before > 20 {
		t.Errorf("%d keys of the large map came before the last of %d small ones", before, small)
	}
}

// A receiver holds what its own bounds allow, whatever it is sent.
func TestBounds(t *testing.T) {
	w := newWorld(t, 2, 8, Config{Total: 100_000})
	x, y := w.nodes[0], w.nodes[1]
	m, _ := x.Members.Get(y.ID())
	for version := uint64(1); version < 400; version++ {
		b := wire.AppendDelta(wire.BeginDeltas(nil, 0),
			&wire.Delta{Owner: y.ID(), Instance: m.Instance(), From: version - 1, To: version,
				Count: 1})
		b = wire.AppendKeyEntry(b, version-1, &wire.KeyEntry{Version: version},
			fmt.Sprint(version), strings.Repeat("x", 1000))
		x.receive(y, wire.EndDeltas(b, 0))
	}
	if st := x.store.Stats(); st.Bytes > 100_000 || st.Refused == 0 {
		t.Errorf("%+v", st)
	}
}

// In steady state nothing is allocated: fingerprints are compared, and deltas that bring nothing
// are taken.
func TestNoAllocation(t *testing.T) {
	w := newWorld(t, 8, 9, Config{})
	for _, x := range w.nodes {
		x.set("k", "v", 0)
	}
	w.run(2 * time.Second)
	x, y := w.nodes[0], w.nodes[1]
	m, _ := x.Members.Get(y.ID())
	b, _, _ := y.store.packer.appendDelta(wire.BeginDeltas(nil, 0), w.Now, y.store.self(),
		position{}, 1000)
	b = wire.EndDeltas(b, 0)
	f := y.store.Fingerprint()
	if n := testing.AllocsPerRun(100, func() {
		x.store.Compare(w.Now, m, f, true)
		x.store.Receive(w.Now, plane.SenderOf(m), wire.TypeDeltas, wire.Body(b))
		x.store.Flush(w.Now)
		_ = x.store.Deadline()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// check looks at what must hold in a store whatever it took in.
func (s *Store) check(t *testing.T) {
	var fingerprint uint64
	held, built := 0, 0
	for _, o := range s.owners {
		fingerprint ^= o.counted
		if o.floor > o.version {
			t.Errorf("floor %d of version %d", o.floor, o.version)
		}
		held += o.size
		o.check(t)
		if o.next != nil {
			built += o.next.size
			o.next.check(t)
		}
	}
	if fingerprint != s.fingerprint || held != s.bytes || built != s.building {
		t.Errorf("fingerprint %x of %x, %d and %d bytes, counted as %d and %d", s.fingerprint,
			fingerprint, held, built, s.bytes, s.building)
	}
}

func (o *owner) check(t *testing.T) {
	var last, content uint64
	size, dead, lapsing := 0, 0, 0
	keys := map[string]bool{}
	for _, h := range o.items {
		it := h.Value()
		if it.version <= last || it.version > o.version || keys[it.key] {
			t.Errorf("%q at %d stands after %d, up to %d", it.key, it.version, last, o.version)
		}
		last, keys[it.key] = it.version, true
		size += it.cost()
		content ^= it.sum
		if it.deleted {
			dead++
		}
		if it.lapses {
			lapsing++
		}
	}
	for i, l := range o.lapse {
		k := o.after(l.version) - 1
		if it := o.items[max(k, 0)].Value(); k < 0 || it.version != l.version || !it.lapses ||
			i > 0 && o.lapse[i-1].version >= l.version {
			t.Errorf("%d lapses, and is %+v", l.version, it)
		}
	}
	if size != o.size || dead != o.dead || content != o.content || lapsing != o.lapsing ||
		size > 2*MaxNode {
		t.Errorf("%d bytes and %d tombstones, counted as %d and %d", size, dead, o.size, o.dead)
	}
}

// FuzzReceive hands a store any messages, from the owner whose keys they tell of or from another,
// when it is in doubt or not. Nothing panics, what it holds stays within bounds, and its own keys
// are its own.
func FuzzReceive(f *testing.F) {
	w := newWorld(f, 4, 1, Config{})
	owner := w.nodes[1]
	m, _ := owner.Members.Get(owner.ID())
	d := wire.AppendDelta(wire.BeginDeltas(nil, 77),
		&wire.Delta{Owner: m.ID, Instance: m.Instance(), To: 3, Count: 2})
	d = wire.AppendKeyEntry(d, 0, &wire.KeyEntry{Version: 2, TTL: 9}, "a", "b")
	f.Add(uint8(2), wire.Body(wire.EndDeltas(wire.AppendKeyEntry(d, 2,
		&wire.KeyEntry{Version: 3, Deleted: true}, "c", ""), 0)))
	d = wire.AppendDelta(wire.BeginDeltas(nil, 0),
		&wire.Delta{Owner: m.ID, Instance: m.Instance(), Floor: 9, Count: 1})
	f.Add(uint8(2), wire.Body(wire.EndDeltas(wire.AppendKeyEntry(d, 0,
		&wire.KeyEntry{Version: 1, Part: true, Total: 5}, "c", "ab"), 0)))
	k := wire.AppendKeyMark(wire.BeginKeyDigest(nil, wire.KeyDigest{Reply: true}),
		&wire.KeyMark{Owner: m.ID, Instance: m.Instance(), Offset: 3, Part: 1})
	f.Add(uint8(1), wire.Body(wire.EndKeyDigest(k, 0)))
	f.Add(uint8(2+64+128), wire.Body(wire.EndDeltas(wire.AppendDelta(wire.BeginDeltas(nil, 0),
		&wire.Delta{Owner: m.ID, Instance: m.Instance(), To: 9}), 0)))
	f.Add(uint8(0), wire.Body(wire.AppendKeySketch(nil, &wire.View{Count: 2}, make([]uint64, 48))))
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		if len(body) > wire.MinRoom {
			return
		}
		w := newWorld(t, 4, 1, Config{})
		for i, x := range w.nodes {
			x.set("k", strings.Repeat("v", 1500*i), 0)
			x.set("gone", "", 0)
			x.unset("gone")
		}
		w.run(50 * time.Millisecond)
		x := w.nodes[0]
		from, _ := x.Members.Get(w.nodes[2].ID())
		if kind&64 != 0 {
			from, _ = x.Members.Get(owner.ID())
		}
		x.store.owner(owner.ID()).doubt = kind&128 != 0
		kind &= 63
		for range 2 {
			x.store.Receive(w.Now, plane.SenderOf(from), wire.TypeKeySketch+wire.Type(kind%3), body)
			x.store.Flush(w.Now)
		}
		w.run(time.Second)
		if v, ok := x.store.Get(w.Now, x.ID(), "k"); !ok || v.Version != 1 ||
			x.store.Version(x.ID()) != 3 {
			t.Error("a message changed this node's own keys")
		}
		x.store.check(t)
	})
}

// While the budget for a peer's zone is spent nothing of keys is sent there. The store does not
// wake again and again for that, and is not asked again and again.
func TestShortOfBudget(t *testing.T) {
	w := newWorld(t, 2, 1, Config{})
	a, b := w.nodes[0], w.nodes[1]
	a.short = true
	a.set("k", "v", 0)
	wakes := 0
	for end := w.Now.Add(time.Second); a.store.Deadline() <= end; wakes++ {
		w.Now = max(w.Now, a.store.Deadline())
		a.store.Wake(w.Now)
		a.store.Flush(w.Now)
	}
	if wakes > 30 {
		t.Errorf("it woke %d times in a second", wakes)
	}
	before := a.packets + b.packets
	w.run(10 * time.Second) // the other sees that something differs, and asks
	if sent := a.packets + b.packets - before; sent > 60 {
		t.Errorf("%d datagrams in ten seconds", sent)
	}
	a.short = false
	w.run(10 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
}
