package multicast

// Tree: a spanning tree over the members, with acknowledgements hop by hop. A node passes the
// message on to its children on first receipt and repeats it until they have acknowledged it. The
// tree is set up before the message and is repaired as overlay trees repair themselves: each node
// asks its parent now and then whether it is there. After three questions without an answer it asks
// its grandparent, then the next ancestor, at last the origin. The ancestor that is asked adopts
// it. Until then nothing reaches the part of the tree below a crashed node. A node knows its
// ancestors from its place in the tree: a real one would be told them by its parent.

import (
	"slices"

	"github.com/starling-gossip/starling/internal/gossip"
)

type tree struct {
	*member
	parent   int
	silent   int // questions to the parent without an answer
	children []int
	waits    map[int]int // tries for each child that has not acknowledged
}

// silence is how many questions in a row go unanswered until a parent is taken for dead.
const silence = 3

// beat is the timer of questions to the parent; others are of children.
const beat = -1

func newTree(m *member) node {
	t := &tree{member: m, parent: m.w.parentOf(m.me), waits: map[int]int{}}
	k := m.w.o.Arity
	for c := k*m.me + 1; c <= k*m.me+k && c < m.w.o.Nodes; c++ {
		t.children = append(t.children, c)
	}
	return t
}

// parentOf is a member's parent in the tree that is set up first; the origin is its own.
func (w *world) parentOf(i int) int { return max(i-1, 0) / w.o.Arity }

func (t *tree) start() {
	if t.me != 0 {
		t.after(t.between(0, t.w.o.Heartbeat), beat) // nobody keeps step
	}
}

func (t *tree) publish() { t.forward() }

func (t *tree) forward() {
	for _, c := range t.children {
		t.try(c)
	}
}

func (t *tree) try(child int) {
	t.waits[child]++
	t.send(child, data)
	t.after(t.w.o.backoff(t.waits[child]), child)
}

func (t *tree) receive(from int, k kind, args []uint32, fresh bool) {
	switch k {
	case data:
		t.send(from, ack)
		if fresh {
			t.forward()
		}
	case ack:
		delete(t.waits, from)
	case heartbeat:
		t.send(from, alive)
		t.asked(from, args[0] == 1)
	case alive:
		if from == t.parent {
			t.silent = 0
		}
	}
}

// asked takes a member that asks for a child, and gives it what it lacks.
func (t *tree) asked(child int, has bool) {
	if !slices.Contains(t.children, child) {
		t.children = append(t.children, child)
	}
	if t.has && !has && t.waits[child] == 0 {
		t.try(child)
	}
}

func (t *tree) timer(what int, _ gossip.Time) {
	switch {
	case what == beat:
		t.ask()
	case t.waits[what] == 0:
	case t.waits[what] >= t.w.o.Tries:
		delete(t.waits, what) // if it lives, it finds another parent, or comes back
	default:
		t.try(what)
	}
}

// ask asks the parent whether it is there, after too many questions in vain the one above it.
func (t *tree) ask() {
	if t.silent == silence {
		t.parent, t.silent = t.w.parentOf(t.parent), 0
	}
	t.silent++
	has := uint32(0)
	if t.has {
		has = 1
	}
	t.send(t.parent, heartbeat, has)
	t.after(t.w.o.Heartbeat, beat)
}
