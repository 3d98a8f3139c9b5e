package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/size"
)

// Nearly all hosts die at once. Five survivors and more know all the dead as failed within half a
// minute. Fewer, in a cluster of ten or more, cannot tell: each of them names all the dead as
// unreachable within 15 s, fails nobody, and says how many it cannot judge.
func TestFewSurvivors(t *testing.T) {
	for _, x := range []struct{ n, left int }{
		{3, 1}, {20, 4}, {40, 3}, {100, 4}, {100, 5}, {size.Of(0, 0, 400),
			12}, {size.Of(0, 0, 1000), 15},
	} {
		for seed := range uint64(size.Of(1, 2, 10)) {
			if x.n == 0 {
				continue
			}
			dead := x.n - x.left
			o := Options{Nodes: x.n, Seed: seed + 1, Unchecked: true, Settle: 20 * time.Second,
				Network: LAN()}
			s := stage(t, o, fmt.Sprintf("0s=crash:n%d-n%d", x.left, x.n-1))
			held := func(what func(p *proc, m member.Member) bool) func() bool {
				return func() bool {
					for _, p := range s.procs[:x.left] {
						k := 0
						for m := range p.node.Table().All() {
							if what(p, m) {
								k++
							}
						}
						if k != dead {
							return false
						}
					}
					return true
				}
			}
			failed := held(func(_ *proc, m member.Member) bool { return m.State == member.Failed })
			if x.left >= 5 {
				if took := s.until(30*time.Second, failed); took < 0 {
					t.Errorf("%d → %d, seed %d: not all the dead are known after half a "+
						"minute", x.n, x.left, seed)
				}
				continue
			}
			took := s.until(15*time.Second, held(func(p *proc, m member.Member) bool {
				return m.State.Live() && p.node.IsUnreachable(m.ID)
			}))
			s.after(20 * time.Second)
			for i, p := range s.procs[:x.left] {
				if took < 0 || p.node.Undecided() != dead || s.failed(-1) > 0 {
					t.Errorf("%d → %d, seed %d: all the dead are named after %s; n%d cannot "+
						"judge %d; %d views hold somebody failed",
						x.n, x.left, seed, took, i, p.node.Undecided(), s.failed(-1))
				}
			}
		}
	}
}

// Two sides of a cut that fail no member go on so when a node of a side ends or leaves. What it
// voted before is void, and a node that leaves judges no other.
func TestSideThatLosesOneFailsNobody(t *testing.T) {
	for _, x := range []struct {
		n, half int
		then    string
	}{{6, 3, "30s=kill:n1"}, {6, 3, "30s=leave:n1"}, {6, 3, "30s=crash:n1"}, {8, 4,
		"30s=kill:n1"}, {8, 4, "30s=leave:n1"}} {
		for seed := range uint64(size.Of(2, 5, 20)) {
			o := Options{Nodes: x.n, Seed: seed + 1, Unchecked: true, Settle: 5 * time.Second,
				Network: LAN()}
			s := stage(t, o, fmt.Sprintf("0s=cut:n0-n%d/n%d-n%d", x.half-1, x.half, x.n-1), x.then)
			gone := s.procs[1].node.Self().ID
			s.after(60 * time.Second)
			for i, p := range s.procs[:x.n] {
				if i == 1 {
					continue
				}
				for m := range p.node.Table().All() {
					if m.State == member.Failed && m.ID != gone {
						t.Errorf("%d and %d, %s, seed %d: n%d holds %s for failed", x.half,
							x.n-x.half, x.then, seed, i, m.Addr())
					}
				}
			}
		}
	}
}

// Where nearly all die, those that are left keep to the bound of bytes that checkers hold them to.
func TestFewSurvivorsKeepTheirBudget(t *testing.T) {
	n := size.Of(400, 400, 1000)
	o := Options{Nodes: n, Seed: 3, Warm: true, Settle: 5 * time.Second,
		Duration: 40 * time.Second, Network: LAN(),
		Actions: actions(t, fmt.Sprintf("5s=crash:%d", n-n*3/100))}
	for _, v := range run(t, o).Violations {
		t.Error(v)
	}
}

// A cut parts a newcomer from a publisher, so that they have not met. The newcomer waits for what
// others of its side lack too, and tells nothing as lost that the publisher holds.
func TestUnknownPublisherMayBeBack(t *testing.T) {
	o := Options{Nodes: 40, Seed: 1, Warm: true, Settle: 5 * time.Second,
		Duration: 60 * time.Second, Network: LAN(),
		Actions: actions(t, "5s=cut:n0-n11/rest,for=40s,oneway",
			"12s=publish:5,every=1s,times=30,confirm", "20s=restart:n3",
			"10s=pause:n20-n25,for=20s", "26s=set:10,every=2s,times=20")}
	for _, v := range run(t, o).Violations {
		t.Error(v)
	}
}

// actions reads the actions of a scenario.
func actions(t *testing.T, texts ...string) (list []Action) {
	t.Helper()
	for _, text := range texts {
		a, err := ParseAction(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}
