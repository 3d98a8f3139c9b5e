package stream

import (
	"fmt"
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
)

// One that holds other pieces than all the others, as for a while after a cut, is not asked for its
// heads by each of them. It asks them.
func TestOddOneIsNotAskedByAll(t *testing.T) {
	const others = 40
	w := newWorld(t, 1, others+1, Config{Age: 20 * time.Second})
	odd := w.nodes[0]
	odd.s.cfg.Age = time.Hour
	for i := range 20 {
		w.nodes[1+i].publish("t", fmt.Append(nil, i))
	}
	w.run(18*time.Second, nil)
	w.nodes[30].publish("t", []byte("without it the hash of the others would be 0, which is not "+
		"told"))
	if _, ok := w.run(2*time.Second, w.all(21)); !ok {
		t.Fatal("not all have all")
	}
	before := odd.s.Stats().Syncs
	w.run(3*time.Second, nil) // until the twenty are let go
	asked := 0
	w.onAsk = func(to *node) {
		if to == odd {
			asked++
		}
	}
	w.run(15*time.Second, nil)
	if asked > others/3 {
		t.Errorf("it was asked for its heads %d times", asked)
	}
	if odd.s.Stats().Syncs == before {
		t.Error("it asks nobody")
	}
}

// A newcomer lacks what was published before it came, for as long as the others hold that. It tells
// its hash no more once it has asked in vain.
func TestNewcomerIsNotAskedByAll(t *testing.T) {
	const others = 40
	w := newWorld(t, 1, others, Config{})
	w.nodes[3].publish("t", []byte("before"))
	w.run(5*time.Second, w.all(1))
	x := w.add()
	x.s.Joined(w.Now, x.from(w.nodes[7]), 0)
	x.schedule()
	w.run(time.Second, nil)
	w.nodes[5].publish("t", []byte("after"))
	w.run(9*time.Second, nil)
	asked := 0
	w.onAsk = func(to *node) {
		if to == x {
			asked++
		}
	}
	w.run(25*time.Second, nil)
	if asked > others/4 || len(x.got) != 1 {
		t.Errorf("it was asked for its heads %d times, and has %d messages", asked, len(x.got))
	}
	w.nodes[6].publish("t", []byte("later"))
	x.publish("t", []byte("its own"))
	if _, ok := w.run(time.Second, func() bool {
		return len(x.got) == 3 &&
			len(w.nodes[0].got) == 4
	}); !ok {
		t.Errorf("it has %d of 3 messages, another one %d of 4", len(x.got), len(w.nodes[0].got))
	}
}

// Two nodes hold what all others let go, and therefore tell no heads. The others do not each ask
// them for it, and they do not ask the others again and again. Each hears no heads of others, and
// those of the other odd one now and then: that does not hide that they are odd.
func TestOddAmongThoseWithNothing(t *testing.T) {
	const others = 40
	w := newWorld(t, 1, others+2, Config{Age: 20 * time.Second})
	odd := w.nodes[:2]
	for i := range 20 {
		w.nodes[2+i].publish("t", fmt.Append(nil, i))
	}
	for _, n := range odd {
		n.s.cfg.Age = time.Hour
	}
	if _, ok := w.run(2*time.Second, w.all(20)); !ok {
		t.Fatal("not all have all")
	}
	w.run(23*time.Second, nil) // until the twenty are let go
	asked, asks := 0, odd[0].s.Stats().Syncs+odd[1].s.Stats().Syncs
	w.onAsk = func(to *node) {
		if to == odd[0] || to == odd[1] {
			asked++
		}
	}
	for range 60 {
		for _, n := range odd { // as the node tells with each of its probes
			n.s.Probed(w.Now)
			n.schedule()
		}
		w.run(probeEvery, nil)
	}
	if asked > others {
		t.Errorf("they were asked for their heads %d times", asked)
	}
	if asks = odd[0].s.Stats().Syncs + odd[1].s.Stats().Syncs - asks; asks > 20 {
		t.Errorf("they asked %d times", asks)
	}
	w.nodes[9].publish("t", []byte("later"))
	odd[0].publish("t", []byte("its own"))
	if _, ok := w.run(time.Second, w.all(22)); !ok {
		t.Error("not all have what came later")
	}
}

// What a member that is not known yet published is asked for once it is, though exchanges before
// found no reason for what differs.
func TestUnknownOriginIsAskedForOnceKnown(t *testing.T) {
	w := newWorld(t, 2, 8, Config{})
	w.publishAndSettle(3)
	x, origin := w.nodes[7], w.nodes[6]
	x.Boot()
	for _, o := range w.nodes {
		if o != origin {
			x.learn(o)
		}
	}
	origin.publish("t", []byte("of one that is not known"))
	w.run(15*time.Second, nil)
	if len(x.got) != 3 {
		t.Fatalf("it has %d messages", len(x.got))
	}
	x.learn(origin)
	m, _ := x.Members.Get(origin.ID())
	x.s.Changed(w.Now, member.Member{}, m)
	x.schedule()
	if _, ok := w.run(3*time.Second, func() bool { return len(x.got) == 4 }); !ok {
		t.Error("it does not get the message")
	}
}

// Nodes that came in since begin a stream where it was then, and hold nothing of what another one
// lacks. All three tell the same hash. That an exchange with one of them found no reason for what
// differs does not explain the hash of the other one.
func TestSameHashForAnotherReason(t *testing.T) {
	w := newWorld(t, 3, 2, Config{})
	holder, cut := w.nodes[0], w.nodes[1]
	w.Cut = func(from, to *node) bool {
		return from == holder && to == cut || from == cut && to == holder
	}
	holder.publish("t", []byte("while it is cut off"))
	w.run(3*time.Second, nil)
	for range 2 {
		x := w.add()
		x.s.Joined(w.Now, x.from(holder), 0)
		x.schedule()
	}
	w.run(20*time.Second, nil)
	if len(cut.got) > 0 || len(w.nodes[2].got) > 0 || !holder.s.odd {
		t.Fatal("the newcomers got what was before them, or the one that has it is not odd")
	}
	w.Cut = nil
	if took, ok := w.run(10*time.Second, func() bool { return len(cut.got) > 0 }); !ok {
		t.Errorf("the message did not come within %v", took)
	}
}
