package topology

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestOthersAreDistinctAndUniform(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var buf [16]int32
	for n := 1; n <= 8; n++ {
		for k := 0; k <= 9; k++ {
			self := rng.IntN(n)
			count := make([]int, n)
			const draws = 4000
			for range draws {
				got := Others(rng, n, self, k, buf[:0])
				if len(got) != min(k, n-1) || slices.Contains(got, int32(self)) {
					t.Fatalf("%d of %d without %d: %v", k, n, self, got)
				}
				for _, i := range got {
					count[i]++
				}
				if slices.Sort(got); len(slices.Compact(got)) != min(k, n-1) {
					t.Fatalf("twice the same: %v", got)
				}
			}
			p := float64(min(k, n-1)) / float64(max(n-1, 1))
			for i, c := range count {
				if i != self && math.Abs(float64(c)-draws*p) > 5*math.Sqrt(draws*p*(1-p))+1e-9 {
					t.Errorf("%d of %d without %d: %v", k, n, self, count)
				}
			}
		}
	}
}

func TestSubnets(t *testing.T) {
	s := Split(10, 3)
	if !slices.Equal(s, Subnets{0, 3, 6, 10}) {
		t.Fatal(s)
	}
	for i, want := range []int{0, 0, 0, 1, 1, 1, 2, 2, 2, 2} {
		if s.Of(i) != want {
			t.Errorf("%d is in %d", i, s.Of(i))
		}
	}
}

// One contact a round leaves a subnet in the mean, and each member elsewhere gets it as often as
// another.
func TestOneContactLeavesASubnet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var buf [4]int32
	for _, s := range []Subnets{{0, 5, 25}, {0, 1, 4, 20, 30}} {
		count := make([]int, s[len(s)-1])
		const rounds = 20_000
		left := make([]int, len(s)-1)
		for range rounds {
			for self := range count {
				for _, to := range s.Pick(rng, self, 1, buf[:0]) {
					if int(to) == self {
						t.Fatal("self")
					}
					if own := s.Of(self); s.Of(int(to)) != own {
						left[own]++
						count[to]++
					}
				}
			}
		}
		for i, c := range left {
			if math.Abs(float64(c)-rounds) > 5*math.Sqrt(rounds) {
				t.Errorf("%v: %.3f a round left subnet %d", s, float64(c)/rounds, i)
			}
		}
		for i, c := range count {
			want := 0.0
			for j := range left {
				if own := s.Of(i); own != j {
					want += rounds / float64(int(s[len(s)-1])-int(s[j+1]-s[j]))
				}
			}
			if math.Abs(float64(c)-want) > 5*math.Sqrt(want) {
				t.Errorf("%v: %d got %d from outside, not %.0f", s, i, c, want)
			}
		}
	}
}

// Where a side has too few, the other gives; nobody is contacted twice.
func TestSubnetsFillUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, s := range []Subnets{{0, 2, 20}, {0, 18, 20}, {0, 1, 2}, {0, 4}} {
		n := int(s[len(s)-1])
		for k := range n + 2 {
			for self := range n {
				got := s.Pick(rng, self, k, nil)
				if slices.Sort(got); len(slices.Compact(got)) != min(k, n-1) ||
					slices.Contains(got, int32(self)) {
					t.Fatalf("%v: %d from %d: %v", s, k, self, got)
				}
			}
		}
	}
}
