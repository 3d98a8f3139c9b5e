package gossip

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/detect"
	"github.com/starling-gossip/starling/internal/gossip/member"
)

// withTCP has hosts take the connections that nodes try, but those that shut says are lost; a node
// that is paused takes them too, by its kernel, and notices nothing.
type withTCP struct {
	*world
	tried []try
	shut  func(from, to netip.AddrPort) bool
}

type try struct {
	p *peer
	c Connect
}

func newWithTCP(t *testing.T) *withTCP {
	w := &withTCP{world: newWorld(t)}
	w.onStep = func(p *peer, out *Outbox) {
		for _, c := range out.Connects {
			w.tried = append(w.tried, try{p, c})
		}
	}
	return w
}

// live goes on in steps of 20 ms, each with the connections that were tried in the last.
func (w *withTCP) live(d time.Duration, each func()) {
	for end := w.Now.Add(d); w.Now < end; {
		w.run(20 * time.Millisecond)
		tried := w.tried
		w.tried = nil
		for _, x := range tried {
			i := slices.IndexFunc(w.nodes,
				func(p *peer) bool { return p.addr == x.c.Peer.Addr && !p.down })
			if i < 0 || w.shut != nil && (w.shut(x.p.addr, x.c.Peer.Addr) ||
				w.shut(x.c.Peer.Addr, x.p.addr)) {
				continue
			}
			if q := w.nodes[i]; !q.paused {
				w.step(q, func(out *Outbox) { q.TakenFrom(w.Now, x.p.addr.Addr(), out) })
			}
			w.step(x.p, func(out *Outbox) { x.p.Connected(w.Now, x.c, detect.Accepted, out) })
		}
		each()
	}
}

func nobody() {}

// A few to which nothing comes but what they send each other, by UDP alone, know within 30 s that
// they are not reached: what they ask each other is no sign of it. It ends when the others come
// through. The others are well, and are told nothing of themselves.
func TestDeafInCompany(t *testing.T) {
	for _, x := range []struct {
		n, deaf int
		old     time.Duration // of the cluster
	}{{6, 2, 20 * time.Second}, {6, 2, 0}, {8, 3, 20 * time.Second}, {12, 2,
		20 * time.Second}, {12, 4, 0},
		{12, 4, 20 * time.Second}, {30, 2, 20 * time.Second}, {30, 4, 20 * time.Second}} {
		w := newWithTCP(t)
		nodes := w.cluster(x.n, nil)
		w.live(x.old, nobody)
		deaf, well := nodes[x.n-x.deaf:], nodes[:x.n-x.deaf]
		is := func(a netip.AddrPort) bool {
			return slices.ContainsFunc(deaf, func(p *peer) bool { return p.addr == a })
		}
		w.cut = func(from, to netip.AddrPort) bool { return is(to) && !is(from) }
		start, knew := w.Now, Time(0)
		w.live(time.Minute, func() {
			all := !slices.ContainsFunc(deaf, func(p *peer) bool {
				return !p.Unreached() &&
					!p.Isolated()
			})
			if all && knew == 0 {
				knew = w.Now
			}
			if knew != 0 && !all {
				t.Fatalf("n=%d: one of the deaf knows no more that it is not reached", x.n)
			}
		})
		if knew == 0 || knew.Sub(start) > 30*time.Second {
			t.Errorf("n=%d: %d deaf ones do not know it", x.n, x.deaf)
		}
		t.Logf("n=%d: %d deaf ones know it after %s", x.n, x.deaf, knew.Sub(start))
		for _, p := range well {
			if count(p, Unreached)+count(p, Isolated) > 0 || p.NoMajority() {
				t.Errorf("n=%d: %s, which is well, is told that it is not", x.n,
					p.roster.Record().Name)
			}
		}
		w.cut = nil
		w.live(20*time.Second, nobody)
		for _, p := range nodes {
			if p.Unreached() || p.Isolated() || p.NoMajority() || p.Table().Live() != x.n {
				t.Errorf("n=%d: %s is not back", x.n, p.roster.Record().Name)
			}
		}
	}
}

// No well node is called unreached for members that come to its port and are not heard: in a star,
// where half do not reach it, with half of all lost, where ways flap, of two to four, right after
// the start; nor a few that are left, where the others are frozen, dead, or behind a cut.
func TestNobodyWellIsUnreached(t *testing.T) {
	all := func(from, to netip.AddrPort) bool { return true }
	num := func(a netip.AddrPort) int { return int(a.Addr().As4()[3]) }
	star := func(from, to netip.AddrPort) bool { return num(from) > 0 && num(to) > 0 }
	for _, x := range []struct {
		name  string
		n     int
		loss  float64
		cut   func(from, to netip.AddrPort) bool
		shut  bool // TCP too
		flaps bool
		gone  int // so many of the last stop
		frees bool
		few   bool // they may well be no majority
	}{
		{name: "calm", n: 8}, {name: "of two", n: 2, loss: 0.5}, {name: "of three", n: 3,
			loss: 0.5},
		{name: "of four", n: 4, loss: 0.5}, {name: "half lost", n: 8,
			loss: 0.5}, {name: "half lost of 30", n: 30, loss: 0.5},
		{name: "star", n: 8, cut: star}, {name: "lossy star", n: 8, cut: star, loss: 0.2},
		{name: "half do not reach it", n: 12, cut: func(from,
			to netip.AddrPort) bool {
			return num(to) == 0 && num(from) > 6
		}},
		{name: "half do not reach two", n: 12, cut: func(from,
			to netip.AddrPort) bool {
			return num(to) < 2 && num(from) > 6
		}},
		{name: "flapping", n: 8, flaps: true, cut: func(from,
			to netip.AddrPort) bool {
			return num(to) < 2 && num(from) > 1
		}},
		{name: "three of five frozen", n: 5, gone: 3, frees: true, few: true},
		{name: "five of eight frozen", n: 8, gone: 5, frees: true, few: true},
		{name: "most frozen", n: 30, gone: 27, frees: true, few: true},
		{name: "most dead", n: 30, gone: 27, few: true},
		{name: "two of five cut off", n: 5, shut: true, few: true,
			cut: func(from, to netip.AddrPort) bool { return num(from) < 2 != (num(to) < 2) }},
		{name: "all cut off", n: 5, shut: true, cut: all, few: true},
	} {
		w := newWithTCP(t)
		w.loss = x.loss
		check := func() {
			for _, p := range w.up() {
				if !p.paused && (p.Unreached() || count(p, Unreached) > 0 || !x.few &&
					p.NoMajority()) {
					t.Fatalf("%s: %s says that it is not reached", x.name, p.roster.Record().Name)
				}
			}
		}
		nodes := w.cluster(x.n, nil)
		w.live(20*time.Second, check)
		w.cut = x.cut
		if x.shut {
			w.shut = x.cut
		}
		for _, p := range nodes[x.n-x.gone:] {
			p.paused, p.down = x.frees, !x.frees
			w.live(300*time.Millisecond, check)
		}
		for k := range 30 {
			if x.flaps {
				w.cut = x.cut
				if k%2 == 1 {
					w.cut = nil
				}
			}
			w.live(4*time.Second, check)
		}
	}
}

// Members whose addresses lead to them from each other alone, as those of containers on one host,
// and that hear all, are failed as deaf once and for all, know it, and do not come and go for the
// questions that they ask each other. Once others reach them they are back.
func TestDeafButForEachOther(t *testing.T) {
	for _, x := range []struct{ n, deaf int }{{4, 1}, {6, 2}, {8, 2}, {8, 3}, {20, 2}, {30, 4}} {
		for _, loss := range []float64{0, 0.2} {
			w := newWorld(t)
			nodes := w.cluster(x.n, nil)
			w.run(20 * time.Second)
			w.loss = loss
			deaf, well := nodes[x.n-x.deaf:], nodes[:x.n-x.deaf]
			outer := func(a netip.AddrPort) netip.AddrPort { // as the others see it
				b := a.Addr().As4()
				b[1] = 9
				return netip.AddrPortFrom(netip.AddrFrom4(b), a.Port())
			}
			find := func(a netip.AddrPort) *peer {
				for _, p := range deaf {
					if p.addr == a {
						return p
					}
				}
				return nil
			}
			w.route = func(p *peer, to netip.AddrPort) (from, where netip.AddrPort) {
				inside, there := find(p.addr) != nil, find(to) != nil
				switch {
				case inside && there:
					return p.addr, to
				case inside:
					return outer(p.addr), to
				case there:
					return p.addr, netip.AddrPort{}
				}
				for _, q := range deaf {
					if to == outer(q.addr) {
						return p.addr, q.addr
					}
				}
				return p.addr, to
			}
			failed := func() bool {
				for _, p := range deaf {
					for _, q := range well {
						if m, _ := q.Table().Get(p.id); m.State != member.Failed ||
							m.Cause != member.CauseDeaf {
							return false
						}
					}
				}
				return true
			}
			took := w.until(30*time.Second, "all hold them deaf", failed)
			w.run(10 * time.Second)
			for _, p := range well {
				p.events = nil
			}
			w.run(2 * time.Minute)
			if !failed() {
				t.Errorf("n=%d, %d deaf, %.1f lost: later they are not held deaf", x.n, x.deaf,
					loss)
			}
			for _, p := range deaf {
				if !p.Unreached() {
					t.Errorf("n=%d, %d deaf, %.1f lost: one does not know that it is", x.n,
						x.deaf, loss)
				}
			}
			for _, p := range well {
				if k := count(p, MemberRecovered) + count(p, MemberFailed); k > 0 || p.Unreached() {
					t.Errorf("n=%d, %d deaf, %.1f lost: %s is told %d times that they come or go",
						x.n, x.deaf, loss, p.roster.Record().Name, k)
				}
			}
			w.route = nil
			back := w.until(30*time.Second, "all is whole", func() bool {
				return w.allSee(x.n) && !slices.ContainsFunc(deaf,
					func(p *peer) bool { return p.Unreached() })
			})
			t.Logf("n=%d, %d deaf, %.1f lost: known after %s, back after %s", x.n, x.deaf,
				loss, took, back)
		}
	}
}
