package inquest

import (
	"testing"
	"time"

	"github.com/starling-gossip/starling/internal/gossip/member"
	"github.com/starling-gossip/starling/internal/gossip/mono"
	"github.com/starling-gossip/starling/internal/gossip/plane"
	"github.com/starling-gossip/starling/internal/gossip/wire"
)

// The parts of a detector, each without the others.

// docketOf is a docket that holds what it was handed.
type docketOf struct {
	peers  []plane.Peer
	firsts []uint32
}

func (d *docketOf) accuse(now mono.Time, p plane.Peer, since mono.Time) bool {
	return d.accuseFor(now, p, since, 0)
}

func (d *docketOf) accuseFor(_ mono.Time, p plane.Peer, _ mono.Time, first uint32) bool {
	d.peers, d.firsts = append(d.peers, p), append(d.firsts, first)
	return true
}

// The watch hands over a member that does not answer, once, under the sequence of its ping, and one
// that breaks a promise; of an answer nothing is handed over.
func TestWatchHandsOver(t *testing.T) {
	x := newWorld(t, 3, 1, Config{}).nodes[0]
	now := x.w.Now
	w := watch{env: &x.d.env, tick: now, turn: -1}
	for range 2 {
		w.begin(now)
	}
	w.ping(now)
	w.ping(now)
	if len(w.watched) != 2 {
		t.Fatalf("%d are watched", len(w.watched))
	}
	lost := w.watched[1]
	w.acked(now.Add(time.Millisecond), w.watched[0].peer, w.watched[0].seq, false)
	var missed docketOf
	for range 2 {
		w.missAcks(now.Add(2*time.Second), &missed)
	}
	if len(missed.peers) != 1 || missed.peers[0] != lost.peer || missed.firsts[0] != lost.seq {
		t.Errorf("%v are missed under %v, want %v under %d", missed.peers, missed.firsts, lost.peer,
			lost.seq)
	}
	missed = docketOf{}
	w.promised(now, x.w.peer(2), time.Second, false)
	w.missPings(now.Add(time.Second), &missed)
	if len(missed.peers) > 0 {
		t.Error("a promise is broken before its time")
	}
	w.missPings(now.Add(3*time.Second), &missed)
	if len(missed.peers) != 1 || missed.peers[0] != x.w.peer(2) {
		t.Errorf("%v broke their promises", missed.peers)
	}
}

// Of what a zone holds of another the highest number is the truth; a node that is told a lower one
// tells its own soon. Nothing is believed of the own zone, from another zone, or over the bound.
func TestSilencesTakeTheHighest(t *testing.T) {
	w := newWorldOf(t, []int{3, 3, 3}, 1, Config{})
	z := silences{env: &w.nodes[0].d.env}
	own, other := z.zoneOf(id(0)), z.zoneOf(id(4))
	third := z.zoneOf(id(8))
	for _, m := range []wire.Silence{
		{From: third, Zone: other, Count: 1},
		{From: own, Zone: own, Count: 1},
		{From: own, Zone: other, Count: 0},
		{From: own, Zone: other, Count: maxSilences + 1},
		{From: own, Zone: 0xffff, Count: 1},
	} {
		if z.told(w.Now, m) != nil || len(z.list) > 0 {
			t.Errorf("%+v is believed", m)
		}
	}
	s := z.told(w.Now, wire.Silence{From: own, Zone: other, Count: 3})
	if s == nil {
		t.Fatal("a number is no news")
	}
	s.count, s.since, s.again = 3, w.Now, w.Now.Add(tellAgain)
	if !z.on(other) || !z.waits(w.Now, id(4)) || z.waits(w.Now.Add(z.cfg.ZoneGrace), id(4)) ||
		!z.over(w.Now.Add(z.cfg.ZoneGrace), other) {
		t.Error("the zone is not silent for its grace")
	}
	if z.told(w.Now, wire.Silence{From: own, Zone: other, Count: 2}) != nil ||
		!s.finder || !s.due(w.Now.Add(time.Second)) {
		t.Error("a lower number is not answered")
	}
	if z.told(w.Now, wire.Silence{From: own, Zone: other, Count: 4}) != s {
		t.Error("a higher number is no news")
	}
}

// A node is isolated from more than half of the watched that are cut off to the next answer,
// whatever is cut off meanwhile.
func TestIsolationEndsWithAnAnswer(t *testing.T) {
	x := newWorld(t, 3, 1, Config{}).nodes[0]
	now := x.w.Now
	i := isolation{env: &x.d.env, answer: now}
	at := func(d time.Duration, cut int, want bool) {
		t.Helper()
		if i.check(now.Add(d), cut, 4); i.on != want || x.isolated != want {
			t.Errorf("after %s with %d of 4 cut off: isolated %t, told %t", d, cut, i.on,
				x.isolated)
		}
	}
	at(time.Second, 2, false)
	at(2*time.Second, 3, true)
	at(3*time.Second, 0, true)
	i.answer = now.Add(4 * time.Second)
	at(5*time.Second, 0, false)
}

// A member that comes and goes is granted twice as much from its second return on, at most eight
// times as much, and half of its returns are forgiven in a minute.
func TestFlapsGrant(t *testing.T) {
	f := flaps{usual: time.Second}
	now, m := mono.Time(time.Hour), member.ID(7)
	for k, want := range []time.Duration{1, 1, 2, 4, 8, 8} {
		if got := f.grace(now, m); got != want*time.Second {
			t.Errorf("after %d returns %s are granted, want %d s", k, got, want)
		}
		f.note(now, m)
	}
	if got := f.returns(now.Add(flapMemory), m); got != 3 {
		t.Errorf("%d of 6 returns count a minute later", got)
	}
	if f.grace(now, m+1) != time.Second {
		t.Error("another member is granted more")
	}
}
