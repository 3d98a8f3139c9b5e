package state

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// ways lets only some pairs of nodes talk, and only some datagrams from one to another.
type ways struct {
	on    map[[2]int]bool
	limit map[[2]int]int
}

func (v *ways) only(pairs ...[2]int) {
	v.on, v.limit = map[[2]int]bool{}, map[[2]int]int{}
	for _, p := range pairs {
		v.on[p], v.on[[2]int{p[1], p[0]}] = true, true
	}
}

func (v *ways) split(a, b int) bool {
	p := [2]int{a, b}
	if left, ok := v.limit[p]; ok {
		if left == 0 {
			return true
		}
		v.limit[p]--
	}
	return !v.on[p]
}

// shows has x see y's fingerprint, and begin an exchange.
func (w *world) shows(x, y *node) {
	m, _ := x.Members.Get(y.ID())
	x.store.next = 0
	x.store.Compare(w.Now, m, y.store.Fingerprint(), true)
	x.store.Flush(w.Now)
}

// A reader below the floor got a part of the map anew, and goes on with a peer that is behind the
// floor. It adopts neither the floor nor what was deleted up to it. It shows what it had until the
// new map is whole.
func TestFloorComesWithItsVersion(t *testing.T) {
	w := newWorld(t, 3, 1, Config{Tombstone: 2 * time.Second})
	w.probes = false
	v := &ways{}
	w.Cut = v.split
	o, r, l := w.nodes[0], w.nodes[1], w.nodes[2] // the owner, the reader, one that lags
	or, ol, rl := [2]int{0, 1}, [2]int{0, 2}, [2]int{1, 2}
	big := strings.Repeat("v", 300)
	many := func(prefix string, n int) {
		for i := range n {
			o.set(fmt.Sprint(prefix, i), big, 0)
		}
	}
	v.only(or, ol, rl)
	many("a", 10)
	w.run(3 * time.Second)
	v.only(ol) // the reader is cut off
	many("b", 25)
	o.set("x", "still here", 0)
	w.run(3 * time.Second)
	v.only() // and so is the other
	o.unset("x")
	many("a", 10)
	many("c", 25)
	w.run(5 * time.Second) // the tombstone is forgotten
	o.set("d", big, 0)
	w.run(time.Second)
	v.only(or)
	v.limit[or] = 3 // a digest, then the first datagrams of the map
	w.shows(o, r)
	w.run(3 * time.Second)
	part := r.store.owner(o.ID())
	if part.next == nil || part.next.version == 0 || part.version != 10 || part.floor != 0 {
		t.Fatalf("the reader holds version %d, floor %d, and builds %+v", part.version,
			part.floor, part.next)
	}
	if got := len(r.map_(o)); got != 10 {
		t.Errorf("it shows %d keys while it gets the map anew", got)
	}
	v.only(rl)
	w.shows(l, r)
	w.shows(r, l)
	w.run(3 * time.Second)
	if _, ok := r.store.Get(w.Now, o.ID(), "x"); ok || part.floor > part.version {
		t.Errorf("it took what was deleted from one that lags: version %d, floor %d",
			part.version, part.floor)
	}
	v.only(or, ol, rl)
	w.probes = true
	w.run(time.Minute)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
}

// A map that comes anew over many datagrams, of which many are lost, is told of as a whole. A key
// that is still there is never gone in between, whether a peer tells it or the owner.
func TestNothingIsGoneInBetween(t *testing.T) {
	for _, owner := range []bool{true, false} {
		w := newWorld(t, 6, 4, Config{Tombstone: 2 * time.Second})
		o, r := w.nodes[0], w.nodes[5]
		stay := func() {
			for k := range 100 {
				o.set(fmt.Sprint("stays", k), strings.Repeat("v", 500), 0)
			}
		}
		stay()
		o.set("goes", "x", 0)
		w.run(3 * time.Second)
		w.Cut = func(a, b int) bool { return a == 5 || b == 5 }
		o.unset("goes")
		w.run(10 * time.Second)
		stay() // all of it stands behind the floor
		w.run(time.Second)
		gone := []string{}
		r.told = func(c Change) {
			if c.Gone {
				gone = append(gone, c.Key)
			}
			if v, ok := r.store.Get(w.Now, o.ID(), c.Key); ok != !c.Gone || ok &&
				v.Value != c.Value {
				t.Errorf("told %+v, but it shows %+v", c, v)
			}
		}
		w.loss = 0.4
		// perhaps all but the owner tell it
		w.Cut = func(a, b int) bool { return !owner && a+b == 5 }
		least := 101
		for end := w.Now.Add(time.Minute); w.Now < end; w.run(5 * time.Millisecond) {
			least = min(least, len(r.map_(o)))
		}
		if what := w.equal(); what != "" {
			t.Error(what)
		}
		if fmt.Sprint(gone) != "[goes]" || least != 100 || r.store.Stats().Resets != 1 {
			t.Errorf("gone: %v, at least %d keys were shown, %d resets", gone, least,
				r.store.Stats().Resets)
		}
	}
}

// A newcomer gets a large map while its owner deletes all the time, and forgets that it did.
func TestMapComesWhileItsFloorRises(t *testing.T) {
	w := newWorld(t, 2, 5, Config{Tombstone: 8 * time.Second})
	w.Cut = func(a, b int) bool { return true }
	w.loss = 0.1
	o := w.nodes[0]
	busy := func(d time.Duration) {
		for end := w.Now.Add(d); w.Now < end; w.run(50 * time.Millisecond) {
			o.set("brief", "x", 0)
			o.unset("brief")
			o.set(fmt.Sprint("b", w.Now), "x", 0)
			o.unset(fmt.Sprint("b", w.Now))
		}
	}
	for k := range 200 {
		o.set(fmt.Sprint("k", k), strings.Repeat("v", 1000), 0)
	}
	busy(20 * time.Second)
	w.Cut = nil
	busy(20 * time.Second)
	if got := len(w.nodes[1].map_(o)); got < 200 {
		t.Errorf("%d of 200 keys after 20 s", got)
	}
}

// An owner remembers so many tombstones and no more, whatever it deletes: the same key again and
// again behind one that stays deleted, too.
func TestTombstonesBound(t *testing.T) {
	w := newWorld(t, 2, 6, Config{})
	o := w.nodes[0]
	o.set("first", "x", 0)
	o.unset("first")
	for range 3 * MaxTombstones {
		o.set("again", "x", 0)
		o.unset("again")
	}
	if own := o.store.self(); own.dead != 2 || len(o.store.graves) != 2 || own.floor != 0 {
		t.Errorf("%d tombstones of two keys, %d graves, floor %d", own.dead,
			len(o.store.graves), own.floor)
	}
	most := 0
	for k := range MaxTombstones + 76 {
		o.set(fmt.Sprint(k), "x", 0)
		o.unset(fmt.Sprint(k))
		most = max(most, o.store.self().dead, len(o.store.graves))
	}
	if own := o.store.self(); most != MaxTombstones || own.floor == 0 ||
		own.dead != len(o.store.graves) {
		t.Errorf("%d tombstones were remembered at once, floor %d, %d and %d now", most,
			own.floor, own.dead, len(o.store.graves))
	}
	w.run(10 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
}

// A node that holds something else than the owner at the same version does not look equal to it,
// and is mended. That holds whatever the difference is, and in how many datagrams the map comes.
// Its version does not fall.
func TestContentsDiffer(t *testing.T) {
	for name, forge := range map[string]wire.KeyEntry{
		"value": {}, "key": {Key: []byte("other")}, "ttl": {TTL: 60_000},
		"deleted": {Deleted: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 5, 7, Config{})
			w.loss = 0.2
			o, x := w.nodes[0], w.nodes[1]
			for k := range 60 {
				o.set(fmt.Sprint("k", k), strings.Repeat("v", 800), 0)
			}
			w.run(10 * time.Second)
			m, _ := x.Members.Get(o.ID())
			key, value := "key", "forged"
			if name == "key" {
				key = "other"
			}
			if forge.Deleted {
				value = ""
			}
			forge.Version = 61
			b := wire.AppendDelta(wire.BeginDeltas(nil, 0),
				&wire.Delta{Owner: o.ID(), Instance: m.Instance(), From: 60, To: 61, Count: 1})
			x.receive(w.nodes[2], wire.EndDeltas(wire.AppendKeyEntry(b, 60, &forge, key, value), 0))
			o.set("key", "true", 0)
			before := x.store.Version(o.ID())
			if before != 61 || x.store.Fingerprint() == o.store.Fingerprint() {
				t.Fatalf("version %d, and the fingerprints are equal", before)
			}
			for end := w.Now.Add(30 * time.Second); w.Now < end; w.run(50 * time.Millisecond) {
				if v := x.store.Version(o.ID()); v < before {
					t.Fatalf("version %d after %d", v, before)
				}
			}
			if what := w.equal(); what != "" {
				t.Error(what)
			}
			packets := 0
			for _, y := range w.nodes {
				packets -= y.packets
			}
			w.run(time.Minute)
			for _, y := range w.nodes {
				packets += y.packets
			}
			if packets > 0 {
				t.Errorf("%d datagrams in a minute in which nothing differs", packets)
			}
		})
	}
}

// Two nodes whose items have the same hash under one salt see at the next what differs: no salt
// comes twice.
func TestSaltsDiffer(t *testing.T) {
	var first uint32
	for run := range 2 { // the first run shows which salt will be drawn
		w := newWorld(t, 2, 8, Config{})
		w.probes = false
		o, r := w.nodes[0], w.nodes[1]
		w.Cut = func(a, b int) bool { return true }
		salts := map[uint32]bool{}
		o.set("k", "v", 0)
		r.receive(o, deltasOf(w, o)[0])
		m, _ := o.Members.Get(o.ID())
		same := newSalt(first).item(r.store.owner(o.ID()))
		trial := New(o, Config{})
		trial.ensure(&m)
		for i := 0; ; i++ {
			value := fmt.Sprint(i)
			t := &owner{id: o.ID(), instance: m.Instance(), version: 2}
			t.content = sumOf(&item{key: "k", value: value, version: 2})
			if run == 0 || newSalt(first).item(t) == same {
				o.set("k", value, 0)
				break
			}
		}
		w.run(time.Second)
		w.Cut = nil
		equal := 0
		for i := range 6 {
			w.nodes[1].store.follow = 1 << 62
			before := r.packets
			w.shows(r, o)
			w.nodes[1].store.retry = 1 << 62 // nor is another begun since nobody answers
			if r.packets == before {
				break
			}
			v, _, _ := wire.ReadKeySketch(wire.Body(w.last))
			if i == 0 && run == 0 {
				first = v.Salt
			} else if i == 0 && v.Salt != first {
				t.Fatal("another salt is drawn first")
			}
			if salts[v.Salt] {
				t.Errorf("salt %x comes again", v.Salt)
			}
			salts[v.Salt] = true
			w.run(2 * time.Second)
			if w.equal() != "" {
				equal++
			}
		}
		if what := w.equal(); what != "" || equal != run {
			t.Errorf("run %d: %s after %d sketches that told nothing", run, what, equal)
		}
	}
}

// What waits for a link goes with the life or the memory that it is of, and the next life's writes
// come to all at once.
func TestQueueOfAFormerLife(t *testing.T) {
	w := newWorld(t, 12, 9, Config{Coalesce: 100 * time.Millisecond})
	w.probes = false
	x := w.nodes[0]
	for k := range 5 {
		x.set(fmt.Sprint("k", k), "v", 0)
		w.run(10 * time.Millisecond) // most wait for the link
	}
	x.Record.Generation++
	for _, y := range w.nodes {
		y.learn(x, member.Alive)
	}
	x.store.Flush(w.Now)
	w.run(2 * time.Second)
	if what := w.equal(); what != "" {
		t.Error(what)
	}
	for _, y := range w.nodes[1:] {
		if st := y.store.Stats(); st.Gaps > 0 {
			t.Errorf("%s: %+v", y.Record.Name, st)
		}
	}
}

// deltaOf returns a delta of an owner, of which each version is a key of its own.
func deltaOf(o *node, floor, from, to uint64, more bool) []byte {
	m, _ := o.Members.Get(o.ID())
	b := wire.AppendDelta(wire.BeginDeltas(nil, 0),
		&wire.Delta{Owner: o.ID(), Instance: m.Instance(), Floor: floor,
			From: from, To: to, More: more, Count: int(to - from)})
	for v := from + 1; v <= to; v++ {
		b = wire.AppendKeyEntry(b, v-1, &wire.KeyEntry{Version: v}, fmt.Sprint("k", v), "v")
	}
	return wire.EndDeltas(b, 0)
}

// A map that is built for a floor is continued only by members that have got to that floor and tell
// all that was deleted after it.
func TestWhoGoesOnWithAMap(t *testing.T) {
	type delta struct {
		floor, from, to uint64
		more            bool
	}
	for _, c := range []struct {
		what  string
		built uint64 // how far the map is built for floor 37 before
		delta delta
		taken bool
	}{
		{"the owner", 8, delta{37, 8, 20, true}, true},
		{"one that lags", 8, delta{0, 8, 36, false}, false},
		{"one that lags and forgot as much as it could", 8, delta{30, 8, 36, false}, false},
		{"one that may lag", 8, delta{0, 8, 20, true}, false},
		{"one that has got there and forgot nothing", 8, delta{0, 8, 37, false}, true},
		{"one that has got there and tells more", 8, delta{30, 8, 40, true}, true},
		{"one that forgot more", 8, delta{38, 8, 40, false}, false},
		{"after a gap", 8, delta{37, 9, 40, false}, false},
		{"one that forgot more, to a map that has got there", 40, delta{39, 40, 45, true}, true},
		{"one that forgot too much, to a map that has got there", 40, delta{41, 40, 45, false},
			false},
		{"one that forgot nothing, to a map that has got there", 40, delta{0, 40, 45, false}, true},
		{"the owner, whose floor is higher now", 8, delta{50, 0, 20, true}, true},
		{"one with a lower floor, from the start", 20, delta{30, 0, 25, true}, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t, 3, 1, Config{})
			w.Cut = func(a, b int) bool { return true }
			x, o := w.nodes[0], w.nodes[1]
			x.receive(o, deltaOf(o, 0, 0, 10, false))
			x.receive(o, deltaOf(o, 37, 0, c.built, true))
			held := x.store.owner(o.ID())
			if held.version != 10 || held.next == nil || held.next.version != c.built {
				t.Fatalf("version %d, builds %v", held.version, held.next != nil)
			}
			x.receive(w.nodes[2], deltaOf(o, c.delta.floor, c.delta.from, c.delta.to, c.delta.more))
			m := held
			if held.next != nil {
				m = held.next
			}
			if taken := m.version == c.delta.to; taken != c.taken || !taken &&
				m.version != c.built {
				t.Errorf("version %d, builds %d", held.version, m.version)
			}
			if whole := c.taken && !c.delta.more; whole != (held.next == nil) ||
				held.floor > held.version {
				t.Errorf("version %d, floor %d, builds %v", held.version, held.floor,
					held.next != nil)
			}
			x.store.check(t)
		})
	}
}

// One that has not got to the floor for which another builds a map tells it nothing; one that has
// takes the floor from it.
func TestWhoIsAskedByOneThatBuilds(t *testing.T) {
	for _, version := range []uint64{36, 37} {
		w := newWorld(t, 3, 1, Config{})
		x, o, asks := w.nodes[0], w.nodes[1], w.nodes[2]
		w.Cut = func(a, b int) bool { return true }
		m, _ := x.Members.Get(o.ID())
		x.receive(o, deltaOf(o, 0, 0, version-1, false))
		b := wire.AppendDelta(wire.BeginDeltas(nil, 0),
			&wire.Delta{Owner: o.ID(), Instance: m.Instance(), From: version - 1, To: version,
				Count: 1})
		b = wire.AppendKeyEntry(b, version-1, &wire.KeyEntry{Version: version, Deleted: true},
			"k30", "")
		x.receive(o, wire.EndDeltas(b, 0))
		before := x.packets
		d := wire.BeginKeyDigest(nil, wire.KeyDigest{})
		d = wire.AppendKeyMark(d, &wire.KeyMark{Owner: o.ID(), Instance: m.Instance(),
			Version: 8, Floor: 37})
		x.receive(asks, wire.EndKeyDigest(d, 0))
		held := x.store.owner(o.ID())
		if there := version == 37; (x.packets > before) != there ||
			(held.floor == 37) != there || (held.dead == 0) != there {
			t.Errorf("at version %d: %d datagrams, floor %d, %d tombstones", version,
				x.packets-before, held.floor, held.dead)
		}
		x.store.check(t)
	}
}

// entries returns a delta of an owner with some entries.
func entries(o *node, d wire.Delta, list ...wire.KeyEntry) []byte {
	m, _ := o.Members.Get(o.ID())
	d.Owner, d.Instance, d.Count = o.ID(), m.Instance(), len(list)
	b := wire.AppendDelta(wire.BeginDeltas(nil, 0), &d)
	after := d.From
	for _, e := range list {
		b = wire.AppendKeyEntry(b, after, &e, string(e.Key), string(e.Value))
		after = e.Version
	}
	return wire.EndDeltas(b, 0)
}

func entry(version uint64, key string) wire.KeyEntry {
	return wire.KeyEntry{Version: version, Key: []byte(key), Value: fmt.Append(nil, key, version)}
}

// A map that takes the place of another is told of by what differs, tombstones up to its floor go,
// and what was to be over sooner is.
func TestWhatDiffersIsTold(t *testing.T) {
	w := newWorld(t, 2, 1, Config{})
	w.Cut = func(a, b int) bool { return true }
	x, o := w.nodes[0], w.nodes[1]
	brief := wire.KeyEntry{Version: 5, Key: []byte("brief"), Value: []byte("v"), TTL: 1000}
	x.receive(o, entries(o, wire.Delta{To: 5}, entry(1, "a"), entry(2, "b"), entry(3, "c"),
		entry(4, "same"), brief))
	var told []string
	x.told = func(c Change) {
		told = append(told, fmt.Sprint(c.Key, "@", c.Version, c.Value,
			c.Gone))
	}
	brief.TTL = 60_000
	gone := wire.KeyEntry{Version: 9, Key: []byte("b"), Deleted: true}
	old := wire.KeyEntry{Version: 7, Key: []byte("z"), Deleted: true}
	x.receive(o, entries(o, wire.Delta{Floor: 8, To: 5, More: true}, entry(4, "same"), brief))
	x.receive(o, entries(o, wire.Delta{Floor: 0, From: 5, To: 11}, entry(6, "a"), old, gone,
		entry(10, "d")))
	if want := "[b@2true c@3true a@6a6false d@10d10false]"; fmt.Sprint(told) != want {
		t.Errorf("told %v, want %s", told, want)
	}
	held := x.store.owner(o.ID())
	if held.dead != 1 || held.floor != 8 || held.version != 11 {
		t.Errorf("%d tombstones, floor %d, version %d", held.dead, held.floor, held.version)
	}
	if v, ok := x.store.Get(w.Now, o.ID(), "brief"); !ok || v.TTL > time.Second {
		t.Errorf("%s remains of a second", v.TTL)
	}
	x.store.check(t)
}

// A map that is built takes the place of the other not before it is whole, and goes when nothing
// comes of it.
func TestNotBeforeItIsWhole(t *testing.T) {
	for what, last := range map[string]wire.Delta{
		"below the floor": {Floor: 37, From: 8, To: 20}, "too large": {Floor: 37, From: 8, To: 40},
	} {
		w := newWorld(t, 2, 1, Config{Total: 20_000})
		w.Cut = func(a, b int) bool { return true }
		x, o := w.nodes[0], w.nodes[1]
		x.receive(o, deltaOf(o, 0, 0, 10, false))
		x.receive(o, deltaOf(o, 37, 0, 8, true))
		large := wire.KeyEntry{Version: 39, Key: []byte("large"), Value: make([]byte, 30_000)}
		list := []wire.KeyEntry{entry(15, "k")}
		if last.To > 37 {
			list = append(list, entry(38, "l"), large)
		}
		x.receive(o, entries(o, last, list...))
		held := x.store.owner(o.ID())
		if held.version != 10 || held.next == nil {
			t.Fatalf("%s: version %d", what, held.version)
		}
		x.store.check(t)
		w.run(2 * buildFor)
		x.receive(o, deltaOf(o, 0, 9, 10, false))
		if held.next != nil || x.store.building != 0 {
			t.Errorf("%s: it is kept for ever", what)
		}
	}
}

// Only a digest that tells of now makes a node doubt, only the owner ends the doubt, by no less
// than what is shown, and not again and again.
func TestDoubt(t *testing.T) {
	w := newWorld(t, 3, 1, Config{})
	w.Cut = func(a, b int) bool { return true }
	w.probes = false
	x, o, other := w.nodes[0], w.nodes[1], w.nodes[2]
	m, _ := x.Members.Get(o.ID())
	x.receive(o, deltaOf(o, 0, 0, 10, false))
	held := x.store.owner(o.ID())
	digest := func() (asks int) {
		d := wire.AppendKeyMark(wire.BeginKeyDigest(nil, wire.KeyDigest{Reply: true}),
			&wire.KeyMark{Owner: o.ID(), Instance: m.Instance(), Version: 10})
		x.receive(other, wire.EndKeyDigest(d, 0))
		asks = len(x.store.asks.list)
		w.run(2 * time.Second) // all tries
		return asks
	}
	if digest() > 0 || held.doubt {
		t.Error("a digest that may be of what was held before")
	}
	if digest() == 0 || !held.doubt {
		t.Error("no doubt")
	}
	x.receive(other, deltaOf(o, 0, 0, 10, false))
	if held.next != nil || !held.doubt {
		t.Error("another than the owner ends it")
	}
	x.receive(o, deltaOf(o, 0, 0, 9, false))
	if held.version != 10 || held.next == nil || !held.doubt {
		t.Errorf("version %d", held.version)
	}
	x.receive(other, deltaOf(o, 0, 9, 10, false))
	if held.version != 10 || held.next == nil || !held.doubt {
		t.Error("another than the owner completes the map")
	}
	x.receive(o, entries(o, wire.Delta{From: 9, To: 10}, entry(10, "true")))
	if _, ok := x.store.Get(w.Now, o.ID(), "true"); !ok || held.doubt || held.next != nil {
		t.Errorf("doubt %t, and %+v", held.doubt, x.map_(o))
	}
	w.run(2 * time.Second)
	if digest() > 0 || held.doubt {
		t.Error("it asks again and again")
	}
	w.run(doubtPause)
	if digest() == 0 || !held.doubt {
		t.Error("it asks never again")
	}
}

// A reader that forgot an owner and meets it again in the same life shows nothing older than what
// it had shown: it waits for a member that has as much. If none has, it takes in the end what there
// is.
func TestForgottenGoesNotBack(t *testing.T) {
	for _, back := range []bool{true, false} {
		w := newWorld(t, 3, 1, Config{})
		v := &ways{}
		w.Cut = v.split
		o, r, l := w.nodes[0], w.nodes[1], w.nodes[2] // the owner, the reader, one that lags
		v.only([2]int{0, 1}, [2]int{0, 2}, [2]int{1, 2})
		o.set("k", "old", 0)
		w.run(5 * time.Second)
		v.only([2]int{0, 1})
		o.set("k", "new", 0)
		w.run(5 * time.Second)
		if got, _ := r.store.Get(w.Now, o.ID(), "k"); got.Value != "new" ||
			l.store.Version(o.ID()) != 1 {
			t.Fatalf("the reader holds %+v, the other version %d", got, l.store.Version(o.ID()))
		}
		r.store.Forget(w.Now, o.ID())
		v.only([2]int{1, 2})
		for range 40 {
			w.run(500 * time.Millisecond)
			if got, ok := r.store.Get(w.Now, o.ID(), "k"); ok {
				t.Fatalf("the reader shows %+v", got)
			}
		}
		if !back {
			w.run(time.Minute)
			if got, _ := r.store.Get(w.Now, o.ID(), "k"); got.Value != "old" {
				t.Errorf("nobody has more, and the reader shows %+v", got)
			}
			continue
		}
		v.only([2]int{0, 1}, [2]int{1, 2})
		w.run(10 * time.Second)
		if got, _ := r.store.Get(w.Now, o.ID(), "k"); got.Value != "new" {
			t.Errorf("the owner is back, and the reader shows %+v", got)
		}
	}
}
