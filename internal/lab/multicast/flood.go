package multicast

// Flood: as Usenet's servers flood articles (NNTP, RFC 3977; streaming, RFC 4644). Each member has
// a few neighbours, drawn at random before the message, the same both ways. A member that gets a
// message offers it by its id to each neighbour but the one that it came from (CHECK). A neighbour
// answers that it wants it (238), has it in its history (438), or waits for it from another one and
// is to be asked again (431). A neighbour that said 238 gets it (TAKETHIS) and confirms (239).
// IHAVE is the same in lock step, and with one message no different. NNTP runs over TCP; here each
// step is repeated until it is answered, or the neighbour given up.

import (
	"slices"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
)

type flood struct {
	*member
	peers    []int
	steps    map[int]*step // for each peer that has not said that it has the message
	expected gossip.Time   // a neighbour was told to send it, and may until then
	from     int           // that neighbour
}

// step is how far an offer to a peer is.
type step struct {
	give  bool // it wants it: TAKETHIS, else CHECK
	tries int
	at    gossip.Time // of the next try
}

func newFlood(m *member) node { return &flood{member: m, steps: map[int]*step{}, from: -1} }

// graph joins each member with others at random, as many as make the mean degree. The first link of
// each is to the one before it in a random order, so that no member is cut off before one crashes.
func (w *world) graph() [][]int {
	n, rng := w.o.Nodes, w.rng(2)
	peers := make([][]int, n)
	join := func(a, b int) {
		if a != b && !slices.Contains(peers[a], b) {
			peers[a], peers[b] = append(peers[a], b), append(peers[b], a)
		}
	}
	order := rng.Perm(n)
	for i := range n {
		join(order[i], order[(i+1)%n])
	}
	for range n * (w.o.Degree - 2) / 2 {
		join(rng.IntN(n), rng.IntN(n))
	}
	return peers
}

func (f *flood) start() {
	if f.w.peers == nil {
		f.w.peers = f.w.graph()
	}
	f.peers = f.w.peers[f.me]
}

func (f *flood) publish() { f.offerAll(-1) }

// offerAll offers the message to all neighbours but one.
func (f *flood) offerAll(but int) {
	for _, p := range f.peers {
		if p != but {
			f.steps[p] = &step{}
			f.try(p)
		}
	}
}

func (f *flood) try(peer int) {
	s := f.steps[peer]
	s.tries++
	k := offer
	if s.give {
		k = data
	}
	f.send(peer, k)
	f.look(peer, s, f.w.o.backoff(s.tries))
}

func (f *flood) look(peer int, s *step, after time.Duration) {
	s.at = f.now().Add(after)
	f.after(after, peer)
}

func (f *flood) receive(from int, k kind, _ []uint32, fresh bool) {
	s := f.steps[from]
	switch k {
	case offer:
		f.asked(from)
	case data:
		f.send(from, ack)
		delete(f.steps, from)
		if fresh {
			f.offerAll(from)
		}
	case ack, no:
		delete(f.steps, from)
	case yes:
		if s != nil && !s.give {
			s.give, s.tries = true, 0
			f.try(from)
		}
	case later:
		if s != nil && !s.give {
			f.look(from, s, f.w.o.Retry)
		}
	}
}

// asked answers an offer out of the history.
func (f *flood) asked(from int) {
	switch {
	case f.has:
		f.send(from, no)
		delete(f.steps, from) // it has it
	case f.now() < f.expected && from != f.from:
		f.send(from, later)
	default:
		f.expected, f.from = f.now().Add(2*f.w.o.Retry), from
		f.send(from, yes)
	}
}

func (f *flood) timer(peer int, due gossip.Time) {
	s := f.steps[peer]
	switch {
	case s == nil || due != s.at:
	case s.tries >= f.w.o.Tries:
		delete(f.steps, peer)
	default:
		f.try(peer)
	}
}
