package sim

import (
	"slices"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip"
)

// The two heaps against a sorted slice.
func TestFlightsComeInOrder(t *testing.T) {
	rng := newStream(1)
	var q flights
	var all []flight
	for i := range 5000 {
		f := flight{at: gossip.Time(rng.Uint64() % 50), dst: int32(rng.Uint64() % 5),
			src: int32(rng.Uint64() % 5), seq: uint64(i)}
		q.push(f)
		all = append(all, f)
		if rng.chance(0.3) {
			all = checkNext(t, &q, all)
		}
	}
	for len(all) > 0 {
		all = checkNext(t, &q, all)
	}
}

// Many in flight at once, as in a storm: each that arrives sends others on their way.
func TestManyFlights(t *testing.T) {
	rng := newStream(4)
	var q flights
	for i := range 1000 {
		q.push(flight{at: gossip.Time(i)})
	}
	for last := gossip.Time(0); len(q) > 0; {
		f := q.pop()
		if f.at < last {
			t.Fatalf("%d after %d", f.at, last)
		}
		last = f.at
		for range rng.Uint64() % 4 {
			if last < 4e6 && len(q) < 10_000 {
				q.push(flight{at: f.at + 1 + gossip.Time(rng.Uint64()%500_000)})
			}
		}
	}
}

// checkNext takes the next flight from both queues.
func checkNext(t *testing.T, q *flights, all []flight) []flight {
	t.Helper()
	least := 0
	for i := range all {
		if all[i].before(&all[least]) {
			least = i
		}
	}
	if got := q.pop(); got.seq != all[least].seq {
		t.Fatalf("got flight %+v, want %+v", got, all[least])
	}
	return slices.Delete(all, least, least+1)
}

func TestWakesKeepOneForEachHost(t *testing.T) {
	const hosts = 50
	rng := newStream(2)
	w := wakes{pos: make([]int32, hosts)}
	want := map[int32]gossip.Time{}
	for range 20000 {
		h, at := int32(rng.Uint64()%hosts), gossip.Time(rng.Uint64()%1000)
		want[h] = at
		if rng.chance(0.2) {
			at = gossip.Never
			delete(want, h)
		}
		w.set(h, at)
		if len(w.heap) != len(want) {
			t.Fatalf("%d wake-ups, want %d", len(w.heap), len(want))
		}
		first := wake{at: gossip.Never}
		for h, at := range want {
			if (wake{at, h}).before(first) {
				first = wake{at, h}
			}
		}
		if len(want) > 0 && w.heap[0] != first {
			t.Fatalf("the first wake-up is %+v, want %+v", w.heap[0], first)
		}
	}
}

func BenchmarkFlights(b *testing.B) {
	rng := newStream(3)
	var q flights
	for i := range 1000 {
		q.push(flight{at: gossip.Time(rng.Uint64() % 1e6), seq: uint64(i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		f := q.pop()
		f.at += gossip.Time(rng.Uint64() % 1e6)
		q.push(f)
	}
}

func TestPoolReuses(t *testing.T) {
	var p pool
	for _, n := range []int{0, 1, 63, 64, 65, 1400, 65507} {
		b := p.copy(make([]byte, n))
		if len(b) != n {
			t.Errorf("a copy of %d bytes has %d", n, len(b))
		}
		p.put(b)
		if n := testing.AllocsPerRun(10, func() { p.put(p.copy(b)) }); n != 0 {
			t.Errorf("%v allocations for a copy of %d bytes", n, len(b))
		}
	}
}
