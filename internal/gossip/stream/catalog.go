package stream

import (
	"iter"
	"slices"

	"github.com/starling-gossip/starling/internal/gossip/marks"
	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// MaxMarks is how many streams are remembered by how far they were delivered after they were let
// go: because their origin was forgotten, or because others were in use. So what was delivered does
// not come again, nor is told as lost, when they are met again. The oldest go first.
const MaxMarks = 65536

// life names a stream.
type life struct {
	origin     member.ID
	generation uint64
}

type mark struct{ next, seq uint64 }

// catalog is the streams that this node knows, and what it holds of them. It delivers nothing and
// repairs nothing. It sees to what has to be true of all streams together: how many there are, how
// much is held, the hash over their heads.
type catalog struct {
	*env
	list  []*stream               // by origin, then generation
	last  *stream                 // that was looked up, as a rule the next one too
	hand  int                     // of the second chance
	own   [2]*stream              // of this node's present life, see kindOf; nil before the first
	bulks int                     // streams of large messages
	marks marks.Table[life, mark] // of streams that were let go

	held, bytes int
	permits     permits
	topics      topics
	window      window
	spare       *page // one that may be used again

	hash    uint64    // over the heads of all streams of which something is held
	changed mono.Time // when it last changed by a piece that came
	// since then it changed as a stream was let go: the others do that a little earlier or later
	aged    bool
	telling telling
	mending mending
}

func (c *catalog) search(origin member.ID, generation uint64) (int, bool) {
	return slices.BinarySearchFunc(c.list, origin,
		func(st *stream, _ member.ID) int { return st.compare(origin, generation) })
}

// find returns a stream, nil if it is not known.
func (c *catalog) find(origin member.ID, generation uint64) *stream {
	if st := c.last; st != nil && st.compare(origin, generation) == 0 {
		return st
	}
	i, ok := c.search(origin, generation)
	if !ok {
		return nil
	}
	c.last = c.list[i]
	return c.last
}

// lives returns where the streams of one origin stand in the list.
func (c *catalog) lives(origin member.ID) (from, to int) {
	from, _ = c.search(origin, 0)
	for to = from; to < len(c.list) && c.list[to].origin == origin; {
		to++
	}
	return from, to
}

// add makes a stream that is not known yet. It returns nil if the stream is not taken in: its
// generation is not believed, or older than all of the MaxLives that are known of its origin.
func (c *catalog) add(origin member.ID, generation uint64) *stream {
	if origin == 0 || wire.LifeOf(generation) > member.MaxGeneration {
		return nil
	}
	if !c.another(origin, wire.LifeOf(generation)) {
		return nil
	}
	if len(c.list) >= MaxStreams {
		c.remove(c.victim())
	}
	st := &stream{origin: origin, generation: generation, lately: true, begun: true}
	st.resume(1, 0)
	if m, ok := c.marks.Take(life{origin, generation}); ok {
		st.resume(m.next, m.seq)
		st.met = true
	}
	i, _ := c.search(origin, generation)
	c.list = slices.Insert(c.list, i, st)
	c.bulks += st.kind()
	return st
}

// another makes room for a life of an origin that may be new, and says whether there is any.
func (c *catalog) another(origin member.ID, life uint64) bool {
	from, to := c.lives(origin)
	count, last := 0, uint64(0)
	for _, st := range c.list[from:to] {
		if st.life() == life {
			return true
		}
		if count == 0 || st.life() != last {
			count, last = count+1, st.life()
		}
	}
	if count < MaxLives {
		return true
	}
	oldest := c.list[from].life()
	if life < oldest || c.isOwn(origin, oldest) {
		return false
	}
	for from < len(c.list) && c.list[from].origin == origin && c.list[from].life() == oldest {
		c.remove(from)
	}
	return true
}

// victim returns the stream that makes way for another (second chance, Corbató 1969). The own one
// stays.
func (c *catalog) victim() int {
	for {
		c.hand = (c.hand + 1) % len(c.list)
		st := c.list[c.hand]
		if !st.lately && !slices.Contains(c.own[:], st) {
			return c.hand
		}
		st.lately = false
	}
}

// remove lets a stream go, with all that is held of it. How far it was delivered stays known.
func (c *catalog) remove(i int) {
	st := c.list[i]
	if next := st.resumes(); st.begun && next > 1 {
		c.marks.Put(life{st.origin, st.generation}, mark{next, st.seq})
	}
	for st.held > 0 {
		c.drop(st, st.low)
	}
	st.gone = true
	c.mending.end(st)
	c.list = slices.Delete(c.list, i, i+1)
	c.bulks -= st.kind()
	if c.last == st {
		c.last = nil
	}
	if c.own[st.kind()] == st {
		c.own[st.kind()] = nil
	}
}

// Forget lets go of all streams of a member that the node has forgotten.
func (c *catalog) Forget(_ mono.Time, origin member.ID) {
	for {
		from, to := c.lives(origin)
		if from == to {
			return
		}
		c.remove(from)
	}
}

// hold keeps a piece that is not held yet, and tells the driver. The body is the stream's from now
// on.
func (c *catalog) hold(now mono.Time, st *stream, seq uint64, body []byte) {
	c.shelve(now, st, seq, body)
	c.host.Keep(now, wire.Piece{Origin: st.origin, Generation: st.generation, Seq: seq, Body: body})
}

func (c *catalog) shelve(now mono.Time, st *stream, seq uint64, body []byte) {
	c.hash ^= st.item()
	if st.held == 0 || seq < st.low {
		st.low = seq
	}
	st.put(seq, body, &c.spare)
	st.held++
	st.top = max(st.top, seq)
	st.head = max(st.head, seq)
	c.hash ^= st.item()
	c.held++
	c.bytes += len(body)
	c.permits.push(permit{st: st, at: now})
	c.topics.held(body, +1)
	c.changed, c.aged = now, false
	c.telling.add(st)
}

// drop lets a piece go that is held.
func (c *catalog) drop(st *stream, seq uint64) {
	c.hash ^= st.item()
	body := st.get(seq)
	c.window.shut(st, seq)
	st.shelf.drop(seq, &c.spare)
	st.held--
	if st.held > 0 && seq == st.low {
		st.low, _ = st.after(seq)
	}
	c.hash ^= st.item()
	c.held--
	c.bytes -= len(body)
	c.topics.held(body, -1)
	if st.held == 0 {
		st.pages = nil
		c.aged = true
	}
}

// twin looks whether others have a piece of the own stream that this node did not publish.
func (c *catalog) twin(now mono.Time, generation, seq uint64) {
	st := c.find(c.host.Self(), generation)
	if seq > 0 && (st == nil || seq > st.top) {
		c.host.Twin(now)
	}
}

// Gaps yields the lives of members of whose streams something is known to be missing here, by
// origin and generation, in no order that means anything.
func (c *catalog) Gaps() iter.Seq2[member.ID, uint64] {
	return func(yield func(member.ID, uint64) bool) {
		for _, st := range c.mending.list {
			if !yield(st.origin, st.life()) {
				return
			}
		}
	}
}
