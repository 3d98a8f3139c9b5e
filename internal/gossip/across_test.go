package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// unbridged returns the names of those that a node holds unreachable for their IP version.
func unbridged(p *peer) (names []string) {
	for m := range p.Table().All() {
		if p.Unbridged(m.ID) {
			names = append(names, m.Name())
		}
	}
	slices.Sort(names)
	return names
}

// kinds returns the nodes of some kinds, and their names.
func kinds(nodes []*peer, pattern, of string) (some []*peer, names []string) {
	for i, p := range nodes {
		if strings.ContainsRune(of, rune(pattern[i])) {
			some, names = append(some, p), append(names, p.roster.Record().Name)
		}
	}
	slices.Sort(names)
	return some, names
}

// Once nobody is left that has both IP versions, those of each name all of the other as
// unreachable, with that as the reason, within 20 s, and not both have more than half of the last
// agreed view. They may be forgotten as others are that are cut off. When somebody with both comes,
// or comes back, all is whole, also where some were forgotten that live.
func TestNobodyHasBothFamilies(t *testing.T) {
	for _, x := range []struct {
		pattern  string
		detector Detector
		leave    bool
		forget   bool
	}{
		{"b46", INQUEST, false, false}, {"b4466", INQUEST, true, false}, {"b4466", INQUEST,
			false, true},
		{"bB44466", INQUEST, false, false}, {"b44f6s", INQUEST, true, true},
		{"bb4444466666", INQUEST, false, true}, {"b44444444446", INQUEST, true, true},
		{"b4466", SWIM, true, true}, {"b4466", ACCRUAL, true, false},
	} {
		name := fmt.Sprintf("%s %s leave %t forget %t", x.pattern, x.detector, x.leave, x.forget)
		t.Run(name, func(t *testing.T) {
			w, nodes := families(t, x.pattern, &Config{Detector: x.detector})
			fours, four := kinds(nodes, x.pattern, "4f")
			sixes, six := kinds(nodes, x.pattern, "6s")
			both, _ := kinds(nodes, x.pattern, "bB")
			for _, p := range nodes {
				if got := unbridged(p); got != nil {
					t.Fatalf("%s holds %v unreachable while some have both",
						p.roster.Record().Name, got)
				}
				p.events = nil
			}
			for _, p := range both {
				if x.leave {
					w.do(p, Leave{Wait: time.Second})
					w.run(time.Second)
				}
				p.down = true
			}
			apart := func() bool {
				return !slices.ContainsFunc(fours,
					func(p *peer) bool { return !slices.Equal(unbridged(p), six) }) &&
					!slices.ContainsFunc(sixes,
						func(p *peer) bool { return !slices.Equal(unbridged(p), four) })
			}
			took := w.until(20*time.Second, "each side names the other", apart)
			t.Logf("after %s", took)
			w.run(20 * time.Second)
			if !apart() {
				t.Error("later they are not named")
			}
			a, of := fours[0].Reach()
			b, _ := sixes[0].Reach()
			if 2*a > of && 2*b > of || a != len(fours) || b != len(sixes) {
				t.Errorf("one side reaches %d, the other %d, of %d", a, b, of)
			}
			for _, p := range append(slices.Clone(fours), sixes...) {
				told := map[string]int{}
				for _, e := range p.events {
					if e.Kind == MemberUnreachable {
						told[e.Member.Name()]++
					}
				}
				for _, name := range unbridged(p) {
					if told[name] != 1 {
						t.Errorf("%s is told %d times that %s is unreachable",
							p.roster.Record().Name, told[name], name)
					}
				}
			}
			if x.forget {
				var ids []member.ID
				for id := range fours[0].Unreachable() {
					ids = append(ids, id)
				}
				if err := w.do(fours[0], Forget{ids}); err != nil {
					t.Fatal(err)
				}
				w.until(5*time.Second, "they are forgotten on this side", func() bool {
					return !slices.ContainsFunc(fours, func(p *peer) bool {
						return slices.ContainsFunc(ids,
							func(id member.ID) bool { return !p.Forgot(id) })
					})
				})
				if got, of := fours[0].Reach(); 2*got <= of && len(both) < len(fours) {
					t.Errorf("those that are left reach %d of %d", got, of)
				}
			}
			back := w.start("back", 0, 2, &Config{Detector: x.detector})
			w.do(back, Join{Seeds: []netip.AddrPort{addrOf(slices.Index(nodes, fours[0])),
				sixes[0].roster.Record().Addr}})
			n := len(fours) + len(sixes) + 1
			w.until(40*time.Second, "all is whole", func() bool {
				return w.allSee(n) && !slices.ContainsFunc(w.up(), func(p *peer) bool {
					return unbridged(p) != nil || p.Isolated()
				})
			})
			for _, p := range w.up() {
				if got, of := p.Reach(); got != n || 2*got <= of {
					t.Errorf("%s reaches %d of %d, of %d", p.roster.Record().Name, got, of, n)
				}
			}
		})
	}
}

// One that has both is there, and is cut off from all of one version, or these are all dead, and
// too few are left to judge them: those of the other know from it that they are unreachable, and
// which.
func TestBridgeThatReachesNobody(t *testing.T) {
	for _, x := range []struct {
		pattern string
		gone    int // of those of IPv6
	}{{"b4666", 3}, {"b46666", 3}, {"b4666666", 6}} {
		w, nodes := families(t, x.pattern, nil)
		for _, p := range nodes[2 : 2+x.gone] {
			p.down = true
		}
		var gone []string
		for i := range x.gone {
			gone = append(gone, fmt.Sprintf("n%d", 2+i))
		}
		p := nodes[1]
		took := w.until(40*time.Second, "who is unreachable is known", func() bool {
			return slices.Equal(unbridged(p), gone)
		})
		a, of := p.Reach()
		b, _ := nodes[0].Reach()
		if a != len(nodes)-x.gone || a != b || of != len(nodes) {
			t.Errorf("%s: it reaches %d, and the bridge %d, of %d", x.pattern, a, b, of)
		}
		t.Logf("%s: after %s", x.pattern, took)
		for _, p := range nodes[2 : 2+x.gone] {
			p.down = false
		}
		w.until(30*time.Second, "all is whole", func() bool {
			return unbridged(p) == nil &&
				w.allSee(len(nodes))
		})
	}
}

// While somebody has both versions, nobody is unreachable for its version: right after the start,
// with half of all lost, when bridges come and go, and where one alone of many is one.
func TestBridgesAreFound(t *testing.T) {
	big := "b" + strings.Repeat("4444466666", 6)
	for _, x := range []struct {
		pattern string
		loss    float64
	}{{"b46", 0.5}, {"b46", 0}, {"b44466", 0.5}, {big, 0}, {big, 0.3}} {
		w, nodes := families(t, x.pattern, nil)
		w.loss = x.loss
		for range 60 {
			w.run(10 * time.Second)
			for _, p := range nodes {
				if got := unbridged(p); got != nil {
					t.Fatalf("%d nodes, %.1f lost: %s holds %v unreachable", len(nodes), x.loss,
						p.roster.Record().Name, got)
				}
			}
		}
		for _, p := range nodes {
			if n := count(p, MemberUnreachable); n > 0 && x.loss == 0 {
				t.Errorf("%s is told %d times of somebody unreachable", p.roster.Record().Name, n)
			}
		}
	}
}

// A minority of one version fails nobody once it is cut off from those with both: it does not count
// as a cluster of its own.
func TestPartedMinorityFailsNobody(t *testing.T) {
	for _, pattern := range []string{"b4466", "b46", "bb44446666"} {
		w, nodes := families(t, pattern, nil)
		fours, _ := kinds(nodes, pattern, "4")
		w.cut = func(from, to netip.AddrPort) bool {
			is := func(a netip.AddrPort) bool {
				return slices.ContainsFunc(fours, func(p *peer) bool { return p.addr == a })
			}
			return is(from) != is(to)
		}
		w.run(time.Minute)
		for _, p := range fours {
			if p.Table().Live() != len(nodes) {
				t.Errorf("%s: %s holds %d of %d live", pattern, p.roster.Record().Name,
					p.Table().Live(), len(nodes))
			}
			if a, of := p.Reach(); a != len(fours) || of != len(nodes) {
				t.Errorf("%s: it reaches %d of %d", pattern, a, of)
			}
		}
		w.cut = nil
		w.until(time.Minute, "all is whole", func() bool {
			return w.allSee(len(nodes)) && !slices.ContainsFunc(w.up(),
				func(p *peer) bool { return unbridged(p) != nil })
		})
	}
}
