package gossip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// forgets counts the nodes that run and know nothing of a member.
func (w *world) forgets(name string) (n int) {
	for _, p := range w.up() {
		if _, ok := p.Table().Get(member.IDOf(name)); !ok {
			n++
		}
	}
	return n
}

// One that failed, left or cannot be reached is forgotten at once where it is asked for, everywhere
// else with the news, and stays so; a start brings it back. One that lives, or is not known, is
// refused, and then nobody is forgotten.
func TestForget(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(8, nil)
	w.do(nodes[7], Leave{})
	nodes[6].down = true
	w.until(10*time.Second, "n6 failed", func() bool { return w.allHold("n6", member.Failed) })
	n0 := nodes[0]
	if err := w.do(n0, Forget{IDs: []member.ID{nodes[6].id, nodes[1].id}}); !errors.Is(err,
		ErrLives) {
		t.Errorf("of one that lives: %v", err)
	}
	if err := w.do(n0, Forget{IDs: []member.ID{n0.id}}); !errors.Is(err, ErrLives) {
		t.Errorf("of itself: %v", err)
	}
	if err := w.do(n0, Forget{IDs: []member.ID{nodes[6].id, 99}}); !errors.Is(err, ErrNoMember) {
		t.Errorf("of a stranger: %v", err)
	}
	if n := w.forgets("n6"); n > 0 {
		t.Fatalf("%d have forgotten n6", n)
	}
	if err := w.do(n0, Forget{IDs: []member.ID{nodes[6].id, nodes[7].id}}); err != nil ||
		n0.Table().Len() != 6 {
		t.Fatalf("%v; it knows %d", err, n0.Table().Len())
	}
	w.run(time.Second)
	if a, b := w.forgets("n6"), w.forgets("n7"); a != 6 || b != 6 {
		t.Errorf("after a second %d of 6 have forgotten n6, %d n7", a, b)
	}
	if reachable, of := n0.Reach(); reachable != 6 || of != 6 {
		t.Errorf("it reaches %d of %d", reachable, of)
	}
	for _, p := range nodes[:6] {
		var kinds []VerdictKind
		for v := range p.Verdicts(nodes[6].id) {
			kinds = append(kinds, v.Kind)
		}
		if !slices.Equal(kinds, []VerdictKind{Failed, Forgotten}) {
			t.Errorf("%s remembers of n6: %v", p.addr, kinds)
		}
	}
	w.run(5 * time.Minute)
	if a := w.forgets("n6"); a != 6 {
		t.Errorf("after minutes %d of 6 have forgotten n6", a)
	}
	said := false
	w.onSend = func(from *peer, _ netip.AddrPort, data []byte) {
		_, r, _ := wire.Open(data)
		for t, body, ok := r.Next(); ok; t, body, ok = r.Next() {
			u, _ := wire.ReadUpdate(body)
			said = said || from == n0 && t == wire.TypeUpdate && u.ID == nodes[6].id &&
				u.Cause == member.CauseForgotten
		}
	}
	err := w.do(n0, Forget{IDs: []member.ID{nodes[6].id}})
	w.run(10 * time.Millisecond)
	w.onSend = nil
	if err != nil || !said || !n0.Forgot(nodes[6].id) {
		t.Errorf("of one that is forgotten: %v; said to all: %t", err, said)
	}
	w.start("n6", 6, 2, nil, 0)
	w.until(10*time.Second, "n6 is back", func() bool { return w.allSee(7) })
}

// A few that cannot tell whether the rest is dead have the unreachable forgotten, and are a whole
// cluster; if those lived on the other side of a cut, all meet again.
func TestForgetUnreachable(t *testing.T) {
	for _, alive := range []bool{false, true} {
		w := newWorld(t)
		nodes := w.cluster(12, nil)
		few := func(a netip.AddrPort) bool { return a.Addr().As4()[3] < 3 }
		w.cut = func(from, to netip.AddrPort) bool { return few(from) != few(to) }
		if !alive {
			for _, p := range nodes[3:] {
				p.down = true
			}
		}
		w.until(20*time.Second, "each names nine", func() bool {
			for _, p := range nodes[:3] {
				if p.Undecided() != 9 {
					return false
				}
			}
			return true
		})
		n0 := nodes[0]
		if count(n0, Undecided) == 0 || count(n0, MemberFailed) > 0 {
			t.Errorf("told %d times that it is undecided, %d times of a failure",
				count(n0, Undecided), count(n0, MemberFailed))
		}
		var gone []member.ID
		for id := range n0.Unreachable() {
			gone = append(gone, id)
		}
		if err := w.do(n0, Forget{IDs: gone}); err != nil {
			t.Fatal(err)
		}
		w.until(15*time.Second, "three are all", func() bool {
			for _, p := range nodes[:3] {
				if p.Table().Len() != 3 || p.Undecided() > 0 {
					return false
				}
			}
			return true
		})
		w.run(time.Minute)
		if n := nodes[1].Table().Len(); n != 3 {
			t.Errorf("a minute later n1 knows %d", n)
		}
		if w.cut = nil; alive {
			w.until(2*time.Minute, "all see all", func() bool { return w.allSee(12) })
		}
	}
}

// A node that is cut off from all and has them forgotten knows that it may be the one that is gone,
// until it meets a member again.
func TestForgetAllButOneself(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(4, nil)
	n0 := nodes[0]
	w.cut = func(from, to netip.AddrPort) bool { return (from == n0.addr) != (to == n0.addr) }
	w.until(20*time.Second, "it is isolated, and names all",
		func() bool { return n0.Isolated() && n0.Undecided() == 3 })
	if since := w.Now.Sub(n0.LastHeard()); since < 3*time.Second || n0.Deserted() {
		t.Errorf("it heard somebody %v ago, deserted: %t", since, n0.Deserted())
	}
	var gone []member.ID
	for id := range n0.Unreachable() {
		gone = append(gone, id)
	}
	last := func() (v Verdict) {
		for v = range n0.Verdicts(gone[0]) {
		}
		return v
	}
	if err := w.do(n0, Forget{IDs: gone}); err != nil || !n0.Deserted() ||
		last().Kind != Forgotten || last().At != w.Now {
		t.Fatalf("%v, deserted: %t", err, n0.Deserted())
	}
	if w.run(time.Minute); !n0.Deserted() {
		t.Error("a minute later it is not deserted any more")
	}
	w.cut = nil
	w.until(2*time.Minute, "all see all", func() bool { return w.allSee(4) })
	if n0.Deserted() {
		t.Error("it is deserted though all are there")
	}
}

// Where a member is held live and answers, the word that it is to be forgotten is a doubt: it is
// examined, and lives on. A node that has forgotten it takes nobody's word for it but its own.
func TestForgetIsADoubtElsewhere(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(6, nil)
	n0, n5 := nodes[0], nodes[5]
	m, _ := n0.Table().Get(n5.id)
	word := wire.AppendUpdate(nil, &wire.Update{ID: n5.id, Check: m.Check, Claim: wire.Claim{
		Generation: 1, State: member.Failed, Cause: member.CauseForgotten}})
	w.run(20 * time.Second)
	for _, p := range nodes {
		p.events = nil
	}
	w.inject(n0, forge("n1", 1, word))
	w.run(10 * time.Second)
	for _, p := range nodes {
		if n := count(p, MemberFailed) + count(p, MemberJoined); n > 0 || p.Table().Live() != 6 {
			t.Errorf("%s was told %d times of an end, and knows %d live", p.addr, n,
				p.Table().Live())
		}
	}
}

// The view that a minority has agreed on never shrinks by age alone, but by a word of its user's,
// or when more than half of it can be reached.
func TestMinoritysViewDoesNotAge(t *testing.T) {
	w := newWorld(t)
	nodes := w.cluster(12, &Config{Retention: time.Minute})
	few := func(a netip.AddrPort) bool { return a.Addr().As4()[3] < 5 }
	w.cut = func(from, to netip.AddrPort) bool { return few(from) != few(to) }
	w.run(10 * time.Minute)
	n0, n11 := nodes[0], nodes[11]
	if reachable, of := n0.Reach(); n0.Table().Len() != 5 || reachable != 5 || of != 12 {
		t.Errorf("of five it knows %d, and reaches %d of %d", n0.Table().Len(), reachable, of)
	}
	if reachable, of := n11.Reach(); n11.Table().Len() != 7 || reachable != 7 || of != 7 {
		t.Errorf("of seven it knows %d, and reaches %d of %d", n11.Table().Len(), reachable, of)
	}
	if err := w.do(n0, Forget{}); err != nil {
		t.Fatal(err)
	}
	if reachable, of := n0.Reach(); reachable != 5 || of != 5 {
		t.Errorf("after its user's word it reaches %d of %d", reachable, of)
	}
	w.cut = nil
	n1 := nodes[1]
	w.do(n1, Join{Seeds: []netip.AddrPort{n11.addr}})
	w.until(5*time.Minute, "all see all", func() bool { return w.allSee(12) })
	if reachable, of := n1.Reach(); reachable != 12 || of != 12 {
		t.Errorf("together it reaches %d of %d", reachable, of)
	}
}

// A node that missed the word, since it was cut off, stood still or lost all that was sent to it
// for two seconds, hears it soon after it is back from the members that it meets, whether the dead
// one died before or meanwhile. Nobody is told of a return, and what is held unlike costs no
// repair.
func TestForgottenEverywhere(t *testing.T) {
	for _, d := range allDetectors() {
		for _, how := range []string{"cut off", "asleep", "lost", "two cut off", "left",
			"died in the cut", "long ago"} {
			t.Run(fmt.Sprintf("%s, %s", d, how), func(t *testing.T) {
				w := newWorld(t)
				cfg := &Config{Detector: d}
				if how == "long ago" {
					cfg.Retention = 2 * time.Minute
				}
				nodes := w.cluster(12, cfg)
				w.run(5 * time.Second)
				gone, away := nodes[6], nodes[3]
				end := func() {
					if how == "left" {
						w.do(gone, Leave{})
					}
					gone.down = true
				}
				meanwhile := how == "died in the cut" || how == "long ago"
				if !meanwhile {
					end()
					w.run(time.Minute)
				}
				out := func(a netip.AddrPort) bool {
					return a == away.addr ||
						how == "two cut off" && a == nodes[4].addr
				}
				apart := func() {
					w.cut = func(from,
						to netip.AddrPort) bool {
						return out(from) != out(to)
					}
				}
				switch apart(); how {
				case "asleep":
					w.cut, away.paused = nil, true
				case "lost":
				case "long ago":
					end()
					w.run(90 * time.Second)
				default:
					if meanwhile {
						end()
					}
					w.run(40 * time.Second)
				}
				if err := w.do(nodes[0], Forget{IDs: []member.ID{gone.id}}); err != nil {
					t.Fatal(err)
				}
				w.onEvent = func(p *peer, e Event) {
					if e.Kind == MemberJoined && e.Member.ID == gone.id {
						t.Errorf("%s is told that it joined", p.roster.Record().Name)
					}
				}
				if w.run(2 * time.Second); how != "lost" {
					w.run(10 * time.Second)
				}
				if n := w.forgets("n6"); n == 11 {
					t.Fatal("nobody missed the word")
				}
				if w.cut = nil; how == "asleep" {
					away.socket = nil
					w.resume(away)
				}
				took := w.until(30*time.Second, "all see those that live",
					func() bool { return w.allSee(11) })
				took += w.until(10*time.Second, "all have forgotten it",
					func() bool { return w.forgets("n6") == 11 })
				t.Log(took)
				w.run(5 * time.Second)
				before := make([]uint64, len(nodes))
				for i, p := range nodes {
					before[i] = p.RepairStats().Started
				}
				w.run(time.Minute)
				for _, p := range w.up() {
					if _, known := p.Table().Get(gone.id); known || p.Table().Len() != 11 {
						t.Errorf("a minute later %s knows %d, it: %t", p.addr, p.Table().Len(),
							known)
					}
				}
				for i, p := range nodes {
					if n := p.RepairStats().Started; n != before[i] {
						t.Errorf("%s began %d repairs", p.addr, n-before[i])
					}
				}
				w.onEvent = nil
				w.start("n6", 6, 2, cfg, 0)
				w.until(10*time.Second, "it is back by a start",
					func() bool { return w.allSee(12) })
			})
		}
	}
}
