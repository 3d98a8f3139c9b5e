package sim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

// Versioned keys: the verbs, the meter and the checker.

// writeKeys has a process write or delete one of its keys. Those that write again and again do so
// spread over the time between, as processes do that were not started by one hand.
func (w *World) writeKeys(a Action, p *proc, index, of int) {
	life, key := p.lives, fmt.Sprintf("k%d", w.written[a.String()]%max(a.Keys, 1))
	cmd := gossip.Command(gossip.Delete{Key: key})
	if a.Do == Set {
		cmd = gossip.Set{Key: key, Value: w.payload(a.Bytes), TTL: a.TTL}
	}
	w.at(w.now.Add(a.Every*time.Duration(index)/time.Duration(max(of, 1))), func() {
		if !p.up || p.lives != life || p.paused > w.now {
			return
		}
		if err := p.do(cmd); err != nil && !errors.Is(err, gossip.ErrNoKey) {
			w.err = err
		}
	})
}

// hashOf stands for a value in the history.
func hashOf(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// keyEvent is an event about keys as the history has it.
func (s *shard) keyEvent(p *proc, e *gossip.Event, o *Obs) {
	o.Kind, o.Member, o.Seq, o.Text, o.Told = Kept, s.w.memberOf(e.Key.Owner), e.Key.Version,
		e.Key.Key, e.Key.Gone
	if e.Kind == gossip.KeysReset {
		o.Kind = Voided
		return
	}
	if m, ok := p.node.Table().Get(e.Key.Owner); ok {
		o.After.Gen = m.Generation()
	}
	o.Hash = hashOf(e.Key.Value)
}

// keyMeter measures how fast writes reach all. A node that got a later write of an owner has the
// earlier ones too, or they do not matter any more.
type keyMeter struct {
	writes [][]keyWrite // by owner, in the order of their versions; of the present life
	next   [][]int32    // by reader and owner: the first write that it does not have
	done   []keyWrite   // of former lives
}

// keyWrite is one write, how many others have it, and when the last one got it.
type keyWrite struct {
	version  uint64
	at, last gossip.Time
	got      int
}

func (m *keyMeter) take(o *Obs) {
	n := int(max(o.Node, o.Member)) + 1
	for len(m.next) < n {
		m.next, m.writes = append(m.next, nil), append(m.writes, nil)
	}
	switch {
	case o.Kind == Started:
		m.done = append(m.done, m.writes[o.Node]...)
		m.writes[o.Node], m.next[o.Node] = nil, nil
		for _, row := range m.next {
			if int(o.Node) < len(row) {
				row[o.Node] = 0
			}
		}
	case o.Kind != Kept || o.Member < 0:
	case o.Node == o.Member:
		m.writes[o.Node] = append(m.writes[o.Node], keyWrite{version: o.Seq, at: o.At, last: o.At})
	default:
		row := m.next[o.Node]
		if len(row) < len(m.next) {
			row = append(row, make([]int32, len(m.next)-len(row))...)
			m.next[o.Node] = row
		}
		list := m.writes[o.Member]
		for row[o.Member] < int32(len(list)) && list[row[o.Member]].version <= o.Seq {
			w := &list[row[o.Member]]
			w.got, w.last = w.got+1, o.At
			row[o.Member]++
		}
	}
}

// Keys is how versioned keys spread.
type Keys struct {
	Writes int `json:"writes"`
	// of those that reached all nodes that are up in the end: how long that took
	Reached Summary `json:"reached"`
	Ratio   float64 `json:"ratio"` // of writes that did
	// of datagrams about keys that a node sent, in the mean, with headers, in all
	Bytes  float64 `json:"bytes"`
	Resets uint64  `json:"resets"` // maps that were taken in anew, at all nodes
	Equal  bool    `json:"equal"`  // all hold the same in the end
}

// reached returns how long each write took to reach all of so many nodes; those that did not are
// left out.
func (m *keyMeter) reached(up int) (all []time.Duration) {
	for _, list := range append(slices.Clone(m.writes), m.done) {
		for _, x := range list {
			if x.got >= up-1 {
				all = append(all, x.last.Sub(x.at))
			}
		}
	}
	return all
}

func (m *keyMeter) report(w *World) *Keys {
	k, all := &Keys{Equal: true, Writes: len(m.done)}, m.reached(w.up())
	for _, list := range m.writes {
		k.Writes += len(list)
	}
	if k.Writes == 0 {
		return nil
	}
	k.Reached, k.Ratio = Summarize(all), float64(len(all))/float64(k.Writes)
	var first *proc
	for _, p := range w.procs {
		if !p.up || p.clone || p.stranger {
			continue
		}
		if first == nil {
			first = p
		}
		st := p.node.Keys().Stats()
		k.Bytes += float64(st.BytesOut) / float64(w.up())
		k.Resets += st.Resets
		k.Equal = k.Equal && p.node.Keys().Fingerprint() == first.node.Keys().Fingerprint()
	}
	return k
}

// keysKept: readers hold only what was written. What they hold of a key only rises. A reader that
// holds a write of an owner shows each other key as it was written last before that write, or
// later. When nothing was done for a while all hold the same.
type keysKept struct {
	bound   time.Duration
	written map[keyLife]map[uint64][]keyWritten
	last    map[keyLife]map[string]uint64 // by key, the version of its last write
	lives   map[int32]uint64              // the generation in which a process is
	held    map[keyReader]*keysHeld
	own     map[int32]map[uint64]keyWritten // what a process wrote itself, and not one before it
	process map[int32]int                   // how often one was started
	hashes  map[int32]uint64
	maps    map[pair]uint64 // in the end: by reader and owner, what is held
	changed gossip.Time     // when an owner last wrote; a key that lapses is a write too
}

func newKeysKept(bound time.Duration) *keysKept {
	return &keysKept{
		bound: bound, written: map[keyLife]map[uint64][]keyWritten{},
		last: map[keyLife]map[string]uint64{}, lives: map[int32]uint64{},
		own: map[int32]map[uint64]keyWritten{}, process: map[int32]int{},
		held: map[keyReader]*keysHeld{}, hashes: map[int32]uint64{}, maps: map[pair]uint64{},
	}
}

type keyLife struct {
	owner int32
	gen   uint64
}

// keyWritten is what a process wrote in a version. Where clocks go back two processes may be in one
// generation, and others hold what the first of them wrote, which is a write as any other.
type keyWritten struct {
	key     string
	hash    uint64
	gone    bool
	process int
}

// write notes what a process wrote in a life.
func (c *keysKept) write(life keyLife, seq uint64, w keyWritten) {
	if c.written[life] == nil {
		c.written[life], c.last[life] = map[uint64][]keyWritten{}, map[string]uint64{}
	}
	is := func(x keyWritten) bool { return x.process == w.process }
	c.written[life][seq] = append(slices.DeleteFunc(c.written[life][seq], is), w)
}

type keyReader struct {
	keyLife
	reader int32
}

// keysHeld is what a reader holds of an owner's keys.
type keysHeld struct {
	top  uint64 // the highest version
	keys map[string]keyHeld
}

type keyHeld struct {
	version uint64
	gone    bool
}

func (*keysKept) Name() string { return "keys" }

func (c *keysKept) Take(l *ledger, o *Obs) string {
	life := keyLife{o.Member, o.After.Gen}
	switch {
	case o.Kind == Own: // one process in another life goes on with what it wrote
		own := keyLife{o.Node, o.After.Gen}
		if was, ok := c.lives[o.Node]; ok && was != o.After.Gen {
			for seq, w := range c.own[o.Node] {
				c.write(own, seq, w)
				c.last[own][w.key] = max(c.last[own][w.key], seq)
			}
		}
		c.lives[o.Node] = o.After.Gen
	case o.Kind == Started:
		c.lives[o.Node] = o.After.Gen
		c.process[o.Node]++
		delete(c.own, o.Node)
		for k := range c.held { // what is deleted does not depend on the order
			if k.reader == o.Node {
				delete(c.held, k)
			}
		}
	case o.Kind == Map:
		c.maps[pair{o.Node, o.Member}] = o.Hash
	case o.Kind == Ended:
		return c.contents(l)
	case o.Kind == Held:
		c.hashes[o.Node] = o.Hash
	case o.Kind == Tick:
		return c.compare(l)
	case o.Kind == Kept && o.Node == o.Member:
		if c.own[o.Node] == nil {
			c.own[o.Node] = map[uint64]keyWritten{}
		}
		w := keyWritten{o.Text, o.Hash, o.Told, c.process[o.Node]}
		c.write(life, o.Seq, w)
		c.last[life][o.Text] = o.Seq
		c.own[o.Node][o.Seq] = w
		c.changed = o.At
	case o.Kind == Voided:
		for k, h := range c.held { // what is changed does not depend on the order
			if k.reader == o.Node && k.owner == o.Member {
				h.void()
			}
		}
	case o.Kind == Kept:
		if !slices.ContainsFunc(c.written[life][o.Seq], func(w keyWritten) bool {
			return w.key == o.Text && (o.Told || !w.gone && w.hash == o.Hash)
		}) {
			return fmt.Sprintf("n%d holds version %d of n%d's %s, which n%d never wrote so",
				o.Node, o.Seq, o.Member, o.Text, o.Member)
		}
		return c.hold(life, o)
	}
	return ""
}

// hold takes in what a reader holds now.
func (c *keysKept) hold(life keyLife, o *Obs) string {
	k := keyReader{life, o.Node}
	h := c.held[k]
	if h == nil {
		h = &keysHeld{keys: map[string]keyHeld{}}
		c.held[k] = h
	}
	if was := h.keys[o.Text].version; o.Seq < was {
		return fmt.Sprintf("n%d holds version %d of n%d's %s after version %d", o.Node, o.Seq,
			o.Member, o.Text, was)
	}
	h.keys[o.Text] = keyHeld{o.Seq, o.Told}
	if o.Seq <= h.top {
		return ""
	}
	h.top = o.Seq
	for _, key := range slices.Sorted(maps.Keys(h.keys)) {
		if x, last := h.keys[key], c.last[life][key]; !x.gone && x.version < last && last <= h.top {
			return fmt.Sprintf("n%d holds version %d of n%d's keys, and %s as it was in version "+
				"%d, though it was written in %d",
				o.Node, h.top, o.Member, key, x.version, last)
		}
	}
	return ""
}

// void notes that nothing is held any more: what comes may not be older than what was.
func (h *keysHeld) void() {
	h.top = 0
	for key, x := range h.keys { // what is changed does not depend on the order
		h.keys[key] = keyHeld{x.version, true}
	}
}

// contents names a reader that holds something else of an owner's map than the owner.
func (c *keysKept) contents(l *ledger) string {
	if !c.settled(l) {
		return ""
	}
	for i := range l.peers {
		for k := range l.peers {
			if !l.peers[i].up || !l.peers[k].up || l.outvoted(i) || l.outvoted(k) {
				continue
			}
			if c.maps[pair{int32(i), int32(k)}] != c.maps[pair{int32(k), int32(k)}] {
				return fmt.Sprintf("after %s of quiet n%d holds other keys of n%d than n%d "+
					"has", l.undisturbed(), i, k, k)
			}
		}
	}
	return ""
}

// keysSettle is how long after the last write all hold the same, in a cluster that is in quiet: at
// 40 % loss one exchange in five succeeds.
const keysSettle = 20 * time.Second

// settled says whether nothing was done to the cluster for so long that all hold the same, and all
// views are equal.
func (c *keysKept) settled(l *ledger) bool {
	return l.undisturbed() > c.bound && l.now.Sub(c.changed) > keysSettle &&
		l.difference(false) == ""
}

func (c *keysKept) compare(l *ledger) string {
	if !c.settled(l) {
		return ""
	}
	first := -1
	for i := range l.peers {
		switch {
		case !l.peers[i].up || l.outvoted(i):
		case first < 0:
			first = i
		case c.hashes[int32(i)] != c.hashes[int32(first)]:
			return fmt.Sprintf("after %s of quiet n%d and n%d hold different keys",
				l.undisturbed(), i, first)
		}
	}
	return ""
}
