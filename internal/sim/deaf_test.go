package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/inquest"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/size"
)

// staged is a cluster that has settled, with a scenario under way.
type staged struct {
	*World
	t *testing.T
}

func stage(t *testing.T, o Options, texts ...string) *staged {
	t.Helper()
	o.Actions = append(o.Actions, actions(t, texts...)...)
	o.Warm = true
	w, err := newWorld(o)
	if err != nil {
		t.Fatal(err)
	}
	w.join()
	w.run(w.now.Add(w.opt.Settle), nil)
	w.epoch = w.now
	for _, a := range w.opt.Actions {
		w.schedule(a)
	}
	return &staged{w, t}
}

// after lets the scenario go on to a moment.
func (s *staged) after(d time.Duration) {
	s.t.Helper()
	s.run(s.epoch.Add(d), nil)
	if s.err != nil {
		s.t.Fatal(s.err)
	}
}

// until lets the scenario go on until something is so, and says when that was; -1: not within a
// limit.
func (s *staged) until(limit time.Duration, so func() bool) time.Duration {
	s.t.Helper()
	for d := s.now.Sub(s.epoch); d <= limit; d += 50 * time.Millisecond {
		s.after(d)
		if so() {
			return d
		}
	}
	return -1
}

// holders counts the processes that are up but for one which hold it in a state, and how many of
// them for a cause.
func (s *staged) holders(of int, state member.State, cause member.Cause) (n, caused int) {
	id := s.idOf[of]
	for i, p := range s.procs {
		if i == of || !p.up {
			continue
		}
		if m, ok := p.node.Table().Get(id); ok && m.State == state {
			n++
			if m.Cause == cause {
				caused++
			}
		}
	}
	return n, caused
}

// failed counts the views in which a process that is up is held failed, but for those in which the
// process but is.
func (s *staged) failed(but int) (n int) {
	for i, p := range s.procs {
		if i != but && p.up {
			k, _ := s.holders(i, member.Failed, 0)
			n += k
		}
	}
	return n
}

// Nothing reaches n5, and all that it sends arrives. All others know it as failed within nine
// seconds, and that it is deaf.
func TestDeafMember(t *testing.T) {
	for _, n := range []int{8, 100, size.Of(0, 0, 1000)} {
		for _, loss := range []float64{0, 0.5} {
			for seed := range uint64(size.Of(1, 3, 20)) {
				if n == 0 {
					continue
				}
				o := Options{Nodes: n, Seed: seed + 1, Unchecked: true, Settle: 20 * time.Second}
				o.Network = LAN()
				o.Network.Within.Loss = loss
				s := stage(t, o, "1s=cut:rest/n5,oneway")
				caused := 0
				took := s.until(20*time.Second, func() bool {
					var k int
					k, caused = s.holders(5, member.Failed, member.CauseDeaf)
					return k == n-1
				})
				told := s.until(20*time.Second, func() bool {
					_, caused = s.holders(5, member.Failed, member.CauseDeaf)
					return caused == n-1
				})
				t.Logf("n=%d loss %.1f seed %d: %s, deaf %s", n, loss, seed, took, told)
				if took < 0 || took > 10*time.Second || told < 0 || s.failed(5) > 0 {
					t.Errorf("n=%d loss %.1f seed %d: known after %s, as deaf to %d after %s; "+
						"%d views hold others failed",
						n, loss, seed, took-time.Second, caused, told-time.Second, s.failed(5))
				}
				if p := s.procs[5]; s.until(20*time.Second, p.node.Isolated) < 0 {
					t.Errorf("n=%d loss %.1f seed %d: the deaf one does not know that it is",
						n, loss, seed)
				}
			}
		}
	}
}

// No member that is well, or that half of the others reach, is held failed: under any loss, with
// one way broken for a pair, in a star, where a way flaps or is broken for half of the members, in
// a deaf member's own view.
func TestNobodyWellIsDeaf(t *testing.T) {
	for _, x := range []struct {
		name   string
		n      int
		loss   float64
		action []string
	}{
		{"no loss", 20, 0, nil},
		{"a quarter lost", 20, 0.25, nil},
		{"half lost", 30, 0.5, nil},
		{"half lost, of eight", 8, 0.5, nil},
		{"a pair", 20, 0, []string{"1s=cut:n5/n6"}},
		{"a pair, one way", 20, 0.1, []string{"1s=cut:n5/n6,oneway"}},
		{"a star", 8, 0, []string{"1s=cut:n1-n7/n1-n7"}},
		{"half do not hear it", 20, 0, []string{"1s=cut:n5/n6-n14,oneway"}},
		{"half do not reach it", 20, 0, []string{"1s=cut:n6-n14/n5,oneway"}},
		{"deaf for 3 s of 8", 8, 0.05, []string{"1s=cut:rest/n5,oneway,for=3s,every=8s"}},
		{"unheard for 1 s of 4", 8, 0.05, []string{"1s=cut:n5/rest,oneway,for=1s,every=4s"}},
	} {
		for seed := range uint64(size.Of(1, 2, 40)) {
			o := Options{Nodes: x.n, Seed: seed + 1, Unchecked: true,
				Duration: 90 * time.Second, Network: LAN()}
			o.Network.Within.Loss = x.loss
			s := stage(t, o, x.action...)
			for d := time.Duration(0); d <= 90*time.Second; d += time.Second {
				s.after(d)
				if n := s.failed(-1); n > 0 {
					t.Errorf("%s, seed %d: after %s %d views hold somebody failed", x.name,
						seed, d, n)
					break
				}
			}
		}
	}
}

// The checker speaks where a deaf member is not failed, and where one is that half of the others
// reach; and not where all is as it should be.
func TestDeafChecker(t *testing.T) {
	for _, x := range []struct {
		cut     string
		inquest inquest.Config
		speaks  bool
	}{
		{"1s=cut:rest/n5,oneway", inquest.Config{}, false},
		{"1s=cut:n5/rest,oneway", inquest.Config{}, false},
		{"1s=cut:n6-n14/n5,oneway", inquest.Config{}, false},
		{"1s=cut:rest/n5,oneway", inquest.Config{DeafGrace: time.Hour, StallGrace: time.Hour},
			true},
	} {
		a, err := ParseAction(x.cut)
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Nodes: 20, Seed: 1, Warm: true, Network: LAN(), Actions: []Action{a},
			Suspend: []string{"completeness", "convergence"}}
		o.Gossip.Inquest = x.inquest
		if x.speaks {
			o.Gossip.Inquest.Grace = time.Hour
		}
		found := Try(o)
		spoke := slices.ContainsFunc(found, func(v Violation) bool { return v.Checker == "deaf" })
		if spoke != x.speaks || !x.speaks && len(found) > 0 {
			t.Errorf("%s with %+v: found %v", x.cut, x.inquest, found)
		}
	}
}

// Two of four that hear neither of the others, one of which has died behind a cut, are not more
// than half, and fail nobody.
func TestDeafBesideTheDeadIsNotJudged(t *testing.T) {
	o := Options{Nodes: 4, Seed: 1, Warm: true, Network: LAN(), Duration: time.Minute}
	for _, text := range []string{"1s=cut:n1-n2/rest", "10s=kill:n1"} {
		a, err := ParseAction(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Actions = append(o.Actions, a)
	}
	if found := Try(o); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}
