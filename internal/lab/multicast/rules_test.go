package multicast

import (
	"slices"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip"
	"github.com/starling-gossip/starling/internal/sim"
)

// This file has what the tests of the protocols share: small worlds whose datagrams are looked at.

// ms is the one-way latency of the tests' links.
const ms = time.Millisecond

// stage lays a protocol's world out, with a constant latency, no loss and no cost unless the
// options say so.
func stage(t *testing.T, name string, o Options) *world {
	t.Helper()
	p, err := Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	if o.Latency.IsZero() {
		o.Latency = sim.Constant(ms)
	}
	if o.Cost == 0 {
		o.Cost = -1
	}
	o, err = o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWorld(p, &o, o.Seed)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// begin starts the members and lets the origin publish.
func begin(w *world) {
	for i, m := range w.members {
		if w.up[i] {
			m.node.start()
		}
	}
	w.members[0].has = true
	w.members[0].node.publish()
}

// pass lets time pass.
func pass(t *testing.T, w *world, d time.Duration) {
	t.Helper()
	if err := w.g.Run(w.g.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// all says whether all that live have the message.
func all(w *world) bool { return len(w.got) == w.due }

// kill makes a member vanish, silently.
func kill(w *world, i int) {
	w.up[i] = false
	w.due--
	w.g.Place(w.host(i), &grave{}, 0)
}

// grave takes datagrams and is silent.
type grave struct{}

func (*grave) Receive(gossip.Time, int, []byte) {}
func (*grave) Wake(gossip.Time)                 {}

// deaf makes a member miss so many datagrams of a kind, and counts those that come.
type deaf struct {
	*member
	k     kind
	miss  int
	heard []gossip.Time
}

func (d *deaf) Receive(now gossip.Time, from int, b []byte) {
	if kind(b[envelope+idSize]) == d.k {
		d.heard = append(d.heard, now)
		if d.miss--; d.miss >= 0 {
			return
		}
	}
	d.member.Receive(now, from, b)
}

func makeDeaf(w *world, i int, k kind, miss int) *deaf {
	d := &deaf{member: w.members[i], k: k, miss: miss}
	w.g.Place(w.host(i), d, 0)
	return d
}

func TestUnicastRepeatsUntilAcknowledged(t *testing.T) {
	w := stage(t, "unicast", Options{Nodes: 5, Retry: 10 * ms})
	lost := makeDeaf(w, 2, data, 2) // misses the message twice
	acks := makeDeaf(w, 0, ack, 1)  // and the origin one acknowledgement
	begin(w)
	pass(t, w, time.Second)
	if !all(w) || !w.g.Idle() {
		t.Error("not all have it, or it goes on for ever")
	}
	// the waits double
	want := []gossip.Time{gossip.Time(ms), gossip.Time(11 * ms), gossip.Time(31 * ms)}
	if !slices.Equal(lost.heard, want) {
		t.Errorf("sent to member 2 at %v, want %v", lost.heard, want)
	}
	if w.counts[data] != 4+2+1 || len(acks.heard) != 5 {
		t.Errorf("%d copies and %d acknowledgements", w.counts[data], len(acks.heard))
	}
}

func TestUnicastGivesUp(t *testing.T) {
	w := stage(t, "unicast", Options{Nodes: 3, Tries: 4})
	kill(w, 1)
	begin(w)
	pass(t, w, 10*time.Second)
	if w.counts[data] != 1+4 || !w.g.Idle() {
		t.Errorf("%d copies, want one to who lives and 4 to who does not", w.counts[data])
	}
}

func TestTreeGoesDownByHops(t *testing.T) {
	w := stage(t, "tree", Options{Nodes: 15, Arity: 2})
	begin(w)
	pass(t, w, 4*ms)
	at := func(i int) gossip.Time { return w.got[i] }
	if !all(w) || at(1) != gossip.Time(ms) || at(2) != gossip.Time(2*ms) ||
		at(13) != gossip.Time(3*ms) {
		t.Errorf("got at %v", w.got)
	}
	if w.counts[data] != 14 || w.counts[ack] != 14 || w.loads[0].Sent != 2 {
		t.Errorf("%d copies, %d acknowledgements, the origin sent %.0f", w.counts[data],
			w.counts[ack], w.loads[0].Sent)
	}
}

// The child of a dead parent turns to the grandparent after three questions in vain, and brings
// those below with it.
func TestTreeRepairsItself(t *testing.T) {
	w := stage(t, "tree", Options{Nodes: 15, Arity: 2, Heartbeat: 100 * ms})
	kill(w, 1)
	begin(w)
	pass(t, w, 50*ms)
	if len(w.got) != 7 {
		t.Errorf("%d have it, the half without the dead node's is 7", len(w.got))
	}
	pass(t, w, 400*ms)
	for _, i := range []int{3, 4} {
		if n := w.members[i].node.(*tree); n.parent != 0 ||
			!slices.Contains(w.members[0].node.(*tree).children, i) {
			t.Errorf("member %d has parent %d", i, n.parent)
		}
	}
	for _, at := range w.got[7:] {
		if at < gossip.Time(2*100*ms) || at > gossip.Time(410*ms) {
			t.Errorf("somebody below got it at %s", time.Duration(at))
		}
	}
	if !all(w) {
		t.Error("not all have it")
	}
}

func TestTreeAsksFurtherUp(t *testing.T) {
	w := stage(t, "tree", Options{Nodes: 31, Arity: 2, Heartbeat: 100 * ms})
	kill(w, 1)
	kill(w, 3)
	begin(w)
	pass(t, w, time.Second)
	if n := w.members[7].node.(*tree); !all(w) || n.parent != 0 {
		t.Errorf("parent %d, %d of %d have it", n.parent, len(w.got), w.due)
	}
}

func TestFloodOffersByID(t *testing.T) {
	w := stage(t, "flood", Options{Nodes: 40, Degree: 4})
	begin(w)
	pass(t, w, 500*ms)
	edges := 0
	for _, p := range w.peers {
		edges += len(p)
	}
	if !all(w) || w.copies != 39 || w.counts[data] != 39 { // TAKETHIS follows a 238
		t.Errorf("%d of %d have it, %d copies arrived", len(w.got), w.due, w.copies)
	}
	if n := w.counts[offer]; n > uint64(edges)+w.counts[later] {
		t.Errorf("%d offers over %d ways, %d of them put off", n, edges, w.counts[later])
	}
	if w.counts[yes] != 39 || w.counts[ack] != 39 {
		t.Errorf("%d said yes, %d confirmed", w.counts[yes], w.counts[ack])
	}
}

func TestFloodHistory(t *testing.T) {
	w := stage(t, "flood", Options{Nodes: 3, Degree: 2, Retry: 10 * ms}) // a triangle
	begin(w)
	pass(t, w, ms+ms/2)
	// Both were offered it and said yes; as one asks the other, it is expected from elsewhere.
	n := w.members[1].node.(*flood)
	answers := makeDeaf(w, 2, later, 0)
	n.receive(2, offer, nil, false)
	pass(t, w, 2*ms)
	if len(answers.heard) != 1 {
		t.Error("an offer of what is expected from somebody else was not put off")
	}
	pass(t, w, 100*ms)
	said := makeDeaf(w, 2, no, 0)
	n.receive(2, offer, nil, false)
	pass(t, w, 2*ms)
	if len(said.heard) != 1 {
		t.Error("an offer of what is in the history was not refused")
	}
	if !all(w) || !w.g.Idle() {
		t.Error("it does not end")
	}
}

func TestFloodGraph(t *testing.T) {
	w := stage(t, "flood", Options{Nodes: 500, Degree: 6})
	peers := w.graph()
	sum, reached, front := 0, map[int]bool{0: true}, []int{0}
	for i, p := range peers {
		sum += len(p)
		for _, x := range p {
			if x == i || !slices.Contains(peers[x], i) {
				t.Errorf("%d and %d are not neighbours both ways", i, x)
			}
		}
	}
	for len(front) > 0 {
		i := front[0]
		front = front[1:]
		for _, x := range peers[i] {
			if !reached[x] {
				reached[x] = true
				front = append(front, x)
			}
		}
	}
	if mean := float64(sum) / 500; len(reached) != 500 || mean < 5.8 || mean > 6 {
		t.Errorf("%d of 500 are reached, the mean degree is %.2f", len(reached), mean)
	}
}
