package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
)

// strict is a model that looks at every map after every step, instead of at what readers are told
// alone. It knows all that each life of each owner wrote, and when.
type strict struct {
	t     *testing.T
	w     *world
	rng   *rand.Rand
	cfg   Config
	wrote map[string]map[uint64]written // by owner's life, by version
	// the last version that a process had of a key, or was told that it is gone
	seen map[seenKey]uint64
	held map[seenKey]uint64 // the highest version of the owner that it had
	gone map[int]mono.Time  // owners that are dead, and since when
	ids  map[member.ID]*node
}

type written struct {
	Change
	ttl time.Duration
	at  mono.Time
}

type seenKey struct {
	reader, boot int
	life, key    string
}

// slack is by how much a time to live may seem longer at a reader: the way there, over all hops.
// Each hop rounds down.
const (
	strictJitter = 60 * time.Millisecond
	strictDelay  = time.Millisecond
	strictHops   = 10
	strictSlack  = strictHops * (strictJitter + 2*strictDelay)
	strictRound  = strictHops * 2 * time.Millisecond
)

func (s *strict) life(o *node, generation uint64) string {
	return fmt.Sprint(o.Record.Name, ".", generation)
}

func (s *strict) key(x, o *node, key string) seenKey {
	m, _ := x.Members.Get(o.ID())
	return seenKey{x.i, x.boots, s.life(o, m.Generation()), key}
}

func (s *strict) watch(x *node) {
	x.told = func(c Change) {
		if c.Owner == x.ID() {
			s.note(s.life(x, x.Record.Generation), c, x)
			return
		}
		k := s.key(x, s.ids[c.Owner], c.Key)
		if last := s.seen[k]; c.Version < last || c.Version == last && !c.Gone {
			s.t.Fatalf("%d: %s is told of %+v after version %d", s.w.Now, x.Record.Name, c, last)
		}
		s.seen[k] = c.Version
	}
	// what was held is void, and told to be; all may be told again, but nothing older
	x.void = func(id member.ID) {
		_, dead := s.gone[s.ids[id].i]
		for k, last := range s.seen {
			if k.reader != x.i || !strings.HasPrefix(k.life, s.ids[id].Record.Name+".") {
				continue
			}
			if dead { // in the end a reader takes what the others have
				delete(s.seen, k)
			} else {
				s.seen[k] = last - 1
			}
		}
		for k := range s.held {
			if k.reader == x.i && strings.HasPrefix(k.life, s.ids[id].Record.Name+".") {
				delete(s.held, k)
			}
		}
	}
}

func (s *strict) note(life string, c Change, x *node) {
	if s.wrote[life] == nil {
		s.wrote[life] = map[uint64]written{}
	}
	s.wrote[life][c.Version] = written{c, x.ttl, s.w.Now}
}

// look checks what all readers show of all owners.
func (s *strict) look() {
	for _, x := range s.w.nodes {
		x.store.check(s.t)
		if x.asleep {
			continue
		}
		for _, o := range s.w.nodes {
			m, ok := x.Members.Get(o.ID())
			if !ok || o == x {
				continue
			}
			h := s.wrote[s.life(o, m.Generation())]
			version := x.store.Version(o.ID())
			kv := s.key(x, o, "")
			if version < s.held[kv] {
				s.t.Fatalf("%s holds version %d of %s, after %d", x.Record.Name, version,
					o.Record.Name, s.held[kv])
			}
			s.held[kv] = version
			for v := range x.store.Of(s.w.Now, o.ID()) {
				k, was := s.key(x, o, v.Key), h[v.Version]
				switch left := was.at.Add(was.ttl).Sub(s.w.Now); {
				case was.Version == 0 || was.Gone || was.Key != v.Key || was.Value != v.Value:
					s.t.Fatalf("%s shows %q at version %d of %s, which wrote %+v", x.Record.Name,
						v.Key, v.Version, o.Record.Name, was)
				case v.Version < s.seen[k]:
					s.t.Fatalf("%s shows version %d of %q of %s, after %d", x.Record.Name,
						v.Version, v.Key, o.Record.Name, s.seen[k])
				case (was.ttl > 0) != (v.TTL > 0):
					s.t.Fatalf("%s shows %q of %s with %s, not %s", x.Record.Name, v.Key,
						o.Record.Name, v.TTL, was.ttl)
				case was.ttl > 0 && (v.TTL > left+strictSlack || v.TTL < left-strictRound):
					s.t.Fatalf("%d: %s shows %q@%d of %s for %s more, not %s", s.w.Now,
						x.Record.Name, v.Key, v.Version, o.Record.Name, v.TTL, left)
				}
				s.seen[k] = v.Version
			}
		}
	}
}

// step passes time in small parts, and looks.
func (s *strict) step(d time.Duration) {
	for d > 0 {
		part := min(d, 20*time.Millisecond+time.Duration(s.rng.IntN(300))*time.Millisecond)
		s.w.run(part)
		s.look()
		d -= part
	}
}

// begins gives a node a new life: of a new process, or under another generation of the same one.
func (s *strict) begins(x *node, process bool) {
	before := s.life(x, x.Record.Generation)
	x.Record.Generation++
	if process {
		x.asleep = false
		x.boot(s.cfg)
		s.watch(x)
		for i := range s.gone {
			if i != x.i {
				x.learn(s.w.nodes[i], member.Failed)
			}
		}
	} else {
		s.wrote[s.life(x, x.Record.Generation)] = s.wrote[before]
		x.learn(x, member.Alive)
	}
	delete(s.gone, x.i)
	for _, y := range s.w.nodes {
		if y != x {
			y.learn(x, member.Alive)
		}
	}
}

// dies ends an owner, of which all hear.
func (s *strict) dies(x *node) {
	s.gone[x.i] = s.w.Now
	x.asleep = true
	for _, y := range s.w.nodes {
		if y != x {
			y.learn(x, member.Failed)
		}
	}
}

// forgets lets a node forget an owner that died, which it meets again in the same life.
func (s *strict) forgets(x, o *node) {
	x.learn(o, member.Failed)
	x.store.Forget(s.w.Now, o.ID())
	x.Members.Forget(o.ID())
	x.Ring().Forget()
	s.step(time.Duration(s.rng.IntN(2000)) * time.Millisecond)
	x.learn(o, member.Alive)
	if _, dead := s.gone[o.i]; dead {
		x.learn(o, member.Failed)
	}
}

func (s *strict) write(x *node) {
	key := fmt.Sprint("k", s.rng.IntN(40))
	switch s.rng.IntN(10) {
	case 0, 1, 2, 3:
		x.set(key, strings.Repeat(string(rune('a'+s.rng.IntN(26))), 20+s.rng.IntN(300)), 0)
	case 4:
		x.set(key, strings.Repeat("L", 1500+s.rng.IntN(12_000)), 0)
	case 5, 6:
		x.set(key, "brief", time.Duration(1+s.rng.IntN(9000))*time.Millisecond)
	default:
		if _, ok := x.store.Get(s.w.Now, x.ID(), key); ok {
			x.unset(key)
		}
	}
}

// Writes are lost, overtaken and repeated; nodes are cut off, restarted, put to sleep, forgotten
// and met again. No map goes backwards. Nothing is shown that its owner did not write, or for
// longer than it said. In the end all maps are their owners'.
func TestStrict(t *testing.T) {
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { strictRun(t, seed) })
	}
}

func strictRun(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	cfg := Config{Tombstone: time.Duration(1+rng.IntN(8)) * time.Second}
	w := newZones(t, 3+rng.IntN(6), 1+rng.IntN(3), seed, cfg)
	w.delay, w.loss = strictDelay, []float64{0, 0.1, 0.4}[rng.IntN(3)]
	if rng.IntN(2) == 0 {
		w.jitter, w.Twice = strictJitter, 0.1
	}
	s := &strict{t: t, w: w, rng: rng, cfg: cfg, wrote: map[string]map[uint64]written{},
		seen: map[seenKey]uint64{},
		held: map[seenKey]uint64{}, gone: map[int]mono.Time{}, ids: map[member.ID]*node{}}
	for _, x := range w.nodes {
		s.ids[x.ID()] = x
		s.watch(x)
	}
	for range 250 {
		x := w.nodes[rng.IntN(len(w.nodes))]
		switch rng.IntN(40) {
		case 0:
			s.begins(x, true)
		case 1:
			if !x.asleep {
				s.begins(x, false)
			}
		case 2:
			if len(s.gone) == 0 && !x.asleep {
				s.dies(x)
			}
		case 3:
			x.asleep = x.asleep != (s.gone[x.i] == 0) // it sleeps, or wakes; a dead one does not
		case 4:
			if o := w.nodes[rng.IntN(len(w.nodes))]; o != x && !x.asleep {
				s.forgets(x, o)
			}
		case 5, 6, 7:
			lone := rng.IntN(len(w.nodes))
			w.Cut = func(a, b int) bool { return (a <= lone) != (b <= lone) }
		case 8:
			a1, b1 := rng.IntN(len(w.nodes)), rng.IntN(len(w.nodes))
			w.Cut = func(a, b int) bool { return a == a1 || b == b1 } // one way
		case 9, 10, 11:
			w.Cut = nil
		case 12, 13:
			s.step(time.Duration(rng.IntN(9000)) * time.Millisecond)
		case 14:
			if seed%8 == 0 && !x.asleep && rng.IntN(3) == 0 { // more tombstones than are remembered
				for k := range MaxTombstones + 100 {
					x.set(fmt.Sprint("t", k), "", 0)
					x.unset(fmt.Sprint("t", k))
				}
			}
		default:
			for range 1 + rng.IntN(12) {
				if !x.asleep {
					s.write(x)
				}
			}
		}
		s.step(time.Duration(rng.IntN(100)) * time.Millisecond)
	}
	w.Cut = nil
	for _, x := range w.nodes {
		if _, dead := s.gone[x.i]; dead {
			s.begins(x, true)
		}
		x.asleep = false
	}
	for range 30 {
		s.step(4 * time.Second)
		if w.equal() == "" && !slices.ContainsFunc(w.nodes,
			func(x *node) bool { return x.store.building > 0 }) {
			break
		}
	}
	if what := w.equal(); what != "" {
		t.Error(what)
	}
	for _, x := range w.nodes {
		if st := x.store.Stats(); st.Refused > 0 || x.store.building != 0 {
			t.Errorf("%+v, %d bytes are built", st, x.store.building)
		}
		x.store.check(s.t)
		if own := x.store.self(); own.dead > MaxTombstones || len(x.store.graves) != own.dead {
			t.Errorf("%d tombstones, %d graves", own.dead, len(x.store.graves))
		}
	}
}
