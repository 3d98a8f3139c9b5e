package reconcile

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/sketch"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// Two tables of 10,000 that differ in d members, half of them updated here and half there; from the
// fingerprint that shows it to equal tables. Reported: bytes beside the records, all bytes,
// datagrams, legs (each the time of one way), and how often the tables came out equal at the first
// try. The budget is out of the way.
func BenchmarkRepair(b *testing.B) {
	for _, d := range []int{0, 1, 3, 10, 30, 100, 1000} {
		b.Run(fmt.Sprintf("differ=%d", d), func(b *testing.B) {
			var meta, total, packets, legs, equal, runs int
			w := newWorld(1)
			x, y := pair(w, 10_000)
			for b.Loop() {
				b.StopTimer()
				differIn(x, y, d, uint64(runs))
				w.settle()
				plenty := Config{Serve: 1 << 20, Burst: 1 << 20}
				x.repair, y.repair = New(x, plenty), New(y, plenty)
				w.bytes, w.packets, w.legs = 0, 0, 0
				w.Forget()
				b.StartTimer()
				x.fingerprint(y.ID(), false)
				w.Run(5e7)
				b.StopTimer()
				pushed := int(x.repair.Stats().Pushed + y.repair.Stats().Pushed)
				runs++
				total += w.bytes
				packets += w.packets
				meta += w.bytes - pushed*recordSize()
				legs += max(0, w.legs-1) // beside the fingerprint
				if w.agreed() {
					equal++
				}
				takeAll(x, y)
				takeAll(y, x)
				b.StartTimer()
			}
			per := func(v int, unit string) { b.ReportMetric(float64(v)/float64(runs), unit) }
			per(meta, "metaB/op")
			per(total, "wireB/op")
			per(packets, "datagrams/op")
			per(legs, "legs/op")
			per(equal, "equal/op")
		})
	}
}

// differIn updates d members, every other one here and there.
func differIn(x, y *fakeNode, d int, seed uint64) {
	for i, k := range rand.New(rand.NewPCG(seed, 1)).Perm(10_000)[:d] {
		m, _ := x.Members.Get(member.IDOf(name(k)))
		f := fact(name(k), 1, m.Incarnation+1, member.Alive)
		if i%2 == 0 {
			x.apply(f)
		} else {
			y.apply(f)
		}
	}
}

// takeAll tells one node all that another knows.
func takeAll(to, from *fakeNode) {
	for m := range from.Members.All() {
		to.apply(m.Fact())
	}
}

func recordSize() int {
	f := fact(name(1), 1, 4, member.Alive)
	r := f.Record.Value()
	return len(wire.AppendRecord(nil, &r, &wire.Claim{Incarnation: 4}))
}

// The steady state: equal fingerprints.
func BenchmarkFingerprintEqual(b *testing.B) {
	w := newWorld(1)
	x, y := pair(w, 1000)
	from, _ := x.Members.Get(y.ID())
	fp := wire.Fingerprint{Hash: x.Members.Fingerprint(), Live: uint32(x.Members.Live())}
	b.ReportAllocs()
	for b.Loop() {
		x.repair.Fingerprint(w.Now, from, fp)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	w := newWorld(1)
	x, y := pair(w, 100)
	from, _ := x.Members.Get(y.ID())
	fp := wire.Fingerprint{Hash: x.Members.Fingerprint(), Live: uint32(x.Members.Live())}
	if n := testing.AllocsPerRun(100, func() {
		x.repair.Fingerprint(w.Now, from, fp)
		x.repair.Deadline()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func benchmarkMismatch(b *testing.B, changes int) {
	var l changeLog
	rng := rand.New(rand.NewPCG(1, 1))
	for range changes {
		l.add(change{id: 1, delta: rng.Uint64()})
	}
	var ids [maxExplain]member.ID
	b.ReportAllocs()
	for b.Loop() {
		l.explain(rng.Uint64(), ids[:0])
	}
}

func BenchmarkExplainNothing(b *testing.B) { benchmarkMismatch(b, logSize) }

func BenchmarkSketch10000(b *testing.B) {
	w := newWorld(1)
	x, _ := pair(w, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		var cells [smallCells]uint64
		for _, it := range x.repair.items(newSalt(5), wire.Range{}) {
			sketch.Toggle(cells[:], it)
		}
	}
}
