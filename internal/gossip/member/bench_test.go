package member

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"
)

func sharedFacts(n int) []Fact {
	facts := make([]Fact, n)
	for i := range facts {
		facts[i].Record = Share(record(fmt.Sprintf("member-%d", i), 1, i%250))
	}
	return facts
}

// BenchmarkTableMemory reports what one member costs in one node's table beside the shared record:
// the heap that many tables of the same members take, over their entries.
func BenchmarkTableMemory(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			facts := sharedFacts(n)
			tables := make([]Table, 200_000/n)
			var before, after runtime.MemStats
			for b.Loop() {
				clear(tables)
				runtime.GC()
				runtime.ReadMemStats(&before)
				for i := range tables {
					for _, f := range facts {
						tables[i].Merge(0, f)
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
			}
			runtime.KeepAlive(facts)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(tables)*n),
				"B/member")
		})
	}
}

// A member costs at most 64 bytes in a table of a thousand or more, whatever the size. That
// includes the slack of slices that grew, and what the allocator rounds up.
func TestMemberCost(t *testing.T) {
	var table Table
	worst, at := 0.0, 0
	h := Share(record("wren", 1, 0))
	for n := 1; n <= 30_000; n++ {
		table.insert(entry{rec: h, id: ID(Mix(uint64(n)))})
		bytes := roundUp(cap(table.entries)*int(unsafe.Sizeof(entry{}))) +
			roundUp(cap(table.index)*int(unsafe.Sizeof(table.index[0])))
		if cost := float64(bytes) / float64(n); n >= 1_000 && cost > worst {
			worst, at = cost, n
		}
	}
	if worst > 64 {
		t.Errorf("%.1f bytes for each of %d members", worst, at)
	}
}

// roundUp is what the allocator takes for a large object: whole pages of 8 KiB.
func roundUp(bytes int) int { return (bytes + 8191) &^ 8191 }

// Reading a table, and news that it knows already, cost no memory.
func TestTableAllocatesNothing(t *testing.T) {
	var table Table
	facts := sharedFacts(100)
	for _, f := range facts {
		table.Merge(0, f)
	}
	inc := uint32(0)
	if n := testing.AllocsPerRun(20, func() {
		inc++
		for _, f := range facts {
			table.Merge(1, f) // known
			f.Incarnation = inc
			table.Merge(1, f) // newer, of a record that is known
			f.State = Suspect + State(inc%3)
			table.Merge(1, f)
		}
		for m := range table.All() {
			table.Get(m.ID)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMerge(b *testing.B) {
	facts := sharedFacts(10_000)
	var table Table
	for _, f := range facts {
		table.Merge(0, f)
	}
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			table.Merge(1, facts[i%len(facts)])
		}
	})
	b.Run("newer", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f := &facts[i%len(facts)]
			f.Incarnation++
			table.Merge(1, *f)
		}
	})
}
