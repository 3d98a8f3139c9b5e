package topology

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

func id(i int) member.ID { return member.IDOf(fmt.Sprintf("m%d", i)) }

// tableOf makes a table of so many live members, m0 onwards, and so many dead.
func tableOf(t testing.TB, live, dead int) *member.Table {
	t.Helper()
	var table member.Table
	for i := range live + dead {
		f := member.Fact{Record: member.Share(member.Record{
			Name: fmt.Sprintf("m%d", i), Generation: 1, Addr: netip.MustParseAddrPort("10.0.0.1:1"),
		})}
		if i >= live {
			f.State = member.Failed
		} else if i%5 == 0 {
			f.State = member.Suspect
		}
		if _, _, changed, err := table.Merge(0, f); err != nil || !changed {
			t.Fatal(err)
		}
	}
	return &table
}

func TestPickIsDistinctLiveAndNotExcluded(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, live := range []int{0, 1, 2, 3, 4, 5, 8, 10, 50, 1000} {
		table := tableOf(t, live, 7)
		for _, k := range []int{-1, 0, 1, 2, 4, 15} {
			for excluded := range 3 {
				var exclude []member.ID
				for i := range excluded {
					exclude = append(exclude, id(i))
				}
				short := 0
				for range 200 {
					before := []member.Member{{ID: 42}}
					got := Pick(rng, table, k, before, exclude...)
					if got[0].ID != 42 {
						t.Fatal("what was there is gone")
					}
					got = got[1:]
					seen := map[member.ID]bool{}
					for _, m := range got {
						if seen[m.ID] || !m.State.Live() || excluded > 0 && m.ID == id(0) ||
							excluded > 1 && m.ID == id(1) {
							t.Fatalf("%v among %v", m, got)
						}
						seen[m.ID] = true
					}
					want := max(0, min(k, live-min(excluded, live)))
					if len(got) > want {
						t.Fatalf("live=%d k=%d: %d picked, not %d", live, k, len(got), want)
					}
					if len(got) < want {
						short++
					}
				}
				if short > 2 { // it gives up after many misses: at worst one time in 256
					t.Errorf("live=%d k=%d excluded=%d: %d of 200 draws fell short", live, k,
						excluded, short)
				}
			}
		}
	}
}

// Every candidate comes in every place of the result equally often: a chi-square test at a fixed
// seed, with a limit that one run in a million would pass by chance.
func TestPickIsUniform(t *testing.T) {
	for _, c := range []struct{ live, k int }{{6, 2}, {7, 4}, {9, 4}, {10, 4}, {12, 1},
		{40, 4}, {200, 3}} {
		rng := rand.New(rand.NewPCG(11, uint64(c.live)))
		table := tableOf(t, c.live, 5)
		place := make([]map[member.ID]int, c.k)
		for i := range place {
			place[i] = map[member.ID]int{}
		}
		candidates := c.live - 1
		draws := 500 * candidates
		var buf [8]member.Member
		for range draws {
			for i, m := range Pick(rng, table, c.k, buf[:0], id(0)) {
				place[i][m.ID]++
			}
		}
		for i := range place {
			chi := 0.0
			for m := 1; m < c.live; m++ {
				d := float64(place[i][id(m)]) - float64(draws)/float64(candidates)
				chi += d * d / (float64(draws) / float64(candidates))
			}
			// Mean df, deviation sqrt(2·df): six of those, and a bit for the skew of few
			// degrees of freedom.
			if df := float64(candidates - 1); (chi-df)*(chi-df) > 36*2*df && chi > df+20 {
				t.Errorf("live=%d k=%d place %d: chi-square %.1f at %.0f degrees of freedom",
					c.live, c.k, i, chi, df)
			}
		}
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, live := range []int{5, 500} {
		table := tableOf(t, live, 0)
		var buf [8]member.Member
		a0, a1 := id(0), id(1)
		if a := testing.AllocsPerRun(1000, func() { Pick(rng, table, 4, buf[:0], a0, a1) }); a > 0 {
			t.Errorf("live=%d: %.1f allocations", live, a)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, live := range []int{5, 100, 10_000} {
		table := tableOf(b, live, 0)
		b.Run(fmt.Sprint(live), func(b *testing.B) {
			b.ReportAllocs()
			var buf [8]member.Member
			self := id(0)
			for b.Loop() {
				Pick(rng, table, 4, buf[:0], self)
			}
		})
	}
}
