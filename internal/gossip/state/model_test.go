package state

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/size"
)

// model is the dumb second implementation: of each life of each owner all that it ever wrote, and
// what each reader saw.
type model struct {
	t       *testing.T
	history map[string]map[uint64]Change // by owner and life, by version
	seen    map[string]uint64            // by reader, owner, life and key: the last version
}

func (m *model) life(x *node) string {
	return fmt.Sprintf("%s.%d", x.Record.Name, x.Record.Generation)
}

// wrote notes what an owner says that it wrote, and told what a reader was told of it.
func (m *model) wrote(x *node, c Change) {
	h := m.history[m.life(x)]
	if h == nil {
		h = map[uint64]Change{}
		m.history[m.life(x)] = h
	}
	h[c.Version] = c
}

func (m *model) told(w *world, x *node, c Change) {
	for _, o := range w.nodes {
		if o.ID() != c.Owner {
			continue
		}
		held, _ := x.Members.Get(o.ID())
		life := fmt.Sprintf("%s.%d", o.Record.Name, held.Generation())
		h := m.history[life]
		was, ok := h[c.Version]
		if !ok || was.Key != c.Key || !c.Gone && (was.Value != c.Value || was.Gone) {
			m.t.Fatalf("%s was told %+v of %s, which wrote %+v", x.Record.Name, c, life, was)
		}
		k := fmt.Sprint(x.Record.Name, ".", x.Record.Generation, " ", life, " ", c.Key)
		if last := m.seen[k]; c.Version < last || c.Version == last && !c.Gone {
			// a reset tells of the same write again, once it told that the key is gone for now
			if x.store.Stats().Resets == 0 || c.Version < last {
				m.t.Fatalf("%s was told of version %d of %q of %s after %d", x.Record.Name,
					c.Version, c.Key, life, last)
			}
		}
		m.seen[k] = c.Version
		// no deleted key comes back: not if this reader holds a later version of the owner
		for v, later := range h {
			if later.Key == c.Key && later.Gone && v > c.Version &&
				v <= x.store.Version(o.ID()) && !c.Gone {
				m.t.Fatalf("%s was told of version %d of %q of %s, deleted at %d, at its "+
					"version %d",
					x.Record.Name, c.Version, c.Key, life, v, x.store.Version(o.ID()))
			}
		}
	}
}

func (m *model) watch(w *world, x *node) {
	x.told = func(c Change) {
		if c.Owner == x.ID() {
			m.wrote(x, c)
		} else {
			m.told(w, x, c)
		}
	}
}

// Whatever is written, lost, cut and restarted: readers are told only what was written, versions
// only rise, no deleted key comes back, and in the end all hold what the owners hold.
func TestModel(t *testing.T) {
	for seed := range uint64(size.Of(5, 40, 1000)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { modelRun(t, seed) })
	}
}

func modelRun(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 99))
	cfg := Config{Tombstone: time.Duration(2+rng.IntN(20)) * time.Second}
	w := newWorld(t, 2+rng.IntN(12), seed, cfg)
	w.loss = []float64{0, 0.05, 0.4}[rng.IntN(3)]
	m := &model{t: t, history: map[string]map[uint64]Change{}, seen: map[string]uint64{}}
	for _, x := range w.nodes {
		m.watch(w, x)
	}
	for range 300 {
		x := w.nodes[rng.IntN(len(w.nodes))]
		key := fmt.Sprint("k", rng.IntN(6))
		switch rng.IntN(12) {
		case 0, 1, 2, 3, 4:
			size := rng.IntN(40)
			if rng.IntN(8) == 0 {
				size = rng.IntN(10_000)
			}
			x.set(key, strings.Repeat(string(rune('a'+rng.IntN(26))), size), 0)
		case 5:
			x.set(key, "brief", time.Duration(1+rng.IntN(5000))*time.Millisecond)
		case 6, 7, 8:
			if _, ok := x.store.Get(w.Now, x.ID(), key); ok {
				x.unset(key)
			}
		case 9:
			if rng.IntN(6) == 0 {
				restart(w, m, x, cfg)
			}
		case 10:
			if rng.IntN(4) == 0 {
				lone := rng.IntN(len(w.nodes))
				w.Cut = func(a, b int) bool { return (a <= lone) != (b <= lone) }
			} else {
				w.Cut = nil
			}
		case 11:
			w.run(time.Duration(rng.IntN(5000)) * time.Millisecond)
		}
		w.run(time.Duration(rng.IntN(60)) * time.Millisecond)
	}
	w.Cut = nil
	for range 20 {
		w.run(5 * time.Second)
		if w.equal() == "" {
			break
		}
	}
	if what := w.equal(); what != "" {
		t.Error(what)
	}
	for _, x := range w.nodes {
		if st := x.store.Stats(); st.Refused > 0 {
			t.Fatalf("%+v", st)
		}
	}
}

// restart gives a node a new life, of which all hear.
func restart(w *world, m *model, x *node, cfg Config) {
	x.Record.Generation++
	x.boot(cfg)
	for _, y := range w.nodes {
		if y != x {
			y.learn(x, member.Alive)
		}
	}
	m.watch(w, x)
}

// A reader that was away while tombstones were forgotten does not bring a deleted key back, and
// loses it.
func TestTombstonesForgotten(t *testing.T) {
	w := newWorld(t, 10, 3, Config{Tombstone: 5 * time.Second})
	m := &model{t: t, history: map[string]map[uint64]Change{}, seen: map[string]uint64{}}
	for _, x := range w.nodes {
		m.watch(w, x)
	}
	for k := range 50 {
		w.nodes[0].set(fmt.Sprint("k", k), strings.Repeat("v", 200), 0)
	}
	w.run(time.Second)
	w.Cut = func(a, b int) bool { return (a == 9) != (b == 9) }
	for k := 0; k < 50; k += 2 {
		w.nodes[0].unset(fmt.Sprint("k", k))
	}
	w.run(20 * time.Second)
	if o := w.nodes[0].store.self(); o.dead != 0 || o.floor == 0 {
		t.Fatalf("%d tombstones are kept, the floor is %d", o.dead, o.floor)
	}
	w.nodes[0].set("k1", "after", 0) // tells the others of the floor
	w.run(time.Second)
	w.Cut = nil
	w.run(20 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
	if got := w.nodes[9].store.Stats().Resets; got != 1 {
		t.Errorf("%d resets", got)
	}
	for _, x := range w.nodes { // and none of them keeps a tombstone
		if o := x.store.owner(w.nodes[0].ID()); o.dead > 0 {
			t.Errorf("%s keeps %d tombstones", x.Record.Name, o.dead)
		}
	}
}
